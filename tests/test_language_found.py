"""The language found in a letter: short and long ones, mixed ones, and languages that the gateway does not speak."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest

from smtp_hooks import languages
from smtp_hooks.languages import of_html, of_text

TEXTS = Path(__file__).parents[1] / "templates" / "pages" / "texts"

LETTERS = {
    "en": [
        "Hi Ben,\n\nthanks for the drawings. Could we talk about the second page tomorrow?\n\nBest, Ada",
        "Please see attached. I will be in the office until Friday.",
        "Yes, that works for me. See you then!",
    ],
    "de": [
        "Hallo Ben,\n\nvielen Dank für die Zeichnungen. Können wir morgen über Seite zwei sprechen?\n\nGrüße, Ada",
        "Sehr geehrter Herr Ray, anbei erhalten Sie das Angebot.",
        "Danke, das passt mir gut. Bis morgen!",
    ],
    "fr": [
        "Bonjour Ben,\n\nmerci pour les dessins. Pouvons-nous parler de la deuxième page demain ?\n\nCordialement, Ada",
        "Veuillez trouver ci-joint le devis que vous avez demandé.",
        "Oui, c’est parfait pour moi. À demain !",
    ],
    "es": [
        "Hola Ben:\n\nGracias por los dibujos. ¿Podemos hablar mañana de la segunda página?\n\nSaludos, Ada",
        "Adjunto le envío el presupuesto que nos pidió para la obra.",
        "Sí, me parece muy bien. ¡Hasta mañana!",
    ],
    "it": [
        "Ciao Ben,\n\ngrazie per i disegni. Possiamo parlare della seconda pagina domani?\n\nSaluti, Ada",
        "In allegato trova il preventivo che ci ha chiesto per il lavoro.",
        "Sì, per me va molto bene. A domani!",
    ],
    "pt": [
        "Olá Ben,\n\nobrigada pelos desenhos. Podemos falar amanhã sobre a segunda página?\n\nCumprimentos, Ada",
        "Segue em anexo o orçamento que nos pediu para a obra. Não hesite em contactar-nos.",
        "Sim, para mim está muito bom. Até amanhã!",
    ],
    "nl": [
        "Beste Ben,\n\nbedankt voor de tekeningen. Kunnen we het morgen over de tweede pagina hebben?\n\nGroeten, Ada",
        "In de bijlage vindt u de offerte die u heeft gevraagd.",
        "Ja, dat is goed voor mij. Tot morgen!",
    ],
    "ja": [
        "ベンさん\n\n図面をありがとうございました。明日お話しできますか。\n\nエイダ",
        "了解しました。よろしくお願いします。",
    ],
    "ar": ["مرحبا بن،\n\nشكرا على الرسومات. هل يمكننا الحديث غدا عن الصفحة الثانية؟\n\nآدا", "نعم، هذا مناسب لي."],
}
STRANGE = {
    "sv": "Hej Ben, tack för ritningarna. Kan vi prata om den andra sidan i morgon? Det är inte så bråttom. Hälsningar",
    "da": "Hej Ben, tak for tegningerne. Kan vi tale om den anden side i morgen? Det er ikke så vigtigt. Hilsen Ada",
    "pl": "Dzień dobry, dziękuję za rysunki. Czy możemy jutro porozmawiać o drugiej stronie? Pozdrawiam, Ada",
    "tr": "Merhaba, çizimler için teşekkürler. Yarın ikinci sayfa için konuşabilir miyiz? Bu çok iyi bir fikir.",
    "ru": "Добрый день, спасибо за чертежи. Можем ли мы завтра поговорить о второй странице?",
    "zh": "你好，谢谢你的图纸。我们明天可以谈谈第二页吗？",
    "fa": "سلام بن، از نقشه‌ها متشکرم. آیا می‌توانیم فردا درباره صفحه دوم گفتگو کنیم؟ من در خانه هستم پس بگو.",
    "ca": "Hola Ben, gràcies pels dibuixos. Podem parlar demà de la segona pàgina? Hi ha molt a dir amb els altres.",
    "nothing": "",
    "numbers": "4711 12,50 EUR\n4712 13,80 EUR\nAda Lovelace, Ben Ray",
    "a name": "Ada",
    "a link": "https://www.example.org/the/and/you/for/this",
}


@pytest.mark.parametrize(("language", "letter"), [(code, each) for code, those in LETTERS.items() for each in those])
def test_letters(language: str, letter: str) -> None:
    assert of_text(letter) == language
    assert of_html("<html><head><style>the { and: of }</style></head><body><p>" + letter + "</p></body>") == language


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_none_of_ours_is_not_guessed(name: str) -> None:
    assert of_text(STRANGE[name]) == ""


@pytest.mark.parametrize("language", LETTERS)
def test_the_words_of_the_pages(language: str) -> None:
    """A few hundred sentences by somebody else, three at a time: hardly one is taken for another language."""
    words = [w for w in tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8")).values() if isinstance(w, str)]
    sentences = [w for w in words if len(w) > 40]
    found = [of_text(" ".join(sentences[n : n + 3])) for n in range(0, len(sentences) - 2, 3)]
    assert found.count(language) >= 0.9 * len(found), found
    assert all(each in (language, "") for each in found), found


def test_a_quoted_line_says_nothing() -> None:
    assert of_text("> the and you for this with\n> thanks, I will be there\nDanke, das ist gut für uns.") == "de"


def test_it_costs_next_to_nothing() -> None:
    letter = (LETTERS["de"][0] + "\n") * 60
    assert len(letter) > 4096
    of_text(letter)
    start = time.process_time()
    for _ in range(200):
        of_text(letter)
    assert (time.process_time() - start) / 200 < 0.001  # measured: 0.04 ms; a busy machine takes longer


def test_every_language_is_one_of_the_block() -> None:
    from smtp_hooks.block import languages as of_block

    assert {*languages.KNOWN, "ja", "ar"} == set(of_block())
