"""What Asterisk is told of an attempt, as AMI headers: its one Originate, or an order for who called in. Pure.

In goes a CallOrder, out comes the action; nothing but ids and values of a narrow grammar reaches AMI, since a line
break in a value would be an action of its own, and a comma would split a variable in two. ValueError where one does not
fit. See templates/deploy/asterisk/extensions_mailgate.conf for the variables.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import assert_never

from mailgate.calls.model import CallOrder, Channel, Kind
from mailgate.calls.settings import AsteriskSettings
from mailgate.calls.trunks import Line, lines_for

WEEK_S = 7 * 86_400
SLOTS = 3
"""Records of an attempt are kept in one of three astdb families in turn, a week each, and swept a week after the
slot's own week has ended: a record lives one to two weeks."""
TIDY = 8
"""One attempt of so many looks whether there is something to sweep."""

_ATTEMPT = re.compile(r"[0-9a-f]{32}\Z")
_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,80}\Z")  # Asterisk's Uniqueid: seconds, dot, number, perhaps a name before
_SOUND = re.compile(r"/[A-Za-z0-9_./-]{1,300}\Z")
_VALUE = re.compile(r'[A-Za-z0-9_ <>()|@+:;=",./!~&-]*\Z')
_DIALPLAN = "mailgate-call"
PAGES = "mailgate-web"
"""The endpoint of pages, in pjsip_mailgate.conf: those that call in, and those that ring."""
BETWEEN = "!"
"""Stands between ways that are tried one after the other; no way holds it."""
TOGETHER = "&"
"""Stands between ways that ring at once, where Dial takes them."""
FURTHER = "~"
"""Stands between a party's channels, each with its ways; no way holds it."""
FIELDS = (
    *("attempt", "week", "ring2", "limit", "ask2", "say2", "leg2", "held", "calling", "more"),
    *("ask1", "say1", "ring1", "nth", "leg1"),
)
"""What the dialplan reads from an order, by place; the last two change with each try of leg 1."""


def is_attempt(text: str) -> bool:
    """Whether this is the id of an attempt: what names calls of others never is."""
    return bool(_ATTEMPT.match(text))


def check_attempt(attempt_id: str) -> str:
    """The id itself; raises ValueError where it is not 32 lower-case hexadecimal digits."""
    if not is_attempt(attempt_id):
        raise ValueError("not an attempt id")
    return attempt_id


