"""Known numbers are taken out in every common spelling; other people's numbers stay; hostile text costs no time."""

from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_hooks.numbers import Change, Redactor

PARIS = "+33199001234"
HIDDEN = "[hidden]"
REDACTOR = Redactor([PARIS, "+493012345678", "+12025550143", "+34910001234"], HIDDEN)


def redact(text: str, changes: list[Change]) -> str:
    out, at = [], 0
    for start, end, new in changes:
        assert at <= start <= end
        out += [text[at:start], new]
        at = end
    return "".join([*out, text[at:]])


SPELLINGS = [
    "+33199001234",
    "+33 1 99 00 12 34",
    "+33 199 001 234",
    "+33.1.99.00.12.34",
    "+33-1-99-00-12-34",
    "+33/199001234",
    "+33 (1) 99 00 12 34",
    "+33 (0)1 99 00 12 34",
    "+33(0)199001234",
    "+33 (0) 1 99.00.12.34",
    "+ 33 1 99 00 12 34",
    "0033199001234",
    "0033 1 99 00 12 34",
    "00 33 1 99 00 12 34",
    "011 33 1 99 00 12 34",
    "33 1 99 00 12 34",
    "01 99 00 12 34",
    "0199001234",
    "01.99.00.12.34",
    "01-99-00-12-34",
    "01/99/00/12/34",
    "0 199 001 234",
    "0199 00 12 34",
    "01 9900 1234",
    "1 99 00 12 34",
    "199001234",
    "01\u00a099\u00a000\u00a012\u00a034",
    "01\u202f99\u202f00\u202f12\u202f34",
    "01\u200999\u200900\u200912\u200934",
    "01\u201199\u201100\u201112\u201134",
    "+33\u20131\u201399\u201300\u201312\u201334",
    "01\u221299\u221200\u221212\u221234",
    "01\u00b799\u00b700\u00b712\u00b734",
    "01 99 00\r\n12 34",
    "01 99 00\r\n> 12 34",
    "01  99  00  12  34",
    "01 - 99 - 00 - 12 - 34",
    "\uff10\uff11 \uff19\uff19 \uff10\uff10 \uff11\uff12 \uff13\uff14",
    "\uff0b\uff13\uff13 \uff11 \uff19\uff19 \uff10\uff10 \uff11\uff12 \uff13\uff14",
    "\u0660\u0661 \u0669\u0669 \u0660\u0660 \u0661\u0662 \u0663\u0664",
    "+\u06f3\u06f3 \u06f1 \u06f9\u06f9 \u06f0\u06f0 \u06f1\u06f2 \u06f3\u06f4",
    "0\u200b199\u200b00\u200b1234",
    "\u202a+33 1 99 00 12 34",
    "01 [99] 00 12 34",
    "01_99_00_12_34",
]


@pytest.mark.claim("T14")
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "Tel: {}.", "call me ({}) or not", "a{}b", "tel:{};ext=5", "{} ext. 12"])
def test_every_spelling_goes_from_text(spelling: str, around: str) -> None:
    text = around.format(spelling)
    out = redact(text, REDACTOR.text_changes(text))
    assert HIDDEN in out
    assert not REDACTOR.shows(out)
    # What stands around stays: all that is left besides the replacement stood there before.
    left, right = out.split(HIDDEN)
    assert text.startswith(left)
    assert text.endswith((right, right.removeprefix(")")))


@pytest.mark.claim("T14")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_goes_from_html(spelling: str) -> None:
    for text in (
        f"<p>Call {html.escape(spelling)} now</p>",
        f'<p title="Call {html.escape(spelling)}">x</p>',
        f"<p>{html.escape(spelling).encode('ascii', 'xmlcharrefreplace').decode()}</p>",
        f"<p>{html.escape(spelling).replace(' ', '&nbsp;').replace('-', '&#8209;')}</p>",
        "<p>" + "".join(f"&#{ord(c)};" for c in spelling) + "</p>",
    ):
        out = redact(text, REDACTOR.html_changes(text))
        assert HIDDEN in out, text
        assert not REDACTOR.shows(html.unescape(out))
        assert out.count("<") == text.count("<") and out.count(">") >= text.count("</p>")


@pytest.mark.parametrize(
    ("number", "spelling"),
    [
        ("+493012345678", "030 12345678"),
        ("+493012345678", "030/1234-5678"),
        ("+493012345678", "(030) 12 34 56 78"),
        ("+493012345678", "+49 (0)30 / 12345678"),
        ("+12025550143", "(202) 555-0143"),
        ("+12025550143", "202.555.0143"),
        ("+12025550143", "1-202-555-0143"),
        ("+12025550143", "+1 (202) 555-0143 x9"),
        ("+34910001234", "910 001 234"),
        ("+390612345678", "06 1234 5678"),
        ("+390612345678", "+39 06 1234 5678"),
        ("+5491123456789", "011 15-2345-6789"),
        ("+5491123456789", "+54 9 11 2345-6789"),
        ("+36301234567", "06 30 123 4567"),
        ("+79161234567", "8 (916) 123-45-67"),
        ("+4512345678", "12 34 56 78"),
        ("+819012345678", "090-1234-5678"),
        ("+442079460018", "(020) 7946 0018"),
        ("+35312345678", "01 234 5678"),
    ],
)
def test_national_spellings_of_other_countries(number: str, spelling: str) -> None:
    text = f"Tel. {spelling}!"
    redactor = Redactor([number], HIDDEN)
    assert HIDDEN in redact(text, redactor.text_changes(text))


