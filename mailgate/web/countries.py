"""Countries to choose from: names in the reader's language, calling codes, and an example of a number. Pure.

Sources: Unicode CLDR by Babel (names), phonenumbers (codes, examples). The examples are numbers that nobody has, or
the metadata's own specimens.
"""

from __future__ import annotations

from collections.abc import Iterable

import phonenumbers
from babel import Locale
from babel.core import UnknownLocaleError
from phonenumbers import PhoneMetadata

from mailgate.web.texts import ranges

_NO_BREAK = "\N{NO-BREAK SPACE}"

EVERY_REGION: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)


def names(language: str, regions: Iterable[str]) -> list[tuple[str, str]]:
    """`(region, "France +33")` for each, by name."""
    try:
        territories = Locale.parse(language).territories
    except (UnknownLocaleError, ValueError):
        territories = Locale("en").territories
    labelled = [(r, f"{territories.get(r, r)} +{phonenumbers.country_code_for_region(r)}") for r in regions]
    return sorted(labelled, key=lambda entry: entry[1].casefold())


def examples(regions: Iterable[str]) -> dict[str, str]:
    """A mobile number of each region as people there write it; regions without a specimen are left out."""
    found: dict[str, str] = {}
    for region in sorted(regions):
        number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if number is not None:
            found[region] = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return found


def shapes(regions: Iterable[str]) -> dict[str, tuple[str, str, str, tuple[int, ...]]]:
    """For each region what the page's script needs to say whether a number is complete while it is typed.

    An example ("" where there is none), the calling code, the digits dialled before a national number ("" where there
    are none), and how many digits national numbers have. Which of these can be called is the server's say.
    """
    written = examples(regions)
    found: dict[str, tuple[str, str, str, tuple[int, ...]]] = {}
    for region in sorted(regions):
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None or metadata.general_desc is None:
            continue
        lengths = tuple(length for length in metadata.general_desc.possible_length if length > 0)
        found[region] = (written.get(region, ""), str(metadata.country_code), metadata.national_prefix or "", lengths)
    return found


def region_of(accept_language: str, regions: Iterable[str], otherwise: str) -> str:
    """The first region that the browser's languages name and that is on offer."""
    offered = frozenset(regions)
    return next((region for _, region in ranges(accept_language) if region in offered), otherwise)


def spaced(number: str) -> str:
    """An E.164 number as people read it, kept on one line: `+33199001234` → `+33 1 99 00 12 34`."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return str(text.replace(" ", _NO_BREAK))
