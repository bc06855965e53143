"""The gate with its real mail room and store: what the sender asks for, what is quoted, what is suppressed, shadow."""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gate_house import ADA, BEN, CARLA, DAY_S, House, letter, link_in

from mailgate import gate as wiring
from mailgate.accounts.model import Account, Hide
from mailgate.accounts.model import Mode as AccountMode
from mailgate.calls.model import Channel, Kind
from mailgate.offers.events import Revoked
from mailgate.sender_note import NoteSettings, compose, send_due
from mailgate.store import accounts
from mailgate.store import offers as rows_of
from smtp_hooks.envelope import Client, Envelope, Recipient
from smtp_hooks.pipeline import Changed, Refused, Untouched
from smtp_hooks.quoted import WORTHLESS


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.store.close()


def reply_quoting(*links: str, to: str = BEN) -> bytes:
    quote = "".join(f"> {link}\r\n" for link in links)
    return letter(subject="Re: Drawings", body=f"Fine.\r\n\r\nOn Monday, somebody wrote:\r\n{quote}", to=to)


class TestWish:
    @pytest.mark.claim("T8", "T21", "T33")
    async def test_a_tag_names_another_destination(self, house: House) -> None:
        message, offer = await house.offered(letter(subject="[call:support] Drawings"))
        assert offer.terms.destination == ADA.destinations[1].channels
        assert offer.terms.destination_name == "The workshop"
        assert b"Subject: Drawings\r\n" in message
        _, plain = await house.offered(letter())
        assert plain.terms.destination == ADA.destinations[0].channels

    async def test_a_tag_sets_the_time_and_the_gateway_its_end(self, house: House) -> None:
        for tag, valid_s in (("3d", 3 * DAY_S), ("12h", DAY_S / 2), ("52w", 90 * DAY_S)):
            _, offer = await house.offered(letter(subject=f"[call:{tag}] Drawings"))
            assert offer.expires_at - offer.created_at == pytest.approx(valid_s)

    @pytest.mark.claim("T13", "T28")
    async def test_the_offeree_s_number_comes_with_the_message_and_goes_no_further(self, house: House) -> None:
        message, offer = await house.offered(letter("X-Call-Offer: on; callee=+33 1 99 00 00 02"))
        assert offer.terms.offeree == Channel(Kind.TEL, "+33199000002")
        assert b"X-Call-Offer:" not in message and b"99" not in message.partition(b"\r\n\r\n")[0].replace(b"1999", b"")
        raw = house.store.path.read_bytes() + house.store.path.with_suffix(".db-wal").read_bytes()
        assert b"199000002" not in raw

    @pytest.mark.claim("T13", "T28")
    async def test_it_comes_from_the_address_book_of_the_account(self, house: House) -> None:
        ben = Channel(Kind.TEL, "+33199000002")
        house.store.transact_now(lambda rows: accounts.put_in_book(rows, house.sealer, "ada", "Ben@example.net", ben))
        assert (await house.offered(letter()))[1].terms.offeree == ben
        assert (await house.offered(letter(), CARLA))[1].terms.offeree is None
        assert (await house.offered(letter(), sender="bob@example.org"))[1].terms.offeree is None
        said = (await house.offered(letter("X-Call-Offer: callee=+33199000003")))[1].terms.offeree
        assert said == Channel(Kind.TEL, "+33199000003")

    @pytest.mark.parametrize(
        ("account", "subject", "reason"),
        [
            (ADA, "[nocall] Drawings", "declined-by-sender"),
            (replace(ADA, mode=AccountMode.ON_REQUEST), "Drawings", "not-requested"),
            (replace(ADA, mode=AccountMode.NEVER), "[call] Drawings", "mode-never"),
        ],
    )
    async def test_its_words_do_not_go_on_where_there_is_no_offer_either(
        self, house: House, account: Account, subject: str, reason: str
    ) -> None:
        house.put(account)
        came = letter("X-Call-Offer: destination=support; callee=+33199000002", subject=subject)
        came = came if reason != "not-requested" else letter(subject=subject)
        verdict = await house.judge(came)
        assert house.said == ("passed", reason)
        if reason == "not-requested":
            assert verdict == Untouched()
            return
        assert isinstance(verdict, Changed) and verdict.coupon is None
        head, _, body = verdict.message.partition(b"\r\n\r\n")
        assert b"Subject: Drawings" in head and b"X-Call-Offer:" not in head and body == b"Hello.\r\n"
        again = await house.judge(verdict.message)
        assert again == Untouched() and house.said == ("passed", "already-passed")

    async def test_on_request_a_tag_requests(self, house: House) -> None:
        house.put(replace(ADA, mode=AccountMode.ON_REQUEST))
        assert b"Subject: Drawings\r\n" in (await house.offered(letter(subject="[call] Drawings")))[0]

    async def test_a_message_that_another_domain_signed_keeps_even_its_tag(self, house: House) -> None:
        signed = letter("DKIM-Signature: v=1; d=other.example; b=x", subject="[nocall] Drawings")
        assert await house.judge(signed) == Untouched()
        assert house.said == ("passed", "foreign-signature")

    async def test_a_sealed_body_is_not_touched_where_the_tag_is_taken_out(self, house: House) -> None:
        body = "--b\r\n\r\nx\r\n--b--\r\n"
        sealed = letter('Content-Type: multipart/signed; boundary="b"', subject="[call] Drawings", body=body)
        verdict = await house.judge(sealed)
        assert house.said == ("passed", "signed")
        assert isinstance(verdict, Changed) and verdict.message.endswith(b"\r\n\r\n" + body.encode())
        assert b"[call]" not in verdict.message

    @pytest.mark.parametrize(
        ("field", "reason"),
        [
            ("no field", "malformed-header"),
            ("Content-Type: text/plain\r\nContent-Type: text/html", "ambiguous-header"),
        ],
    )
    async def test_where_the_header_is_in_doubt_even_the_tag_stays(self, house: House, field: str, reason: str) -> None:
        assert await house.judge(letter(field, subject="[call] Drawings")) == Untouched()
        assert house.said == ("passed", reason)

    async def test_nobody_s_message_is_left_alone(self, house: House) -> None:
        assert await house.judge(letter(subject="[call] Drawings"), sender="eve@example.org") == Untouched()
        assert house.said == ("passed", "no-account")


