"""Every decision and its reason; nobody can forge "already passed"."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.envelope import Envelope, Recipient
from smtp_hooks.policy import (
    Facts,
    Invite,
    Mode,
    Pass,
    PassReason,
    Sender,
    ShareBy,
    decide,
    read_by_a_person,
    refuse_exposed,
)
from smtp_hooks.tags import Wish
from smtp_hooks.trace import passed, stamp

KEY, OLD_KEY = bytes(range(32)), bytes(32)
FACTS = Facts(trace_keys=(KEY, OLD_KEY), own_domains=frozenset(("example.org",)))
ADA = Sender(display_name="Ada Example", numbers=("+33199001234",))
HEAD = b"From: Ada <ada@example.org>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"


def envelope(*recipients: str, reverse_path: str = "ada@example.org") -> Envelope:
    return Envelope(reverse_path=reverse_path, recipients=tuple(Recipient(address=r) for r in recipients))


def message(*fields: bytes) -> bytes:
    return HEAD + b"".join(f + b"\r\n" for f in fields) + b"\r\nHello.\r\n"


TO_BEN = envelope("ben@example.net")


def test_an_ordinary_message_invites_its_recipients() -> None:
    both = envelope("ben@example.net", "no-reply@example.net", "cleo@example.net")
    assert decide(both, message(), ADA, FACTS) == Invite((both.recipients[0], both.recipients[2]))


@pytest.mark.parametrize(
    ("fields", "sender", "reason"),
    [
        ((), None, PassReason.NO_ACCOUNT),
        ((), Sender(display_name="Ada", mode=Mode.NEVER), PassReason.MODE_NEVER),
        ((), Sender(display_name="Ada", mode=Mode.ON_REQUEST), PassReason.NOT_REQUESTED),
        ((b"Auto-Submitted: auto-replied",), ADA, PassReason.AUTO_SUBMITTED),
        ((b"auto-submitted:\r\n auto-generated; x=y",), ADA, PassReason.AUTO_SUBMITTED),
        ((b"Precedence: bulk",), ADA, PassReason.LIST_MAIL),
        ((b"Precedence: LIST",), ADA, PassReason.LIST_MAIL),
        ((b"List-Id: <news.example.org>",), ADA, PassReason.LIST_MAIL),
        ((b"List-Unsubscribe: <mailto:x@example.org>",), ADA, PassReason.LIST_MAIL),
        ((b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=a; b=x",), ADA, PassReason.FOREIGN_SIGNATURE),
        ((b"DKIM-Signature: v=1; d=notexample.org; b=x",), ADA, PassReason.FOREIGN_SIGNATURE),
    ],
)
def test_what_speaks_against_an_offer(fields: tuple[bytes, ...], sender: Sender | None, reason: PassReason) -> None:
    assert decide(TO_BEN, message(*fields), sender, FACTS) == Pass(reason)


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ((b"Auto-Submitted: no",), Mode.ALWAYS),
        ((b"Auto-Submitted: no (really)",), Mode.ALWAYS),
        ((b"Precedence: first-class",), Mode.ALWAYS),
        ((b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; b=x",), Mode.ALWAYS),
        ((b"DKIM-Signature: v=1; d=mail.example.org; b=x",), Mode.ALWAYS),
        ((b"Subject: Auto-Submitted: yes",), Mode.ALWAYS),
    ],
)
def test_what_does_not(fields: tuple[bytes, ...], mode: Mode) -> None:
    sender = Sender(display_name="Ada", mode=mode)
    assert decide(TO_BEN, message(*fields), sender, FACTS) == Invite(TO_BEN.recipients)


ON_REQUEST, NEVER = Sender(display_name="Ada", mode=Mode.ON_REQUEST), Sender(display_name="Ada", mode=Mode.NEVER)


@pytest.mark.parametrize(
    ("wish", "sender", "reason"),
    [
        (Wish(), ADA, None),
        (Wish(), ON_REQUEST, PassReason.NOT_REQUESTED),
        (Wish(wanted=True), ON_REQUEST, None),
        (Wish(wanted=True, destination="support", ttl_s=60), ON_REQUEST, None),
        (Wish(wanted=True), NEVER, PassReason.MODE_NEVER),
        (Wish(wanted=False), ADA, PassReason.DECLINED_BY_SENDER),
        (Wish(wanted=False), ON_REQUEST, PassReason.DECLINED_BY_SENDER),
        (Wish(wanted=False, unclear=True), ADA, PassReason.DECLINED_BY_SENDER),
        (Wish(wanted=True, unclear=True), ADA, PassReason.UNCLEAR_WISH),
    ],
)
def test_account_and_sender_decide_together(wish: Wish, sender: Sender, reason: PassReason | None) -> None:
    assert decide(TO_BEN, message(), sender, FACTS, wish) == (
        Pass(reason) if reason else Invite(TO_BEN.recipients, wish)
    )


@pytest.mark.parametrize("fields", [(b"Auto-Submitted: auto-replied",), (b"List-Id: x",), (b"Precedence: bulk",)])
def test_a_wish_makes_no_offer_of_what_never_gets_one(fields: tuple[bytes, ...]) -> None:
    assert isinstance(decide(TO_BEN, message(*fields), ADA, FACTS, Wish(wanted=True)), Pass)


def test_another_domain_s_signature_counts_before_everything_since_nothing_may_be_changed() -> None:
    signed = message(b"List-Id: x", b"DKIM-Signature: v=1; d=other.example; b=x")
    assert decide(TO_BEN, signed, NEVER, FACTS, Wish(wanted=False)) == Pass(PassReason.FOREIGN_SIGNATURE)


@pytest.mark.parametrize(
    ("colleagues", "address", "is_one"),
    [
        ({"example.net"}, "ben@example.net", True),
        ({"example.net"}, "Ben@Mail.Example.NET", True),
        ({"example.net"}, "ben@notexample.net", False),
        ({"net"}, "ben@example.net", True),
        ({"ben@example.net"}, "BEN@example.net", True),
        ({"ben@example.net"}, "carla@example.net", False),
        ({"mail.example.net"}, "ben@example.net", False),
    ],
)
def test_colleagues_get_none(colleagues: set[str], address: str, is_one: bool) -> None:
    decision = decide(envelope(address), message(), ADA, replace(FACTS, colleagues=frozenset(colleagues)))
    assert decision == (Pass(PassReason.COLLEAGUE) if is_one else Invite(envelope(address).recipients))


def test_who_asked_for_no_more_gets_none_and_the_others_do() -> None:
    both = envelope("ben@example.net", "carla@example.net")
    decision = decide(both, message(), ADA, FACTS, suppressed=frozenset({"ben@example.net"}))
    assert decision == Invite(both.recipients[1:])
    assert decide(TO_BEN, message(), ADA, FACTS, suppressed=frozenset({"ben@example.net"})) == Pass(
        PassReason.SUPPRESSED
    )


def test_configured_addresses_are_read_by_nobody() -> None:
    facts = replace(FACTS, nobody=("*@tickets.example.net", "sales-*@*"))
    for address in ("X1@Tickets.example.net", "sales-eu@example.com"):
        assert decide(envelope(address), message(), ADA, facts) == Pass(PassReason.NOBODY_READS)
    assert isinstance(decide(TO_BEN, message(), ADA, facts), Invite)


class TestShare:
    @pytest.mark.parametrize("by", list(ShareBy))
    def test_about_so_many_take_part_and_a_larger_share_only_adds(self, by: ShareBy) -> None:
        def part(percent: float) -> set[int]:
            facts = replace(FACTS, share_percent=percent, share_by=by)
            found = set()
            for n in range(1000):
                account = n if by is ShareBy.ACCOUNT else 0
                to = envelope(f"p{n}@example.net" if by is ShareBy.RECIPIENT else "ben@example.net")
                sender = Sender(display_name="Ada", account_id=f"a{account}")
                if isinstance(decide(to, message(), sender, facts), Invite):
                    found.add(n)
            return found

        few, many = part(20), part(60)
        assert 150 < len(few) < 250 and 540 < len(many) < 660
        assert few < many
        assert part(0) == set() and len(part(100)) == 1000

    def test_whoever_is_outside_gets_a_name(self) -> None:
        assert decide(TO_BEN, message(), ADA, replace(FACTS, share_percent=0)) == Pass(PassReason.OUTSIDE_SHARE)


def test_fields_in_the_body_mean_nothing() -> None:
    assert decide(TO_BEN, HEAD + b"\r\nList-Id: <x>\r\nAuto-Submitted: yes\r\n", ADA, FACTS) == Invite(
        TO_BEN.recipients
    )


def test_the_first_field_of_a_message_counts() -> None:
    assert decide(TO_BEN, b"List-Id: x\r\n" + message(), ADA, FACTS) == Pass(PassReason.LIST_MAIL)


def test_the_null_reverse_path_gets_no_offer() -> None:
    assert decide(envelope("ben@example.net", reverse_path=""), message(), ADA, FACTS) == Pass(
        PassReason.NULL_REVERSE_PATH
    )


@pytest.mark.parametrize(
    "address",
    [
        "no-reply@example.net",
        "noreply@example.net",
        "No.Reply@example.net",
        "donotreply+x@example.net",
        "do-not-reply@example.net",
        "news-noreply@example.net",
        "ne-pas-repondre@example.net",
        "MAILER-DAEMON@example.net",
        "postmaster@example.net",
        "bounces+ada=example.org@example.net",
        "friends-request@example.net",
        "owner-friends@example.net",
        "friends@lists.example.net",
        "friends@googlegroups.com",
        "notifications@example.net",
        "reply+0123456789abcdef0123@reply.example.net",
    ],
)
def test_nobody_reads(address: str) -> None:
    assert not read_by_a_person(address)
    assert decide(envelope(address), message(), ADA, FACTS) == Pass(PassReason.NOBODY_READS)


@pytest.mark.parametrize(
    "address",
    [
        "ben@example.net",
        "reply@example.net",
        "norepo@example.net",
        "lisa@listen.example",
        "info@example.net",
        "o'x@a.b",
    ],
)
def test_somebody_reads(address: str) -> None:
    assert read_by_a_person(address)


class TestTrace:
    def test_a_stamped_message_has_passed(self) -> None:
        stamped = stamp(message(), KEY) + message()
        assert decide(TO_BEN, stamped, ADA, FACTS) == Pass(PassReason.ALREADY_PASSED)
        assert passed(stamp(message(), OLD_KEY) + message(), FACTS.trace_keys)

    def test_it_holds_when_fields_are_folded_and_added(self) -> None:
        later = stamp(message(), KEY) + message(b"Received: by mx").replace(b"From: Ada <", b"from:  Ada\r\n\t<")
        assert passed(later, FACTS.trace_keys)

    def test_it_cannot_be_carried_to_another_message(self) -> None:
        other = message().replace(b"<1@example.org>", b"<2@example.org>")
        assert decide(TO_BEN, stamp(message(), KEY) + other, ADA, FACTS) == Invite(TO_BEN.recipients)

    @given(st.binary(max_size=60))
    def test_it_cannot_be_forged(self, value: bytes) -> None:
        forged = b"X-Call-Offer-Trace: " + value + b"\r\n" + message()
        assert not passed(forged, (KEY,))

    def test_another_key_does_not_count(self) -> None:
        assert not passed(stamp(message(), bytes(31) + b"x") + message(), FACTS.trace_keys)

    def test_a_genuine_mark_counts_behind_forged_ones(self) -> None:
        forged = b"X-Call-Offer-Trace: v=1; h=" + b"0" * 32 + b"\r\n"
        assert passed(forged * 3 + stamp(message(), KEY) + message(), FACTS.trace_keys)


def test_the_refusal_names_the_part_and_nothing_else() -> None:
    reply = refuse_exposed(["part 1.2 text/vcard", "field X-\r\n250 Ok"]).reply
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert "part 1.2 text/vcard" in reply.text
    assert "\r" not in reply.text and "\n" not in reply.text
