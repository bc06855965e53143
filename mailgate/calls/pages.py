"""Pages that ring: whose are open just now, and where Asterisk reaches each of them.

Somebody who is signed in lets calls ring in the browser; the page's connection for SIP goes through a relay in our own
web server (mailgate.web.page_relay), which notes it here. Asterisk calls whoever is at the other end of a WebSocket
connection by that connection's own address (RFC 7118, 5; `;transport=ws`): nothing registers, nobody has a password,
and an account needs no line in Asterisk's configuration.
Known limits: kept in memory, by the process that holds the connections: after a restart pages come back by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

AT_ONCE = 2
"""Pages of one account that ring together, the newest: each makes the order to Asterisk longer."""


class OpenPages:
    """Where the pages of each account are, as Asterisk sees them: `address:port`."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, None]] = {}  # account → where, the oldest first

    def come(self, account_id: str, where: str) -> None:
        self._open.setdefault(account_id, {})[where] = None

    def go(self, account_id: str, where: str) -> None:
        there = self._open.get(account_id, {})
        there.pop(where, None)
        if not there:
            self._open.pop(account_id, None)

    def count(self, account_id: str) -> int:
        return len(self._open.get(account_id, ()))

    def where(self) -> Mapping[str, tuple[str, ...]]:
        """By account, those that ring: the newest first."""
        return {account_id: tuple(reversed(there))[:AT_ONCE] for account_id, there in self._open.items()}
