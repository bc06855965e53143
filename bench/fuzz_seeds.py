"""What the fuzz program begins with: messages and other inputs made here, words worth knowing, and mutations.

Pure: randomness is an argument. A corpus of real messages can be added by a folder (`fuzz.py --corpus`).
"""

from __future__ import annotations

import binascii
import itertools
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

NUMBER = "+33199001234"
SPELLED = "+33 (0)1 99 00-12 34"
URL = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"
OTHERS = "https://call.example.org/a/AZ3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"

_TEXTS = [
    "Hello\r\n\r\nsee you\r\n-- \r\nAda\r\n",
    f"Answer, call {SPELLED}\r\n\r\nOn 3 May 2024 at 10:00, Ben <ben@example.net> wrote:\r\n> old\r\n> {OTHERS}\r\n",
    "été 日本\r\n-----Original Message-----\r\nFrom: Ben\r\nSent: x\r\nTo: y\r\n",
    "x" * 1200 + f" {SPELLED}\r\nFrom x\r\n",
    "",
]
_PAGES = [
    f'<html><body><p>Hi <a href="tel:{NUMBER}">{SPELLED}</a></p><div class="gmail_quote"><blockquote type=cite>old'
    f'<a href="{OTHERS}">x</a></blockquote></div></body></html>\r\n',
    "<body><table><tr><td>Hi<table><tr><td>x</table></body>",
    "<!-- <body> --><head><style>p{}</style></head><p>Hi <b>bold<ul><li>one<li>&#x33;3 0199001234</ul>",
    '<div style="display:none">hidden</div><p>été<br><div id="appendonsend"></div>old',
    "<body><a href=x><img src=cid:1><p>Hi</a><select><option>x</select><svg><p>x</svg></body></html>",
]


