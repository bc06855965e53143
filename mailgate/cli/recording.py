"""`mailgate account recording`: an offeror's name as they say it themselves."""

from __future__ import annotations

from pathlib import Path

import click

from mailgate.calls import recording as recordings
from mailgate.cli.account import _address, _find
from mailgate.cli.common import console, desk
from mailgate.errors import MailgateError

EPILOG = """\b
Examples:
  mailgate account recording ada@example.org ada.wav
  mailgate account recording ada@example.org --remove
"""


class NoRecording(MailgateError):
    """The sound cannot be used, or there is none."""


@click.command(epilog=EPILOG)
@click.argument("account")
@click.argument("sound", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--remove", is_flag=True, help="Speak the name again.")
@click.pass_context
def recording(context: click.Context, account: str, sound: Path | None, remove: bool) -> None:
    """Let those who are called for ACCOUNT hear SOUND where its name would be spoken.

    A WAV file of 16 bit, mono or stereo, at any rate from 8 to 48 kHz, of five seconds at most: the name alone.
    """
    if (sound is None) == (not remove):
        raise click.UsageError("name a WAV file, or --remove")
    with desk(context) as d:
        owner, sounds = _find(d, _address(account)).account_id, d.config.asterisk.sounds
    if sound is None:
        if not recordings.remove(sounds, owner):
            raise NoRecording(f"there is no recording of the name of {account}")
        console.print(f"The name of {account} is spoken again.")
        return
    try:
        length_s = recordings.keep(sounds, owner, sound.read_bytes())
    except ValueError as error:
        raise NoRecording(f"{sound}: {error}") from error
    console.print(f"The name of {account} is this recording of {length_s:.1f} seconds.")
