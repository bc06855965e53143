-- Statements for programs that use the API. See queries.sql for the form.

-- name: insert_api_key
INSERT INTO api_keys (key_id, account_id, digest, label, created_at)
VALUES (:key_id, :account_id, :digest, :label, :created_at);

-- name: api_key
SELECT * FROM api_keys WHERE key_id = :key_id;

-- name: api_keys_of
SELECT * FROM api_keys WHERE :account_id IS NULL OR account_id = :account_id ORDER BY created_at, key_id;

-- name: revoke_api_key
UPDATE api_keys SET revoked_at = :now WHERE key_id = :key_id AND revoked_at IS NULL;

-- name: use_api_key
UPDATE api_keys SET used_at = :now WHERE key_id = :key_id;

-- name: delete_api_keys
DELETE FROM api_keys WHERE account_id = :account_id;

-- name: idempotent
SELECT request, offer_id FROM idempotent WHERE account_id = :account_id AND key = :key;

-- name: put_idempotent
INSERT INTO idempotent (account_id, key, request, offer_id, at) VALUES (:account_id, :key, :request, :offer_id, :at);

-- name: purge_idempotent
DELETE FROM idempotent WHERE at < :before;

-- name: offers_page
-- The newest first, from the one that the page before ended with.
SELECT * FROM offers
WHERE account_id = :account_id AND (:state IS NULL OR state = :state)
  AND (created_at, offer_id) < (:before_at, :before_id)
ORDER BY created_at DESC, offer_id DESC LIMIT :most;
