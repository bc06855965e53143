"""`mailgate rewrite`: what would go on of a message, and nothing sent, kept or changed by looking."""

from __future__ import annotations

import email
import email.policy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mailgate.cli import group
from mailgate.store.database import Store
from smtp_hooks import header

LETTER = b"""From: Ada <ada@example.org>
To: Ben <ben@example.net>
Subject: The drawings
Date: Fri, 20 Nov 2026 10:00:00 +0000
Message-ID: <1@example.org>

Ring me on 01 99 00 12 34.
"""
NEWS = LETTER.replace(b"Subject", b"List-Id: <news.example.org>\nSubject")
SIGNED = b"""From: ada@example.org
Content-Type: multipart/signed; boundary="b"; protocol="application/pgp-signature"

--b

hello
--b--
"""


def run(*words: str | Path) -> str:
    done = CliRunner().invoke(group, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code != 0:
        raise click.ClickException(done.output)
    return done.output


def told(*words: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("rewrite", *words, "--json"))
    return found


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "letter.eml").write_bytes(LETTER)
    (folder / "deep" / "news.eml").write_bytes(NEWS)
    (folder / "signed.eml").write_bytes(SIGNED)
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    init = ("--domain", "example.org", "--number", "+33 1 99 00 00 00", "--url", "https://tel.example.org")
    run("init", folder, *init)
    path = folder / "mailgate.toml"
    run("-c", path, "account", "add", "ada@example.org", "--name", "Ada", "--number", "01 99 00 12 34")
    return path


def test_the_example_account_serves_where_no_configuration_is_named(letters: Path, tmp_path: Path) -> None:
    answer = told(letters / "letter.eml", tmp_path / "out.eml")
    assert answer["url_prefix"] == "https://call.example.org/"
    assert [(m["decision"], m["sender"], m["recipient"]) for m in answer["messages"]] == [
        ("offered", "ada@example.org", "ben@example.net")
    ]
    changed = (tmp_path / "out.eml").read_bytes()
    assert b"https://call.example.org/a/" in changed and b"99 00" not in changed
    assert changed.count(b"\n") == changed.count(b"\r\n")


def test_a_folder_is_written_as_it_lies(letters: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = told(letters, out)
    reasons = {m["file"]: (m["decision"], m["reason"]) for m in answer["messages"]}
    assert reasons == {
        "letter.eml": ("offered", ""),
        "deep/news.eml": ("passed", "list-mail"),
        "signed.eml": ("passed", "signed"),
    }
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.*")) == sorted(reasons)
    assert (out / "signed.eml").read_bytes() == SIGNED.replace(b"\n", b"\r\n")


def test_surgery_only_asks_no_policy_but_is_as_careful(letters: Path, tmp_path: Path) -> None:
    answer = told(letters, tmp_path / "out", "--surgery-only")
    reasons = {m["file"]: (m["decision"], m["reason"]) for m in answer["messages"]}
    assert reasons["deep/news.eml"] == ("offered", "")
    assert reasons["signed.eml"] == ("passed", "signed")


def test_without_a_signature_nothing_is_completed(tmp_path: Path) -> None:
    (tmp_path / "bare.eml").write_bytes(b"From: ada@example.org\n\nhello\n")
    told(tmp_path / "bare.eml", tmp_path / "out.eml")
    fields = email.message_from_bytes((tmp_path / "out.eml").read_bytes(), policy=email.policy.SMTP).keys()
    assert [f for f in fields if f.lower() in ("date", "message-id")] == []


def test_with_a_configuration_it_is_the_server_s_account_and_signature(
    config: Path, letters: Path, tmp_path: Path
) -> None:
    answer = told(letters / "letter.eml", tmp_path / "out.eml", "--config", config)
    assert answer["url_prefix"] == "https://tel.example.org/"
    changed = (tmp_path / "out.eml").read_bytes()
    assert changed.startswith(b"DKIM-Signature:") and b"https://tel.example.org/a/" in changed
    nobody = told(letters / "letter.eml", tmp_path / "out.eml", "--config", config, "--sender", "eve@example.org")
    assert nobody["messages"][0]["reason"] == "no-account"
    nowhere = told(letters / "letter.eml", tmp_path / "out.eml", "--config", config, "--recipient", "noreply@b.example")
    assert nowhere["messages"][0]["reason"] == "nobody-reads"


def test_no_offer_is_kept_and_no_link_works(config: Path, letters: Path, tmp_path: Path) -> None:
    told(letters / "letter.eml", tmp_path / "out.eml", "--config", config)
    store = Store(config.parent / "mailgate.db")
    try:
        assert store.read(lambda rows: rows.all("recent_offers", account_id=None, state=None, most=9)) == []
    finally:
        store.close()
    (line,) = [w for w in (tmp_path / "out.eml").read_text().split() if w.startswith("https://tel.example.org/a/")]
    with pytest.raises(Exception, match=r"none of our keys|nor a token"):
        run("-c", config, "explain", line)


def test_a_refused_message_is_not_written(config: Path, letters: Path, tmp_path: Path) -> None:
    run("-c", config, "account", "change", "ada@example.org", "--hide", "required")
    (letters / "signed.eml").write_bytes(SIGNED.replace(b"hello", b"01 99 00 12 34"))
    answer = told(letters / "signed.eml", tmp_path / "out.eml", "--config", config)
    assert (answer["messages"][0]["decision"], answer["messages"][0]["reason"]) == ("refused", "shows-number")
    assert answer["messages"][0]["reply"].startswith("550 5.7.1")
    assert not (tmp_path / "out.eml").exists()


def test_people_read_a_table(letters: Path, tmp_path: Path) -> None:
    printed = run("rewrite", letters, tmp_path / "out")
    assert "list-mail" in printed and "https://call.example.org/" in printed


def test_an_empty_folder_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(Exception, match="no message"):
        run("rewrite", tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (b'"Ben, of b@c" <ben@example.net>, carla@EXAMPLE.net', ("ben@example.net", "carla@example.net")),
        (b"team: ben@example.net, dov@example.com;", ("ben@example.net", "dov@example.com")),
        (b'"odd name"@example.net (a@b), <x@y>', ('"odd name"@example.net', "x@y")),
        (b"undisclosed-recipients:;", ()),
        (b"<" * 9000 + b"(" * 9000 + b'"' * 9001, ()),
    ],
)
def test_addresses_are_read_from_any_field(field: bytes, found: tuple[str, ...]) -> None:
    assert header.addresses(b"X: y\r\nTo: " + field + b"\r\n\r\nTo: in@body.example\r\n", "to") == found


CHECKER = "MAILGATE_CHECK_REWRITE"
"""Names `check_rewrite.py`, an independent checker, beside whose folder `corpus/` with its manifest lies."""


@pytest.mark.optional(CHECKER)
def test_an_independent_checker_finds_nothing_wrong(tmp_path: Path) -> None:
    checker = Path(os.environ[CHECKER])
    corpus = checker.parents[1] / "corpus"
    answer = told(corpus, tmp_path / "out", "--surgery-only")
    check = (checker, "--dir", corpus, tmp_path / "out", "--url", answer["url_prefix"], "--parts", "all")
    expect = ("--manifest", corpus / "manifest.json", "--expect", "manifest", "-q")
    done = subprocess.run(list(map(str, (sys.executable, *check, *expect))), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
