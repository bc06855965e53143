-- Every statement of the store, by name. Named parameters; the same text serves each driver where it can.

-- name: insert_account
INSERT INTO accounts
    (account_id, display_name, mode, hide, language, finds_language, cards, extra_numbers, do_not_disturb, notices_by,
     forwarding, pin_in_mail, created_at)
VALUES
    (:account_id, :display_name, :mode, :hide, :language, :finds_language, :cards, :extra_numbers, :do_not_disturb,
     :notices_by, :forwarding, :pin_in_mail, :created_at);

-- name: update_account
UPDATE accounts
SET display_name = :display_name, mode = :mode, hide = :hide, language = :language, extra_numbers = :extra_numbers,
    do_not_disturb = :do_not_disturb, notices_by = :notices_by, forwarding = :forwarding, pin_in_mail = :pin_in_mail,
    finds_language = :finds_language, cards = :cards
WHERE account_id = :account_id;

-- name: insert_address
INSERT INTO addresses (address, account_id) VALUES (:address, :account_id);

-- name: insert_destination
INSERT INTO destinations (account_id, name, position, display_name, channels, verified, channel_hours)
VALUES (:account_id, :name, :position, :display_name, :channels, :verified, :channel_hours);

-- name: verify_destination
UPDATE destinations SET verified = :verified WHERE account_id = :account_id AND name = :name;

-- name: delete_destinations
DELETE FROM destinations WHERE account_id = :account_id;

-- name: delete_addresses
DELETE FROM addresses WHERE account_id = :account_id;

-- name: delete_account
DELETE FROM accounts WHERE account_id = :account_id;

-- name: account_by_address
SELECT accounts.* FROM accounts JOIN addresses USING (account_id) WHERE address = :address;

-- name: account_by_id
SELECT * FROM accounts WHERE account_id = :account_id;

-- name: all_accounts
SELECT * FROM accounts ORDER BY display_name, account_id;

-- name: addresses_of
SELECT address FROM addresses WHERE account_id = :account_id ORDER BY rowid;

-- name: destinations_of
SELECT * FROM destinations WHERE account_id = :account_id ORDER BY position;

-- name: recipient
SELECT EXISTS (SELECT 1 FROM suppressions WHERE digest = :digest) AS suppressed,
       (SELECT channel FROM book WHERE account_id = :account_id AND address = :address) AS channel;

-- name: anybody_known
SELECT EXISTS (SELECT 1 FROM suppressions) OR EXISTS (SELECT 1 FROM book WHERE account_id = :account_id) AS known;

-- name: book_of
SELECT address, channel FROM book WHERE account_id = :account_id ORDER BY address;

-- name: put_in_book
INSERT INTO book (account_id, address, channel) VALUES (:account_id, :address, :channel)
ON CONFLICT (account_id, address) DO UPDATE SET channel = excluded.channel;

-- name: strike_from_book
DELETE FROM book WHERE account_id = :account_id AND address = :address;

-- name: delete_book
DELETE FROM book WHERE account_id = :account_id;

-- name: notes_due
-- 0: never told; above 0: asked for at that time; -1: told.
SELECT account_id, note_after AS after,
       (SELECT offeree_address FROM offers
        WHERE offers.account_id = accounts.account_id AND created_at >= note_after
        ORDER BY created_at LIMIT 1) AS recipient
FROM accounts
WHERE (note_after > 0 OR (:first AND note_after = 0))
  AND EXISTS (SELECT 1 FROM offers WHERE offers.account_id = accounts.account_id AND created_at >= note_after);

-- name: claim_note
UPDATE accounts SET note_after = -1 WHERE account_id = :account_id AND note_after = :after;

-- name: put_note
UPDATE accounts SET note_after = :after WHERE account_id = :account_id;

-- name: insert_offer
INSERT INTO offers (offer_id, account_id, fingerprint, key_id, generation, state, version, closing, created_at,
                    expires_at, uses_left, attempts_left, offeror_name, destination_name, destination,
                    offeree_address, offeree_name, offeree, language, message_id, attempt_id,
                    forwarding, holders)
VALUES (:offer_id, :account_id, :fingerprint, :key_id, 0, 'open', 0, NULL, :created_at,
        :expires_at, :uses_left, :attempts_left, :offeror_name, :destination_name, :destination,
        :offeree_address, :offeree_name, :offeree, :language, :message_id, NULL,
        :forwarding, '');

