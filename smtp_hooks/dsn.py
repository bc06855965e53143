"""The report to a sender that some recipients of a message were refused for good.

Envelope, refusals and the message in, a whole message out, to be sent with the null reverse-path. The return of
content follows RET: the header, or with RET=FULL the message where it is small and holds ASCII only, so that the
report passes every hop.

Standards: RFC 3461 (5.2 and 6, what a report holds), RFC 3464 (message/delivery-status), RFC 6522
(multipart/report), RFC 6533 (3, addresses beyond ASCII as utf-8-addr-xtext), RFC 3834 (Auto-Submitted), RFC 5322.
Pure. Known limits: English; failures only, no delays or successes: those are the next hop's to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate

from smtp_hooks.commands import from_xtext
from smtp_hooks.envelope import Envelope, Recipient, Reply

_MAX_HEADER = 65_536
_MAX_RETURNED = 1_048_576  # a report is not to fill the sender's mailbox


def failure_report(
    envelope: Envelope,
    refused: Sequence[tuple[Recipient, Reply]],
    message: bytes,
    *,
    hostname: str,
    now: float,
    unique: str,
) -> bytes:
    """The report as it goes on the wire (CRLF). `now` in seconds since the epoch; `unique`: letters and digits that
    occur in no other report and not in the message, for Message-ID and boundary."""
    boundary = f"=_{unique}"
    parts = [
        _for_people(refused, hostname),
        _for_programs(envelope, refused, hostname, now),
        _returned(envelope, message),
    ]
    head = [
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>",
        f"To: <{envelope.reverse_path}>",
        "Subject: Undelivered Mail Returned to Sender",
        f"Date: {formatdate(now)}",
        f"Message-ID: <{unique}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
    ]
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return ("\r\n".join(head) + f"\r\n\r\n{body}--{boundary}--\r\n").encode()


def _for_people(refused: Sequence[tuple[Recipient, Reply]], hostname: str) -> str:
    lines = [
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 7bit",
        "",
        f"This is the mail gateway at {hostname}.",
        "",
        "Your message could not be delivered to the recipients below. It was",
        "delivered to all others, or another report will tell.",
    ]
    for recipient, reply in refused:
        lines += ["", f"<{_visible(recipient.address)}>:", f"    {_visible(str(reply))}"]
    return "\r\n".join(lines) + "\r\n"


def _for_programs(envelope: Envelope, refused: Sequence[tuple[Recipient, Reply]], hostname: str, now: float) -> str:
    head = [f"Reporting-MTA: dns; {hostname}"]
    envelope_id = _parameter(envelope.parameters, "ENVID")
    if envelope_id:
        head.insert(0, f"Original-Envelope-Id: {_visible(from_xtext(envelope_id))}")
    head.append(f"Arrival-Date: {formatdate(now)}")
    groups = ["\r\n".join(head)]
    for recipient, reply in refused:
        group = []
        original = _parameter(recipient.parameters, "ORCPT")
        if original:
            kind, _, address = original.partition(";")
            group.append(f"Original-Recipient: {kind}; {_visible(from_xtext(address))}")
        group += [
            f"Final-Recipient: {_address(recipient.address)}",
            "Action: failed",
            f"Status: {reply.enhanced or '5.0.0'}",
            f"Diagnostic-Code: smtp; {_visible(str(reply))}",
        ]
        groups.append("\r\n".join(group))
    return "Content-Type: message/delivery-status\r\n\r\n" + "\r\n\r\n".join(groups) + "\r\n"


def _returned(envelope: Envelope, message: bytes) -> str:
    full = _parameter(envelope.parameters, "RET").upper() == "FULL"
    if full and len(message) <= _MAX_RETURNED and message.isascii():
        return "Content-Type: message/rfc822\r\n\r\n" + message.decode("ascii")
    end = message.find(b"\r\n\r\n", 0, _MAX_HEADER)
    header = message[: end + 2] if end >= 0 else message[: message.rfind(b"\r\n", 0, _MAX_HEADER) + 2]
    return "Content-Type: text/rfc822-headers\r\n\r\n" + header.decode("ascii", "replace").replace("\ufffd", "?")


def _parameter(parameters: Sequence[str], name: str) -> str:
    return next((value for key, _, value in (p.partition("=") for p in parameters) if key.upper() == name), "")


def _address(address: str) -> str:
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in address)


def _visible(text: str) -> str:
    """One line of printable ASCII: nothing that a peer said begins a line or a field of its own."""
    return "".join(c if " " <= c <= "~" else "?" for c in " ".join(text.split()))[:900]
