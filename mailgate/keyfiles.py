"""Files that hold secrets: read with care, written for their owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from mailgate import push_key
from mailgate.errors import ConfigError
from tokens import keys
from tokens.errors import KeyRingError
from tokens.keys import KeyRing


def read_secret(path: Path) -> str:
    """The content of a secret file, without surrounding blanks. Raises ConfigError naming the file."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if mode & 0o007:
        raise ConfigError(f"{path}: everybody may read it; run `chmod o= {path}`")
    if not text.strip():
        raise ConfigError(f"{path}: is empty")
    return text.strip()


def load_ring(path: Path) -> KeyRing:
    """The key ring in a file. Raises ConfigError naming the file."""
    try:
        return keys.load(read_secret(path))
    except KeyRingError as error:
        raise ConfigError(f"{path}: {error}") from error


def load_push_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key for Web Push in a file. Raises ConfigError naming the file."""
    try:
        return push_key.load(read_secret(path))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; without the file a new key is made") from error


def write_secret(path: Path, text: str) -> None:
    """Write a new secret file that its owner alone may read; raises ConfigError where there is one already."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        raise ConfigError(f"{path}: is there already, and is left as it is") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}") from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def rotate(path: Path, key_id: str) -> KeyRing:
    """Add a new key to the ring in a file; it signs from the next start on, and all earlier ones verify on."""
    ring = keys.added(load_ring(path), key_id, secrets.token_bytes(keys.SECRET_OCTETS))
    fresh = path.with_suffix(path.suffix + ".new")
    write_secret(fresh, keys.dump(ring))
    fresh.chmod(path.stat().st_mode & 0o777)
    fresh.replace(path)
    return ring


def new_ring(key_id: str) -> str:
    """The text of a key file with one fresh key."""
    return keys.dump(keys.added(None, key_id, secrets.token_bytes(keys.SECRET_OCTETS)))
