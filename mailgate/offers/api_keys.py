"""Keys by which programs act for an account: `mg_PREFIX_SECRET`, shown once.

The store finds a key by its prefix and holds a keyed digest of its secret (192 bits), so that neither a stolen store
nor a log line with a prefix is of use. A key ends when it is revoked, or its account removed.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from mailgate.accounts.model import Account
from mailgate.store import accounts
from mailgate.store.database import Row, Rows, Store
from mailgate.store.seal import Sealer

_TEXT = re.compile(r"mg_([0-9a-f]{8})_([A-Za-z0-9_-]{32})\Z")
_USED_EVERY_S = 3600.0
"""How exactly it is known when a key was used: a write for each request would be dear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as an administrator sees it. Times are UNIX seconds, None where it has not come to that."""

    key_id: str
    account_id: str
    label: str
    created_at: float
    used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls the API: a key, and the account that it acts for."""

    key_id: str
    account: Account


class ApiKeys:
    """The keys of a store. `new_id` gives eight hexadecimal digits, `new_secret` 32 characters of base64url."""

    def __init__(
        self,
        *,
        store: Store,
        sealer: Sealer,
        now: Callable[[], float],
        new_id: Callable[[], str] = lambda: secrets.token_hex(4),
        new_secret: Callable[[], str] = lambda: secrets.token_urlsafe(24),
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._now = now
        self._new_id = new_id
        self._new_secret = new_secret

    def add(self, account_id: str, label: str) -> str:
        """A new key's text, which is shown this once."""
        key_id, secret = self._new_id(), self._new_secret()

        def work(rows: Rows) -> None:
            digest = self._digest(key_id, secret)
            rows.run(
                "insert_api_key",
                key_id=key_id,
                account_id=account_id,
                digest=digest,
                label=label,
                created_at=self._now(),
            )

        self._store.transact_now(work)
        return f"mg_{key_id}_{secret}"

    async def caller(self, text: str) -> Caller | None:
        """Whose key that is; None where it is nobody's (any more)."""
        parts = _TEXT.match(text)
        if not parts:
            return None
        key_id, secret = parts.groups()
        row = self._store.read(lambda rows: rows.one("api_key", key_id=key_id))
        digest = self._digest(key_id, secret)
        if row is None or row["revoked_at"] is not None or not hmac.compare_digest(row["digest"], digest):
            return None
        account = self._store.read(lambda rows: accounts.by_id(rows, self._sealer, row["account_id"]))
        if account is None:
            return None
        now = self._now()
        if row["used_at"] is None or now - row["used_at"] > _USED_EVERY_S:
            await self._store.transact(lambda rows: rows.run("use_api_key", key_id=key_id, now=now))
        return Caller(key_id=key_id, account=account)

    def list(self, account_id: str | None = None) -> list[ApiKey]:
        """The keys of an account, or all, the oldest first; also those that were revoked."""
        return [_key(row) for row in self._store.read(lambda rows: rows.all("api_keys_of", account_id=account_id))]

    def revoke(self, key_id: str) -> bool:
        """End a key, now; False where there is none such, or it has ended."""
        now = self._now()
        return self._store.transact_now(lambda rows: rows.run("revoke_api_key", key_id=key_id, now=now)) == 1

    def _digest(self, key_id: str, secret: str) -> bytes:
        return self._sealer.digest(f"api key {key_id} {secret}")


def _key(row: Row) -> ApiKey:
    return ApiKey(**{name: row[name] for name in ApiKey.__slots__})