class TestThread:
    async def test_a_thread_that_shows_an_open_offer_gets_no_second(self, house: House) -> None:
        first, offer = await house.offered(letter())
        reply = reply_quoting(link_in(first))
        assert await house.judge(reply) == Untouched()
        assert house.said == ("passed", "thread-shows-offer")
        await house.offers.apply(offer.offer_id, Revoked())
        await house.offered(reply)

    async def test_unless_the_gateway_wants_one(self, house: House) -> None:
        house.configure(once_in_thread=False)
        first, _ = await house.offered(letter())
        again, _ = await house.offered(reply_quoting(link_in(first)))
        assert again.count(b"https://call.example.org/a/") == 2

    async def test_another_sender_s_offer_is_no_reason(self, house: House) -> None:
        first, _ = await house.offered(letter(), sender="bob@example.org")
        await house.offered(reply_quoting(link_in(first)))

    async def test_a_forged_link_is_no_reason(self, house: House) -> None:
        await house.offered(reply_quoting("https://call.example.org/a/" + "A" * 36))

    async def test_a_link_for_somebody_else_is_worthless_in_this_copy_alone(self, house: House) -> None:
        first, _ = await house.offered(letter())
        link = link_in(first)
        reply = reply_quoting(link, to=f"{BEN}, {CARLA}")
        to_carla, _ = await house.offered(reply, CARLA)
        assert link.encode() not in to_carla and WORTHLESS.encode() in to_carla
        assert await house.judge(reply, BEN) == Untouched()  # his own, and still good

    @pytest.mark.parametrize("fields", [("List-Id: <public.example.org>",), ("Auto-Submitted: auto-forwarded",)])
    async def test_also_where_there_is_no_offer(self, house: House, fields: tuple[str, ...]) -> None:
        link = link_in((await house.offered(letter()))[0])
        verdict = await house.judge(letter(*fields, body=f"> {link}\r\n"), "everybody@lists.example.net")
        assert isinstance(verdict, Changed) and verdict.coupon is None
        assert link.encode() not in verdict.message

    async def test_and_in_a_body_that_goes_to_several(self, house: House) -> None:
        link = link_in((await house.offered(letter()))[0])
        verdict = await house.judge(reply_quoting(link), BEN, CARLA)
        assert isinstance(verdict, Changed) and link.encode() not in verdict.message
        assert house.said == ("passed", "several-recipients")