def _leaf(kind: str, text: str, encoding: str, charset: str = "utf-8", further: str = "") -> bytes:
    octets = text.encode(charset, "replace")
    if encoding == "base64":
        octets = b"".join(
            binascii.b2a_base64(octets[n : n + 57], newline=False) + b"\r\n" for n in range(0, len(octets), 57)
        )
    elif encoding == "quoted-printable":
        octets = binascii.b2a_qp(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n{further}\r\n"
    return head.encode() + octets


def _several(subtype: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    inner = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return head + inner + b"--" + boundary.encode() + b"--\r\n"


def messages() -> list[bytes]:
    """Messages of every shape that the surgery knows, each less than 4 KiB."""
    head = (
        b"Received: from x by y; Thu, 1 Jan 1970 00:00:00 +0000\r\nFrom: Ada <ada@example.org>\r\nTo: ben@example.net,"
        b"\r\n carl@example.com\r\nSubject: [call:support,3d] =?utf-8?Q?caf=C3=A9_+33_199001234?=\r\n =?utf-8?B?w6k=?="
        b"\r\nX-Call-Offer: on; expires=3d\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
        b"MIME-Version: 1.0\r\n"
    )
    encodings = ["7bit", "8bit", "quoted-printable", "base64"]
    charsets = ["utf-8", "iso-8859-1", "iso-2022-jp", "gb2312", "us-ascii", "utf-16"]
    plain = [_leaf("plain", t, e, c) for t, e, c in zip(_TEXTS * 2, encodings * 3, charsets * 2, strict=False)]
    html = [_leaf("html", p, e) for p, e in zip(_PAGES, encodings * 2, strict=False)]
    flowed = _leaf("plain", "soft \r\nbreak\r\n> quoted \r\n> more\r\n", "7bit").replace(
        b"utf-8", b"utf-8; format=flowed; delsp=yes"
    )
    card = _leaf("vcard", f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nTEL:{NUMBER}\r\nEND:VCARD\r\n", "7bit")
    picture = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <p>\r\n\r\niVBORw0KGgo=\r\n"
    nested = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\nHi\r\n"
    both = [_several("alternative", f"a{n}", pair) for n, pair in enumerate(zip(plain, html, strict=False))]
    entities = [
        *plain,
        *html,
        flowed,
        *both,
        _several("mixed", "=_m 1", [both[1], card, nested]),
        _several("related", "r(1)'+", [html[0], picture]),
        _several("mixed", "b", [_several("mixed", "bb", [plain[0]]), html[3]]),
        _several("digest", "d", [b"\r\nFrom: x\r\n\r\nHi\r\n"]),
        _several("signed", "s", [plain[0], b"Content-Type: application/pgp-signature\r\n\r\nx\r\n"]),
        b"\r\nno fields of MIME\r\n",
    ]
    return [head + entity for entity in entities]


def pages() -> list[bytes]:
    """HTML documents."""
    return [page.encode() for page in _PAGES]


def headers() -> list[bytes]:
    """Values of unstructured fields, and lists of addresses."""
    return [
        b" =?utf-8?Q?caf=C3=A9_+33_199001234?= =?utf-8?B?w6k=?=\r\n",
        b" [call] [nocall] =?iso-8859-1?Q?=5Bcall:3d=5D?= x\r\n",
        b' "A, B" <a@example.org>, (c) <"d e"@example.net>;\r\n\tg@h\r\n',
        b" =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= (+33) 1 99\r\n 00 12 34\r\n",
    ]


def commands() -> list[bytes]:
    """SMTP commands and replies."""
    return [
        b"MAIL FROM:<ada@example.org> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=a+3Db AUTH=<> SMTPUTF8\r\n",
        b'RCPT TO:<"b e n"@[127.0.0.1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;ben+40example.net\r\n',
        b"XFORWARD NAME=x ADDR=127.0.0.1 IDENT=4A PROTO=ESMTP SOURCE=LOCAL HELO=[UNAVAILABLE]\r\n",
        b"250-mx.example.net\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n",
        b"550-5.7.1 no\r\n550 5.7.1 never\r\n",
        b"line\r\n..dot\r\n.\r\nQUIT\r\n",
        b"a\r\n.b\r\n\r\n.\r\n",
    ]


def packets() -> list[bytes]:
    """What an MTA sends to a milter."""

    def packet(command: bytes, data: bytes = b"") -> bytes:
        return struct.pack("!I", len(data) + 1) + command + data

    negotiate = packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
    whole = (
        negotiate
        + packet(b"C", b"mx.example.net\x004\x00\x19127.0.0.1\0")
        + packet(b"H", b"mx.example.net\0")
        + packet(b"D", b"M{auth_authen}\0ada\0i\x004A\0")
        + packet(b"M", b"<ada@example.org>\0SIZE=100\0")
        + packet(b"R", b"<ben@example.net>\0")
        + packet(b"T")
        + packet(b"L", b"Subject\0 Hi\n there\0")
        + packet(b"L", b"From\0 ada@example.org\0")
        + packet(b"N")
        + packet(b"B", b"Hello\r\n")
        + packet(b"E")
        + packet(b"A")
        + packet(b"Q")
    )
    return [negotiate, whole]


WORDS = [
    *b"\r\n|\r\n\r\n|--a0\r\n|--a0--\r\n|--b\r\n|--bb--\r\n|=\r\n|=3D|=C3=A9|\xc3\xa9|\xff|\0|\r|\n".split(b"|"),
    *b" \t|=20\r\n|>| |=|  \r\n".split(b"|"),
    b"Content-Type: text/plain\r\n",
    b'Content-Type: multipart/mixed; boundary="b"\r\n',
    b"Content-Type: text/html; charset=iso-2022-jp\r\n",
    b"Content-Type: message/rfc822\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Disposition: attachment; filename=x\r\n",
    *b"Subject: |; charset=utf-7|; charset*=utf-8''x|; name=x|; format=flowed|;\r\n|: |\r\n |\x1b$B|\x1b(B".split(b"|"),
    *b"<body>|</body>|</html>|<table><tr><td>|</table>|<p>|</p>|<a href=x>|</a>|<!--|-->|<div hidden>|</div>".split(
        b"|"
    ),
    *b"<blockquote type=cite>|<style>|</style>|<select>|<svg>|<pre>|<template>|<svg/>|<br/>|<b>|&#51;|&#x33;".split(
        b"|"
    ),
    *b'<div class="gmail_quote">|<div style="display:none">|<title>|<plaintext>|<frameset>|<form>|<math>'.split(b"|"),
    *b"<li>|</li>|<ul>|</ul>|<td>|</td>|<tr>|<caption>|<h1>|</h2>|<button>|</form>|<label>|<dd>|<object>|</object>".split(
        b"|"
    ),
    *b"<font color=red>|</font>|</b>|<span>|</span>|<noscript>|<textarea>|</script>|<!-->|='|=\"|<xmp>|</svg>".split(
        b"|"
    ),
    SPELLED.encode(),
    NUMBER.encode(),
    "٠١٩٩٠٠١٢٣٤".encode(),
    URL.encode(),
    OTHERS.encode(),
    b"[call]",
    b"[nocall]",
    b"[call:support]",
    b"=?utf-8?B?",
    b"?=",
    b"=?utf-8?Q?=5Bcall=5D?=",
    b"-- \r\n",
    b"On 1:00 <a@b> wrote:\r\n",
    b"-----Original Message-----\r\n",
    b"\r\nFrom: x\r\nTo: y\r\nDate: z\r\n",
    b"-----BEGIN PGP MESSAGE-----\r\n",
    b"\r\n.\r\n",
    b"BEGIN:VCARD\r\n",
    b"TEL;TYPE=CELL;ENCODING=QUOTED-PRINTABLE:",
]

Mutation = Callable[[bytes, random.Random], bytes]


def _inserted(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(WORDS) + data[at:]


def _replaced(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(WORDS) + data[at + rng.randrange(12) :]


def _octet(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + rng.randbytes(1) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randrange(1 + min(len(data), 200)) :]


def _doubled(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.randrange(200)]
    return data[:at] + piece * rng.choice((2, 2, 3, 20)) + data[at + len(piece) :]


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Two lines change places, or one goes."""
    lines = data.split(b"\r\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    if rng.random() < 0.3:
        del lines[a]
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines)


_MUTATIONS: list[Mutation] = [_inserted, _inserted, _replaced, _replaced, _octet, _cut, _doubled, _lines]


def mutate(data: bytes, rng: random.Random, most: int) -> bytes:
    """The input with one to four changes, at most `most` octets."""
    for _ in range(rng.randrange(1, 5)):
        data = rng.choice(_MUTATIONS)(data, rng)
    return data[:most]


def read_folder(folder: Path, most: int) -> list[bytes]:
    """Messages of a folder and below, with CRLF line ends, as far as they have no more than `most` octets."""
    found = (path.read_bytes() for path in sorted(folder.rglob("*.eml")))
    sent = (data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for data in found)
    return [data for data in sent if len(data) <= most]


def dictionary() -> str:
    """The words as libFuzzer reads them."""
    escaped = ("".join(f"\\x{octet:02x}" for octet in word) for word in WORDS)
    return "".join(f'w{n}="{word}"\n' for n, word in zip(itertools.count(), escaped, strict=False))
