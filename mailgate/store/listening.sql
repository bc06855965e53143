-- Devices that listen, and by which networks accounts are told.

-- name: insert_device
INSERT INTO devices (device_id, account_id, name, digest, created_at, seen_at, url, key)
VALUES (:device_id, :account_id, :name, :digest, :created_at, NULL, :url, :key);

-- name: device_by_digest
SELECT * FROM devices WHERE digest = :digest;

-- name: devices_of
SELECT * FROM devices WHERE account_id = :account_id ORDER BY created_at, device_id;

-- name: device_of
SELECT device_id FROM devices WHERE device_id = :device_id AND account_id = :account_id;

-- name: devices_to_call
SELECT * FROM devices WHERE url <> '' ORDER BY device_id;

-- name: device_ids
SELECT device_id FROM devices;

-- name: device_seen
UPDATE devices SET seen_at = :at WHERE device_id = :device_id;

-- name: delete_device
DELETE FROM devices WHERE device_id = :device_id AND account_id = :account_id;

-- name: delete_devices
DELETE FROM devices WHERE account_id = :account_id;

-- name: put_networks
INSERT INTO told_by (account_id, networks, quiet_hours, quiet_zone) VALUES (:account_id, :networks, '', '')
ON CONFLICT (account_id) DO UPDATE SET networks = excluded.networks;

-- name: put_quiet_hours
INSERT INTO told_by (account_id, networks, quiet_hours, quiet_zone) VALUES (:account_id, '', :hours, :zone)
ON CONFLICT (account_id) DO UPDATE SET quiet_hours = excluded.quiet_hours, quiet_zone = excluded.quiet_zone;

-- name: told_by
SELECT * FROM told_by WHERE account_id = :account_id;

-- name: networks_of_address
SELECT networks FROM told_by JOIN addresses USING (account_id) WHERE address = :address;

-- name: delete_told_by
DELETE FROM told_by WHERE account_id = :account_id;

-- name: offers_waiting_for
-- Not what was declined: who said no is not asked again. The index holds these states, so that they stand here as there.
SELECT * FROM offers
WHERE lower(offeree_address) = :address AND state IN ('open', 'declined', 'booked', 'missed') AND state <> 'declined'
  AND expires_at > :now
ORDER BY created_at DESC LIMIT :most;

-- name: set_way
UPDATE outbox SET way = :way WHERE notice_id = :notice_id;

-- name: notice_state
SELECT state, way, tries FROM outbox WHERE notice_id = :notice_id;

-- name: made_since
-- Offers that the account has made by hand: each has its notice in the outbox.
SELECT count(*) AS count FROM offers JOIN outbox ON outbox.notice_id = offers.offer_id || '.offered'
WHERE offers.account_id = :account_id AND offers.created_at > :since;
