"""`mailgate listen`: shows offers of calls as they come in, and answers them from the keyboard."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
from rich.console import Console

from mailgate.errors import ConfigError, MailgateError

EPILOG = """\b
Examples:
  mailgate account device add ben@example.net --name laptop > listen.key     (at the gateway)
  mailgate listen https://call.example.org --key-file listen.key --channel +33199000002
  mailgate listen https://call.example.org --key-file listen.key --plain < commands
  mailgate listen --serve 192.0.2.7:7443 --tls-cert cert.pem --tls-key key.pem --key-file listen.key

Type "help" while it runs. The key may also stand in MAILGATE_LISTEN_KEY.
"""


@click.command(epilog=EPILOG)
@click.argument("url", required=False)
@click.option("--key-file", type=click.Path(dir_okay=False, path_type=Path), help="The device's key.")
@click.option(
    "--name", default=socket.gethostname, show_default="this machine's", help="What others see of the device."
)
@click.option("--channel", "channels", multiple=True, help="How you can be called: sip:ben, +33…; the best one first.")
@click.option(
    "--status", type=click.Choice(["available", "busy", "away", "dnd"]), default="available", show_default=True
)
@click.option(
    "--serve", "serve_at", metavar="HOST:PORT", help="Wait at a socket of its own; the gateway connects to it."
)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="For --serve.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="For --serve.")
@click.option(
    "--ca-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Who vouches for the URL."
)
@click.option("--plain", is_flag=True, help="One line for each thing, for programs.")
@click.option("--no-notify", is_flag=True, help="No notices on the desktop.")
def listen(
    url: str | None,
    key_file: Path | None,
    name: str,
    channels: tuple[str, ...],
    status: str,
    serve_at: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    ca_file: Path | None,
    plain: bool,
    no_notify: bool,
) -> None:
    """Listen at the gateway with address URL for offers of calls."""
    from mailgate.listen.client import Client, ClientSettings
    from mailgate.listen.screen import Screen

    if bool(url) == bool(serve_at):
        raise click.UsageError("name the gateway's URL, or --serve HOST:PORT")
    if bool(tls_cert) != bool(tls_key):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    console = Console(highlight=False, markup=False)
    screen = Screen(console, plain=plain, notify=not no_notify)
    settings = ClientSettings(key=_key(key_file), name=name[:80], channels=channels[:5], status=status)  # type: ignore[arg-type]

    async def run() -> None:
        client = Client(settings, screen)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, client.end)
        typing = asyncio.create_task(_typed(client.typed))
        try:
            if serve_at:
                host, port = _host_port(serve_at)
                if tls_cert is None and not host.startswith("127.") and host not in ("localhost", "::1"):
                    screen.say("wrong", "without TLS what is offered can be read by who is on the way")
                await client.serve(host, port, _server_tls(tls_cert, tls_key))
            else:
                await client.connect(str(url), ssl.create_default_context(cafile=ca_file))
        except OSError as error:
            raise MailgateError(f"cannot listen at {serve_at}: {error.strerror or error}") from error
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)

    asyncio.run(run())


def _key(path: Path | None) -> str:
    if path is None:
        key = os.environ.get("MAILGATE_LISTEN_KEY", "")
    else:
        try:
            key = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
    key = key.strip()
    if not key:
        raise ConfigError("no key: `mailgate account device add ADDRESS` makes one; name its file with --key-file")
    return key


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"--serve {text!r} is not of the form 127.0.0.1:7443")
    return host.strip("[]"), int(port)


def _server_tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{cert}, {key}: no certificate with its key: {error}") from error
    return context


async def _typed(take: Callable[[str], Awaitable[None]]) -> None:
    """Hand over each line of standard input; its end ends nothing."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:  # a thread of its own that nobody waits for: a terminal may be silent for ever
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            for line in sys.stdin:
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
    while True:
        await take(await lines.get())