-- name: swap_offer
-- Compare and set: no row is changed where another step came first.
UPDATE offers
SET state = :state, version = :version, closing = :closing, uses_left = :uses_left,
    attempts_left = :attempts_left, attempt_id = :attempt_id, replies = :replies, has_slot = :has_slot,
    holders = :holders
WHERE offer_id = :offer_id AND version = :seen_version;

-- name: delete_untouched_offer
DELETE FROM offers WHERE offer_id = :offer_id AND version = 0;

-- name: offer_by_id
SELECT * FROM offers WHERE offer_id = :offer_id;

-- name: offer_by_fingerprint
SELECT * FROM offers WHERE fingerprint = :fingerprint;

-- name: offer_by_attempt
SELECT offers.* FROM offers JOIN attempts USING (offer_id) WHERE attempts.attempt_id = :attempt_id;

-- name: offers_in_states
SELECT * FROM offers WHERE state IN (SELECT value FROM json_each(:states)) ORDER BY created_at;

-- name: offers_overdue
SELECT * FROM offers WHERE state IN ('open', 'declined', 'booked', 'missed') AND expires_at <= :now ORDER BY expires_at LIMIT :most;

-- name: recent_offers
SELECT * FROM offers
WHERE (:account_id IS NULL OR account_id = :account_id) AND (:state IS NULL OR state = :state)
ORDER BY created_at DESC LIMIT :most;

-- name: put_attempt
INSERT INTO attempts (attempt_id, offer_id, ordinal, leg1, held, started_at, answered_at, bridged_at, ended_at, outcome,
                      cause, bridged_s, destination_first, rest, falls, again)
VALUES (:attempt_id, :offer_id, :ordinal, :leg1, :held, :started_at, :answered_at, :bridged_at, :ended_at, :outcome,
        :cause, :bridged_s, :destination_first, :rest, :falls, :again)
ON CONFLICT (attempt_id) DO UPDATE
SET answered_at = excluded.answered_at, bridged_at = excluded.bridged_at, ended_at = excluded.ended_at,
    outcome = excluded.outcome, cause = excluded.cause, bridged_s = excluded.bridged_s, again = excluded.again;

-- name: attempt_by_id
SELECT * FROM attempts WHERE attempt_id = :attempt_id;

-- name: attempts_of
SELECT * FROM attempts WHERE offer_id = :offer_id ORDER BY ordinal;

-- name: insert_history
INSERT INTO history (offer_id, at, event, state, attempt_id) VALUES (:offer_id, :at, :event, :state, :attempt_id);

-- name: history_of
SELECT at, event, state, attempt_id FROM history WHERE offer_id = :offer_id ORDER BY entry;

-- name: put_suppression
INSERT INTO suppressions (digest, since, reason) VALUES (:digest, :since, :reason) ON CONFLICT (digest) DO NOTHING;

-- name: delete_suppression
DELETE FROM suppressions WHERE digest = :digest;

-- name: suppression
SELECT since, reason FROM suppressions WHERE digest = :digest;

-- name: redirect_offer
UPDATE offers SET destination_name = :destination_name, destination = :destination WHERE offer_id = :offer_id;

-- name: set_do_not_disturb
UPDATE accounts SET do_not_disturb = :on WHERE account_id = :account_id;

-- name: do_not_disturb
SELECT 1 FROM accounts WHERE account_id = :account_id AND do_not_disturb;

-- name: insert_answer
INSERT INTO answers (offer_id, version, at, event, reason, text)
VALUES (:offer_id, :version, :at, :event, :reason, :text);

-- name: answers_of
SELECT * FROM answers WHERE offer_id = :offer_id ORDER BY version;

-- name: put_code
-- A new code takes the place of the earlier one; `asked` counts them.
INSERT INTO codes (offer_id, digest, expires_at, tries_left, asked, asked_at)
VALUES (:offer_id, :digest, :expires_at, :tries_left, 1, :now)
ON CONFLICT (offer_id) DO UPDATE
SET digest = excluded.digest, expires_at = excluded.expires_at, tries_left = excluded.tries_left,
    asked = CASE WHEN :now - codes.asked_at < :forget_s THEN codes.asked + 1 ELSE 1 END, asked_at = excluded.asked_at;

-- name: code_of
SELECT * FROM codes WHERE offer_id = :offer_id;

-- name: try_code
UPDATE codes SET tries_left = tries_left - 1 WHERE offer_id = :offer_id AND tries_left > 0 AND expires_at > :now;

