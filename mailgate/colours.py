"""One colour of an organisation becomes all that the pages need of it, in light and dark, or a complaint. Pure.

The accent fills buttons under white text and is the colour of links on the page's ground, so it must stand out from
both; for dark screens a lighter kin of it is found. Figures are contrast ratios, from 1 to 21.

Standards: WCAG 2.2, 1.4.3 (4.5 : 1 for text) and its definitions of contrast ratio and relative luminance.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Colour = tuple[int, int, int]

LEAST = 4.5
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)
# those of page.css that text in the accent's colour stands on
_LIGHT_GROUND: Colour = (0xF4, 0xF6, 0xF4)
_DARK_CARD: Colour = (0x18, 0x1F, 0x1C)
_STEPS = 100


def parse(text: str) -> Colour:
    """`#0b6b4f` or `#07c`. Raises ValueError."""
    if not re.fullmatch(r"#(?:[0-9A-Fa-f]{3}){1,2}", text):
        raise ValueError("not a colour of the form #0b6b4f")
    digits = text[1:] if len(text) == 7 else "".join(d * 2 for d in text[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def hexadecimal(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def contrast(one: Colour, other: Colour) -> float:
    """From 1 (the same) to 21 (black and white)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = ((c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(colour: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def checked(text: str) -> str:
    """The colour as six digits. Raises ValueError where text in it, or on it, could not be read."""
    colour = parse(text)
    found = min(contrast(colour, _WHITE), contrast(colour, _LIGHT_GROUND))
    if found < LEAST:
        darker = _until(colour, _BLACK, lambda c: min(contrast(c, _WHITE), contrast(c, _LIGHT_GROUND)) >= LEAST)
        raise ValueError(
            f"has a contrast of {found:.1f} : 1 with the page's ground, and people need {LEAST} : 1 to read it "
            f"(WCAG 2.2, 1.4.3). Take a darker one, such as {hexadecimal(darker)}"
        )
    return hexadecimal(colour)


def _until(colour: Colour, towards: Colour, good: Callable[[Colour], bool]) -> Colour:
    steps = (mixed(colour, towards, step / _STEPS) for step in range(_STEPS + 1))
    return next((each for each in steps if good(each)), towards)


def stylesheet(accent: str) -> str:
    """What the accent changes in page.css; `accent` was `checked`."""
    light = parse(accent)
    # on the tint, too: it is text in the accent's colour that says how far a call has come
    tint = _until(mixed(light, _WHITE, 0.85), _WHITE, lambda c: contrast(light, c) >= LEAST)
    dark_tint = mixed(light, _DARK_CARD, 0.75)
    dark = _until(light, _WHITE, lambda c: min(contrast(c, _DARK_CARD), contrast(c, dark_tint)) >= 7)
    on_dark = mixed(dark, _BLACK, 0.85)
    return (
        f":root{{--accent:{hexadecimal(light)};--accent-strong:{hexadecimal(mixed(light, _BLACK, 0.25))};"
        f"--on-accent:#fff;--tint:{hexadecimal(tint)}}}"
        f"@media(prefers-color-scheme:dark){{:root{{--accent:{hexadecimal(dark)};"
        f"--accent-strong:{hexadecimal(mixed(dark, _WHITE, 0.25))};--on-accent:{hexadecimal(on_dark)};"
        f"--tint:{hexadecimal(dark_tint)}}}}}"
    )
