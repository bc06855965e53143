"""Signatures are valid for dkimpy and for opendkim, on messages of every shape."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import dkim
import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from smtp_hooks.dkim import Signer, Unsignable, complete, remove_signatures
from smtp_hooks.dkim_keys import Key, dns_record, generate, generate_ed25519, load, zone_line

NOW = 1_750_000_000.0
RSA = generate()
RSA_KEY = load("example.org", "rsa", RSA)
ED25519 = generate_ed25519()
KEYS = {b"rsa._domainkey.example.org.": dns_record(RSA), b"ed._domainkey.example.org.": dns_record(ED25519)}

PLAIN = (
    b"Received: from a by b;\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n"
    b"From: =?utf-8?q?Ada?= <ada@example.org>\r\nTo: ben@example.net\r\nSubject:  a   subject\r\n  folded\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
    b"Hello  Ben,\t \r\n\r\n.dot\r\nbye \r\n\r\n\r\n"
)


def fake_dns(name: bytes, timeout: int = 5) -> bytes | None:
    record = KEYS.get(name)
    return None if record is None else record.encode()


def valid(message: bytes, index: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(idx=index, dnsfunc=fake_dns))
    except dkim.ValidationError:
        return False


@pytest.fixture(params=["simple", "relaxed"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return Signer([load("example.org", "rsa", RSA), load("Example.ORG", "ed", ED25519)], body=request.param)


BODIES = {
    "plain": PLAIN,
    "no body": PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "header only": PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n",
    "blank body": PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n\r\n\r\n \t\r\n\r\n",
    "no final CRLF": PLAIN.rstrip() + b" x",
    "8-bit": PLAIN + "Grüße an\xa0dich\r\n".encode(),
    "large, many runs": PLAIN + b"".join(b"line %d with a blank\r\n\r\n" % n for n in range(30_000)) + b"  \r\n\r\n",
    "duplicate fields": PLAIN.replace(b"Subject:", b"Subject: first\r\nSubject:"),
}


@pytest.mark.parametrize("shape", BODIES)
def test_both_signatures_verify(signer: Signer, shape: str) -> None:
    signed = signer.sign(BODIES[shape], reverse_path="", now=NOW)
    assert signed.endswith(BODIES[shape])
    assert signed.startswith(b"DKIM-Signature: v=1; a=rsa-sha256;")
    if not signed.endswith(b"\r\n"):
        signed += b"\r\n"  # as on the wire
    assert valid(signed, 0)
    assert valid(signed, 1)
    assert max(map(len, signed.partition(b"Received")[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("a From added", lambda m: b"From: eve@example.com\r\n" + m),
        ("the subject", lambda m: m.replace(b"subject", b"Subject", 1)),
        ("the body", lambda m: m.replace(b"Ben,", b"Bea,")),
        ("the Content-Type", lambda m: m.replace(b"text/html", b"text/plain")),
    ],
)
def test_what_is_signed_cannot_be_changed(signer: Signer, what: str, changed: Callable[[bytes], bytes]) -> None:
    message = PLAIN.replace(b"Date:", b"MIME-Version: 1.0\r\nContent-Type: text/html\r\nDate:")
    signed = signer.sign(message, reverse_path="", now=NOW)
    assert valid(signed)
    assert changed(signed) != signed
    assert not valid(changed(signed)), what


def test_what_a_later_hop_adds_does_not_break(signer: Signer) -> None:
    signed = signer.sign(PLAIN, reverse_path="", now=NOW)
    assert valid(b"Return-Path: <ada@example.org>\r\nSender: ada@example.org\r\nCc: x@example.org\r\n" + signed)


_TEXT = st.lists(st.sampled_from([b" ", b"\t", b"a", b"bc", b"\r\n", b"\r\n\r\n"]), max_size=60).map(b"".join)


@settings(deadline=None)
@given(body=_TEXT)
def test_body_hash_is_that_of_dkimpy(body: bytes) -> None:
    body += b"\r\n"
    for name, canonical in (("simple", Simple), ("relaxed", Relaxed)):
        signed = Signer([RSA_KEY], body=name).sign(b"From: a@example.org\r\n\r\n" + body, reverse_path="", now=NOW)  # type: ignore[arg-type]
        expected = base64.b64encode(hashlib.sha256(canonical.canonicalize_body(body)).digest())
        assert b"bh=" + expected + b";" in signed, name


def test_key_is_chosen_by_author_then_reverse_path() -> None:
    signer = Signer([load("example.org", "rsa", RSA), load("other.example", "o", RSA)])

    def domain(author: str, reverse_path: str) -> str:
        signed = signer.sign(f"From: {author}\r\n\r\nx\r\n".encode(), reverse_path=reverse_path, now=NOW)
        return signed.partition(b"; s=")[0].rpartition(b"d=")[2].decode() if signed.startswith(b"DKIM") else ""

    assert domain('"eve@other.example" <ada@example.org>', "x@other.example") == "example.org"
    assert domain("ada@SUB.Example.org", "") == "example.org"
    assert domain("ada@notexample.org", "") == ""
    assert domain("ada@example.net", "x@other.example") == "other.example"
    assert domain("x" * 3000 + "@example.org", "") == ""
    assert domain("ada@\udcff".encode("utf-8", "replace").decode(), "") == ""


def test_own_signature_is_replaced_others_stay() -> None:
    signer = Signer([load("example.org", "rsa", RSA)])
    other = b"DKIM-Signature: v=1; a=rsa-sha256; d=list.example; s=x;\r\n h=from; bh=; b=\r\n"
    once = signer.sign(other + PLAIN, reverse_path="", now=NOW)
    twice = signer.sign(once, reverse_path="", now=NOW + 1)
    assert twice.count(b"d=example.org") == 1
    assert twice.endswith(other + PLAIN)
    assert valid(twice)
    assert remove_signatures(twice, {"example.org", "list.example"}) == PLAIN
    assert remove_signatures(twice, {"example.net"}) == twice


@pytest.mark.parametrize(
    "message", [b"From: a@example.org\r\nno field\r\n\r\nx\r\n", b" folded: first\r\n\r\n", b"Subject : x\r\n\r\n"]
)
def test_broken_headers_are_not_signed(signer: Signer, message: bytes) -> None:
    with pytest.raises(Unsignable):
        signer.sign(message, reverse_path="ada@example.org", now=NOW)


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Type: text/plain; x="' + b" y" * 250_000 + b'"\r\n',
        b"Content-Type: text/plain;" + b"\r\n x=y;" * 70_000 + b"\r\n",
        b"X-Many: x\r\n" * 40_000,
        b"DKIM-Signature: v=1; " + b"a=b; " * 100_000 + b"\r\n",
        b"From" * 100_000 + b": x\r\n",
    ],
    ids=["long line", "long folded field", "many fields", "long signature", "long name"],
)
def test_hostile_headers_take_no_time(signer: Signer, header: bytes) -> None:
    start = time.process_time()
    signed = signer.sign(header + PLAIN, reverse_path="", now=NOW)
    assert time.process_time() - start < 1
    assert signed.endswith(PLAIN)


def test_hundreds_of_signed_fields_are_not_signed(signer: Signer) -> None:
    with pytest.raises(Unsignable, match="fields to sign"):
        signer.sign(b"To: x@example.org\r\n" * 50_000 + PLAIN, reverse_path="", now=NOW)


def test_two_authors_are_not_signed(signer: Signer) -> None:
    with pytest.raises(Unsignable, match="2 From"):
        signer.sign(b"From: b@example.net\r\n" + PLAIN, reverse_path="ada@example.org", now=NOW)


def test_complete_adds_only_what_is_absent() -> None:
    assert complete(PLAIN, now=NOW, message_id="<2@example.org>") == PLAIN
    bare = b"From: ada@example.org\r\n\r\nDate: none\r\n"
    assert complete(bare, now=NOW, message_id="<2@example.org>") == (
        b"Date: Sun, 15 Jun 2025 15:06:40 +0000\r\nMessage-ID: <2@example.org>\r\n" + bare
    )


def test_keys() -> None:
    assert load("a.example", "s", generate(1024)).algorithm == "rsa-sha256"
    assert isinstance(load("a.example", "s", ED25519), Key)
    with pytest.raises(ValueError, match=r"1024|key_size"):
        load("a.example", "s", generate(512))
    line = zone_line("example.org", "rsa", RSA)
    assert line.startswith("rsa._domainkey.example.org. IN TXT")
    assert "".join(line.split('"')[1::2]) == dns_record(RSA)


@pytest.mark.parametrize("body", ["simple", "relaxed"])
@pytest.mark.parametrize("shape", ["plain", "8-bit", "large, many runs", "blank body", "duplicate fields"])
def test_opendkim_verifies(tmp_path: Path, body: str, shape: str) -> None:
    """A second, independent verifier. Its key comes from a file in place of the DNS."""
    (tmp_path / "keys").write_text(f"rsa._domainkey.example.org {dns_record(RSA)}\n")
    (tmp_path / "conf").write_text(f"TestPublicKeys {tmp_path}/keys\nMode v\nOn-BadSignature reject\n")
    signer = Signer([load("example.org", "rsa", RSA)], body=body)  # type: ignore[arg-type]
    signed = signer.sign(BODIES[shape], reverse_path="", now=NOW)

    def verdict(message: bytes) -> str:
        (tmp_path / "message").write_bytes(message)
        command = ["/usr/sbin/opendkim", "-x", tmp_path / "conf", "-t", tmp_path / "message"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return run.stdout + run.stderr

    assert "verification (s=rsa, d=example.org, 2048-bit key) succeeded" in verdict(signed)
    assert "succeeded" not in verdict(signed.replace(b"ada@", b"eve@"))