def week(now: float) -> int:
    """The number of the week, from the first of 1970 on."""
    return int(now // WEEK_S)


def record_families(now: float) -> tuple[str, str]:
    """Where an attempt's record can be: this week's family, then last week's."""
    this = week(now)
    return f"mailgate/{this % SLOTS}", f"mailgate/{(this - 1) % SLOTS}"


def ways(
    channel: Channel, settings: AsteriskSettings, lines: tuple[Line, ...] | None = None, attempt_id: str = ""
) -> tuple[str, ...]:
    """The channel as Originate and Dial take it: the way to try first, then those to try where that one is dead.

    A telephone number goes by `lines` (None: by all that serve it). A page that rings learns which attempt it is from
    its own address. Raises ValueError where there is no way to it.
    """
    match channel.kind:
        case Kind.TEL:
            usable = lines_for(channel.address, settings.lines) if lines is None else lines
            if not usable:
                raise ValueError("no trunk serves that number")
            return tuple(f"PJSIP/{channel.address}@{line.name}" for line in usable)
        case Kind.SIP if "@" in channel.address:
            if not settings.outbound:
                raise ValueError("no endpoint for SIP addresses elsewhere")
            return (f"PJSIP/{settings.outbound}/sip:{channel.address}",)
        case Kind.SIP:
            return (f"PJSIP/{channel.address}",)
        case Kind.PAGE:
            there = settings.pages.get(channel.address, ())
            if not there:
                raise ValueError("no page of that account is open")
            of = f";attempt={attempt_id}" if attempt_id else ""
            return tuple(f"PJSIP/{PAGES}/sip:page@{where};transport=ws{of}" for where in there)
        case Kind.BROWSER | Kind.DIAL_IN | Kind.HELD:
            raise ValueError("who calls in cannot be dialled")
        case _:
            assert_never(channel.kind)


def _dialled(channel: Channel, found: tuple[str, ...]) -> str:
    """Ways as the dialplan takes them for leg 2: pages of one person ring at once."""
    return (TOGETHER if channel.kind is Kind.PAGE else BETWEEN).join(found)


def _further(order: CallOrder, settings: AsteriskSettings, lines: tuple[Line, ...] | None) -> str:
    """Leg 2's other channels: for each whether it presses 1, and its ways. `lines`: where leg 2 has a place; a
    telephone goes by those, or by what has no limit. What nothing leads to is left out."""
    found = []
    for each in order.then2:
        try:
            serving = lines
            if lines is not None and each.channel.kind is Kind.TEL:
                every = lines_for(each.channel.address, settings.lines)
                serving = tuple(line for line in every if line in lines or not line.capacity)
            way = _dialled(each.channel, ways(each.channel, settings, serving, order.attempt_id))
            found.append(str(int(each.confirm)) + way)
        except ValueError:
            continue
    return FURTHER.join(found)


def _led_on(order: CallOrder, settings: AsteriskSettings) -> CallOrder:
    """The order without a page that has been closed since it was made, where leg 2 has another channel."""
    while order.leg2.kind is Kind.PAGE and order.leg2.address not in settings.pages and order.then2:
        following, *rest = order.then2
        order = replace(order, leg2=following.channel, confirm2=following.confirm, then2=tuple(rest))
    return order


def _sound(path: str) -> str:
    if path and (not _SOUND.match(path) or ".." in path):
        raise ValueError("not a usable path of a sound file")
    return path


def _whole(seconds: int, most: int) -> int:
    if not 1 <= seconds <= most:
        raise ValueError(f"not between 1 and {most} seconds")
    return seconds


def _limit(longest_s: int) -> str:
    """As Dial's L takes it: both hear a beep half a minute before the end, in a short call when a quarter is left."""
    longest_ms = 1000 * _whole(longest_s, 86_400)
    return f"{longest_ms}:{min(30_000, longest_ms // 4)}"


def _check(action: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    for value in action.values():
        for text in value if isinstance(value, list) else [value]:
            if not _VALUE.match(text):
                raise ValueError("a value that AMI could take for more than a value")
    return action


def _order(
    order: CallOrder, settings: AsteriskSettings, now: float, lines2: tuple[Line, ...] | None, others: tuple[str, ...]
) -> str:
    """The order as the dialplan takes it, one value: it comes whole or not at all. Raises ValueError."""
    order = _led_on(order, settings)
    held = order.leg2.address if order.leg2.kind is Kind.HELD else ""
    values = {
        "attempt": check_attempt(order.attempt_id),
        "week": str(week(now)),
        "ring2": str(_whole(order.ring2_s, 600)),
        "limit": _limit(order.longest_s),
        "ask2": str(int(order.confirm2)),
        "say2": _sound(order.announcement2),
        "leg2": "" if held else _dialled(order.leg2, ways(order.leg2, settings, lines2, order.attempt_id)),
        "held": held,
        "calling": _sound(order.calling),
        "more": _further(order, settings, lines2),
        "ask1": str(int(order.confirm1)),
        "say1": _sound(order.announcement),
        "ring1": str(_whole(order.ring1_s, 600)),
        "nth": "1",
        "leg1": BETWEEN.join(others),
    }
    if any("|" in value for value in values.values()):
        raise ValueError("a bar in a field of an order")
    return "|".join(values[name] for name in FIELDS)


def admit_action(
    order: CallOrder, channel: str, settings: AsteriskSettings, now: float, lines2: tuple[Line, ...] | None = None
) -> dict[str, str | list[str]]:
    """Headers of the Setvar that lets a waiting channel in as leg 1, `now` in UNIX seconds. Raises ValueError.

    Who called in is not asked whether they want the call.
    """
    return answer_action(channel, _order(replace(order, confirm1=False, announcement=""), settings, now, lines2, ()))


def answer_action(channel: str, answer: str) -> dict[str, str | list[str]]:
    """Headers of the Setvar that a waiting channel is answered by. Raises ValueError."""
    if not _CHANNEL.match(channel):
        raise ValueError("not the id of a channel")
    return _check({"Action": "Setvar", "Channel": channel, "Variable": "MG_ORDER", "Value": answer})


def originate_action(
    order: CallOrder,
    settings: AsteriskSettings,
    now: float,
    lines1: tuple[Line, ...] | None = None,
    lines2: tuple[Line, ...] | None = None,
) -> dict[str, str | list[str]]:
    """Headers of the Originate, `now` in UNIX seconds, by these lines for each leg. Raises ValueError."""
    attempt_id = check_attempt(order.attempt_id)
    key = f"{record_families(now)[0]}/{attempt_id}"
    if order.leg1.kind is Kind.HELD:
        raise ValueError("who waits is no offeree")
    first, *others = ways(order.leg1, settings, lines1, attempt_id)
    end = "s" if int(attempt_id, 16) % TIDY else "tidy"
    variables = {
        "__MG_KEY": key,
        "__MG_ORDER": _order(order, settings, now, lines2, tuple(others)),
        # A telephone that answers 302 would have Asterisk call whom it names: this context does not exist.
        "FORWARD_CONTEXT": "mailgate-none",
        # Known to Asterisk from here on, and to be told from an attempt it has never heard of.
        f"DB({key}/placed)": "1",
        # Runs whatever happens, an answer or none. The quotes keep the commas together.
        "CHANNEL(hangup_handler_push)": f'"mailgate-end,{end},1"',
    }
    action: dict[str, str | list[str]] = {
        "Action": "Originate",
        "Channel": first,
        "Context": _DIALPLAN,
        "Exten": "s",
        "Priority": "1",
        "CallerID": f"<{settings.gateway_number}>",
        "Timeout": str(1000 * _whole(order.ring1_s, 600)),
        "Async": "true",
        "ChannelId": attempt_id,
        "Variable": [f"{name}={value}" for name, value in variables.items()],
    }
    return _check(action)


def order_action(
    order: CallOrder,
    settings: AsteriskSettings,
    now: float,
    lines1: tuple[Line, ...] | None = None,
    lines2: tuple[Line, ...] | None = None,
) -> dict[str, str | list[str]]:
    """What Asterisk is told of an order, as of `now` (UNIX seconds). Raises ValueError.

    For a page that has not called yet it is told nothing; its order is tried all the same, so that a fault in it is
    known before anybody is told to call.
    """
    match order.leg1.kind:
        case Kind.BROWSER:
            return admit_action(order, "tried", settings, now, lines2)
        case Kind.DIAL_IN:
            return admit_action(order, order.leg1.address, settings, now, lines2)
        case Kind.TEL | Kind.SIP | Kind.PAGE | Kind.HELD:  # who waits on the line is no leg 1, which it says itself
            return originate_action(order, settings, now, lines1, lines2)
        case _:
            assert_never(order.leg1.kind)
