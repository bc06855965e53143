"""Errors on a message's way. Each that a peer may see carries the SMTP reply it becomes."""

from __future__ import annotations

from smtp_hooks.envelope import Reply


class Refused(Exception):
    """The message is not taken; `reply` is what the client is told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply
