"""The block as it is read: by mail programs, by right-to-left readers, by SpamAssassin, and with hostile names."""

from __future__ import annotations

import re
import subprocess
import zlib
from pathlib import Path

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.block import DialIn, IconKind, TemplateError, clean_name, languages, render
from smtp_hooks.mime import Addition, Site, Spliced, locate, splice

URL = "https://call.example.org/a/AY3vSxQ0bT8mWqkz1nHc5rJd9fLp2uEg7iVo"
ICONS = Path(__file__).parent.parent / "templates" / "icons"


PHONE = DialIn(number="+33199000000", shown="+33 1 99 00 00 00", pin="0123456789")


def block(
    language: str = "en", name: str = "Ada Example", icon: IconKind = "inline", dial_in: DialIn | None = None
) -> Addition:
    return render(
        language=language,
        offeror_name=name,
        url=URL,
        icon=icon,
        content_id="1@call.example.org",
        icon_url="https://call.example.org/icon.png",
        dial_in=dial_in,
    )


@pytest.mark.claim("T5")
@pytest.mark.parametrize("language", languages())
def test_plain_block(language: str) -> None:
    lines = block(language).text.split("\n")
    assert lines.count(URL) == 1
    assert lines.pop() == ""
    assert 3 <= len(lines) <= 4
    assert "Ada Example" in lines[0]
    for line in lines:
        assert line == line.strip() and not line.startswith((">", "-- ", "From "))
        assert line == URL or len(line) <= 76


@pytest.mark.claim("T4")
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("icon", ["inline", "remote", "none"])
def test_html_block(language: str, icon: IconKind) -> None:
    addition = block(language, icon=icon)
    assert addition.html.isascii()
    assert max(map(len, addition.html.split("\n"))) <= 900  # well below 998, behind whatever stands before
    tree = html5lib.parse(f"<body>{addition.html}</body>", treebuilder="etree", namespaceHTMLElements=False)
    links = list(tree.iter("a"))
    assert [a.get("href") for a in links] == [URL]
    assert "Ada Example" in "".join(links[0].itertext())
    sources = [i.get("src") for i in links[0].iter("img")]
    expected = {"inline": ["cid:1@call.example.org"], "remote": ["https://call.example.org/icon.png"], "none": []}
    assert sources == expected[icon]
    assert all(i.get("alt") for i in links[0].iter("img"))
    assert tree.find("body/div").get("dir") == ("rtl" if language == "ar" else "ltr")
    assert (addition.icon is not None) == (icon == "inline")


@pytest.mark.parametrize("language", languages())
def test_the_way_in_by_telephone(language: str) -> None:
    without, addition = block(language), block(language, dial_in=PHONE)
    own = addition.text.removeprefix(without.text).split("\n")
    assert own.pop() == "" and 1 <= len(own) <= 2
    assert all(line == line.strip() and len(line) <= 76 for line in own)
    said = " ".join(own)
    assert said.count("+33 1 99 00 00 00") == said.count("0123456789") == 1
    tree = html5lib.parse(f"<body>{addition.html}</body>", treebuilder="etree", namespaceHTMLElements=False)
    assert [(a.get("href"), a.text) for a in tree.iter("a")][1:] == [
        ("tel:+33199000000,,0123456789%23", "+33 1 99 00 00 00")
    ]
    assert said.replace(" ", "") in "".join("".join(tree.itertext()).split())
    assert addition.html.isascii() and max(map(len, addition.html.split("\n"))) <= 900


def test_english_can_be_said_in_any_charset() -> None:
    assert block("en", dial_in=PHONE).text.isascii()


@pytest.mark.parametrize(
    ("tag", "word"), [("de", "Ihnen"), ("de-AT", "Ihnen"), ("FR", "vous"), ("xx", "offers"), ("", "offers")]
)
def test_language_is_chosen_by_tag(tag: str, word: str) -> None:
    assert word in block(tag).text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada Example", "Ada Example"),
        ("Zoë O'Neil-Łukasz", "Zoë O'Neil-Łukasz"),
        ("山田 太郎", "山田 太郎"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Ada\r\nBcc: x", "Ada Bcc: x"),
        ("Ada\u202egro.live\u202c", "Adagro.live"),
        ("Ada\x00\x1b[31m", "Ada [31m"),
        ("<b>Ada</b>", "b Ada /b"),
        ("Ada https://evil.example/", "Ada https evil.example/"),
        ("www.evil.example", "evil.example"),
        ("Ada +33 1 99 00 12 34", "Ada"),
        ("Ada (0199) 001234", "Ada"),
        ("A" * 200, "A" * 60),
        ("", "?"),
        ("\u200b\u200b", "?"),
        ("{{ url }} {% raw %}", "{{ url }} {% raw %}"),
    ],
)
def test_names_are_cleaned(name: str, shown: str) -> None:
    assert clean_name(name) == shown


TAGS = [
    e.tag for e in html5lib.parse(block().html, treebuilder="etree", namespaceHTMLElements=False).find("body").iter()
]


@given(st.text(max_size=80))
def test_no_name_breaks_the_block(name: str) -> None:
    addition = block(name=name)
    lines = addition.text.split("\n")
    assert lines.count(URL) == 1 and len(lines) <= 6
    tree = html5lib.parse(f"<body>{addition.html}</body>", treebuilder="etree", namespaceHTMLElements=False)
    assert [e.tag for e in tree.find("body").iter()] == TAGS


@pytest.mark.parametrize("url", ["https://x/ y", 'https://x/"', "https://x/\n", "https://é/", "https://x/<b>"])
def test_urls_that_could_break_out_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        render(language="en", offeror_name="Ada", url=url, icon="none")


def test_templates_of_the_admins_own(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    with pytest.raises(TemplateError, match=r"phrases\.toml"):
        languages(tmp_path)
    (tmp_path / "mail" / "phrases.toml").write_text('[en]\noffer = "x"\n')
    with pytest.raises(TemplateError, match=r"\[en\] needs exactly"):
        languages(tmp_path)


def test_the_icon_is_a_small_png_twice_its_size() -> None:
    png = (ICONS / "call.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n") and len(png) <= 3072
    assert png[16:24] == bytes((0, 0, 0, 80)) * 2
    for chunk in re.finditer(rb"(IHDR|PLTE|tRNS|IDAT|IEND)", png):
        at = chunk.start()
        size = int.from_bytes(png[at - 4 : at], "big")
        assert int.from_bytes(png[at + 4 + size : at + 8 + size], "big") == zlib.crc32(png[at : at + 4 + size])
    assert "<svg" in (ICONS / "call.svg").read_text()


HEAD = (
    "Received: from mail.example.org (mail.example.org [192.0.2.7]) by mx.example.net (Postfix) with ESMTPS id 4X;\n"
    " Fri, 20 Nov 2026 10:00:01 +0000 (UTC)\nFrom: Ada Example <ada@example.org>\nTo: Ben Ray <ben@example.net>\n"
    "Subject: Our plan for the library\nDate: Fri, 20 Nov 2026 10:00:00 +0000\n"
    "Message-ID: <20261120100000.4711@mail.example.org>\nMIME-Version: 1.0\n"
)
WORDS = (
    "Hello Ben,\n\nhere is the plan for the library. I would start with the roof.\nWhat do you think of it?\n\nAda\n"
)
PAGE = "<html><body>" + "".join(f"<p>{w}</p>\n" for w in WORDS.split("\n\n")) + "</body></html>\n"
MESSAGES = {
    "plain": HEAD + "Content-Type: text/plain; charset=utf-8\n\n" + WORDS,
    "html": HEAD + "Content-Type: text/html; charset=utf-8\n\n" + PAGE,
    "alternative": HEAD + "Content-Type: multipart/alternative; boundary=b4711\n\n--b4711\n"
    "Content-Type: text/plain; charset=utf-8\n\n"
    + WORDS
    + "\n--b4711\nContent-Type: text/html; charset=utf-8\n\n"
    + PAGE
    + "\n--b4711--\n",
}


def score(message: bytes, home: Path) -> float:
    """SpamAssassin's score by local rules alone, with all its digits."""
    report = subprocess.run(
        ["spamassassin", "-L", "-t", "--siteconfigpath=/etc/spamassassin", f"--prefspath={home}/prefs"],
        input=message.replace(b"\r\n", b"\n"),
        capture_output=True,
        check=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        timeout=100,
    ).stdout
    found = re.search(rb"X-Spam-Status: \w+, score=(-?[\d.]+)", report)
    assert found is not None, report
    return float(found[1])


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize(("language", "dial_in"), [("en", None), ("de", None), ("en", PHONE)])
def test_spamassassin_minds_it_by_no_more_than_half_a_point(
    kind: str, language: str, dial_in: DialIn | None, tmp_path: Path
) -> None:
    message = MESSAGES[kind].replace("\n", "\r\n").encode()
    site = locate(message)
    assert isinstance(site, Site)
    out = splice(message, site, block(language, dial_in=dial_in), redactor=None, eight_bit=True)
    assert isinstance(out, Spliced)
    (tmp_path / "prefs").write_text("")
    assert score(out.message, tmp_path) <= score(message, tmp_path) + 0.5