@pytest.mark.parametrize(
    "text",
    [
        "+33 1 99 00 12 35",
        "+33 1 99 00 12 345",
        "+331990012340",
        "1199001234",
        "9199001234",
        "+44 1 99 00 12 34",
        "+44 (0)1 99 00 12 34",
        "0044 199001234",
        "+331 99 00 12",
        "33.1.99",
        "order 2199001234567",
        "2026-11-20 10:00:00",
        "https://www.example.org/0199/001/235",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert REDACTOR.text_changes(text) == []
    assert REDACTOR.html_changes(f"<p>{text}</p>") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="tel:+33199001234">call</a>', "<a >call</a>"),
        ("<a href='tel:+33-1-99-00-12-34'>call</a>", "<a >call</a>"),
        ("<a href=tel:0199001234>call</a>", "<a >call</a>"),
        ('<a href="TEL:%2B33199001234">+33 1 99 00 12 34</a>', "<a >[hidden]</a>"),
        ('<a href="tel:+33%201%2099%2000%2012%2034">x</a>', "<a >x</a>"),
        ('<a href="callto://+33199001234">x</a>', "<a >x</a>"),
        ('<a href="sip:+33199001234@pbx.example.org">x</a>', "<a >x</a>"),
        ('<a href="https://wa.me/33199001234">x</a>', "<a >x</a>"),
        ('<a href="sms:+33199001234?body=hi">x</a>', "<a >x</a>"),
        ('<img alt="Call 01 99 00 12 34">', '<img alt="Call [hidden]">'),
        ("<b>+33</b> 1 <i>99 00</i> 12 34!", "<b>[hidden]</b><i></i>!"),
        ("01 99 00 <span class='x'>12</span>&nbsp;34", "[hidden]<span class='x'></span>"),
        ("0&#49; 99 00 12 3&#x34;", "[hidden]"),
        ("<!-- 01 99 00 12 34 -->", "<!-- [hidden] -->"),
        ("<td>(01) 99 00 12 34</td>", "<td>([hidden])</td>"),
    ],
)
def test_html_keeps_its_tags_and_loses_its_links(text: str, expected: str) -> None:
    assert redact(text, REDACTOR.html_changes(text)) == expected


def test_replacement_is_escaped_for_html_and_kept_short() -> None:
    redactor = Redactor([PARIS], '<b>"é' + "x" * 100)
    out = redact('<p title="01 99 00 12 34">', redactor.html_changes('<p title="01 99 00 12 34">'))
    assert '"&lt;b&gt;&quot;&#233;xxx' in out
    assert len(redact("0199001234", redactor.text_changes("0199001234"))) == 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" Call 01 99 00 12 34 now\r\n", b" Call [hidden] now\r\n"),
        (b" Call 01 99\r\n 00 12 34 now\r\n", b" Call [hidden] now\r\n"),
        (b" =?utf-8?Q?Appel_01_99_00_12_34_caf=C3=A9?=\r\n", b" =?utf-8?B?QXBwZWwgW2hpZGRlbl0gY2Fmw6k=?=\r\n"),
        (
            b" Re: =?utf-8?B?MDEgOTkgMDA=?=\r\n =?utf-8?B?IDEyIDM0IMOp?= x\r\n",
            b" Re: =?utf-8?B?W2hpZGRlbl0=?=\r\n =?utf-8?B?IMOp?= x\r\n",
        ),
        (b" =?iso-8859-1?Q?caf=E9?= 01 99 00 12 34\r\n", b" =?iso-8859-1?Q?caf=E9?= [hidden]\r\n"),
        (b" =?x-unknown?Q?caf=E9?= 01 99 00 12 34\r\n", b" =?x-unknown?Q?caf=E9?= [hidden]\r\n"),
    ],
)
def test_subject(value: bytes, expected: bytes) -> None:
    assert REDACTOR.header_value(value) == expected


@pytest.mark.parametrize(
    "value", [b" Hello\r\n", b" =?utf-8?Q?caf=C3=A9?= 42\r\n", b" =?broken\r\n", b" =?utf-8?B?!!!?=\r\n", b"\r\n"]
)
def test_subject_without_number_is_left_alone(value: bytes) -> None:
    assert REDACTOR.header_value(value) is None


@pytest.mark.parametrize(
    "text",
    [
        "1" * 400_000,
        "1 " * 200_000,
        "19900123" * 50_000,
        "1<" * 200_000,
        "1<a>" * 100_000,
        "1" + "<a>" * 130_000,
        "199<b>" * 70_000,
        "1&#" * 130_000,
        "1&nbsp;" * 60_000,
        "+33 " * 100_000,
        "=?utf-8?Q?" * 40_000,
        '<a href="tel:' * 30_000,
        "\u0661" * 400_000,
        "tel:+33199001234" * 20_000,
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    start = time.process_time()
    REDACTOR.text_changes(text)
    REDACTOR.html_changes(text)
    REDACTOR.header_value(text.encode())
    assert time.process_time() - start < 2.0


@given(st.text(alphabet="0123456789 +-.()/<>&;#nbsp\r\n\u00a0\u0661x", max_size=60))
def test_changes_are_sorted_and_leave_nothing(text: str) -> None:
    for changes in (REDACTOR.text_changes(text), REDACTOR.html_changes(text)):
        redact(text, changes)  # asserts order
    out = redact(text, REDACTOR.text_changes(text))
    assert not REDACTOR.text_changes(out)


@given(st.text(alphabet="0123456789 +-.()", max_size=12), st.sampled_from(SPELLINGS[:20]))
def test_surrounding_digits_never_hide_a_separate_number(before: str, spelling: str) -> None:
    text = before + " x " + spelling + " x"
    out = redact(text, REDACTOR.text_changes(text))
    assert out.endswith(HIDDEN + " x")


@pytest.mark.parametrize("number", ["", "0199001234", "abc", "+"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="number"):
        Redactor([number], HIDDEN)
