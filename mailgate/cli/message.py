"""One message looked at: `mailgate explain MESSAGE.eml` and `mailgate preview`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
from rich.markup import escape

from mailgate import config as configuration
from mailgate.cli import picture
from mailgate.cli.common import PLACES, console
from mailgate.cli.reasons import sentence
from mailgate.cli.rewrite import named_config
from mailgate.config import Config
from mailgate.log import mask
from mailgate.trial import Tried, as_sent, trial
from smtp_hooks import mime
from smtp_hooks.mime import Unsuitable
from smtp_hooks.mime.model import Insertion

EPILOG = """\b
Examples:
  mailgate preview letter.eml
  mailgate preview letter.eml --output /tmp/preview --recipient ben@example.net
"""

_SHOWN = 60  # characters of text on either side of the place


@click.command(epilog=EPILOG)
@click.argument("message", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Otherwise a folder beside MESSAGE.")
@click.option("--sender", default="", help="Who sends it; otherwise the address in From.")
@click.option("--recipient", default="", help="Who gets it; otherwise the first address in To.")
@click.option("--open/--no-open", "show", default=None, help="Open what was written; by default on a terminal.")
@click.pass_context
def preview(
    context: click.Context, message: Path, output: Path | None, sender: str, recipient: str, show: bool | None
) -> None:
    """Write MESSAGE as its recipient would get it, and pictures of it where Chromium is installed.

    Nothing is sent, and the link in it does not work.
    """
    tried = _try(context, message, sender, recipient)
    console.print(sentence(tried.decision), soft_wrap=True)
    if tried.message is None:
        console.print(tried.reply)
        return
    folder = output or message.with_name(message.stem + "-preview")
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"{message.stem}.eml"]
    written[0].write_bytes(tried.message)
    browser = picture.find_browser()
    if browser is None:
        console.print("Without pictures: neither chromium nor google-chrome is installed.")
    else:
        written += picture.take(browser, tried.message, folder, message.stem)
    for path in written:
        click.echo(path)
    if show if show is not None else sys.stdout.isatty():
        click.launch(str(written[-1]))


def explain_message(context: click.Context, path: Path, sender: str, recipient: str) -> None:
    """Print what would become of a message and why, and where in it the offer would go."""
    tried = _try(context, path, sender, recipient)
    console.print(f"[bold]{escape(path.name)}[/] from {escape(tried.sender or '<>')} to {escape(tried.recipient)}")
    console.print("  " + sentence(tried.decision), soft_wrap=True)
    if tried.reply:
        console.print(f"  {escape(tried.reply)}", soft_wrap=True)
    site = mime.locate(as_sent(path.read_bytes()))
    if isinstance(site, Unsuitable):
        if site.part:
            console.print(f"  The part at fault is {site.part}.")
        return
    offered = tried.decision.name == "offered"
    console.print("  The offer goes" if offered else "  An offer would find its place")
    for insertion in (site.plain, site.html):
        if insertion is not None:
            console.print("  - " + escape(_place(insertion)), soft_wrap=True)


def _try(context: click.Context, path: Path, sender: str, recipient: str) -> Tried:
    with trial(_config(context)) as gate:
        return asyncio.run(gate.judge(as_sent(path.read_bytes()), sender=sender, recipient=recipient))


def _config(context: click.Context) -> Config | None:
    """The configuration that is named or lies in its place; None where there is none."""
    found = named_config(context, None)
    if found is None:
        there = next((place for place in PLACES if place.exists()), None)
        if there is not None:
            return configuration.load(there)
        console.print("No configuration is there, so an example serves: ada@example.org.")
    return found


def _place(insertion: Insertion) -> str:
    """The part, and what stands before and behind the place, without numbers."""
    part, text, at = insertion.body.part, insertion.body.text, insertion.at
    line = text.count("\n", 0, at) + 1
    name = f"into part {part.path or '1'}, {part.media_type or 'text/plain'} in {insertion.body.codec}"
    before = _words(text[max(0, at - 400) : at])[-_SHOWN:]
    behind = _words(text[at : at + 400])[:_SHOWN]
    return f"{name}, line {line}: {before!r} | {behind!r}"


def _words(text: str) -> str:
    return mask(" ".join(text.encode("utf-8", "replace").decode("utf-8").split()))
