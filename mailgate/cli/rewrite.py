"""`mailgate rewrite`: see what the gateway makes of messages, before it is trusted with any."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mailgate import config as configuration
from mailgate.cli.common import console
from mailgate.config import Config
from mailgate.errors import MailgateError
from mailgate.trial import Trial, Tried, as_sent, trial

EPILOG = """\b
Examples:
  mailgate rewrite letter.eml changed.eml
  mailgate rewrite ~/messages /tmp/changed --surgery-only --json
  mailgate rewrite ~/messages /tmp/changed --config /etc/mailgate/mailgate.toml --recipient ben@example.net
"""

_FEW = 5
"""Up to so many messages no progress is shown."""


class NoMessages(MailgateError):
    """There is nothing to read."""


def named_config(context: click.Context, path: str | None) -> Config | None:
    """The configuration that was named, here or before the command; None where none was: the example's turn."""
    named = path or context.find_root().obj
    return configuration.load(Path(named)) if named else None


def messages_in(folder: Path) -> list[Path]:
    """All `.eml` files in the folder and below; every file where there is none (a Maildir)."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.suffix.lower() == ".eml"] or files


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--sender", default="", help="Who sends it; otherwise the address in From (without --config: Ada).")
@click.option("--recipient", default="", help="Who gets it; otherwise the first address in To.")
@click.option("--config", "-c", "path", type=click.Path(dir_okay=False), help="Otherwise a built-in example serves.")
@click.option("--surgery-only", is_flag=True, help="Change whatever can be changed safely, whatever the policy says.")
@click.option("--json", "as_json", is_flag=True, help="The decision on each message, with its reason, as JSON.")
@click.pass_context
def rewrite(
    context: click.Context,
    source: Path,
    target: Path,
    sender: str,
    recipient: str,
    path: str | None,
    surgery_only: bool,
    as_json: bool,
) -> None:
    """Write to OUT what would go on of the message IN, or of each message in the folder IN.

    Nothing is sent, offers go to a store that is thrown away, and the links do not work. Lone line feeds are read as
    CRLF, and what is written has CRLF, as on the wire. A message that would be refused is not written. Without a
    configuration the account is ada@example.org with the number +33 1 99 00 12 34.
    """
    work = _work(source, target)
    with trial(named_config(context, path), surgery_only=surgery_only) as gate:
        told = asyncio.run(_rewrite(gate, work, sender, recipient))
        url = gate.url
    if as_json:
        click.echo(json.dumps({"url_prefix": url, "messages": told}, indent=1))
        return
    _print(told, url)


def _work(source: Path, target: Path) -> list[tuple[str, Path, Path]]:
    """Name, file to read and file to write of each message."""
    if source.is_dir():
        pairs = [(path, target / path.relative_to(source)) for path in messages_in(source)]
        if not pairs:
            raise NoMessages(f"{source}: there is no message in this folder")
        return [(str(path.relative_to(source)), path, out) for path, out in pairs]
    return [(source.name, source, target / source.name if target.is_dir() else target)]


async def _rewrite(
    gate: Trial, work: list[tuple[str, Path, Path]], sender: str, recipient: str
) -> list[dict[str, str]]:
    told = []
    shown = track(work, "Rewriting", console=Console(stderr=True), disable=len(work) <= _FEW, transient=True)
    for name, path, out in shown:
        tried = await gate.judge(as_sent(path.read_bytes()), sender=sender, recipient=recipient)
        if tried.message is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(tried.message)
        told.append(_told(name, tried))
    return told


def _told(name: str, tried: Tried) -> dict[str, str]:
    return {
        "file": name,
        "decision": tried.decision.name,
        "reason": tried.decision.reason,
        "sender": tried.sender,
        "recipient": tried.recipient,
        **({"reply": tried.reply} if tried.reply else {}),
    }


def _print(told: list[dict[str, str]], url: str) -> None:
    table = Table("Messages", "Decision", "Reason")
    for (decision, reason), count in Counter((t["decision"], t["reason"]) for t in told).most_common():
        table.add_row(str(count), decision, reason)
    console.print(table)
    if len(told) == 1 and "reply" in told[0]:
        console.print(told[0]["reply"])
    console.print(f"Links begin with {url}")
