"""What may stand in a configuration file of Asterisk, or in an AMI action: narrow grammars, one for each kind of value.

None of them holds a character that either could take for syntax. A value that does not fit raises ConfigError. Pure.
"""

from __future__ import annotations

import re

from mailgate.errors import ConfigError

NUMBER = re.compile(r"\+[1-9][0-9]{3,14}\Z")  # E.164 with the plus sign
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z")  # a section name of pjsip.conf that needs no quoting anywhere
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?\Z")
LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){3}\Z")
LOOPBACK_PORT = re.compile(r"127(?:\.[0-9]{1,3}){3}:[0-9]{1,5}\Z")
ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}\Z")
ADDRESS_PORT = re.compile(r"[0-9A-Fa-f.:\[\]]{2,45}:[0-9]{1,5}\Z")
SECRET = re.compile(r"[A-Za-z0-9_.~+/=-]{8,128}\Z")
PASSWORD = re.compile(r"[!-:<-\[\]-~]{1,128}\Z")  # as a provider gave it: all but blank, semicolon and backslash
LOGIN = re.compile(r"[A-Za-z0-9+][A-Za-z0-9_.+-]{0,63}\Z")
PREFIX = re.compile(r"\+[1-9][0-9]{0,14}\Z")  # the beginning of a number in E.164
FILE = re.compile(r"/[A-Za-z0-9_./+-]{1,255}\Z")
SOUNDS = re.compile(r"[A-Za-z0-9_./&-]{1,400}\Z")


def fit(pattern: re.Pattern[str], value: str, what: str) -> None:
    """Nothing where the value fits; ConfigError, which names what it is but not the value, where it does not."""
    if not pattern.match(value):
        raise ConfigError(f"{what}: not a usable value")