class TestNever:
    async def test_who_asked_for_no_more_offers_gets_none(self, house: House) -> None:
        now = time.time()
        house.store.transact_now(
            lambda rows: rows_of.suppress_address(rows, house.sealer, "Ben@Example.NET", now=now, reason="by-command")
        )
        assert await house.judge(letter()) == Untouched()
        assert house.said == ("passed", "suppressed")
        await house.offered(letter(), CARLA)
        house.store.transact_now(lambda rows: rows_of.lift(rows, house.sealer, f"mailto:{BEN}"))
        await house.offered(letter())

    @pytest.mark.parametrize(
        ("policy", "reason"),
        [
            ({"colleagues": (".Example.NET",)}, "colleague"),
            ({"colleagues": ("@example.net",)}, "colleague"),
            ({"nobody": ("BEN@*",)}, "nobody-reads"),
            ({"share_percent": 0}, "outside-share"),
        ],
    )
    async def test_the_configuration_is_heeded(self, house: House, policy: dict[str, object], reason: str) -> None:
        house.configure(**policy)
        assert await house.judge(letter()) == Untouched()
        assert house.said == ("passed", reason)

    async def test_only_those_who_are_offered_a_call_need_a_copy(self, house: House) -> None:
        house.configure(colleagues=("example.org",))
        recipients = tuple(Recipient(address=a) for a in (BEN, "cy@example.org", CARLA, "no-reply@example.net"))
        envelope = Envelope(reverse_path="ada@example.org", recipients=recipients, client=Client(trusted=True))
        parts = [tuple(r.address for r in e.recipients) for e in await house.gate.copies(envelope, letter(), 9)]
        assert parts == [(BEN,), (CARLA,), ("cy@example.org", "no-reply@example.net")]
        declined = await house.gate.copies(envelope, letter(subject="[nocall] x"), 9)
        assert declined == (envelope,)


class TestShadow:
    async def test_everything_is_decided_and_nothing_changed(self, house: House) -> None:
        house.configure(mode="shadow")
        assert await house.judge(letter(subject="[call:support] Drawings")) == Untouched()
        assert house.said == ("shadow", "offered")
        assert await house.judge(letter("List-Id: x", subject="[nocall] x")) == Untouched()
        assert house.said == ("shadow", "list-mail")
        assert house.stored == 0
        text = house.metrics.text().decode()
        assert 'mailgate_messages_total{decision="shadow",reason="offered"} 1.0' in text
        assert 'mailgate_messages_total{decision="shadow",reason="list-mail"} 1.0' in text

    async def test_nothing_is_refused(self, house: House) -> None:
        house.put(replace(ADA, hide=Hide.REQUIRED))
        shown = letter('Content-Type: multipart/signed; boundary="b"', body="--b\r\n\r\n01 99 00 12 34\r\n--b--\r\n")
        assert isinstance(await house.judge(shown), Refused)
        house.configure(mode="shadow")
        assert await house.judge(shown) == Untouched()
        assert house.said == ("shadow", "shows-number")


async def test_what_grows_past_the_next_hop_goes_on_without_an_offer(house: House) -> None:
    came = letter(subject="[call] x")
    envelope = Envelope(
        reverse_path="ada@example.org", recipients=(Recipient(address=BEN),), client=Client(trusted=True)
    )
    verdict = await house.gate.judge(envelope, came, eight_bit=True, size_limit=len(came) + 200)
    assert isinstance(verdict, Changed) and verdict.coupon is None and b"[call]" not in verdict.message
    assert house.said == ("passed", "too-large-with-offer") and house.stored == 0


