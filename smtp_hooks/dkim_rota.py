"""DKIM keys that follow one another: which one signs when, and how long an earlier one stays published.

    next ──switch──▶ signing ──switch of its successor──▶ leaving ──its time over──▶ done ──retire──▶ gone

A new key is published before it signs, so that no verifier looks for what the DNS does not hold yet; an earlier one
stays published after it has signed for the last time, since messages wait in queues and are verified again in
mailboxes. At each moment one key of a domain and an algorithm signs; RSA and Ed25519 keys follow their own kind.

A rota is a tuple of entries, told as JSON. Pure: times are arguments, in seconds since the epoch.
Standards: RFC 6376 (3.1 selectors, 3.6.1; appendix C.3 asks for such an overlap).
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # one label; RFC 6376, 3.1 allows several
ALGORITHMS = ("rsa", "ed25519")


class RotaError(ValueError):
    """What is asked of the rota cannot be; the text says why."""


class State(StrEnum):
    """Where a key is on its way."""

    NEXT = "next"
    SIGNING = "signing"
    LEAVING = "leaving"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A key, published at `selector._domainkey.domain`. `key_file`: where its private half lies, relative to the
    rota's folder. `signs_from` is None while nobody has said so."""

    domain: str
    selector: str
    algorithm: str
    key_file: str
    made_at: float
    signs_from: float | None = None
    signs_until: float | None = None
    published_until: float | None = None

    @property
    def name(self) -> str:
        """The name of its DNS record."""
        return f"{self.selector}._domainkey.{self.domain}"

    def state(self, now: float) -> State:
        if self.signs_from is None or now < self.signs_from:
            return State.NEXT
        if self.signs_until is None or now < self.signs_until:
            return State.SIGNING
        if self.published_until is None or now < self.published_until:
            return State.LEAVING
        return State.DONE


Rota = tuple[Entry, ...]


def signing(rota: Rota, now: float) -> Rota:
    """The keys that sign at that moment."""
    return tuple(entry for entry in rota if entry.state(now) is State.SIGNING)


def next_change(rota: Rota, now: float) -> float:
    """When another key will sign, if nobody changes the rota before; infinity for never."""
    times = (time for entry in rota for time in (entry.signs_from, entry.signs_until))
    return min((time for time in times if time is not None and time > now), default=math.inf)


def find(rota: Rota, domain: str, selector: str) -> Entry:
    """Raises RotaError where there is none."""
    for entry in rota:
        if (entry.domain, entry.selector) == (domain, selector):
            return entry
    raise RotaError(f"there is no key {selector} of {domain}; `mailgate dkim list` names those that there are")


def waiting(rota: Rota, domain: str, algorithm: str, now: float) -> Entry | None:
    """The key that is to sign next, if there is one."""
    for entry in rota:
        if (entry.domain, entry.algorithm) == (domain, algorithm) and entry.state(now) is State.NEXT:
            return entry
    return None


def add(rota: Rota, entry: Entry, now: float) -> Rota:
    """With one more key. Raises RotaError for a selector that is taken, and where one of its kind waits already."""
    if not _SELECTOR.fullmatch(entry.selector):
        raise RotaError(f"{entry.selector!r} is no selector: letters, digits and hyphens, at most 63")
    if any((each.domain, each.selector) == (entry.domain, entry.selector) for each in rota):
        raise RotaError(f"the selector {entry.selector} of {entry.domain} is taken")
    before = waiting(rota, entry.domain, entry.algorithm, now)
    if before is not None and entry.signs_from is None:
        raise RotaError(f"{before.selector} is waiting already: publish it and run `mailgate dkim switch`")
    return (*rota, entry)


def switch(rota: Rota, entry: Entry, *, at: float, keep_s: float) -> Rota:
    """`entry` signs from then on; the one that signs until then stays published for `keep_s` longer."""
    out = []
    for each in rota:
        if each == entry:
            out.append(replace(each, signs_from=at))
        elif (each.domain, each.algorithm) == (entry.domain, entry.algorithm) and each.state(at) is State.SIGNING:
            out.append(replace(each, signs_until=at, published_until=at + keep_s))
        else:
            out.append(each)
    return tuple(out)


def retire(rota: Rota, entry: Entry, *, now: float, early: bool = False) -> Rota:
    """Without the entry. Raises RotaError while it signs, or (but for `early`) while it has to stay published."""
    match entry.state(now):
        case State.SIGNING:
            raise RotaError(f"{entry.selector} is the key that signs: make another one first (`mailgate dkim rotate`)")
        case State.LEAVING if not early:
            raise RotaError(f"{entry.selector} has to stay published: messages that it signed are still on their way")
        case _:
            return tuple(each for each in rota if each != entry)


def dump(rota: Rota) -> str:
    """As text."""
    return json.dumps([asdict(entry) for entry in rota], indent=1) + "\n"


def parse(text: str) -> Rota:
    """From text. Raises RotaError."""
    known = {field.name for field in fields(Entry)}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RotaError(f"not JSON: {error}") from error
    if not isinstance(found, list):
        raise RotaError("not a list of keys")
    out = []
    for each in found:
        if not isinstance(each, dict) or set(each) != known:
            raise RotaError("an entry does not have exactly " + ", ".join(sorted(known)))
        texts = [each[name] for name in ("domain", "selector", "key_file")]
        if not all(isinstance(text, str) for text in texts) or each["algorithm"] not in ALGORITHMS:
            raise RotaError("an entry has something else where a text belongs")
        times = [each[name] or 0 for name in ("made_at", "signs_from", "signs_until", "published_until")]
        if not all(isinstance(time, int | float) for time in times) or each["made_at"] is None:
            raise RotaError("an entry has something else where a time belongs")
        out.append(Entry(**each))
    return tuple(out)
