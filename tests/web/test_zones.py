"""Time zones to choose from: few enough for a page, named once each, with every offset that a reader may live by."""

from __future__ import annotations

import pytest

from mailgate.web.zones import WORLD, choices, guess

WINTER = 1_800_000_000.0


def test_a_country_with_one_zone_tells_it() -> None:
    assert guess("FR", "UTC") == "Europe/Paris"
    assert guess("JP", "UTC") == "Asia/Tokyo"
    assert guess("US", "Europe/Paris") == "Europe/Paris"
    assert guess("ZZ", "UTC") == guess("", "UTC") == "UTC"


@pytest.mark.parametrize("region", ["FR", "US", "RU", "AQ", ""])
def test_the_list_is_short_and_names_each_city_once(region: str) -> None:
    found = choices(region, ("Europe/Paris",), WINTER, "en")
    labels = [label for _, label in found]
    assert len(labels) == len(set(labels)) < 100
    assert "Paris (UTC+1)" in labels and "Kathmandu (UTC+5:45)" in labels and "UTC (UTC)" in labels
    assert {name for name, _ in found} >= set(WORLD) - {"Europe/Paris"}


def test_an_older_name_of_a_city_is_taken_where_it_is_asked_for() -> None:
    names = [name for name, label in choices("NP", ("Asia/Katmandu",), WINTER, "en") if "Kathmandu" in label]
    assert names == ["Asia/Katmandu"]


def test_offsets_are_those_of_the_day_and_cities_in_the_reader_s_language() -> None:
    summer = dict(choices("FR", (), WINTER + 180 * 86400, "en"))
    assert summer["Europe/Paris"] == "Paris (UTC+2)"
    assert dict(choices("FR", (), WINTER, "de"))["America/St_Johns"] == "St. John’s (UTC\N{MINUS SIGN}3:30)"
    assert dict(choices("FR", (), WINTER, "fr"))["Africa/Cairo"].startswith("Le Caire")
