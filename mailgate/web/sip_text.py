"""What a relay says in SIP by itself: that a page which was being called is gone. Pure.

A proxy whose far end has died answers for it (RFC 3261, 16.9: 503 becomes what the caller can act on), since Asterisk
does not notice the end of a WebSocket connection while a telephone rings, and would let it ring on.
Known limits: reads what Asterisk writes: no folded lines, no compact names.
"""

from __future__ import annotations

_ECHOED = ("via", "from", "to", "call-id", "cseq")  # RFC 3261, 8.2.6.2


def _headers(text: str) -> list[tuple[str, str]]:
    head = text.partition("\r\n\r\n")[0]
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return [(name.strip().lower(), line.strip()) for name, colon, line in pairs if colon]


def unavailable(invite: str) -> str:
    """The answer to an INVITE whose page is gone: 480 (RFC 3261, 21.4.18)."""
    kept = [(name, value) for name, value in _headers(invite) if name in _ECHOED]
    lines = [f"{name}: {value};tag=gone" if name == "to" else f"{name}: {value}" for name, value in kept]
    return "\r\n".join(("SIP/2.0 480 Temporarily Unavailable", *lines, "content-length: 0", "", ""))


class Unanswered:
    """The INVITEs that a page has been sent and has not answered for good, from what passes."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}  # Call-ID → the request

    def sent(self, text: str) -> None:
        """Asterisk to the page."""
        if text.startswith("INVITE "):
            found = dict(_headers(text))
            if ";tag=" not in found.get("to", ""):  # else it is about a call that there is
                self._open[found.get("call-id", "")] = text

    def answered(self, text: str) -> None:
        """The page to Asterisk."""
        if text.startswith("SIP/2.0 ") and text[8:9] not in ("1", ""):
            found = dict(_headers(text))
            if found.get("cseq", "").upper().endswith("INVITE"):
                self._open.pop(found.get("call-id", ""), None)

    def answers(self) -> list[str]:
        """What is to be said for a page that is gone."""
        return [unavailable(text) for text in self._open.values()]
