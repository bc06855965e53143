"""The tables of the SQLite store, as a list of migrations that only grows.

Times are UNIX seconds. What can be dialled is sealed (see seal.py); tokens are kept as fingerprints only.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("mailgate")


@MIGRATIONS()
def accounts(db: Database) -> None:
    db.table("accounts").create(
        {
            "account_id": str,
            "display_name": str,
            "mode": str,
            "hide": str,
            "language": str,
            "extra_numbers": bytes,
            "created_at": float,
        },
        pk="account_id",
        not_null={"display_name", "mode", "hide", "language", "created_at"},
        strict=True,
    )
    db.table("addresses").create(
        {"address": str, "account_id": str},
        pk="address",
        not_null={"account_id"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("addresses").create_index(["account_id"])
    db.table("destinations").create(
        {"account_id": str, "name": str, "position": int, "display_name": str, "channels": bytes},
        pk=("account_id", "name"),
        not_null={"position", "display_name", "channels"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )


@MIGRATIONS()
def offers(db: Database) -> None:
    db.table("offers").create(
        {
            "offer_id": str,
            "account_id": str,
            "fingerprint": bytes,
            "key_id": str,
            "generation": int,
            "state": str,
            "version": int,
            "closing": str,
            "created_at": float,
            "expires_at": float,
            "uses_left": int,
            "attempts_left": int,
            "offeror_name": str,
            "destination_name": str,
            "destination": bytes,
            "offeree_address": str,
            "language": str,
            "message_id": str,
            "attempt_id": str,
        },
        pk="offer_id",
        not_null={"account_id", "fingerprint", "state", "version", "created_at", "expires_at", "destination"},
        strict=True,
    )
    db.table("offers").create_index(["fingerprint"], unique=True)
    db.table("offers").create_index(["account_id", "created_at"])
    # the few that are in a call, and those whose time is over, are found without a walk through all
    db.table("offers").create_index(["state", "expires_at"])
    db.table("attempts").create(
        {
            "attempt_id": str,
            "offer_id": str,
            "ordinal": int,
            "leg1": bytes,
            "started_at": float,
            "answered_at": float,
            "bridged_at": float,
            "ended_at": float,
            "outcome": str,
            "cause": int,
            "bridged_s": float,
        },
        pk="attempt_id",
        not_null={"offer_id", "ordinal", "leg1", "started_at"},
        foreign_keys=[("offer_id", "offers", "offer_id")],
        strict=True,
    )
    db.table("attempts").create_index(["offer_id", "ordinal"], unique=True)
    db.table("history").create(
        {"entry": int, "offer_id": str, "at": float, "event": str, "state": str, "attempt_id": str},
        pk="entry",
        not_null={"offer_id", "at", "event", "state"},
        strict=True,
    )
    db.table("history").create_index(["offer_id"])


@MIGRATIONS()
def suppressions(db: Database) -> None:
    db.table("suppressions").create(
        {"digest": bytes, "since": float, "reason": str},
        pk="digest",
        not_null={"since", "reason"},
        strict=True,
    )


@MIGRATIONS()
def answers(db: Database) -> None:
    db.table("offers").add_column("replies", int, not_null_default=0)
    db.table("accounts").add_column("do_not_disturb", int, not_null_default=0)
    db.table("answers").create(
        {"offer_id": str, "version": int, "at": float, "event": str, "reason": str, "text": bytes},
        pk=("offer_id", "version"),
        not_null={"at", "event", "text"},
        strict=True,
    )
    db.table("codes").create(
        {
            "offer_id": str,
            "digest": bytes,
            "expires_at": float,
            "tries_left": int,
            "asked": int,
            "asked_at": float,
        },
        pk="offer_id",
        not_null={"digest", "expires_at", "tries_left", "asked", "asked_at"},
        strict=True,
    )


@MIGRATIONS()
def outbox(db: Database) -> None:
    db.table("outbox").create(
        {
            "notice_id": str,
            "kind": str,
            "language": str,
            "content": bytes,
            "created_at": float,
            "expires_at": float,
            "due_at": float,
            "tries": int,
            "state": str,
        },
        pk="notice_id",
        not_null={"kind", "language", "content", "created_at", "expires_at", "due_at", "tries", "state"},
        strict=True,
    )
    db.table("outbox").create_index(["state", "due_at"])


@MIGRATIONS()
def sign_ins(db: Database) -> None:
    db.table("sign_ins").create(
        {
            "digest": bytes,
            "account_id": str,
            "proof": bytes,
            "tries_left": int,
            "created_at": float,
            "expires_at": float,
        },
        pk="digest",
        not_null={"account_id", "proof", "tries_left", "created_at", "expires_at"},
        strict=True,
    )
    db.table("sign_ins").create_index(["account_id", "created_at"])
    db.table("sessions").create(
        {"digest": bytes, "account_id": str, "created_at": float, "expires_at": float},
        pk="digest",
        not_null={"account_id", "created_at", "expires_at"},
        strict=True,
    )


@MIGRATIONS()
def delivery_notes(db: Database) -> None:
    """What was delivered where a client was told to try the whole message again (see smtp_hooks/split.py)."""
    db.table("delivery_notes").create(
        {"note": int, "key": bytes, "recipient": str, "at": float},
        pk="note",
        not_null={"key", "recipient", "at"},
        strict=True,
    )
    db.table("delivery_notes").create_index(["key"])


@MIGRATIONS()
def offerees(db: Database) -> None:
    """Numbers of offerees that the offeror gives: an address book, and what went into an offer."""
    db.table("book").create(
        {"account_id": str, "address": str, "channel": bytes},
        pk=("account_id", "address"),
        not_null={"channel"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("offers").add_column("offeree", bytes)


@MIGRATIONS()
def pins(db: Database) -> None:
    db.table("pins").create(
        {"digest": bytes, "offer_id": str, "key_id": str, "generation": int},
        pk="digest",
        not_null={"offer_id", "key_id", "generation"},
        strict=True,
    )
    db.table("pins").create_index(["offer_id"])


@MIGRATIONS()
def sender_notes(db: Database) -> None:
    """When a sender is told that a message went out with an offer: see the query `notes_due`."""
    db.table("accounts").add_column("note_after", float, not_null_default=0.0)


@MIGRATIONS()
def slots(db: Database) -> None:
    """Times at which offerees have asked to be called, and when offerors may be."""
    db.table("slots").create(
        {
            "offer_id": str,
            "waits": int,
            "start": float,
            "minutes": int,
            "zone": str,
            "leg1": bytes,
            "destination_first": int,
            "mail": int,
            "sequence": int,
            "attempt_id": str,
            "missed": str,
        },
        pk="offer_id",
        not_null={"waits", "start", "minutes", "zone", "leg1", "destination_first", "mail", "sequence", "attempt_id"},
        foreign_keys=[("offer_id", "offers", "offer_id")],
        strict=True,
    )
    db.table("slots").create_index(["waits", "start"])
    db.table("slots").create_index(["start"])
    db.table("offers").add_column("has_slot", int, not_null_default=0)
    db.table("attempts").add_column("destination_first", int, not_null_default=0)
    db.table("accounts").add_column("hours", str, not_null_default="")
    db.table("accounts").add_column("time_zone", str, not_null_default="")
    db.table("accounts").add_column("rings_first", int, not_null_default=0)


@MIGRATIONS()
def missed_calls(db: Database) -> None:
    """Ordinary calls that failed (the caller as a keyed digest), who can be called, and callers who wait."""
    db.table("extensions").create(
        {"extension": str, "account_id": str},
        pk="extension",
        not_null={"account_id"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("extensions").create_index(["account_id"])
    db.table("caller_ids").create(
        {"digest": bytes, "account_id": str},
        pk=("digest", "account_id"),
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("caller_ids").create_index(["account_id"])
    db.table("missed_calls").create(
        {
            "call_id": str,
            "at": float,
            "callee_id": str,
            "caller": bytes,
            "made": str,
            "offer_id": str,
            "caller_id": str,  # the caller's account, where there is one
        },
        pk="call_id",
        not_null={"at", "callee_id", "caller", "made"},
        strict=True,
    )
    db.table("missed_calls").create_index(["callee_id", "caller", "at"])
    db.table("missed_calls").create_index(["at"])
    db.table("missed_calls").create_index(["offer_id"])
    db.table("accounts").add_column("notices_by", str, not_null_default="mail")
    db.table("offers").add_column("offeree_name", str, not_null_default="")
    db.table("attempts").add_column("held", bytes)


@MIGRATIONS()
def forwarding(db: Database) -> None:
    """Who may take up an offer that was passed on, and which channels of a destination may ring."""
    db.table("offers").add_column("forwarding", str, not_null_default="bind")
    db.table("offers").add_column("holders", str, not_null_default="")
    db.table("accounts").add_column("forwarding", str)
    # what is there was entered by an administrator, who vouched for it by that
    db.table("destinations").add_column("verified", str, not_null_default="all")


@MIGRATIONS()
def programs(db: Database) -> None:
    """Keys of programs that use the API, and which request made which offer."""
    db.table("api_keys").create(
        {
            "key_id": str,
            "account_id": str,
            "digest": bytes,
            "label": str,
            "created_at": float,
            "used_at": float,
            "revoked_at": float,
        },
        pk="key_id",
        not_null={"account_id", "digest", "label", "created_at"},
        strict=True,
    )
    db.table("api_keys").create_index(["account_id"])
    db.table("idempotent").create(
        {"account_id": str, "key": bytes, "request": bytes, "offer_id": str, "at": float},
        pk=("account_id", "key"),
        not_null={"request", "offer_id", "at"},
        strict=True,
    )
    db.table("idempotent").create_index(["at"])


@MIGRATIONS()
def webhooks(db: Database) -> None:
    """Where an account's events go, and the events that wait, were sent or are dead."""
    db.table("webhooks").create(
        {"account_id": str, "url": bytes, "secrets": bytes, "created_at": float, "disabled_at": float},
        pk="account_id",
        not_null={"url", "secrets", "created_at"},
        strict=True,
    )
    db.table("webhook_events").create(
        {
            "event_id": str,
            "account_id": str,
            "type": str,
            "body": bytes,
            "created_at": float,
            "expires_at": float,
            "due_at": float,
            "tries": int,
            "state": str,
            "told": str,
        },
        pk="event_id",
        not_null={
            "account_id",
            "type",
            "body",
            "created_at",
            "expires_at",
            "due_at",
            "tries",
            "state",
            "told",
        },
        strict=True,
    )
    db.table("webhook_events").create_index(["state", "due_at"])
    db.table("webhook_events").create_index(["account_id", "created_at"])


