"""The language of a short text, and texts cut into what a voice takes at once."""

from __future__ import annotations

import pytest

from mailgate.calls.music import music
from mailgate.calls.sound import telephone_wav
from mailgate.calls.speech import LONGEST_TEXT, clean, sentences
from mailgate.calls.tongue import find


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I am in a meeting. Please call me tomorrow.", "en"),
        ("Ich bin gerade im Gespräch, bitte später.", "de"),
        ("Je suis en réunion, rappelez demain.", "fr"),
        ("Estoy en una reunión, le llamo luego.", "es"),
        ("Sono in riunione, la chiamo dopo.", "it"),
        ("Estou em reunião, ligo mais tarde.", "pt"),
        ("Ik ben in vergadering, ik bel later terug.", "nl"),
        ("Jag sitter i möte och ringer senare.", "sv"),
        ("Jestem na spotkaniu, zadzwonię później.", "pl"),
        ("今は電話に出られません。", "ja"),
        ("我现在不能说话", "cmn"),
        ("지금은 통화할 수 없습니다", "ko"),
        ("Я занят, перезвоню позже.", "ru"),
        ("Я зайнятий, передзвоню пізніше.", "uk"),
        ("أنا في اجتماع الآن", "ar"),
        ("Είμαι σε σύσκεψη", "el"),
    ],
)
@pytest.mark.parametrize("otherwise", ["en", "de", "fr"])
def test_the_language_is_found(text: str, language: str, otherwise: str) -> None:
    assert find(text, otherwise) == language


@pytest.mark.parametrize("text", ["", "OK", "Ada Lovelace", "!!!", "+33 1 99 00 12 34", "no"])
@pytest.mark.parametrize("otherwise", ["en", "it", "fr-CA"])
def test_what_does_not_tell_is_in_the_language_expected(text: str, otherwise: str) -> None:
    assert find(text, otherwise) == otherwise


def test_a_long_text_is_cut_at_its_sentences() -> None:
    text = "One sentence that says something. " * 30
    pieces = sentences(text)
    assert len(pieces) > 2 and all(len(piece) <= LONGEST_TEXT for piece in pieces)
    assert all(piece.endswith(".") for piece in pieces)
    assert " ".join(pieces) == " ".join(text.split())


@pytest.mark.parametrize("text", ["word " * 400, "x" * 1000, "長い文です。" * 120, "a\n\nb\nc", "Yes! No? Perhaps."])
def test_nothing_of_a_text_is_lost(text: str) -> None:
    pieces = sentences(text)
    assert all(clean(piece) == piece for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_text_without_words_has_no_pieces() -> None:
    assert sentences("… !!! ?") == []


def test_music_is_a_sound_that_asterisk_plays() -> None:
    made = music(2)
    assert len(made) == 44 + 2 * 2 * 8000
    assert telephone_wav(made) == made, "8 kHz, one channel, 16 bit already"
    assert any(made[44:])
