"""TLS contexts for mail, made from the configuration when the gateway starts. Every complaint names the file.

Standards: RFC 3207 (STARTTLS), RFC 7435 (opportunistic security), RFC 8314 (TLS 1.2 and newer), RFC 6125 (names).
"""

from __future__ import annotations

import ssl
from pathlib import Path

from mailgate.config import NextHopTls, ServerTls
from mailgate.errors import ConfigError
from mailgate.keyfiles import read_secret


def server(settings: ServerTls) -> ssl.SSLContext | None:
    """For clients; None where there is no certificate. Raises ConfigError."""
    if settings.cert_file is None or settings.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    read_secret(settings.key_file)  # complains where everybody may read it
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigError(f"smtp.tls: {settings.cert_file}, {settings.key_file}: {_reason(error)}") from error
    if settings.client_ca_file is not None:
        _trust(context, settings.client_ca_file, "smtp.tls.client_ca_file")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def next_hop(settings: NextHopTls) -> ssl.SSLContext | None:
    """Towards the next hop; None for mode "none". Raises ConfigError."""
    if settings.mode == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.mode == "opportunistic":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif settings.ca_file is None:
        context.load_default_certs()
    else:
        _trust(context, settings.ca_file, "smtp.next_hop_tls.ca_file")
    return context


def _trust(context: ssl.SSLContext, path: Path, key: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {_reason(error)}") from error


def _no_password() -> str:
    raise ValueError("the key is locked with a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no certificate or key in PEM form, or the two do not belong together ({error.reason})"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
