"""What a sender asks for, and how the words of it are taken out: octet for octet."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.mime.model import apply
from smtp_hooks.tags import NOTHING, Wish, callee_for, read

NAMES = ("default", "support", "Sales")
DAY_S = 86400.0
HEAD = b"From: ada@example.org\r\nTo: Ben <ben@example.net>\r\n"
BODY = b"\r\n[call] X-Call-Offer: off\r\n"


def message(*fields: bytes) -> bytes:
    return HEAD + b"".join(field + b"\r\n" for field in fields) + BODY


def cleaned(given: bytes) -> tuple[Wish, bytes]:
    wish, edits = read(given, NAMES)
    for edit in edits:
        assert given[edit.start : edit.start + len(edit.old)] == edit.old
    return wish, apply(given, edits)


ON = Wish(wanted=True)
OFF = Wish(wanted=False)


@pytest.mark.parametrize(
    ("subject", "wish", "left"),
    [
        (b"[call] Drawings", ON, b"Drawings"),
        (b"Drawings [call]", ON, b"Drawings"),
        (b"Re: [CALL] Drawings", ON, b"Re: Drawings"),
        (b"[nocall] Drawings", OFF, b"Drawings"),
        (b"[NoCall]Drawings", OFF, b"Drawings"),
        (b"[call:support] Drawings", Wish(wanted=True, destination="support"), b"Drawings"),
        (b"[call: SALES ] Drawings", Wish(wanted=True, destination="Sales"), b"Drawings"),
        (b"[call:3d] Drawings", Wish(wanted=True, ttl_s=3 * DAY_S), b"Drawings"),
        (b"[call:12h] Drawings", Wish(wanted=True, ttl_s=DAY_S / 2), b"Drawings"),
        (b"[call:2w,support] x", Wish(wanted=True, ttl_s=14 * DAY_S, destination="support"), b"x"),
        (b"[call:support] [call:3d] x", Wish(wanted=True, ttl_s=3 * DAY_S, destination="support"), b"x"),
        (b"[call] [nocall] x", OFF, b"x"),
        (b"a [call]b", ON, b"a b"),
        (b"a [call] b [call:3d] c", Wish(wanted=True, ttl_s=3 * DAY_S), b"a b c"),
        (b"a\r\n [call] b", ON, b"a\r\n b"),
        (b"a\r\n [call]\r\n b", ON, b"a\r\n b"),
        (b"a\r\n\t[call]", ON, b"a"),
        (b"[call]", ON, b""),
        (b"=?utf-8?Q?=5Bcall=5D_R=C3=A9union?=", ON, b"=?utf-8?B?UsOpdW5pb24=?="),
        (b"[call] =?iso-8859-1?Q?R=E9union?=", ON, b"=?iso-8859-1?Q?R=E9union?="),
        (b"=?iso-8859-1?Q?R=E9union?= [call]", ON, b"=?iso-8859-1?Q?R=E9union?="),
        (b"=?utf-8?B?W2NhbGw6M2Rd?=\r\n =?iso-8859-1?Q?R=E9union?=", Wish(wanted=True, ttl_s=3 * DAY_S), None),
        (b"=?utf-8?Q?R=C3=A9union_=5Bca?=\r\n =?utf-8?Q?ll=3Asupport=5D?=", None, None),
        ("[call] Réunion".encode(), ON, "Réunion".encode()),
        (b"[call] R\xe9union", ON, b"R\xe9union"),
    ],
)
def test_tags_are_read_and_taken_out(subject: bytes, wish: Wish | None, left: bytes | None) -> None:
    found, out = cleaned(message(b"Subject: " + subject, b"X-Other: [call]"))
    assert found == (wish or Wish(wanted=True, destination="support"))
    shown = email.message_from_bytes(out, policy=email.policy.default)["Subject"]
    assert "call" not in str(shown).lower()
    if left is None:
        assert str(shown).strip() == "Réunion"
        assert b"\r\n \r\n" not in out
    else:
        assert out in (message(b"Subject: " + left, b"X-Other: [call]"), message(b"Subject:", b"X-Other: [call]"))


@pytest.mark.parametrize(
    "subject",
    [
        b"Drawings",
        b"[Call: papers] Third workshop",
        b"[call:nobody] Drawings",
        b"[call:support,nobody] Drawings",
        b"[call:0d] Drawings",
        b"[call:9999w] Drawings",
        b"[call",
        b"call] [ call ]",
        b"[callers] x",
        b"=?utf-8?Q?broken",
        b"=?x-unknown?Q?=5Bcall=5D?=",
    ],
)
def test_what_is_not_ours_stays(subject: bytes) -> None:
    given = message(b"Subject: " + subject)
    assert cleaned(given) == (NOTHING, given)


@pytest.mark.parametrize(
    ("field", "wish"),
    [
        (b"X-Call-Offer: on", ON),
        (b"x-call-offer:\r\n  YES", ON),
        (b"X-Call-Offer: off", OFF),
        (b"X-Call-Offer: no; expires=3d", Wish(wanted=False, ttl_s=3 * DAY_S)),
        (
            b"X-Call-Offer: on; destination=support;\r\n expires=3d",
            Wish(wanted=True, destination="support", ttl_s=259200),
        ),
        (b'X-Call-Offer: destination="Sales"', Wish(wanted=True, destination="Sales")),
        (b"X-Call-Offer: on; callee=+33 1 99-00.00 02", Wish(wanted=True, callee="+33199000002")),
        (b"X-Call-Offer: on; callee=0199000002", Wish(wanted=True, unclear=True)),
        (b"X-Call-Offer: on; destination=nobody", Wish(wanted=True, unclear=True)),
        (b"X-Call-Offer: maybe", Wish(wanted=True, unclear=True)),
        (b"X-Call-Offer: on; colour=red", Wish(wanted=True, unclear=True)),
        (b"X-Call-Offer: on; expires=never", Wish(wanted=True, unclear=True)),
        (b"X-Call-Offer: on\r\nX-Call-Offer: off", OFF),
    ],
)
def test_the_field_is_read_and_taken_out(field: bytes, wish: Wish) -> None:
    assert cleaned(message(b"Subject: x", field, b"X-After: y")) == (wish, message(b"Subject: x", b"X-After: y"))


def test_a_field_that_stands_first_is_taken_out_too() -> None:
    assert cleaned(b"X-Call-Offer: off\r\n" + message()) == (OFF, message())


def test_a_tag_counts_before_the_field_and_a_no_before_everything() -> None:
    both = message(b"Subject: [call:support] x", b"X-Call-Offer: on; destination=sales; expires=3d")
    assert read(both, NAMES)[0] == Wish(wanted=True, destination="support", ttl_s=3 * DAY_S)
    assert read(message(b"Subject: [call] x", b"X-Call-Offer: off"), NAMES)[0].wanted is False


def test_the_trace_field_is_no_wish() -> None:
    given = message(b"X-Call-Offer-Trace: v=1; h=" + b"0" * 32)
    assert cleaned(given) == (NOTHING, given)


@pytest.mark.parametrize(
    ("fields", "recipient", "number"),
    [
        ((), "ben@example.net", "+33199000002"),
        ((), "Ben@Example.net", "+33199000002"),
        ((), "carla@example.net", ""),
        ((b"Cc: carla@example.net",), "ben@example.net", ""),
    ],
)
def test_a_number_is_that_of_the_only_addressee(fields: tuple[bytes, ...], recipient: str, number: str) -> None:
    given = message(*fields, b"X-Call-Offer: callee=+33199000002")
    assert callee_for(given, read(given, NAMES)[0], recipient) == number


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60))
def test_other_words_are_kept(words: str) -> None:
    """A Subject of any words: with a tag before them, and read by Python's own parser, they are the same."""
    plain = words.replace("[", "(").strip()
    encoded = email.message.EmailMessage(policy=email.policy.SMTP)
    encoded["Subject"] = "[call:3d] " + plain
    wish, out = cleaned(encoded.as_bytes())
    assert wish.ttl_s == 3 * DAY_S
    before, after = (
        str(email.message_from_bytes(m, policy=email.policy.default)["Subject"]) for m in (encoded.as_bytes(), out)
    )
    assert ["[call:3d]", *after.split()] == before.split()


def test_a_tag_that_the_removal_of_another_makes_is_taken_out_too() -> None:
    message = b"Subject: a [call:sup[nocall]port] b\r\n\r\nx\r\n"
    wish, edits = read(message, ["support"])
    assert wish.wanted is False
    assert apply(message, edits) == b"Subject: a b\r\n\r\nx\r\n"
