"""Which language a short text is in, for the voice that speaks it. Pure.

By script where a script tells; else by the small words that every sentence has, and by letters that few languages use.
A text that tells nothing ("OK", a name) is in the language that was expected. Rules, not statistics: what is wanted is a
voice that can be followed, and ten words are enough for that.
Known limits: sixteen languages in Latin letters; where Norwegian and Danish look alike either may come out; a text in
two languages is spoken in the one that has more of it.
"""

from __future__ import annotations

import re
import unicodedata

_WORDS = {
    "en": "the and is are am i you he she we they not to of for with at on it this that can will please be have was my your me no yes but tomorrow today call sorry back later",
    "de": "der die das und ist bin sind ich du er sie wir nicht zu von für mit am um es ein eine einen dem den kann bitte habe heute morgen später auf gerade kein keine mir ihnen ja nein aber noch bei",
    "fr": "le la les et est suis je tu il elle nous vous ne pas de du des pour avec un une à au ce peux demain aujourd rappelle désolé plus merci oui non mais dans sur mon votre qui",
    "es": "el la los las y es estoy yo no de del para con un una en lo que puedo mañana hoy por favor más gracias sí pero mi su luego ahora llamo",
    "it": "il la lo gli e è sono io non di del per con un una in che posso domani oggi più grazie sì ma mio suo dopo adesso chiamo a della",
    "pt": "o a os as e é estou eu não de do da para com um uma em que posso amanhã hoje por mais obrigado obrigada sim mas meu seu depois agora ligo",
    "nl": "de het een en is ben zijn ik jij hij zij wij niet te van voor met op dat kan morgen vandaag graag bedankt ja nee maar mijn uw later bel terug nu",
    "sv": "och är jag du han hon vi inte att av för med på det en ett som kan imorgon idag tack ja nej men min din senare ringer nu",
    "da": "og er jeg du han hun vi ikke at af for med på det en et som kan morgen dag tak ja nej men min din senere ringer nu",
    "no": "og er jeg du han hun vi ikke å av for med på det en et som kan morgen dag takk ja nei men min din senere ringer nå",
    "fi": "ja on olen minä sinä hän me ei että se tämä voin huomenna tänään kiitos kyllä mutta myöhemmin soitan nyt",
    "pl": "i jest jestem nie to na do z w że się mogę jutro dzisiaj dziś proszę dziękuję tak ale mój później zadzwonię teraz",
    "cs": "a je jsem ne to na do z v že se mohu můžu zítra dnes prosím děkuji ano ale můj později zavolám teď",
    "hu": "a az és van vagyok nem hogy egy holnap ma kérem köszönöm igen de később most hívom",
    "ro": "și este sunt eu nu de la pentru cu un o în că pot mâine azi mulțumesc da dar mai târziu acum sun",
    "tr": "ve bir bu ben sen değil için ile de da mı yarın bugün lütfen teşekkürler evet hayır ama sonra şimdi ararım",
}  # fmt: skip
_LETTERS = {
    "de": "äöüß", "fr": "àâçèéêëîïôùûœ", "es": "ñ¿¡áíó", "it": "àèìòù", "pt": "ãõçâê", "sv": "åäö", "da": "æøå",
    "no": "æøå", "fi": "äö", "pl": "ąćęłńśźż", "cs": "čďěňřšťůž", "hu": "őűáéö", "ro": "ășțâ", "tr": "ğışçö",
}  # fmt: skip
_SCRIPTS = (
    ("HIRAGANA", "ja"),
    ("KATAKANA", "ja"),
    ("HANGUL", "ko"),
    ("CJK", "cmn"),
    ("CYRILLIC", "ru"),
    ("GREEK", "el"),
    ("ARABIC", "ar"),
    ("HEBREW", "he"),
    ("DEVANAGARI", "hi"),
    ("BENGALI", "bn"),
    ("TAMIL", "ta"),
    ("THAI", "th"),
)
_KNOWN = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")
_LOOKED_AT = 600  # characters


def find(text: str, otherwise: str) -> str:
    """The language of a text as a tag that speech programs know (`de`, `cmn`); `otherwise` where nothing tells."""
    text = unicodedata.normalize("NFC", text[:_LOOKED_AT]).lower()
    if script := _by_script(text):
        return script
    expected = otherwise.partition("-")[0].lower()
    words = _WORD.findall(text)
    points = {language: float(sum(word in known for word in words)) for language, known in _KNOWN.items()}
    for language, letters in _LETTERS.items():
        points[language] += 0.5 * min(3, sum(text.count(letter) for letter in letters))
    points[expected] = points.get(expected, 0.0) + 0.25  # of two that fit alike
    best = max(points, key=lambda language: points[language])
    return otherwise if points[best] - points[expected] < 1 else best


def _by_script(text: str) -> str:
    """The language of a script that is not Latin, where most letters are of it; Japanese is known by its own letters."""
    counts: dict[str, int] = {}
    letters = [c for c in text if c.isalpha()]
    for letter in letters:
        name = unicodedata.name(letter, "")
        for prefix, language in _SCRIPTS:
            if name.startswith(prefix):
                counts[language] = counts.get(language, 0) + 1
    if not counts or 2 * sum(counts.values()) < len(letters):
        return ""
    if counts.get("ja"):
        return "ja"
    return "uk" if "ru" in counts and set(text) & set("іїєґ") else max(counts, key=lambda language: counts[language])
