"""What can be wrong with a coupon's text or with a key."""

from __future__ import annotations


class TokenError(Exception):
    """Base of everything that is wrong with a token."""


class Malformed(TokenError):
    """The text is not of a token's form."""


class Forged(TokenError):
    """The text has a token's form, but none of our keys made it."""


class KeyRingError(TokenError):
    """A key file cannot be used; the text says which line and why."""
