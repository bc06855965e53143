"""The offeree's number where the offeror gave it: shown by its end, and asked for by the four digits before that.

A person knows the digits of their telephone, who follows links by machine does not. A right answer gives the number to
be called, without anybody typing all of it; the dialling rules judge it like any other. Wrong answers are counted in
memory: a few for each offer, and so many for all together, within a day. What is left then is the whole number.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable

from mailgate.calls.model import Channel, Kind
from mailgate.errors import CallRefused
from mailgate.offers.guesses import Guesses
from mailgate.offers.offer import Offer

SHOWN, ASKED = 2, 4
TRIES = 5
TRIES_OF_ALL = 500
WITHIN_S = 86400.0
_SHORTEST = 9  # digits with the country's code: what is neither shown nor asked for must not be all that is left


def tail(channel: Channel | None) -> str:
    """The number's last digits, as they may be shown; "" where no number was given, or one too short to ask for."""
    digits = _digits(channel)
    return digits[-SHOWN:] if len(digits) >= _SHORTEST else ""


def _asked(channel: Channel | None) -> str:
    return _digits(channel)[-SHOWN - ASKED : -SHOWN]


def _digits(channel: Channel | None) -> str:
    return channel.address.lstrip("+") if channel and channel.kind is Kind.TEL else ""


class KnownNumbers:
    """Compares what was typed. `find` gives the token's offer; `now` gives UNIX seconds."""

    def __init__(self, find: Callable[[str], Offer], now: Callable[[], float]) -> None:
        self._find = find
        self._guesses = Guesses(now, of_one=TRIES, of_all=TRIES_OF_ALL, within_s=WITHIN_S)

    def number(self, token: str, typed: str) -> str:
        """The offeree's number (E.164) for the four digits before the two that the page shows.

        Raises TokenError, UnknownOffer; CallRefused (`digits-empty`, `digits-wrong`, `digits-spent`).
        """
        offer = self._find(token)
        channel = offer.terms.offeree
        if channel is None or not tail(channel):
            raise CallRefused("digits-wrong", "the offeror gave no number")
        digits = re.sub(r"\s", "", typed)
        if not digits:
            raise CallRefused("digits-empty")
        if not self._guesses.allowed(offer.offer_id):
            raise CallRefused("digits-spent", "too many wrong digits")
        if not hmac.compare_digest(digits.encode(), _asked(channel).encode()):
            self._guesses.wrong(offer.offer_id)
            raise CallRefused("digits-wrong")
        return channel.address