class TestNote:
    """The sender is told once of the first offer, and again when it is asked for."""

    SETTINGS = NoteSettings(organisation="Analytical Engines", from_address="calls@example.org", first=True)

    async def tell(self, house: House, *, first: bool = True, taken: bool = True) -> list[tuple[str, bytes]]:
        told: list[tuple[str, bytes]] = []

        async def hand_over(address: str, message: bytes) -> bool:
            told.append((address, message))
            return taken

        settings = replace(self.SETTINGS, first=first)
        await send_due(house.store, house.sealer, hand_over, settings, now=time.time, new_id=wiring.new_id)
        return told

    async def test_after_the_first_offer_and_once(self, house: House) -> None:
        assert await self.tell(house) == []
        await house.offered(letter())
        assert await self.tell(house, first=False) == []
        ((address, message),) = await self.tell(house)
        assert address == "ada@example.org"
        note = email.message_from_bytes(message, policy=email.policy.default)
        assert note["Auto-Submitted"] == "auto-generated" and note["To"] == "Ada Lovelace <ada@example.org>"
        text = note.get_content()
        assert BEN in text and "[nocall]" in text and "Analytical Engines" in text
        assert b"https://" not in message and b"99" not in message.replace(b"1999", b"").split(b"\r\n\r\n")[1]
        await house.offered(letter())
        assert await self.tell(house) == []

    async def test_again_on_request(self, house: House) -> None:
        await house.offered(letter())
        await self.tell(house)
        later = time.time() + 60
        house.store.transact_now(lambda rows: accounts.put_note(rows, "ada", later))
        assert await self.tell(house, first=False) == []  # nothing was offered since
        house.store.transact_now(lambda rows: accounts.put_note(rows, "ada", 1.0))
        assert len(await self.tell(house, first=False)) == 1

    async def test_what_is_not_taken_is_due_again(self, house: House) -> None:
        await house.offered(letter())
        assert len(await self.tell(house, taken=False)) == 1
        assert len(await self.tell(house)) == 1
        assert await self.tell(house) == []

    @pytest.mark.parametrize("language", ["en", "de", "fr", "xx"])
    async def test_in_the_account_s_language(self, language: str) -> None:
        account = replace(ADA, language=language, display_name="Ada <x>\r\nBcc: y")
        message = compose(account, BEN, self.SETTINGS, now=0.0, unique="u")
        assert message.isascii() and message.count(b"\n") == message.count(b"\r\n")
        assert b"\r\nBcc" not in message and b"[nocall]" in message and b"{" not in message


async def test_the_language_is_that_of_the_letter(house: House) -> None:
    """Block, offer and what stands where the number was; where the letter does not tell, the account's."""
    house.put(replace(ADA, finds_language=True, language="nl"))
    head = "From: ada@example.org\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    german = head + "Hallo Ben, vielen Dank für die Pläne, wir sprechen morgen.\r\n"
    for text, language, said in (
        (german + "Meine Nummer ist 01 99 00 12 34.\r\n", "de", "[Nummer verborgen]"),
        (head + "01 99 00 12 34\r\n", "nl", "[nummer verborgen]"),
    ):
        changed, offer = await house.offered(text.encode())
        assert offer.terms.language == language
        body = email.message_from_bytes(changed, policy=email.policy.default).get_content()
        assert said in body and "12 34" not in body
        assert ("bietet Ihnen" in body, "biedt u" in body) == (language == "de", language == "nl")
    house.put(replace(ADA, language="fr"))
    _, offer = await house.offered(german.encode())
    assert offer.terms.language == "fr"


@pytest.mark.claim("T14")
async def test_an_attached_card_loses_the_number_where_the_account_says_so(house: House) -> None:
    letter = (
        b"From: ada@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nHi\r\n--b\r\nContent-Type: text/vcard\r\nContent-Disposition: attachment; filename=ada.vcf\r\n\r\n"
        b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\nTEL:+33 1 99 00 12 34\r\nEND:VCARD\r\n\r\n--b--\r\n"
    )
    changed, _ = await house.offered(letter)
    assert b"TEL:" in changed
    house.put(replace(ADA, hide=Hide.REQUIRED))
    assert isinstance(await house.judge(letter), Refused)
    house.put(replace(ADA, hide=Hide.REQUIRED, cards=True))
    changed, _ = await house.offered(letter)
    assert b"TEL:" not in changed and b"FN:Ada\r\nEND:VCARD" in changed


async def test_the_icon_is_left_out_where_it_would_count_as_spam(house: House) -> None:
    page = b"Content-Type: text/html\r\n\r\n<p>Hello</p>\r\n"
    bare = b"From: ada@example.org\r\nTo: ben@example.net\r\n" + page
    named = b"From: Ada Lovelace <ada@example.org>\r\nTo: Ben <ben@example.net>\r\n" + page
    assert b"image/png" not in (await house.offered(bare))[0]
    assert b"image/png" in (await house.offered(named))[0]