-- name: spend_code
UPDATE codes SET tries_left = 0 WHERE offer_id = :offer_id;

-- name: put_notice
INSERT INTO outbox (notice_id, kind, language, content, created_at, expires_at, due_at, tries, state)
VALUES (:notice_id, :kind, :language, :content, :created_at, :expires_at, :created_at, 0, 'waiting')
ON CONFLICT (notice_id) DO NOTHING;

-- name: notices_due
SELECT * FROM outbox WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at LIMIT :most;

-- name: finish_notice
UPDATE outbox SET state = :state, content = x'', tries = tries + 1 WHERE notice_id = :notice_id;

-- name: delay_notice
UPDATE outbox SET due_at = :due_at, tries = tries + 1 WHERE notice_id = :notice_id;

-- name: purge_notices
DELETE FROM outbox WHERE state <> 'waiting' AND created_at < :before;

-- name: put_sign_in
INSERT INTO sign_ins (digest, account_id, proof, tries_left, created_at, expires_at)
VALUES (:digest, :account_id, :proof, :tries_left, :now, :expires_at);

-- name: sign_ins_since
SELECT count(*) AS count, max(created_at) AS latest FROM sign_ins WHERE account_id = :account_id AND created_at > :since;

-- name: sign_in
SELECT * FROM sign_ins WHERE digest = :digest AND expires_at > :now AND tries_left > 0;

-- name: try_sign_in
UPDATE sign_ins SET tries_left = tries_left - 1 WHERE digest = :digest;

-- name: spend_sign_in
UPDATE sign_ins SET tries_left = 0 WHERE digest = :digest;

-- name: purge_sign_ins
DELETE FROM sign_ins WHERE created_at < :before;

-- name: put_session
INSERT INTO sessions (digest, account_id, created_at, expires_at) VALUES (:digest, :account_id, :now, :expires_at);

-- name: session
SELECT account_id FROM sessions WHERE digest = :digest AND expires_at > :now;

-- name: delete_session
DELETE FROM sessions WHERE digest = :digest;

-- name: purge_sessions
DELETE FROM sessions WHERE expires_at < :now;

-- name: notice_by_id
SELECT * FROM outbox WHERE notice_id = :notice_id;

-- name: insert_delivery_note
INSERT INTO delivery_notes (key, recipient, at) VALUES (:key, :recipient, :at);

-- name: delivery_notes_of
SELECT note, recipient FROM delivery_notes WHERE key = :key ORDER BY note;

-- name: delete_delivery_note
DELETE FROM delivery_notes WHERE note = :note;

-- name: delete_old_delivery_notes
DELETE FROM delivery_notes WHERE at < :before;

-- name: count_delivery_notes
SELECT count(*) AS notes FROM delivery_notes;

-- name: put_pin
-- A PIN passes to another offer once that which had it has ended.
INSERT INTO pins (digest, offer_id, key_id, generation) VALUES (:digest, :offer_id, :key_id, :generation)
ON CONFLICT (digest) DO UPDATE
SET offer_id = excluded.offer_id, key_id = excluded.key_id, generation = excluded.generation;

-- name: offer_id_of_pin
SELECT offer_id FROM pins JOIN offers USING (offer_id)
WHERE digest = :digest AND state NOT IN (SELECT value FROM json_each(:ended));

-- name: pin_of_offer
SELECT key_id, generation FROM pins WHERE offer_id = :offer_id;

-- name: put_slot
-- `waits`: it is booked, and its time has not come.
INSERT INTO slots (offer_id, waits, start, minutes, zone, leg1, destination_first, mail, sequence, attempt_id, missed)
VALUES (:offer_id, :waits, :start, :minutes, :zone, :leg1, :destination_first, :mail, :sequence, :attempt_id, :missed)
ON CONFLICT (offer_id) DO UPDATE
SET waits = excluded.waits, start = excluded.start, minutes = excluded.minutes, zone = excluded.zone,
    leg1 = excluded.leg1, destination_first = excluded.destination_first, mail = excluded.mail,
    sequence = excluded.sequence, attempt_id = excluded.attempt_id, missed = excluded.missed;

-- name: delete_slot
DELETE FROM slots WHERE offer_id = :offer_id;

-- name: slot_of
SELECT * FROM slots WHERE offer_id = :offer_id;

-- name: slots_due
SELECT offer_id, start FROM slots WHERE waits = 1 AND start <= :now ORDER BY start, sequence LIMIT :most;

