"""The milter protocol, version 6: octets to events, answers to octets. No socket, no clock.

An MTA sends packets (length, command, data): what a client says, macros, the message. `Conversation.receive` makes
events of them and holds the order that they may come in, a literal table; `Conversation.answer` makes octets of what
is said to one of them, and holds what may be said, another. In the negotiation we ask the MTA not to wait for an answer
but at the end of the message, and for the macros that we read, so that nothing needs to be set at its side.

Standards: none is written; the protocol is what Sendmail's libmilter and Postfix (MILTER_README) speak. Version 6 came
with Sendmail 8.14 and Postfix 2.6; older ones are refused, since fields could not be put back byte for byte.

Whose fault: `ProtocolError` is the MTA's, and ends the connection, not the process. `IllegalAnswer` is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from smtp_hooks.milter.answers import (
    Accept,
    Agree,
    Answer,
    ChangeHeader,
    Continue,
    IllegalAnswer,
    InsertHeader,
    ReplaceBody,
    ReplyWith,
    TryLater,
    octets,
)
from smtp_hooks.milter.events import (
    Abort,
    Actions,
    Body,
    Connect,
    Data,
    EndOfHeader,
    EndOfMessage,
    Event,
    Header,
    Helo,
    Macros,
    Mail,
    Negotiate,
    ProtocolError,
    Quit,
    QuitSession,
    Rcpt,
    Steps,
    Unknown,
    read_event,
)

VERSION = 6
MAX_PACKET = 1_048_576 + 1
"""Octets of a packet: the most that version 6 can negotiate (SMFIP_MDS_1M), and the command."""
_LENGTH = 4  # octets that say how long a packet is
NEEDED = Actions.ADD_HEADERS | Actions.CHANGE_BODY | Actions.CHANGE_HEADERS
WANTED = Steps(sum(Steps))
MACROS = ((0, "{client_addr}"), (2, "i {auth_authen}"), (5, "i"))
"""Stage (connect, MAIL, end of message) and the macros asked for at it."""


class Phase(Enum):
    """How far the MTA has come."""

    NEW = auto()
    IDLE = auto()
    ENVELOPE = auto()
    HEADER = auto()
    BODY = auto()
    OVER = auto()


_IN_TRANSACTION = (Phase.ENVELOPE, Phase.HEADER, Phase.BODY)
_NEGOTIATED = (Phase.IDLE, *_IN_TRANSACTION)

ORDER: dict[tuple[Phase, type[Event]], Phase] = {
    (Phase.NEW, Negotiate): Phase.IDLE,
    (Phase.IDLE, Connect): Phase.IDLE,
    (Phase.IDLE, Helo): Phase.IDLE,
    (Phase.IDLE, Mail): Phase.ENVELOPE,
    (Phase.ENVELOPE, Rcpt): Phase.ENVELOPE,
    (Phase.ENVELOPE, Data): Phase.HEADER,
    (Phase.ENVELOPE, Header): Phase.HEADER,
    (Phase.ENVELOPE, EndOfHeader): Phase.BODY,
    (Phase.ENVELOPE, EndOfMessage): Phase.IDLE,
    (Phase.HEADER, Header): Phase.HEADER,
    (Phase.HEADER, EndOfHeader): Phase.BODY,
    (Phase.HEADER, EndOfMessage): Phase.IDLE,
    (Phase.BODY, Body): Phase.BODY,
    (Phase.BODY, EndOfMessage): Phase.IDLE,
    **{(phase, Abort): Phase.IDLE for phase in _NEGOTIATED},
    **{(phase, QuitSession): Phase.IDLE for phase in _NEGOTIATED},
    **{(phase, Macros): phase for phase in _NEGOTIATED},
    **{(phase, Unknown): phase for phase in _NEGOTIATED},
    **{(phase, Quit): Phase.OVER for phase in (Phase.NEW, *_NEGOTIATED)},
}
"""Which event may come when, and what comes after. Anything else is a ProtocolError. An MTA that leaves a step out
(Sendmail without DATA, a message without a header) is in order."""

_PLAIN = frozenset({Continue, Accept, TryLater, ReplyWith})
FINAL: dict[type[Event], frozenset[type[Answer]]] = {
    Negotiate: frozenset({Agree}),
    Connect: _PLAIN,
    Helo: _PLAIN,
    Mail: _PLAIN,
    Rcpt: _PLAIN,
    Data: _PLAIN,
    Header: _PLAIN,
    EndOfHeader: _PLAIN,
    Body: _PLAIN,
    EndOfMessage: _PLAIN,
    Unknown: frozenset({Continue, TryLater, ReplyWith}),
}
"""What an answer may end with. Macros, Abort and the two farewells have none."""
CHANGES: dict[type[Event], frozenset[type[Answer]]] = {
    EndOfMessage: frozenset({ChangeHeader, InsertHeader, ReplaceBody})
}
"""What may come before that."""

_SILENT: dict[type[Event], Steps] = {
    Connect: Steps.SILENT_CONNECT,
    Helo: Steps.SILENT_HELO,
    Mail: Steps.SILENT_MAIL,
    Rcpt: Steps.SILENT_RCPT,
    Data: Steps.SILENT_DATA,
    Header: Steps.SILENT_HEADER,
    EndOfHeader: Steps.SILENT_END_OF_HEADER,
    Body: Steps.SILENT_BODY,
    Unknown: Steps.SILENT_UNKNOWN,
}


_UNREAD = frozenset({b"DH", b"DR", b"DT", b"DL", b"DN", b"DB", b"DU"})
"""Macros of stages at which none is asked for; Postfix sends some with each header field."""


class Conversation:
    """One connection with an MTA, from its first packet to its last. `steps` are those agreed on."""

    __slots__ = ("_answered", "_have", "_need", "_pieces", "actions", "leading_space", "phase", "steps")

    def __init__(self) -> None:
        self.phase = Phase.NEW
        self.steps = Steps(0)
        self.actions = Actions(0)
        self.leading_space = False
        """Whether values of fields come and go with all that follows the colon."""
        self._answered = frozenset(FINAL)
        self._pieces: list[bytes | memoryview] = []
        self._have = 0
        self._need = _LENGTH

    def receive(self, data: bytes) -> list[Event]:
        """The events that are complete with these octets. Raises ProtocolError."""
        have = self._have = self._have + len(data)
        self._pieces.append(data)  # put together once, when there is a whole packet
        if have < self._need:
            return []
        if len(self._pieces) > 1:
            data = b"".join(self._pieces)
        events: list[Event] = []
        whole = memoryview(data)
        at, self._need = 0, _LENGTH
        while have - at >= _LENGTH:
            begin = at + _LENGTH
            size = int.from_bytes(data[at:begin], "big")
            if not 1 <= size <= MAX_PACKET:
                raise ProtocolError(f"a packet of {size} octets")
            end = begin + size
            if end > have:
                self._need = end - at
                break
            if data[begin : min(begin + 2, end)] not in _UNREAD or self.phase is Phase.NEW:
                events.append(self._event(data[begin : begin + 1], whole[begin + 1 : end]))
            at = end
        self._have = have - at
        self._pieces = [whole[at:]] if at < have else []
        return events

    def expects_answer(self, event: Event) -> bool:
        """Whether the MTA waits after this event."""
        return type(event) in self._answered

    def answer(self, event: Event, answers: Sequence[Answer]) -> list[bytes | memoryview]:
        """What is said to this event, in pieces: changes, then one that ends it. Raises IllegalAnswer."""
        if not answers or not self.expects_answer(event):
            raise IllegalAnswer(f"{len(answers)} answers to {type(event).__name__}")
        *changes, last = answers
        allowed = CHANGES.get(type(event), frozenset())
        if type(last) not in FINAL[type(event)] or any(type(change) not in allowed for change in changes):
            raise IllegalAnswer(f"{[type(a).__name__ for a in answers]} to {type(event).__name__}")
        return [piece for each in answers for piece in octets(each)]

    def agreement(self) -> Agree:
        """The answer to Negotiate."""
        macros = MACROS if self.actions & Actions.SET_MACROS else ()
        return Agree(VERSION, self.actions, self.steps, macros)

    def _event(self, command: bytes, data: memoryview) -> Event:
        event = read_event(command, data)
        after = ORDER.get((self.phase, type(event)))
        if after is None:
            raise ProtocolError(f"{type(event).__name__} does not come in phase {self.phase.name}")
        self.phase = after
        if isinstance(event, Negotiate):
            self._agree(event)
        return event

    def _agree(self, offered: Negotiate) -> None:
        if offered.version < VERSION:
            raise ProtocolError(f"protocol version {offered.version}, older than {VERSION}")
        if NEEDED & ~offered.actions:
            raise ProtocolError(f"actions {offered.actions:#x} do not let a milter change header and body")
        self.actions = NEEDED | (offered.actions & Actions.SET_MACROS)
        self.steps = Steps(offered.steps & WANTED)
        self.leading_space = Steps.LEADING_SPACE in self.steps
        self._answered = frozenset(each for each in FINAL if not self.steps & _SILENT.get(each, Steps(0)))
