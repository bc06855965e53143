#!/usr/bin/env python3
"""CPU of the surgery alone, per message, against a plain copy and a bare scan for delimiters, in the same run.

    bench/mime.py [--seconds 1]

Each row is one kind of message; `ms` is CPU time of locate, render, redact and splice together. The last column is
their ratio to copying the message once and finding every delimiter by `bytes.find`: what any gateway must do.
"""

from __future__ import annotations

import argparse
import random
import time
from base64 import encodebytes
from collections.abc import Callable
from quopri import encodestring

from smtp_hooks.block import render
from smtp_hooks.mime import Unsuitable, locate, splice
from smtp_hooks.numbers import Redactor

WORDS = [
    "the",
    "offer",
    "of",
    "a",
    "call",
    "for",
    "you",
    "in",
    "this",
    "message",
    "we",
    "can",
    "talk",
    "about",
    "it",
    "at",
    "any",
    "time",
    "and",
    "see",
    "what",
    "to",
    "do",
    "next",
]
REDACTOR = Redactor(["+33199001234", "+493012345678"], "[number hidden]")
HEAD = (
    "Received: from client.example.org (client.example.org [192.0.2.7])\r\n\tby mx.example.org (Postfix) with ESMTPSA"
    " id 4XyZ123abc\r\n\tfor <ben@example.net>; Fri, 20 Nov 2026 10:00:00 +0000 (UTC)\r\n"
    "Message-ID: <{n}@example.org>\r\n"
    "Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nFrom: Ada Example <ada@example.org>\r\nTo: Ben <ben@example.net>\r\n"
    "Subject: Our plan, part {n}\r\nUser-Agent: Mail/1.0\r\nMIME-Version: 1.0\r\n"
)


def prose(size: int, seed: int) -> str:
    source = random.Random(seed)
    lines: list[str] = []
    length = 0
    while length < size:
        line = " ".join(source.choices(WORDS, k=14))
        if len(lines) % 40 == 9:
            line += f" {source.randrange(10**6)}"
        if len(lines) % 400 == 20:
            line = "Call me on +33 1 99 00 12 34 any time."
        lines.append(line)
        length += len(line) + 2
    return "\r\n".join(lines) + "\r\n"


def newsletter(size: int, seed: int) -> str:
    rows = []
    length = 0
    style = "font-family:Arial,Helvetica,sans-serif;line-height:20px;color:#3a4450;margin:0"
    for number, line in enumerate(prose(size // 3, seed).splitlines()):
        row = (
            f'<tr><td style="padding:4px 0;font-size:14px;{style}"><p class="p{number}"><b>{line[:20]}</b>&nbsp;'
            f'{line[20:]} <a href="https://www.example.org/{seed}/{number}" style="{style}">more</a></p></td></tr>'
        )
        rows.append(row)
        length += len(row) + 2
        if length > size:
            break
    return "<html><head><title>x</title></head><body><table>\r\n" + "\r\n".join(rows) + "\r\n</table></body></html>\r\n"


def plain(size: int, seed: int) -> bytes:
    return (
        (HEAD + "Content-Type: text/plain; charset=utf-8\r\n\r\n{body}").format(n=seed, body=prose(size, seed)).encode()
    )


def alternative(size: int, seed: int) -> bytes:
    text, page = prose(size // 3, seed), newsletter(size * 2 // 3, seed)
    return (
        (
            HEAD + 'Content-Type: multipart/alternative; boundary="=_b{n}"\r\n\r\n--=_b{n}\r\n'
            "Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--=_b{n}\r\n"
            "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "{page}\r\n--=_b{n}--\r\n"
        )
        .format(
            n=seed, text=text, page=encodestring(page.encode().replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n").decode()
        )
        .encode()
    )


def page(size: int, seed: int) -> bytes:
    return (
        (HEAD + "Content-Type: text/html; charset=utf-8\r\n\r\n{body}")
        .format(n=seed, body=newsletter(size, seed))
        .encode()
    )


def attached(size: int, seed: int) -> bytes:
    blob = encodebytes(random.Random(seed).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n").decode()
    return (
        (
            HEAD + 'Content-Type: multipart/mixed; boundary="=_b{n}"\r\n\r\n--=_b{n}\r\n'
            "Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n--=_b{n}\r\nContent-Type: application/pdf\r\n"
            "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.pdf\r\n"
            "\r\n{blob}--=_b{n}--\r\n"
        )
        .format(n=seed, text=prose(2000, seed), blob=blob)
        .encode()
    )


def work(message: bytes) -> bytes:
    site = locate(message)
    if isinstance(site, Unsuitable):
        raise SystemExit(f"not changed: {site}")
    url = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"
    addition = render(language="en", offeror_name="Ada Example", url=url, content_id="1@call.example.org")
    out = splice(message, site, addition, redactor=REDACTOR, eight_bit=True)
    if isinstance(out, Unsuitable):
        raise SystemExit(f"not changed: {out}")
    return out.message


def bare(message: bytes) -> bytes:
    at = message.find(b"\r\n--=_b")
    while at >= 0:
        at = message.find(b"\r\n--=_b", at + 7)
    return bytes(bytearray(message))


def cpu(step: Callable[[bytes], bytes], messages: list[bytes], seconds: float) -> float:
    for message in messages:
        step(message)
    rounds = 0
    start = time.process_time()
    while time.process_time() - start < seconds:
        for message in messages:
            step(message)
        rounds += 1
    return (time.process_time() - start) / (rounds * len(messages)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5)
    seconds = parser.parse_args().seconds
    kinds: list[tuple[str, Callable[[int, int], bytes], int]] = [
        ("plain 4 KiB", plain, 4096),
        ("plain + html 4 KiB", alternative, 4096),
        ("plain 100 KiB", plain, 102_400),
        ("plain + file 100 KiB", attached, 102_400),
        ("html 100 KiB", page, 102_400),
        ("plain + html QP 100 KiB", alternative, 102_400),
        ("plain + file 5 MiB", attached, 5_242_880),
    ]
    print(f"{'message':26}{'ms':>9}{'copy+scan':>12}{'ratio':>9}")
    for name, make, size in kinds:
        messages = [make(size, seed) for seed in range(4)]
        mine, base = cpu(work, messages, seconds), cpu(bare, messages, seconds)
        print(f"{name:26}{mine:9.3f}{base:12.4f}{mine / base:9.1f}")


if __name__ == "__main__":
    main()
