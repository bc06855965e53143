"""`mailgate explain MESSAGE` and `mailgate preview`: the decision in words, the place, the result and its pictures."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailgate.cli import group, picture
from mailgate.cli.reasons import DECISIONS, REASONS, sentence
from smtp_hooks.mime import Reason
from smtp_hooks.pipeline import Decision
from smtp_hooks.policy import PassReason

HEAD = """From: Ada <ada@example.org>
To: Ben <ben@example.net>
Subject: The drawings
Date: Fri, 20 Nov 2026 10:00:00 +0000
Message-ID: <1@example.org>
"""
PLAIN = HEAD + "\nRing me on 01 99 00 12 34.\n\nOn Monday, Ben wrote:\n> ready?\n"
BOTH = (
    HEAD
    + """MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

Hello.
--b
Content-Type: text/html

<html><body><script>document.body.style.background="red"</script><p>Hello.</p></body></html>
--b--
"""
)


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> str:
    done = CliRunner().invoke(group, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_explain_names_decision_reason_and_place(tmp_path: Path) -> None:
    (tmp_path / "letter.eml").write_text(PLAIN)
    told = run("explain", "letter.eml")
    assert "goes on with an offer (offered)" in told
    assert "'Ring me on 01…34.' | 'On Monday, Ben wrote: > ready?'" in told
    assert "99 00" not in told


def test_explain_says_who_it_would_go_to_and_why_not(tmp_path: Path) -> None:
    (tmp_path / "letter.eml").write_text(PLAIN)
    told = run("explain", "letter.eml", "--recipient", "no-reply@example.net")
    assert "to no-reply@example.net" in told and "(passed: nobody-reads)" in told and "would find its place" in told
    assert "(passed: no-account)" in run("explain", "letter.eml", "--sender", "eve@example.org")


def test_explain_names_the_part_at_fault(tmp_path: Path) -> None:
    (tmp_path / "letter.eml").write_text(BOTH.replace("Content-Type: text/html", "Content-Type: text/calendar"))
    told = run("explain", "letter.eml")
    assert "(passed: calendar)" in told and "The part at fault is 2." in told


def test_every_name_has_words() -> None:
    for decision in typing.get_args(Decision.__annotations__["name"]) or DECISIONS:
        assert sentence(Decision(name=decision))
    assert {*map(str, PassReason), *map(str, Reason)} <= set(REASONS)


def test_preview_writes_the_message_and_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "letter.eml").write_text(BOTH)
    written = [Path(line) for line in run("preview", "letter.eml").splitlines() if line.startswith("letter-preview")]
    assert [path.name for path in written] == ["letter.eml", "letter.text.png", "letter.wide.png", "letter.narrow.png"]
    assert b"https://call.example.org/a/" in written[0].read_bytes()
    for path in written[1:]:
        octets = path.read_bytes()
        assert octets.startswith(b"\x89PNG") and len(octets) > 5_000, path
    assert [int.from_bytes(path.read_bytes()[16:20]) for path in written[2:]] == list(picture.WIDTHS.values())


def test_pictures_show_the_icon_and_run_nothing(tmp_path: Path) -> None:
    """An empty page compresses to almost nothing; words on it, by a script or without, would show in the size."""
    browser = picture.find_browser()
    assert browser is not None
    page = HEAD + "Content-Type: text/html\n\n<body style='background:#fff'>{}</body>\n"
    script = "<script>for(let i=0;i<9000;i++)document.write(String.fromCharCode(33+i%90))</script>"
    sizes = []
    for number, inner in enumerate(("", script, "words " * 900)):
        (made,) = picture.take(browser, page.format(inner).encode(), tmp_path, f"m{number}", {"small": 300})
        sizes.append(made.stat().st_size)
    assert max(sizes[:2]) + 2000 < sizes[2]
