-- Statements for webhooks. See queries.sql for the form.

-- name: put_webhook
INSERT INTO webhooks (account_id, url, secrets, created_at) VALUES (:account_id, :url, :secrets, :now)
ON CONFLICT (account_id) DO UPDATE
SET url = excluded.url, secrets = excluded.secrets, disabled_at = NULL;

-- name: webhook
SELECT * FROM webhooks WHERE account_id = :account_id;

-- name: webhook_on
SELECT 1 FROM webhooks WHERE account_id = :account_id AND disabled_at IS NULL;

-- name: any_webhook
SELECT 1 FROM webhooks WHERE disabled_at IS NULL LIMIT 1;

-- name: disable_webhook
UPDATE webhooks SET disabled_at = :now WHERE account_id = :account_id;

-- name: delete_webhook
DELETE FROM webhooks WHERE account_id = :account_id;

-- name: put_event
INSERT INTO webhook_events (event_id, account_id, type, body, created_at, expires_at, due_at, tries, state, told)
VALUES (:event_id, :account_id, :type, :body, :now, :expires_at, :now, 0, 'waiting', '')
ON CONFLICT (event_id) DO NOTHING;

-- name: events_due
SELECT * FROM webhook_events WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at, rowid LIMIT :most;

-- name: finish_event
UPDATE webhook_events SET state = :state, body = CASE WHEN :state = 'sent' THEN x'' ELSE body END, tries = tries + 1,
    told = :told
WHERE event_id = :event_id;

-- name: delay_event
UPDATE webhook_events SET due_at = :due_at, tries = tries + 1, told = :told WHERE event_id = :event_id;

-- name: hold_events
UPDATE webhook_events SET due_at = :until WHERE account_id = :account_id AND state = 'waiting' AND due_at < :until;

-- name: drop_events
UPDATE webhook_events SET state = 'dead', told = :told WHERE account_id = :account_id AND state = 'waiting';

-- name: retry_events
UPDATE webhook_events SET state = 'waiting', due_at = :now, expires_at = :expires_at
WHERE account_id = :account_id AND state = 'dead' AND (:event_id IS NULL OR event_id = :event_id);

-- name: events_of
SELECT event_id, type, created_at, due_at, tries, state, told FROM webhook_events
WHERE account_id = :account_id AND (:state IS NULL OR state = :state) ORDER BY created_at DESC, rowid DESC LIMIT :most;

-- name: forget_event
DELETE FROM webhook_events WHERE event_id = :event_id AND state = 'waiting' AND tries = 0;

-- name: delete_events
DELETE FROM webhook_events WHERE account_id = :account_id;

-- name: purge_events
DELETE FROM webhook_events WHERE state <> 'waiting' AND created_at < :before;
