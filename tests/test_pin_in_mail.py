"""The PIN in the mail: whose messages show it, that it is the one that the store has, and that nobody else reads it."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from gate_house import ADA, BEN, CARLA, CONFIG, RING, House, letter, link_in

from mailgate.config import Config, load
from mailgate.errors import ConfigError
from mailgate.offers.forwarding import Forwarding
from mailgate.store import pins as rows_of
from smtp_hooks.pipeline import Changed
from tokens import pin

SHOWN = re.compile(r"Or call \+33 1 99 00 00 00 and enter the PIN (\d+)\.")
WAYS_IN = {"dial_in": True, "pin_digits": 8}
ID = "12" * 16


def configured(*, shown: bool = True, **call: object) -> Config:
    changed = {
        "call": CONFIG.call.model_copy(update=WAYS_IN | call),
        "offer": CONFIG.offer.model_copy(update={"pin_in_mail": shown}),
    }
    return CONFIG.model_copy(update=changed)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path, configured())
    yield house
    house.store.close()


def text_of(message: bytes) -> str:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    body = parsed.get_body(("plain", "html"))
    assert body is not None
    return str(body.get_content())


def as_html(message: bytes) -> bytes:
    head, _, body = message.partition(b"\r\n\r\n")
    fields = b"\r\nMIME-Version: 1.0\r\nContent-Type: text/html"
    return head + fields + b"\r\n\r\n<html><body><p>" + body.strip() + b"</p></body></html>\r\n"


def pins_in(message: bytes) -> list[str]:
    return SHOWN.findall(text_of(message))


async def test_the_message_shows_the_pin_that_the_store_gave(house: House) -> None:
    message, offer = await house.offered(letter())
    assert pins_in(message) == [house.offers.pin_of(offer.offer_id)]
    assert len(house.offers.pin_of(offer.offer_id)) == 8


async def test_in_html_the_number_dials_itself_and_then_the_pin(house: House) -> None:
    message, offer = await house.offered(as_html(letter()))
    digits = house.offers.pin_of(offer.offer_id)
    link = f'<a href="tel:+33199000000,,{digits}%23" style="color:inherit">+33 1 99 00 00 00</a>'
    assert f"Or call {link} and enter the PIN {digits}." in text_of(message)


async def test_it_costs_few_octets(tmp_path: Path, house: House) -> None:
    (tmp_path / "without").mkdir()
    without = House(tmp_path / "without", configured(shown=False))
    for make, most in ((letter(), 60), (as_html(letter()), 140)):
        with_pin, _ = await house.offered(make)
        plain, _ = await without.offered(make)
        assert 0 < len(with_pin) - len(plain) <= most
    without.store.close()


@pytest.mark.parametrize(
    ("gateway", "account", "forwarding", "shows"),
    [
        (True, None, None, True),
        (False, None, None, False),
        (True, False, None, False),
        (False, True, None, True),
        (True, None, Forwarding.VERIFY, False),  # the code that has to be typed could be gone round
        (True, None, Forwarding.BEARER, True),
    ],
)
async def test_whose_messages_show_it(
    tmp_path: Path, gateway: bool, account: bool | None, forwarding: Forwarding | None, shows: bool
) -> None:
    house = House(tmp_path, configured(shown=gateway))
    house.put(replace(ADA, pin_in_mail=account, forwarding=forwarding))
    message, offer = await house.offered(letter())
    assert bool(pins_in(message)) is shows
    assert house.offers.pin_of(offer.offer_id)  # the page has it all the same
    house.store.close()


async def test_where_nobody_can_dial_in_there_is_none(tmp_path: Path) -> None:
    house = House(tmp_path, configured(dial_in=False))
    house.put(replace(ADA, pin_in_mail=True))
    assert b"PIN" not in (await house.offered(letter()))[0]
    house.store.close()


async def test_a_pin_that_somebody_else_has_is_not_the_one_that_is_shown(house: House) -> None:
    """The digits that were drawn belong to another open offer: the store gives others, and the message shows those."""
    _, holder = await house.offered(letter())
    drawn, next_one = (pin.mint(RING.newest, offer_id=ID, generation=n, digits=8) for n in (0, 1))
    house.store.transact_now(
        lambda rows: rows_of.put(rows, house.sealer, drawn, offer_id=holder.offer_id, key_id="k", generation=9)
    )
    house.room.issuer = replace(house.room.issuer, new_id=lambda: ID)
    message, offer = await house.offered(letter())
    assert offer.offer_id == ID
    assert pins_in(message) == [next_one] == [house.offers.pin_of(ID)]
    assert drawn.encode() not in message
    assert house.offers.look(link_in(message).rpartition("/")[2]).pin == next_one


async def test_where_all_pins_are_taken_the_message_goes_without(house: House) -> None:
    _, holder = await house.offered(letter())
    taken = {pin.mint(RING.newest, offer_id=ID, generation=n, digits=8) for n in range(50)}
    for each in taken:
        house.store.transact_now(
            lambda rows, each=each: rows_of.put(  # type: ignore[misc]
                rows, house.sealer, each, offer_id=holder.offer_id, key_id="k", generation=9
            )
        )
    house.room.issuer = replace(house.room.issuer, new_id=lambda: ID)
    message, _ = await house.offered(letter())
    assert pins_in(message) == [] and b"/a/" in message


def quoting(message: bytes) -> bytes:
    quote = "".join(f"> {line}\r\n" for line in text_of(message).splitlines())
    return letter(subject="Re: Drawings", body=f"Fine. Order 12345678.\r\n\r\n{quote}", to=f"{BEN}, {CARLA}")


async def test_in_a_copy_for_somebody_else_it_goes_with_the_link(house: House) -> None:
    first, offer = await house.offered(letter())
    digits = house.offers.pin_of(offer.offer_id).encode()
    answer = quoting(first)
    to_carla, hers = await house.offered(answer, CARLA)
    assert digits in answer and digits not in to_carla
    assert b"enter the PIN --------." in to_carla and b"Order 12345678." in to_carla
    assert pins_in(to_carla) == [house.offers.pin_of(hers.offer_id)]


async def test_also_from_the_link_that_dials_it(house: House) -> None:
    first, offer = await house.offered(as_html(letter()))
    digits = house.offers.pin_of(offer.offer_id).encode()
    to_both = await house.judge(as_html(letter(body=text_of(first))), BEN, CARLA)
    assert isinstance(to_both, Changed) and digits not in to_both.message
    assert b"tel:+33199000000,,--------%23" in to_both.message


def test_a_pin_that_nobody_can_use_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "mailgate.toml"
    gateway = '[gateway]\nname = "A"\npublic_url = "https://c.example"\nnumber = "+33199000000"\nregion = "FR"\n'
    path.write_text(f"{gateway}[offer]\npin_in_mail = true\n[call]\ndial_in = true\n")
    assert load(path).offer.pin_in_mail
    path.write_text(f"{gateway}[offer]\npin_in_mail = true\n")
    with pytest.raises(ConfigError, match=r"offer\.pin_in_mail needs call\.dial_in"):
        load(path)
