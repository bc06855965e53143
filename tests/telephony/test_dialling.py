"""Whom the gateway may call."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailgate.calls.dialling import DENIED_PREFIXES, DiallingRules, check_pair, may_dial
from mailgate.calls.model import Channel, Kind
from mailgate.errors import CallRefused, ConfigError

FRANCE = DiallingRules(region="FR")
WIDE = DiallingRules(
    region="FR",
    countries=frozenset({"DE", "GB", "US", "CH", "MC", "LV", "CU"}),
    denied=("+3389", "+4418"),
    sip_users=frozenset({"alice"}),
    sip_domains=frozenset({"example.org", ".example.net"}),
)


def refused(text: str, region: str = "FR", rules: DiallingRules = WIDE) -> str:
    with pytest.raises(CallRefused) as caught:
        may_dial(text, region, rules)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "region", "address"),
    [
        ("+33 1 99 00 12 34", "FR", "+33199001234"),
        ("01 99 00 12 34", "FR", "+33199001234"),
        ("01.99.00.12.34", "FR", "+33199001234"),
        ("01-99-00-12-34", "FR", "+33199001234"),
        ("01‑99‑00‑12‑34", "FR", "+33199001234"),
        ("01/99/00/12/34", "FR", "+33199001234"),
        ("0033 199001234", "FR", "+33199001234"),
        ("(0)1 99 00 12 34", "FR", "+33199001234"),
        ("+33 (0)1 99 00 12 34", "FR", "+33199001234"),
        ("01\u00a099\u202f00\u200912\u200234", "FR", "+33199001234"),
        ("\u200e+33199001234\u200e", "FR", "+33199001234"),
        ("+33199001234", "FR", "+33199001234"),
        ("٠١٩٩٠٠١٢٣٤", "FR", "+33199001234"),
        ("tel:+33-1-99-00-12-34", "FR", "+33199001234"),
        ("TEL:+33199001234", "DE", "+33199001234"),
        ("030 123456", "DE", "+4930123456"),
        ("020 7946 0000", "GB", "+442079460000"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("+377 93 15 00 00", "FR", "+37793150000"),
    ],
)
def test_however_a_number_is_written_it_is_one_number(text: str, region: str, address: str) -> None:
    assert may_dial(text, region, WIDE) == Channel(Kind.TEL, address)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("112", "FR"),
        ("15", "FR"),
        ("17", "FR"),
        ("18", "FR"),
        ("1 1 2", "FR"),
        ("1.1.2", "FR"),
        ("112", "DE"),
        ("110", "DE"),
        ("999", "GB"),
        ("911", "US"),
        ("9 1 1", "US"),
        ("9116666666", "US"),  # the network connects at the third digit
        ("tel:112", "FR"),
        ("tel:911", "US"),
        ("+33 112", "FR"),
        ("١١٢", "FR"),
        ("112", "US"),  # an emergency number of the gateway's own country, wherever the caller says to be
        ("15", "DE"),
    ],
)
def test_an_emergency_number_is_never_called(text: str, region: str) -> None:
    assert refused(text, region) in ("emergency", "short-code")
    if "+" not in text:
        assert refused(text, region) == "emergency"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3631", "short-code"),
        ("118218", "short-code"),
        ("123", "short-code"),
        ("36 31", "short-code"),
        ("+870 773 111 632", "denied-prefix"),
        ("+881 6 3141 4141", "denied-prefix"),
        ("+882 16 5551 2345", "denied-prefix"),
        ("+883 5100 0123 4567", "denied-prefix"),
        ("+888 123 456 789", "denied-prefix"),
        ("+979 1 2345 6789", "denied-prefix"),
        ("00 881 6 3141 4141", "denied-prefix"),
        ("+800 1234 5678", "denied-prefix"),
        ("+33 8 99 12 34 56", "denied-prefix"),  # denied by this administrator
        ("+33 8 20 12 34 56", "premium"),  # a number at a higher rate
        ("+1 900 234 5678", "premium"),
        ("+44 9012345678", "premium"),
        ("+39 06 698 12345", "country-not-allowed"),
        ("+7 495 123 45 67", "country-not-allowed"),
        ("+1 876 555 0100", "country-not-allowed"),  # Jamaica: the same +1 as the United States
        ("+1 809 234 5678", "country-not-allowed"),
        ("+44 1534 456789", "country-not-allowed"),  # Jersey: the same +44
        ("+33 1 99 00 12", "not-a-number"),
        ("+33 1 99 00 12 34 56 78", "not-a-number"),
        ("+999 123 456 789", "not-a-number"),
        ("+0 123 456 789", "not-a-number"),
        ("0000000000", "not-a-number"),
        ("", "not-a-number"),
        ("   ", "not-a-number"),
        ("+", "short-code"),
        ("call me", "not-a-number"),
        ("0800 FLOWERS", "not-a-number"),
        ("+33199001234;ext=5", "not-a-number"),
        ("tel:+33199001234;phone-context=x", "not-a-number"),
        ("+33199001234,,,1", "not-a-number"),
        ("+33199001234#1", "not-a-number"),
        ("+33199001234&PJSIP/other", "not-a-number"),
        ("+33199001234@trunk", "not-a-number"),
        ("+33199001234\r\nAction: Hangup", "not-a-number"),
        ("+33199001234\x00", "not-a-number"),
        ("+33199001234/n", "not-a-number"),
        ("1" * 65, "not-a-number"),
        ("mailto:ada@example.org", "not-a-number"),
        ("sips:alice", "not-a-number"),
        ("browser:abc", "not-a-number"),
    ],
)
def test_what_may_not_be_called_is_refused_by_name(text: str, reason: str) -> None:
    assert refused(text) == reason


def test_only_the_home_country_is_allowed_by_default() -> None:
    assert may_dial("01 99 00 12 34", "FR", FRANCE).address == "+33199001234"
    assert refused("+49 30 123456", rules=FRANCE) == "country-not-allowed"
    assert refused("sip:alice", rules=FRANCE) == "sip-not-allowed"


@pytest.mark.parametrize("prefix", DENIED_PREFIXES)
def test_no_list_of_countries_allows_what_is_always_denied(prefix: str) -> None:
    assert refused(prefix + "12345678") == "denied-prefix"


@pytest.mark.parametrize(
    "text",
    ["sip:alice", "SIP:alice", "sip:bob@example.org", "sip:bob@EXAMPLE.org:5080", "sip:bob@pbx.example.net"],
)
def test_sip_addresses_of_known_users_and_domains_may_be_called(text: str) -> None:
    assert may_dial(text, "FR", WIDE) == Channel(Kind.SIP, text.partition(":")[2])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sip:mallory", "sip-not-allowed"),
        ("sip:trunk", "sip-not-allowed"),
        ("sip:bob@example.com", "sip-not-allowed"),
        ("sip:bob@example.net", "sip-not-allowed"),  # only what is below it
        ("sip:bob@notexample.net", "sip-not-allowed"),
        ("sip:bob@example.org.evil.test", "sip-not-allowed"),
        ("sip:bob@127.0.0.1", "sip-not-allowed"),
        ("sip:0033112@example.org", "sip-not-allowed"),
        ("sip:+33-1.99@example.org", "not-a-number"),
        ("sip:1-12@example.org", "sip-not-allowed"),
        ("sip:alice@trunk/x", "not-a-number"),
        ("sip:alice&PJSIP/bob", "not-a-number"),
        ("sip:alice;transport=tcp", "not-a-number"),
        ("sip:", "not-a-number"),
        ("sip:@example.org", "not-a-number"),
        ("sip:alice\r\nX: y", "not-a-number"),
    ],
)
def test_other_sip_addresses_may_not(text: str, reason: str) -> None:
    assert refused(text) == reason


def test_all_registered_users_where_the_rules_name_none() -> None:
    assert may_dial("sip:anyone", "FR", DiallingRules(region="FR", sip_users=None)) == Channel.parse("sip:anyone")


@pytest.mark.parametrize(
    ("leg1", "leg2"),
    [
        ("tel:+33199001234", "tel:+33199001234"),
        ("sip:alice", "sip:Alice"),
        ("sip:bob@example.org", "sip:bob@EXAMPLE.ORG"),
    ],
)
def test_nobody_is_called_on_both_legs(leg1: str, leg2: str) -> None:
    with pytest.raises(CallRefused) as caught:
        check_pair(Channel.parse(leg1), Channel.parse(leg2))
    assert caught.value.reason == "same-number"


def test_the_gateway_does_not_call_itself() -> None:
    with pytest.raises(CallRefused) as caught:
        check_pair(Channel.parse("tel:+33199009000"), Channel.parse("tel:+33199001234"), "+33199009000")
    assert caught.value.reason == "own-number"
    check_pair(Channel.parse("tel:+33199000001"), Channel.parse("tel:+33199001234"), "+33199009000")


@pytest.mark.parametrize("rules", [{"region": "XX"}, {"region": "fr"}, {"region": "FR", "denied": ("89",)}])
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        DiallingRules(**rules)  # type: ignore[arg-type]


@settings(deadline=None)  # the metadata of a country is read at its first use
@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_channel_or_refused(text: str) -> None:
    try:
        channel = may_dial(text, "FR", WIDE)
    except CallRefused:
        return
    assert channel.kind is Kind.TEL or channel.address.partition("@")[0] == "alice" or "@" in channel.address


@settings(deadline=None)  # the metadata of a country is read at its first use
@given(st.from_regex(r"\+?[0-9() ./-]{1,20}", fullmatch=True))
def test_only_allowed_countries_come_out(text: str) -> None:
    try:
        channel = may_dial(text, "FR", FRANCE)
    except CallRefused:
        return
    assert channel.address.startswith("+33")
