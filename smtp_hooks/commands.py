"""The arguments of SMTP commands, read strictly.

Text in, values out; anything outside the grammar raises `BadCommand` with the reply that the client gets. All
expressions are linear: each alternative begins with a character that no other one takes.

Standards: RFC 5321, 4.1.2 (paths) and 4.5.3.1 (sizes); RFC 6531 (SMTPUTF8); RFC 1870 (SIZE); RFC 6152 (BODY);
RFC 3461 (RET, ENVID, NOTIFY, ORCPT, xtext); RFC 4954 (AUTH=); Postfix's XFORWARD and XCLIENT.

Known limits, on purpose: source routes (`<@a:b@c>`, deprecated) are refused; a local part without a domain and dots
in any place of a local part are taken, the next hop decides about them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtp_hooks.envelope import Recipient, Reply
from smtp_hooks.errors import Refused

MAX_PATH = 512
"""Characters of a path. RFC 5321, 4.5.3.1.3 asks for 256 octets; signed return paths (VERP, SRS) pass that."""

_PATH = re.compile(
    r"""
    [ ]*<
    ( (?: [\w.!#$%&'*+/=?^`{|}~\u0080-\U0010ffff-]+           # dot-string, RFC 6531 adds all beyond ASCII
        | "(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"             # quoted-string
      )
      (?: @ (?: [A-Za-z0-9._\u0080-\U0010ffff-]+               # domain
              | \[[^\[\]\\\x00-\x20\x7f]+\]                    # address literal
            ) )?
    )?
    >
    """,
    re.VERBOSE,
)
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_VALUE = re.compile(r"[^\x00-\x20=\x7f]+\Z")  # esmtp-value; `=` only inside xtext, as +3D
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")  # RFC 3461, 4
_ORCPT = re.compile(r"[A-Za-z0-9-]+;[^\x00-\x20=\x7f]+\Z")  # RFC 3461, 4.2; RFC 6533, 3 adds UTF-8
_NOTIFY = re.compile(r"(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY)){0,2})\Z", re.IGNORECASE)

_MAIL_VALUES: dict[str, re.Pattern[str] | None] = {
    "SIZE": re.compile(r"[0-9]{1,20}\Z"),
    "BODY": re.compile(r"(?:7BIT|8BITMIME)\Z", re.IGNORECASE),
    "RET": re.compile(r"(?:FULL|HDRS)\Z", re.IGNORECASE),
    "ENVID": re.compile(r"(?=.{1,100}\Z)" + _XTEXT.pattern),
    "AUTH": re.compile(r"(?:<>|" + _XTEXT.pattern.removesuffix(r"\Z") + r")\Z"),
    "SMTPUTF8": None,
}
_RCPT_VALUES: dict[str, re.Pattern[str] | None] = {
    "NOTIFY": _NOTIFY,
    "ORCPT": re.compile(r"(?=.{1,500}\Z)" + _ORCPT.pattern),
}

XFORWARD_NAMES = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE")


class BadCommand(Refused):
    """The command is outside the grammar; nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """MAIL FROM: `reverse_path` is empty for `<>`; `size` in octets as the client declares it, else 0."""

    reverse_path: str
    parameters: tuple[str, ...] = ()
    size: int = 0


def bad(code: int, enhanced: str, text: str) -> BadCommand:
    """The refusal of a command."""
    return BadCommand(Reply(code=code, enhanced=enhanced, text=text))


def parse_mail(argument: str, extended: bool = True) -> Mail:
    """`FROM:<path> [parameters]`, as it follows `MAIL `. Raises BadCommand."""
    path, parameters = _path_and_parameters(argument, "FROM:", _MAIL_VALUES, extended)
    values = {name.upper(): value for name, _, value in (p.partition("=") for p in parameters)}
    if not path.isascii() and "SMTPUTF8" not in values:
        raise bad(553, "5.6.7", "Address beyond ASCII needs SMTPUTF8")
    return Mail(reverse_path=path, parameters=parameters, size=int(values.get("SIZE") or 0))


def parse_rcpt(argument: str, extended: bool = True, smtputf8: bool = False) -> Recipient:
    """`TO:<path> [parameters]`, as it follows `RCPT `. Raises BadCommand."""
    path, parameters = _path_and_parameters(argument, "TO:", _RCPT_VALUES, extended)
    if not path:
        raise bad(553, "5.1.3", "A recipient cannot be empty")
    if not path.isascii() and not smtputf8:
        raise bad(553, "5.6.7", "Address beyond ASCII needs SMTPUTF8")
    return Recipient(address=path, parameters=parameters)


def _path_and_parameters(
    argument: str, keyword: str, allowed: dict[str, re.Pattern[str] | None], extended: bool
) -> tuple[str, tuple[str, ...]]:
    if argument[: len(keyword)].upper() != keyword:
        raise bad(501, "5.5.4", f"Syntax: {keyword}<address>")
    match = _PATH.match(argument, len(keyword))
    if match is None or match.end() - match.start() > MAX_PATH:
        raise bad(553 if "<" in argument else 501, "5.1.3" if "<" in argument else "5.5.4", "Malformed address")
    rest = argument[match.end() :]
    if not rest:
        return match[1] or "", ()
    if not rest.startswith(" "):
        raise bad(501, "5.1.3", "Malformed address")
    parameters = tuple(p for p in rest.split(" ") if p)
    if parameters and not extended:
        raise bad(555, "5.5.4", "Parameters need EHLO")
    _check(parameters, allowed)
    return match[1] or "", parameters


def _check(parameters: tuple[str, ...], allowed: dict[str, re.Pattern[str] | None]) -> None:
    seen = set()
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        name = name.upper()
        if not _KEYWORD.match(name) or name in seen:
            raise bad(501, "5.5.4", "Malformed parameter")
        seen.add(name)
        if name not in allowed:
            raise bad(555, "5.5.4", "Parameter not supported")
        pattern = allowed[name]
        if (pattern is None) == bool(equals) or (pattern is not None and not pattern.match(value)):
            raise bad(501, "5.5.4", f"Bad value of {name}")


def parse_attributes(argument: str, allowed: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`NAME=xtext …` of XFORWARD and XCLIENT; values are decoded, `[UNAVAILABLE]` and its like become empty."""
    found = []
    for attribute in argument.split():
        name, _, value = attribute.partition("=")
        name = name.upper()
        if name not in allowed:
            raise bad(501, "5.5.4", "Attribute not supported")
        if not value or len(value) > MAX_PATH or not _XTEXT.match(value):
            raise bad(501, "5.5.4", f"Bad value of {name}")
        found.append((name, "" if value.upper() in ("[UNAVAILABLE]", "[TEMPUNAVAIL]") else from_xtext(value)))
    if not found:
        raise bad(501, "5.5.4", "Attributes expected")
    return tuple(found)


def from_xtext(value: str) -> str:
    """Decode xtext (RFC 3461, 4). The input matches its grammar; octets beyond ASCII are read as UTF-8."""
    if "+" not in value:
        return value
    octets = re.sub(rb"\+([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), value.encode())
    return octets.decode("utf-8", "replace")


def to_xtext(value: str) -> str:
    """Encode as xtext (RFC 3461, 4)."""
    return "".join(chr(o) if 33 <= o <= 126 and o not in b"+=" else f"+{o:02X}" for o in value.encode())
