"""The errors that mailgate raises on purpose. An edge turns each into an answer; anything else is a bug."""

from __future__ import annotations


class MailgateError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(MailgateError):
    """The configuration cannot be used; the text names file, key and reason."""


class CallRefused(MailgateError):
    """A call may not be placed (dialling rules, assurance, limits); `reason` is a stable name for page and log."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason)
        self.reason = reason


class CallFailed(MailgateError):
    """Asterisk refused the call for certain: nothing rings."""


class OutcomeUnknown(MailgateError):
    """The answer to an Originate was lost: the call may or may not have been placed."""
