"""Codes of six digits that reach somebody by another way than the page, and are typed there: one machine for all.

A code belongs to a *subject*: an offer (never again), an offer's holder, a channel of an account. Of each the store
holds a keyed digest, good for CODE_S and CODE_TRIES tries; a new one takes the place of the earlier. How often one is
made for a subject is bounded, since each is a mail to somebody, or a call.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from mailgate.store.database import Rows
from mailgate.store.seal import Sealer

CODE_S = 1800.0
CODE_TRIES = 5
MOST_CODES = 5
CODES_APART_S = 60.0
FOR_EVER_S = 1e9
"""More than any offer lives: codes of a subject that are counted as long as this are never forgotten."""

_CODE = re.compile(r"[0-9]{6}\Z")


def new_code() -> str:
    """Six digits that nobody can guess."""
    return f"{secrets.randbelow(1_000_000):06}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code to be sent; `count`: how many there have been for its subject."""

    digits: str = field(repr=False)
    count: int
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Makes and checks codes, within a transaction of the caller's. `new_code` gives six digits that nobody can
    guess."""

    sealer: Sealer
    now: Callable[[], float]
    new_code: Callable[[], str]

    def make(self, rows: Rows, subject: str, *, forget_s: float = FOR_EVER_S) -> Code | None:
        """A fresh code; None where one was made a minute ago, or too many. Codes made `forget_s` ago do not count."""
        now, digits = self.now(), self.new_code()
        seen = rows.one("code_of", offer_id=subject)
        asked = seen["asked"] if seen and now - seen["asked_at"] < forget_s else 0
        if seen and (asked >= MOST_CODES or now - seen["asked_at"] < CODES_APART_S):
            return None
        rows.run(
            "put_code",
            offer_id=subject,
            digest=self._digest(subject, digits),
            expires_at=now + CODE_S,
            tries_left=CODE_TRIES,
            now=now,
            forget_s=forget_s,
        )
        return Code(digits=digits, count=asked + 1, expires_at=now + CODE_S)

    def fits(self, rows: Rows, subject: str, typed: str) -> bool:
        """Whether that is the subject's code now; each try counts, but for what is no code at all."""
        digits = re.sub(r"\s", "", typed)
        if not _CODE.match(digits) or not rows.run("try_code", offer_id=subject, now=self.now()):
            return False
        row = rows.one("code_of", offer_id=subject)
        return row is not None and hmac.compare_digest(row["digest"], self._digest(subject, digits))

    @staticmethod
    def spend(rows: Rows, subject: str) -> None:
        """The code is good no more."""
        rows.run("spend_code", offer_id=subject)

    def _digest(self, subject: str, digits: str) -> bytes:
        return self.sealer.digest(f"code {subject} {digits}")
