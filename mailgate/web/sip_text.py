"""What a relay reads of SIP, and says by itself: that a page which was being called is gone, or has declined. Pure.

A proxy whose far end has died answers for it (RFC 3261, 16.9: 503 becomes what the caller can act on), since Asterisk
does not notice the end of a WebSocket connection while a telephone rings, and would let it ring on. And where one of
several that ring at once declines for good, the others stop (RFC 3261, 16.7, 5), which Dial does not see to.
Known limits: reads what Asterisk and JsSIP write: no folded lines, no compact names.
"""

from __future__ import annotations

import re

_ECHOED = ("via", "from", "to", "call-id", "cseq")  # RFC 3261, 8.2.6.2
_ATTEMPT = re.compile(r"INVITE \S{1,400};attempt=([0-9a-f]{32})[ ;]")


def _headers(text: str) -> list[tuple[str, str]]:
    head = text.partition("\r\n\r\n")[0]
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return [(name.strip().lower(), line.strip()) for name, colon, line in pairs if colon]


def is_one(text: str) -> bool:
    """Whether this is one message as long as it says it is: Asterisk would read a second one behind it as well, which
    nobody has looked at (RFC 3261, 18.3)."""
    _, end, body = text.partition("\r\n\r\n")
    lengths = [value for name, value in _headers(text) if name in ("content-length", "l")]
    return bool(end) and lengths == [str(len(body.encode(errors="replace")))]


def attempt_of(text: str) -> str:
    """The attempt that this text begins to call a page for; "" where it does not."""
    found = _ATTEMPT.match(text)
    return found[1] if found and begins_call(text) else ""


def begins_call(text: str) -> bool:
    """An INVITE, and not one about a call that there is."""
    return text.startswith("INVITE ") and ";tag=" not in dict(_headers(text)).get("to", "")


def _answer(invite: str, status: str) -> str:
    kept = [(name, value) for name, value in _headers(invite) if name in _ECHOED]
    lines = [f"{name}: {value};tag=gone" if name == "to" else f"{name}: {value}" for name, value in kept]
    return "\r\n".join((f"SIP/2.0 {status}", *lines, "content-length: 0", "", ""))


def unavailable(invite: str) -> str:
    """The answer to an INVITE whose page is gone: 480 (RFC 3261, 21.4.18)."""
    return _answer(invite, "480 Temporarily Unavailable")


def declined(invite: str) -> str:
    """The answer to an INVITE for a page whose owner has declined at another one: 603 (RFC 3261, 21.6.2)."""
    return _answer(invite, "603 Decline")


def cancelled(invite: str) -> str:
    """What tells the page so (RFC 3261, 9.1)."""
    first, *_ = invite.split("\r\n")
    uri = first.removeprefix("INVITE ").removesuffix(" SIP/2.0")
    found = dict(reversed(_headers(invite)))  # of several Via the topmost
    lines = [f"{name}: {found.get(name, '')}" for name in ("via", "from", "to", "call-id")]
    number = found.get("cseq", "").partition(" ")[0]
    said = (f"CANCEL {uri} SIP/2.0", *lines, f"cseq: {number} CANCEL", "max-forwards: 70", "content-length: 0", "", "")
    return "\r\n".join(said)


class Unanswered:
    """The INVITEs that a page has been sent and has not answered for good, from what passes."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}  # Call-ID → the request
        self._talked: set[str] = set()  # Call-IDs

    @property
    def talks(self) -> bool:
        """Whether a call that came by here is being talked."""
        return bool(self._talked)

    def sent(self, text: str) -> None:
        """Asterisk to the page."""
        if begins_call(text):
            self._open[dict(_headers(text)).get("call-id", "")] = text
        self._over(text)

    def answered(self, text: str) -> str:
        """The page to Asterisk. The attempt where this declines it for everybody (6xx: RFC 3261, 21.6), else ""."""
        self._over(text)
        if not text.startswith("SIP/2.0 ") or text[8:9] in ("1", ""):
            return ""
        found = dict(_headers(text))
        if not found.get("cseq", "").upper().endswith("INVITE"):
            return ""
        call_id = found.get("call-id", "")
        invite = self._open.pop(call_id, "")
        if invite and text[8] == "2":
            self._talked.add(call_id)
        return attempt_of(invite) if text[8] == "6" else ""

    def take(self, attempt_id: str) -> list[str]:
        """Those of that attempt, which are answered for the page from now on."""
        found = {call_id: text for call_id, text in self._open.items() if attempt_of(text) == attempt_id}
        for call_id in found:
            del self._open[call_id]
        return list(found.values())

    def answers(self) -> list[str]:
        """What is to be said for a page that is gone."""
        return [unavailable(text) for text in self._open.values()]

    def _over(self, text: str) -> None:
        if text.startswith("BYE "):
            self._talked.discard(dict(_headers(text)).get("call-id", ""))
