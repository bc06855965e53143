"""The ways to the telephone network: what a trunk is, and which ones a number goes by. Pure.

A `Trunk` is what `mailgate deploy asterisk` writes into pjsip.conf, a `Line` what placing a call needs to know of it.
The longest fitting prefix goes first, and where a trunk cannot take a call the next one is tried (by the dialplan, see
templates/deploy/asterisk/extensions_mailgate.conf). A line that is known to be full is left out beforehand: whoever
accepts is told at once, instead of with a telephone at the ear.
Known limits: a fail-over is not counted against the capacity of the line that it leads to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product

from mailgate.calls import grammar
from mailgate.calls.grammar import fit
from mailgate.errors import CallFailed, ConfigError


class Transport(Enum):
    """How signalling gets to the provider (RFC 3261, 18; RFC 5630 says why TLS is not `sips:`)."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class LinesBusy(CallFailed):
    """Every line that the call could take has as many calls as it may: nothing rings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A trunk by its endpoint's name, for the numbers that begin with one of `prefixes` (all where there is none).

    `capacity`: the most calls at once, 0 where there is no limit.
    """

    name: str
    prefixes: tuple[str, ...] = ()
    capacity: int = 0

    def __post_init__(self) -> None:
        fit(grammar.NAME, self.name, "name of a trunk (letters, digits, - and _)")
        for prefix in self.prefixes:
            fit(grammar.PREFIX, prefix, f"prefix of trunk {self.name} (plus sign and digits, such as +33)")
        if not 0 <= self.capacity <= 100_000:
            raise ConfigError(f"capacity of trunk {self.name} is 0 (no limit) to 100000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """The provider's side of one way to the telephone network. `username` empty: known by address alone.

    `caller`: the number that this provider wants to see, where it is not the gateway's own. `keep_alive_s`: how often
    the provider is asked whether it lives, which also keeps a router's way back open; 0 for never.
    """

    host: str  # name or address, with :port where it is not 5060 (TLS: 5061)
    name: str = "trunk"
    username: str = ""
    password: str = ""
    register: bool = False
    transport: Transport = Transport.UDP
    srtp: bool = False
    nat: bool = False
    keep_alive_s: int = 15
    caller: str = ""

    def __post_init__(self) -> None:
        fit(grammar.NAME, self.name, "name of a trunk (letters, digits, - and _)")
        fit(grammar.HOST, self.host, f"host of trunk {self.name}")
        if self.username:
            fit(grammar.LOGIN, self.username, f"username of trunk {self.name}")
            fit(grammar.PASSWORD, self.password, f"password of trunk {self.name}")
        elif self.register:
            raise ConfigError(f"trunk {self.name} registers, and has no username")
        if self.caller:
            fit(grammar.NUMBER, self.caller, f"caller of trunk {self.name}")
        if not 0 <= self.keep_alive_s <= 3600:
            raise ConfigError(f"keep_alive_s of trunk {self.name} is 0 to 3600")
        if self.srtp and self.transport is not Transport.TLS:
            raise ConfigError(
                f"srtp of trunk {self.name} needs transport tls: else the keys go in the clear (RFC 4568, 7)"
            )

    @property
    def address(self) -> str:
        """The provider's SIP URI as pjsip.conf takes it: its parser ends a line at a bare semicolon."""
        return f"sip:{self.host}" + ("" if self.transport is Transport.UDP else f"\\;transport={self.transport.value}")


def lines_for(number: str, lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines that a number in E.164 may take, longest fitting prefix first, else in the order given."""

    def fitting(line: Line) -> int:
        """Length of the longest prefix that fits; -1 for none."""
        return max((len(p) for p in line.prefixes if number.startswith(p)), default=-1 if line.prefixes else 0)

    return tuple(sorted((line for line in lines if fitting(line) >= 0), key=lambda line: -fitting(line)))


def seats(legs: Sequence[tuple[Line, ...]], used: Mapping[str, int]) -> tuple[tuple[Line, ...], ...]:
    """For each leg the lines that it may take now, beginning with the one kept for it.

    `used` counts the calls on each line by name. All legs get a place, or LinesBusy is raised: a call whose second leg
    would find the line full is not begun.
    """
    for choice in product(*legs):
        taken = Counter(line.name for line in choice)
        if all(_room(line, used, taken[line.name]) for line in choice):
            return tuple(_free(first, lines, used, taken) for first, lines in zip(choice, legs, strict=True))
    raise LinesBusy("every line to the telephone network is in use")


def _free(first: Line, lines: tuple[Line, ...], used: Mapping[str, int], taken: Mapping[str, int]) -> tuple[Line, ...]:
    others = (line for line in lines if line != first and _room(line, used, taken[line.name] + 1))
    return (first, *others)


def _room(line: Line, used: Mapping[str, int], wanted: int) -> bool:
    return not line.capacity or used.get(line.name, 0) + wanted <= line.capacity
