"""DKIM keys as they lie in files: those of the configuration, and those that came after them.

    [[dkim.keys]]             the first key of each domain
    [dkim] rotation/          rotation.json, the rota (`smtp_hooks.dkim_rota`), and the keys that it names

As soon as the rota knows a domain and an algorithm, the configured key of that kind is one of its entries like others.
`SigningKeys` is asked with every message that is signed; it looks at the rota's file once in a second and reads keys
only when another one is to sign, so that a rotation needs no restart. What cannot be read leaves the keys as they were,
and is logged as an error.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from mailgate.config.mail import Dkim
from mailgate.errors import ConfigError
from mailgate.keyfiles import read_secret
from smtp_hooks import dkim_keys, dkim_rota
from smtp_hooks.dkim_keys import Key
from smtp_hooks.dkim_rota import Entry, Rota, RotaError

log = logging.getLogger(__name__)

_NAME = "rotation.json"
_LOOK_EVERY_S = 1.0


def read(section: Dkim) -> Rota:
    """The rota; empty where nothing was ever rotated. Raises ConfigError."""
    path = section.rotation / _NAME
    try:
        return dkim_rota.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, RotaError) as error:
        raise ConfigError(f"{path}: {error}") from error


def write(section: Dkim, rota: Rota) -> None:
    """Put the rota in the place of the one that is there, at once. Raises ConfigError."""
    path = section.rotation / _NAME
    fresh = path.with_suffix(".new")
    try:
        section.rotation.mkdir(mode=0o750, parents=True, exist_ok=True)
        fresh.write_text(dkim_rota.dump(rota), encoding="utf-8")
        like(fresh, section)
        fresh.replace(path)
        like(section.rotation, section)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error


def like(path: Path, section: Dkim) -> None:
    """Give a file to the owner of the configured keys: commands are run by root, the gateway is not."""
    if os.geteuid() == 0 and section.keys:
        try:
            owner = section.keys[0].key_file.parent.stat()
            for key in section.keys:
                if key.key_file.exists():
                    owner = key.key_file.stat()
                    break
        except OSError:
            return
        os.chown(path, owner.st_uid, owner.st_gid)


def key_path(section: Dkim, entry: Entry) -> Path:
    """Where its private half lies."""
    return section.rotation / entry.key_file


def whole(section: Dkim, rota: Rota) -> Rota:
    """The rota with the configured keys among it that it does not know: they have signed for ever, as far as we know.

    Raises ConfigError.
    """
    known = {(entry.domain, entry.algorithm) for entry in rota}
    return (*(entry for entry in _configured(section, rota) if (entry.domain, entry.algorithm) not in known), *rota)


def _configured(section: Dkim, rota: Rota) -> list[Entry]:
    """The keys of the configuration as entries; a file that is gone belonged to a key that was retired."""
    rotated = {entry.domain for entry in rota}
    found = []
    for key in section.keys:
        domain, file = key.domain.lower().rstrip("."), str(key.key_file)
        if domain in rotated and not key.key_file.exists():
            continue
        kind = _load(domain, key.selector, key.key_file).algorithm.partition("-")[0]
        entry = Entry(domain=domain, selector=key.selector, algorithm=kind, key_file=file, made_at=0, signs_from=0)
        found.append(entry)
    return found


def load(section: Dkim, entry: Entry) -> Key:
    """The key of an entry. Raises ConfigError."""
    return _load(entry.domain, entry.selector, key_path(section, entry))


def _load(domain: str, selector: str, path: Path) -> Key:
    try:
        return dkim_keys.load(domain, selector, read_secret(path).encode())
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


class SigningKeys:
    """The keys that sign, as they change. Call with the time for the keys where they are others than at the last call,
    else None; the first call raises ConfigError for what cannot be read, later ones never raise."""

    def __init__(self, section: Dkim) -> None:
        self._section = section
        self._mark: tuple[int, int, int] | None = None
        self._looked_at = 0.0
        self._changes_at = 0.0
        self._entries: Rota | None = None

    def __call__(self, now: float) -> Sequence[Key] | None:
        if 0 <= now - self._looked_at < _LOOK_EVERY_S and now < self._changes_at:
            return None
        self._looked_at = now
        mark = self._file_mark()
        if self._entries is not None and mark == self._mark and now < self._changes_at:
            return None
        try:
            rota = whole(self._section, read(self._section))
            entries = dkim_rota.signing(rota, now)
            keys = None if entries == self._entries else [load(self._section, entry) for entry in entries]
        except ConfigError as error:
            if self._entries is None:
                raise
            log.error("DKIM keys stay as they were: %s", error, extra={"action": "dkim-rotation"})
            self._mark, self._changes_at = mark, now + 60
            return None
        self._mark, self._changes_at = mark, dkim_rota.next_change(rota, now)
        if keys is not None and self._entries is not None:
            names = ", ".join(entry.name for entry in entries)
            log.info("DKIM: now signing with other keys", extra={"action": "dkim-rotation", "keys": names})
        self._entries = entries
        return keys

    def _file_mark(self) -> tuple[int, int, int] | None:
        try:
            found = (self._section.rotation / _NAME).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
