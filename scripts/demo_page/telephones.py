"""A telephone on the demo's page: what it shows, what it hears, its buttons, and an owner who may answer by itself.

A `Telephone` is reached in two ways: by its number, which the telephone network behind the trunk rings, and by its
SIP user. Its own calls go through the network. It sees only what SIP and RTP bring to it; nothing is asked of mailgate.
Times in seconds.
Known limits: shows the newest call only; a second one that comes meanwhile is told that the line is busy.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lab.audio import Rtp
from lab.phone import Behaviour, Call, Phone, Reject, Ring
from lab.world import VOICES

State = Literal["idle", "calling", "ringing", "talking", "over"]

_ANSWERS_AFTER_S = 1.6
_PRESSES_AFTER_S = 3.2
"""Long enough to hear who offers the call, short enough to watch."""
_SHOWN_AFTERWARDS_S = 12.0
_RINGBACK = (440, 480)  # what Asterisk plays to who waits (indications.conf)
_CLEAR = 0.6  # share of the power at one frequency, from which on it is that tone
# The gateway's music keeps to C major (mailgate/calls/music.py); these are its notes and their first overtones.
_NOTES = tuple(round(440 * 2 ** ((note - 69) / 12)) for note in range(41, 80) if note % 12 in (0, 2, 4, 5, 7, 9, 11))
_MUSICAL = 0.35  # share of the power at these: music has half of it and more, speech a seventh at the most
_AUDIBLE = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """What the page shows of a telephone. `level` is 0 to 1; `hears` names who or what, empty: silence. `caller` is who
    calls or, where it is `outgoing`, who is called; `busy`: its owner is on another call, of which nothing is shown."""

    name: str
    number: str
    state: State
    caller: str = ""
    network: str = ""
    seconds: float = 0.0
    level: float = 0.0
    hears: str = ""
    pressed: str = ""
    ended: str = ""
    by_itself: bool = False
    busy: bool = False
    outgoing: bool = False
    call_id: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Telephone:
    """`key` is its SIP user, too. `voices`: name → tone of everybody who might be at the other end. `speed_dial` is
    the one number that its owner calls; empty: none."""

    key: str
    name: str
    number: str
    network: Phone
    device: Phone
    voices: Mapping[str, int]
    by_itself: bool = False
    busy: bool = False
    speed_dial: str = ""
    pressed: str = ""
    _dialled: list[Call] = field(default_factory=list)
    _pressed_for: str = ""
    _ended: dict[str, float] = field(default_factory=dict)

    # --- its calls --------------------------------------------------------------------------------------------
    def _calls(self) -> list[tuple[Call, str]]:
        own = [c for c in self.network.calls if c.number == self.number] + self._dialled
        at_number = [(c, "telephone network") for c in own]
        return sorted(at_number + [(c, "SIP") for c in self.device.calls], key=lambda entry: entry[0].invited_at)

    @property
    def call(self) -> Call | None:
        """The call that the telephone shows: the newest one."""
        calls = self._calls()
        return calls[-1][0] if calls else None

    def behaviour(self) -> Behaviour:
        """What the telephone does by itself when it is called: it rings, or says that it is busy."""
        return Reject(code=486) if self.busy or self._live() else Ring()

    def _live(self) -> bool:
        return any(call.state in ("calling", "up") for call, _ in self._calls())

    # --- buttons ------------------------------------------------------------------------------------------------
    def dial(self) -> None:
        """Call the one number that its owner calls, unless there is a call already."""
        if self.speed_dial and not self._live():
            self._dialled.append(self.network.dial(self.speed_dial, caller=self.number, hertz=VOICES[self.key]))

    def answer(self) -> None:
        if (call := self.call) is not None:
            self._owner_of(call).answer(call)

    def hang_up(self) -> None:
        """Ends the call, turns it down where it only rings, or gives it up where the other side has not answered."""
        if (call := self.call) is None:
            return
        match call.state:
            case "up":
                self._owner_of(call).hang_up(call)
            case "calling":
                self.network.cancel(call)
            case _:
                self._owner_of(call).reject(call)

    def press(self, key: str) -> None:
        """One key of the keypad, as a telephone event (RFC 4733). Raises ValueError for what is no key."""
        if not re.fullmatch(r"[0-9*#]", key):
            raise ValueError("not a key of a telephone")
        if (call := self.call) is not None and call.state == "up":
            self._new_call(call)
            self.pressed += key
            call.rtp.press(key)

    def _owner_of(self, call: Call) -> Phone:
        return self.network if call in self.network.calls else self.device

    def _new_call(self, call: Call) -> None:
        if self._pressed_for != call.call_id:
            self._pressed_for, self.pressed = call.call_id, ""

    # --- its owner ------------------------------------------------------------------------------------------------
    async def attend(self) -> None:
        """Answers what comes and presses 1, for as long as `by_itself` is set. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(0.1)
            call = self.call
            if not self.by_itself or call is None or call in self._dialled:
                continue
            now = time.monotonic()
            if call.state == "ringing" and now - call.invited_at > _ANSWERS_AFTER_S:
                self.answer()
            elif call.state == "up" and now - call.answered_at > _PRESSES_AFTER_S:
                self._new_call(call)
                if not self.pressed:
                    self.press("1")

    # --- what it shows --------------------------------------------------------------------------------------------
    def display(self) -> Display:
        calls = self._calls()
        bare = Display(name=self.name, number=self.number, state="idle", by_itself=self.by_itself, busy=self.busy)
        if not calls:
            return bare
        call, network = calls[-1]
        now = time.monotonic()
        self._new_call(call)
        if call.over.is_set():
            since = now - self._ended.setdefault(call.call_id, now)
            if since > _SHOWN_AFTERWARDS_S:
                return bare
            return self._showing(call, network, "over", self._talked(call), ended=_ending(call))
        if call.state == "calling":
            return self._showing(call, network, "calling", now - call.invited_at)
        if call.state == "up":
            level = loudness(call)
            hears = self._recognise(call) if level > _AUDIBLE else ""
            return self._showing(call, network, "talking", now - call.answered_at, level=level, hears=hears)
        return self._showing(call, network, "ringing", now - call.invited_at)

    def _showing(
        self,
        call: Call,
        network: str,
        state: State,
        seconds: float,
        *,
        level: float = 0,
        hears: str = "",
        ended: str = "",
    ) -> Display:
        return Display(
            name=self.name,
            number=self.number,
            state=state,
            caller=call.number if call in self._dialled else caller_id(call),
            network=network,
            seconds=seconds,
            level=level,
            hears=hears,
            pressed=self.pressed,
            ended=ended,
            by_itself=self.by_itself,
            busy=self.busy,
            outgoing=call in self._dialled,
            call_id=call.call_id,
        )

    def _talked(self, call: Call) -> float:
        return self._ended[call.call_id] - call.answered_at if call.answered_at else 0.0

    def _recognise(self, call: Call) -> str:
        shares = call.rtp.tones(*self.voices.values(), *_RINGBACK, seconds=0.3)
        for name, hertz in self.voices.items():
            if shares[hertz] > _CLEAR:
                return name
        if sum(shares[f] for f in _RINGBACK) > _CLEAR:
            return "a ringing tone"
        return "music" if musical(call.rtp) else "a voice"


def musical(rtp: Rtp) -> bool:
    """Whether the last three tenths of a second were the gateway's music."""
    return sum(rtp.tones(*_NOTES, seconds=0.3).values()) > _MUSICAL


def loudness(call: Call) -> float:
    """How loud the last tenth of a second was, 0 to 1. Mu-law octets are a logarithmic scale already (G.711)."""
    heard = call.rtp.heard[-800:]
    return sum(~octet & 0x7F for octet in heard) / len(heard) / 127 if heard else 0.0


def caller_id(call: Call) -> str:
    """What the display shows: name and number of the From field, as the network passed them on (RFC 3261, 20.20)."""
    name, _, address = call.caller_id.rpartition("<")
    user = re.sub(r"sips?:|[@;>].*", "", address.strip())
    return " ".join(part for part in (name.strip(' "'), user) if part)


def _ending(call: Call) -> str:
    match call.state:
        case "hung up":
            return "hung up"
        case "cancelled":
            return "stopped ringing"
        case "refused 486":
            return "busy"
        case "refused 487":
            return "given up"
        case state if state.startswith("refused"):
            return "not reached"
        case "rejected 486":
            return "a caller was told: busy"
        case state if state.startswith("rejected"):
            return "declined"
        case _:
            return "the other side hung up"
