-- Subscriptions of devices to their browsers' push services.

-- name: put_push
INSERT INTO pushes (device_id, account_id, endpoint, subscription, created_at)
VALUES (:device_id, :account_id, :endpoint, :subscription, :created_at)
ON CONFLICT (device_id) DO UPDATE SET endpoint = excluded.endpoint, subscription = excluded.subscription;

-- name: delete_push_elsewhere
-- A browser that somebody else had used before: it is pushed to for its present user alone.
DELETE FROM pushes WHERE endpoint = :endpoint AND device_id <> :device_id;

-- name: pushes_of_address
SELECT pushes.* FROM pushes JOIN addresses USING (account_id) WHERE address = :address ORDER BY pushes.created_at;

-- name: pushes_of
SELECT device_id FROM pushes WHERE account_id = :account_id;

-- name: delete_push
DELETE FROM pushes WHERE device_id = :device_id;

-- name: delete_pushes
DELETE FROM pushes WHERE account_id = :account_id;

-- name: push_account_of
SELECT account_id FROM pushes JOIN addresses USING (account_id) WHERE address = :address LIMIT 1;