@MIGRATIONS()
def found_languages_and_cards(db: Database) -> None:
    """The language is that of each message; numbers are taken out of attached vCards too."""
    for column in ("finds_language", "cards"):
        db.table("accounts").add_column(column, int, not_null_default=0)


@MIGRATIONS()
def chats(db: Database) -> None:
    """Where accounts are reached by instant messages, and which offers went there (the reader as a keyed digest)."""
    db.table("chat_addresses").create(
        {"account_id": str, "address": str},
        pk="account_id",
        not_null={"address"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("chat_addresses").create_index(["address"], unique=True)
    db.table("chats").create(
        {"offer_id": str, "reader": bytes, "thread": str, "at": float, "asked": str, "asked_at": float},
        pk=("offer_id", "reader"),
        not_null={"thread", "at", "asked", "asked_at"},
        strict=True,
    )
    db.table("chats").create_index(["reader", "at"])


@MIGRATIONS()
def listening(db: Database) -> None:
    """Devices that listen (their keys as digests), how accounts are told of things, by which way each notice went."""
    db.table("devices").create(
        {
            "device_id": str,
            "account_id": str,
            "name": str,
            "digest": bytes,
            "created_at": float,
            "seen_at": float,
            "url": str,  # of a device that the gateway connects to; its key is sealed then, too
            "key": bytes,
        },
        pk="device_id",
        not_null={"account_id", "name", "digest", "created_at", "url"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("devices").create_index(["digest"], unique=True)
    db.table("devices").create_index(["account_id"])
    db.table("told_by").create(
        {"account_id": str, "networks": str, "quiet_hours": str, "quiet_zone": str},
        pk="account_id",
        not_null={"networks", "quiet_hours", "quiet_zone"},
        foreign_keys=[("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("outbox").add_column("way", str, not_null_default="")
    db.execute(
        "CREATE INDEX idx_offers_waiting_for ON offers (lower(offeree_address))"
        " WHERE state IN ('open', 'declined', 'booked', 'missed')"
    )


@MIGRATIONS()
def pushes(db: Database) -> None:
    """Devices' subscriptions to push services, sealed; the endpoint as a keyed digest."""
    db.table("pushes").create(
        {"device_id": str, "account_id": str, "endpoint": bytes, "subscription": bytes, "created_at": float},
        pk="device_id",
        not_null={"account_id", "endpoint", "subscription", "created_at"},
        foreign_keys=[("device_id", "devices", "device_id"), ("account_id", "accounts", "account_id")],
        strict=True,
    )
    db.table("pushes").create_index(["endpoint"], unique=True)
    db.table("pushes").create_index(["account_id"])


@MIGRATIONS()
def pins_in_mail(db: Database) -> None:
    """Whether an account's messages show the PIN; NULL: as the gateway says."""
    db.table("accounts").add_column("pin_in_mail", int)
