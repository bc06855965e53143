"""The language that a letter is written in, guessed from its first words.

Text → ISO 639-1 of one of the languages in `KNOWN`, or nothing where another one, or none, is likely. Scripts are
looked at first (kana, Arabic letters); Latin text is told by its smallest words, of which a letter is full: each list
below holds words that a writer of that language can hardly avoid. Neighbours that nobody has asked for (Swedish,
Polish, Turkish …) have lists too, so that they are not taken for the one of ours that they resemble.

Only the head is read (`HEAD` characters, `WORDS` words), and no line that is quoted: what costs little is enough, since
a doubtful guess is no guess. Pure. Known limits: a letter in two languages is one in the first; a greeting alone, or a
list of names and numbers, says nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from smtp_hooks.mime import Site

HEAD = 640
WORDS = 100
_LEAST = 2.0  # small words, counted by how much they tell; fewer are chance
_LEAD = 1.5  # times as many as the next language has

KNOWN: dict[str, str] = {
    "en": "the and to of you for is that with this have are be on it your we will not from at as can our please"
    " thanks thank would was but if hello dear regards best i my me know see do could let what when there"
    " about any just been has had were they their which tomorrow today",
    "de": "der die das und ist nicht ich sie wir ein eine zu den von mit für auf dem im sich auch es an bei"
    " oder aber wenn wie noch nur ihr ihre ihnen mir mich uns haben habe hat wird werden kann können sind"
    " war wäre bitte danke vielen dank hallo liebe lieber grüße gruß freundlichen sehr geehrte geehrter"
    " heute morgen dass zum zur einen einem mal schon hier sehen gerne",
    "fr": "le la les des et est une un vous nous je pour dans que qui pas ne sur avec au aux du ce cette ces"
    " votre vos notre mon ma mes il elle on sont été être avez avons suis merci bonjour cordialement bien"
    " si ou mais très plus comme fait demain cher chère tout à où ça c'est j'ai d'une qu'il n'est",
    "es": "el la los las y que de en un una es por para con no se su sus lo al del como más pero muy nos le les"
    " está están hay ser tengo tiene hola gracias saludos buenos días usted ustedes estimado estimada si"
    " ya también cuando este esta mañana hoy puede puedo me mi porque sobre todo qué hemos",
    "it": "il lo la i gli le e di che è un una per non con del della dei delle nel nella al alla si sono ho hai"
    " ha abbiamo ci vi mi ti se come più ma anche questo questa grazie ciao buongiorno saluti cordiali"
    " gentile essere domani oggi molto tutto da dal sul suo sua nostro vostro perché può posso ed",
    "pt": "o a os as e que de do da dos das em um uma é para com não se por no na nos nas ao à mais como mas"
    " você vocês eu ele ela são está estão foi ser tem temos obrigado obrigada olá bom dia cumprimentos"
    " atenciosamente muito também já amanhã hoje isso este esta seu sua meu minha pelo pela até posso"
    " abraço prezado caro",
    "nl": "de het een en van ik je dat is niet in te op met voor zijn er maar om ook als dan naar bij aan nog"
    " wel kan kunnen wij we jij u uw jullie heeft heb hebben wordt worden deze dit die groeten groet"
    " vriendelijke bedankt beste hallo geachte morgen vandaag graag mijn ons onze zou mij over uit hoe"
    " waar",
}
_OTHERS: dict[str, str] = {
    "sv": "och att det är som för inte på jag med du till av den har ett kan vi om hej tack från så men eller"
    " ni hälsningar",
    "da": "og at det er ikke på jeg med du til af den har et kan vi om hej tak fra så men eller hilsen der som for vil",
    "no": "og at det er ikke på jeg med du til av den har et kan vi om hei takk fra så men eller hilsen som for vil",
    "pl": "i w na nie się z do to że jest o jak ale po co tak za od dla czy pan pani proszę dziękuję dzień"
    " dobry pozdrawiam",
    "cs": "a v na se je že to s z do o k i ale jak pro za po od by jsem dobrý den děkuji prosím pozdravem není také",
    "ro": "și în de la cu nu este un o pe ce să se din pentru care sunt mai am ai vă bună ziua mulțumesc dar sau mult",
    "tr": "ve bir bu için de da ile ne çok var ben sen biz siz olarak daha gibi ama merhaba teşekkürler lütfen"
    " değil mi iyi",
    "fi": "ja on ei se että en hän niin kuin minä sinä me te oli olla kun mutta myös hei kiitos terveisin jos"
    " voi tämä mitä",
    "hu": "a az és hogy nem is egy van meg de ez ha csak én mi ti jó napot köszönöm szia üdvözlettel kérem már"
    " még vagy",
    "ca": "el la els les i que de en un una és per amb no es seu al del com més però molt hi ha ser tinc hola"
    " gràcies salut",
    "id": "yang dan di ini itu dengan untuk tidak dari dalam akan pada saya anda kami kita ke bisa ada sudah"
    " terima kasih",
}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_QUOTED = re.compile(r"^[>|].*$", re.MULTILINE)
_ADDRESS = re.compile(r"https?://\S++|(?:\b\w[\w.+-]*+)@\S++")
_TAGS = re.compile(r"<(?:style|script|title)[^<>]*+>[^<]*+|<[^<>]*+>|&[#a-zA-Z0-9]{1,10};", re.IGNORECASE)
_FOREIGN = re.compile("[\u0370-\u1dff\u2c00-\U0003ffff]")
_KANA = re.compile("[\u3041-\u30ff]")
_ARABIC = re.compile("[\u0621-\u064a]")
_PERSIAN_OR_URDU = re.compile("[\u067e\u0686\u0698\u06a9\u06af\u06cc\u06d2\u0679]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_MANY = 4  # letters of a script that make it the text's, rather than a name's


@lru_cache(maxsize=1)
def _votes() -> dict[str, tuple[tuple[str, float], ...]]:
    """Each small word, the languages that have it, and how much it tells: less where several share it."""
    found: dict[str, list[str]] = {}
    for language, words in (KNOWN | _OTHERS).items():
        for word in dict.fromkeys(words.split()):
            found.setdefault(word, []).append(language)
    return {word: tuple((language, 1 / len(those)) for language in those) for word, those in found.items()}


def of_text(text: str) -> str:
    """The language of plain text, or nothing."""
    head = text[:HEAD]
    if ">" in head or "|" in head:
        head = _QUOTED.sub(" ", head)
    if "@" in head or "://" in head:
        head = _ADDRESS.sub(" ", head)
    if not head.isascii():
        script = _of_script(head)
        if script is not None:
            return script
    score: dict[str, float] = {}
    votes = _votes()
    for word in _WORD.findall(head.lower().replace("’", "'"))[:WORDS]:
        if word in votes:
            for language, weight in votes[word]:
                score[language] = score.get(language, 0.0) + weight
    first, second = (*sorted(score.items(), key=lambda s: -s[1])[:2], ("", 0.0), ("", 0.0))[:2]
    sure = first[1] >= _LEAST and first[1] >= second[1] * _LEAD
    return first[0] if sure and first[0] in KNOWN else ""


def of_html(page: str) -> str:
    """The same for HTML, of which the tags are left out."""
    return of_text(_TAGS.sub(" ", page[: 6 * HEAD]).lstrip())


def of_site(site: Site) -> str:
    """That of the sender's own words in a message: what stands above the block's place, or all, where it is the top."""
    for insertion, read in ((site.plain, of_text), (site.html, of_html)):
        if insertion is not None:
            found = read(insertion.body.text[: insertion.at] if insertion.at > 20 else insertion.body.text)
            if found:
                return found
    return ""


def _of_script(head: str) -> str | None:
    """The language of a text in a script that we know, nothing for one that we do not; None for Latin text."""
    foreign = len(_FOREIGN.findall(head))
    if foreign < _MANY:
        return None
    latin = len(_LATIN.findall(head))
    kana = len(_KANA.findall(head))
    if kana >= _MANY and kana * 4 >= latin:
        return "ja"
    arabic = len(_ARABIC.findall(head))
    if arabic >= _MANY and arabic * 2 >= latin:
        return "" if _PERSIAN_OR_URDU.search(head) else "ar"
    return "" if foreign > latin else None