-- name: slots_between
-- What is promised, and what is being rung: a call holds its line and its destination for as long as its slot lasts.
SELECT start, minutes, count(*) AS every,
       sum(account_id = :account_id AND destination_name = :destination_name) AS own
FROM slots JOIN offers USING (offer_id)
WHERE start > :after AND start < :before AND missed IS NULL AND offer_id <> :offer_id
GROUP BY start, minutes;

-- name: count_in_states
SELECT count(*) AS offers FROM offers WHERE state IN (SELECT value FROM json_each(:states));

-- name: set_hours
UPDATE accounts SET hours = :hours, time_zone = :time_zone, rings_first = :rings_first WHERE account_id = :account_id;

-- name: account_by_extension
SELECT accounts.* FROM accounts JOIN extensions USING (account_id) WHERE extension = :extension;

-- name: extensions_of
SELECT extension FROM extensions WHERE account_id = :account_id ORDER BY rowid;

-- name: insert_extension
INSERT INTO extensions (extension, account_id) VALUES (:extension, :account_id);

-- name: delete_extensions
DELETE FROM extensions WHERE account_id = :account_id;

-- name: accounts_by_caller
SELECT accounts.* FROM accounts JOIN caller_ids USING (account_id) WHERE digest = :digest;

-- name: accounts_without_caller_ids
SELECT * FROM accounts WHERE account_id NOT IN (SELECT account_id FROM caller_ids);

-- name: insert_caller_id
INSERT INTO caller_ids (digest, account_id) VALUES (:digest, :account_id);

-- name: delete_caller_ids
DELETE FROM caller_ids WHERE account_id = :account_id;

-- name: insert_missed_call
INSERT INTO missed_calls (call_id, at, callee_id, caller, made, offer_id, caller_id)
VALUES (:call_id, :at, :callee_id, :caller, :made, :offer_id, :caller_id);

-- name: missed_call
SELECT * FROM missed_calls WHERE call_id = :call_id;

-- name: missed_calls_of_offer
SELECT count(*) AS calls FROM missed_calls WHERE offer_id = :offer_id;

-- name: open_offer_for_call
-- The offer that an earlier call of the same caller to the same party led to, while it may still be accepted.
SELECT offer_id FROM missed_calls JOIN offers USING (offer_id)
WHERE callee_id = :callee_id AND caller = :caller AND expires_at > :now
  AND state NOT IN (SELECT value FROM json_each(:over))
ORDER BY at DESC LIMIT 1;

-- name: missed_calls_since
-- How many messages these calls have led to, of one caller (to anybody) and to one party (of anybody).
SELECT count(*) FILTER (WHERE caller = :caller) AS by_caller, count(*) FILTER (WHERE callee_id = :callee_id) AS to_callee,
       count(*) FILTER (WHERE callee_id = :callee_id AND caller = :caller) AS of_pair
FROM missed_calls WHERE at > :since AND made IN ('offered', 'noted');

-- name: purge_missed_calls
DELETE FROM missed_calls WHERE at < :before AND (offer_id IS NULL OR offer_id NOT IN (SELECT offer_id FROM offers));

-- name: put_chat_address
INSERT INTO chat_addresses (account_id, address) VALUES (:account_id, :address)
ON CONFLICT (account_id) DO UPDATE SET address = excluded.address;

-- name: delete_chat_address
DELETE FROM chat_addresses WHERE account_id = :account_id;

-- name: chat_address_of
SELECT chat_addresses.address FROM chat_addresses JOIN addresses USING (account_id) WHERE addresses.address = :mail;

-- name: chat_addresses
SELECT address FROM chat_addresses ORDER BY address;

-- name: all_addresses
SELECT address FROM addresses ORDER BY address;

-- name: put_chat
INSERT INTO chats (offer_id, reader, thread, at, asked, asked_at) VALUES (:offer_id, :reader, :thread, :at, '', 0.0)
ON CONFLICT (offer_id, reader) DO UPDATE SET thread = excluded.thread, at = excluded.at;

-- name: chats_of
SELECT offer_id, thread, at, asked, asked_at FROM chats WHERE reader = :reader AND at > :since
ORDER BY at DESC, offer_id LIMIT :most;

-- name: ask_in_chat
UPDATE chats SET asked = :asked, asked_at = :at WHERE offer_id = :offer_id AND reader = :reader;

-- name: purge_chats
DELETE FROM chats WHERE at < :before;
