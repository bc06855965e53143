"""What must hold of everything that peers send: SMTP commands, replies, content, milter packets. Targets of fuzz.py."""

from __future__ import annotations

from email.errors import HeaderParseError

from smtp_hooks import commands, content, header
from smtp_hooks.dsn import failure_report
from smtp_hooks.envelope import Envelope, Recipient, Reply
from smtp_hooks.milter.answers import InsertHeader, ReplaceBody
from smtp_hooks.milter.events import Body, EndOfMessage, Header, Negotiate, ProtocolError
from smtp_hooks.milter.message import Content as MilterContent
from smtp_hooks.milter.message import Field, differences
from smtp_hooks.milter.protocol import Conversation
from smtp_hooks.protocol import Capabilities, ReplyReader, mail_command, rcpt_command, write_reply
from smtp_hooks.protocol import ProtocolError as ReplyError

_CONTROL = frozenset(map(chr, (*range(32), 127)))
_ALL = Capabilities(size=0, eight_bit=True, smtputf8=True, dsn=True, auth=True)


def command(data: bytes) -> None:
    """A command is refused, or its values hold nothing that could end a line, and come out as they went in."""
    line = data.decode("utf-8", "surrogateescape")
    name, _, argument = line.partition(" ")
    for extended in (True, False):
        try:
            mail = commands.parse_mail(argument, extended)
        except commands.BadCommand:
            continue
        assert not _CONTROL & set(mail.reverse_path), "a control character in a path"
        sent = mail_command(Envelope(reverse_path=mail.reverse_path, recipients=(), parameters=mail.parameters), _ALL)
        assert sent is not None and not _CONTROL & set(sent)
        assert commands.parse_mail(sent.removeprefix("MAIL "), True) == mail, "comes out as another command"
    for smtputf8 in (True, False):
        try:
            recipient = commands.parse_rcpt(argument, True, smtputf8)
        except commands.BadCommand:
            continue
        sent = rcpt_command(recipient, _ALL)
        assert sent is not None and not _CONTROL & set(sent)
        assert commands.parse_rcpt(sent.removeprefix("RCPT "), True, smtputf8) == recipient, "comes out as another"
    try:
        for _, value in commands.parse_attributes(argument, commands.XFORWARD_NAMES):
            assert commands.from_xtext(commands.to_xtext(value)) == value
    except commands.BadCommand:
        pass
    assert name is not None


def reply(data: bytes) -> None:
    """Replies are read alike however they come in pieces, and written as replies."""
    whole = _replies([data])
    assert whole == _replies([data[n : n + 1] for n in range(len(data))]), "pieces make another reply"
    for each in whole or ():
        Capabilities.parse(each)
        written = write_reply(each)
        assert _replies([written]), "what is written is no reply"
        assert not _CONTROL - {"\r", "\n"} & set(written.decode()), "a control character in a reply"


def _replies(pieces: list[bytes]) -> list[Reply] | None:
    reader, found = ReplyReader(), []
    try:
        for piece in pieces:
            found += reader.feed(piece)
    except ReplyError:
        return None
    return found


def data(octets: bytes) -> None:
    """Content ends at the first CRLF.CRLF, wherever the stream is cut; what is stuffed comes back."""
    expected = _content([octets])
    for size in (1, 3, 7):
        assert _content([octets[n : n + size] for n in range(0, len(octets), size)]) == expected, "cuts matter"
    at = (b"\r\n" + octets).find(b"\r\n.\r\n")
    assert (expected is None) == (at < 0), "another end of content"
    if expected is not None:
        message, rest = expected
        assert rest == octets[at + 3 :], "what follows is lost"
        stuffed = b"".join(content.stuff(message)) + content.DATA_END
        assert _content([stuffed]) == (message, b""), "what is stuffed is another message"
        content.hops(message)
        bare = message.replace(b"\r\n", b"")
        assert bool(content.unclean(message)) == any(c in bare for c in (b"\r", b"\n", b"\0")), "unclean or not?"


def _content(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
    taken = content.Content(1_000_000)
    for number, piece in enumerate(pieces):
        rest = taken.feed(piece)
        if rest is not None:
            return taken.message(), rest + b"".join(pieces[number + 1 :])
    return None


def milter(octets: bytes) -> None:
    """Packets are events in order, or the MTA's fault; a message told in pieces is what was told."""
    events = _events([octets])
    if events != _events([octets[n : n + 5] for n in range(0, len(octets), 5)]):
        raise AssertionError("pieces make other events")
    told = MilterContent(100_000)
    for event in events or ():
        if isinstance(event, Header):
            told.field(event.name, event.value)
        elif isinstance(event, Body | EndOfMessage):
            told.body(event.chunk)
    fields = list(told.fields)
    message = told.message()
    if told.fault or told.too_large:
        return
    new = b"X-New: 1\r\n" + message + b"more\r\n"
    answers = differences(fields, message, new)
    assert any(isinstance(a, ReplaceBody) for a in answers)
    assert sum(isinstance(a, InsertHeader) for a in answers) == 1
    assert differences(fields, message, message) == []
    assert all(isinstance(field, Field) for field in fields)


def _events(pieces: list[bytes]) -> list[object] | None:
    talk = Conversation()
    found: list[object] = []
    try:
        for piece in pieces:
            for event in talk.receive(piece):
                if isinstance(event, Negotiate):
                    talk.answer(event, [talk.agreement()])
                found.append(type(event)(bytes(event.chunk)) if isinstance(event, Body | EndOfMessage) else event)
    except ProtocolError:
        return None
    return found


def fields(octets: bytes) -> None:
    """Addresses and values of a header, and a report on the message."""
    for address in header.addresses(octets, "from", "to", "cc"):
        assert "@" in address and not set(" \t\r\n<>,") & set(address.rpartition("@")[2])
    try:
        report = failure_report(
            Envelope(reverse_path="ada@example.org", recipients=(), parameters=("RET=FULL",)),
            [
                (
                    Recipient(address=octets[:60].decode("utf-8", "replace")),
                    Reply(code=550, text=octets[:200].decode("latin-1")),
                )
            ],
            octets.replace(b"=_u7", b""),
            hostname="mx.example.org",
            now=0.0,
            unique="u7",
        )
    except HeaderParseError as error:
        raise AssertionError(error) from error
    assert report.count(b"\r\n--=_u7") == 4, "the report has other parts"
