#!/usr/bin/env python3
"""Draws the icon of a call offer: a handset in a rounded square, as SVG for pages and as PNG for mail.

Run it after changing the shape: `scripts/draw_icon.py templates/icons`. All files come from the same geometry, in a
square of 40 units: an arc for the grip, two thick strokes for the ends. The PNG of mail has 80 pixels, sharp at twice
40. For the page that is installed as an application (templates/pages/static): 192 and 512 pixels, and one without
round corners, which telephones cut to a shape of their own (W3C Manifest, "maskable": a circle of 80 % is safe).
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from pathlib import Path

UNITS = 40
PIXELS = 80
APPLICATION = (192, 512)
SAMPLES = 6  # per pixel and axis, of the smallest
SQUARE_RADIUS = 9.0
CENTRE = (28.5, 11.5)  # of the circle on which the grip lies
GRIP_RADIUS = 18.0
GRIP_WIDTH = 4.6
FROM_DEGREES, TO_DEGREES = 98.0, 172.0  # clockwise on the screen, from the right
END_WIDTH = 6.6
END_INWARD = 3.0
GROUND = (0x2E, 0xA0, 0x7A)
INK = (0xFF, 0xFF, 0xFF)


def on_circle(degrees: float, radius: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return CENTRE[0] + radius * math.cos(angle), CENTRE[1] + radius * math.sin(angle)


def ends() -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The two strokes at the ends of the grip, pointing towards the centre of its circle."""
    return [
        (on_circle(d, GRIP_RADIUS + 0.4), on_circle(d, GRIP_RADIUS - END_INWARD)) for d in (FROM_DEGREES, TO_DEGREES)
    ]


def in_square(x: float, y: float) -> bool:
    dx = max(SQUARE_RADIUS - x, x - (UNITS - SQUARE_RADIUS), 0)
    dy = max(SQUARE_RADIUS - y, y - (UNITS - SQUARE_RADIUS), 0)
    return dx * dx + dy * dy <= SQUARE_RADIUS * SQUARE_RADIUS


def in_handset(x: float, y: float) -> bool:
    dx, dy = x - CENTRE[0], y - CENTRE[1]
    in_arc = FROM_DEGREES <= math.degrees(math.atan2(dy, dx)) <= TO_DEGREES
    if in_arc and abs(math.hypot(dx, dy) - GRIP_RADIUS) <= GRIP_WIDTH / 2:
        return True
    return any(to_segment(x, y, a, b) <= END_WIDTH / 2 for a, b in ends())


def to_segment(x: float, y: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    vx, vy = b[0] - a[0], b[1] - a[1]
    t = max(0.0, min(1.0, ((x - a[0]) * vx + (y - a[1]) * vy) / (vx * vx + vy * vy)))
    return math.hypot(x - a[0] - t * vx, y - a[1] - t * vy)


def png(pixels: int = PIXELS, *, whole: bool = False) -> bytes:
    """Palette of ground to ink in 12 steps, with transparency for the corners; `whole`: without these."""
    samples = max(2, SAMPLES * PIXELS // pixels)
    steps = 12
    palette = [
        tuple(round(g + (i - g) * s / steps) for g, i in zip(GROUND, INK, strict=True)) for s in range(steps + 1)
    ]
    alphas = [255] * len(palette)
    corner = {}
    for s in range(steps + 1):  # ground, less and less opaque
        corner[s] = len(palette)
        palette.append(GROUND)
        alphas.append(round(255 * s / steps))
    rows = []
    total = samples * samples
    for py in range(pixels):
        row = bytearray([0])
        for px in range(pixels):
            inside = ink = 0
            for sy in range(samples):
                for sx in range(samples):
                    x = (px + (sx + 0.5) / samples) * UNITS / pixels
                    y = (py + (sy + 0.5) / samples) * UNITS / pixels
                    inside += whole or in_square(x, y)
                    ink += in_handset(x, y)
            if inside == total:
                row.append(round(ink / total * steps))
            else:
                row.append(corner[round(inside / total * steps)])
        rows.append(bytes(row))
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", header),
            (b"PLTE", bytes(v for colour in palette for v in colour)),
            (b"tRNS", bytes(alphas)),
            (b"IDAT", zlib.compress(b"".join(rows), 9)),
            (b"IEND", b""),
        )
    )


def svg() -> str:
    def point(p: tuple[float, float]) -> str:
        return f"{p[0]:.2f} {p[1]:.2f}"

    def colour(rgb: tuple[int, int, int]) -> str:
        return "#" + "".join(f"{v:02x}" for v in rgb)

    first, last = on_circle(FROM_DEGREES, GRIP_RADIUS), on_circle(TO_DEGREES, GRIP_RADIUS)
    strokes = "".join(f"M{point(a)}L{point(b)}" for a, b in ends())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {UNITS} {UNITS}" width="{UNITS}" height="{UNITS}">\n'
        f'  <rect width="{UNITS}" height="{UNITS}" rx="{SQUARE_RADIUS}" fill="{colour(GROUND)}"/>\n'
        f'  <g fill="none" stroke="{colour(INK)}">\n'
        f'    <path stroke-width="{GRIP_WIDTH}" d="M{point(first)}A{GRIP_RADIUS} {GRIP_RADIUS} 0 0 1 {point(last)}"/>\n'
        f'    <path stroke-width="{END_WIDTH}" stroke-linecap="round" d="{strokes}"/>\n'
        "  </g>\n</svg>\n"
    )


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "templates/icons")
    (folder / "call.png").write_bytes(png())
    (folder / "call.svg").write_text(svg(), encoding="ascii")
    pages = folder.parent / "pages" / "static"
    for pixels in APPLICATION:
        (pages / f"icon-{pixels}.png").write_bytes(png(pixels))
    (pages / "icon-whole.png").write_bytes(png(APPLICATION[-1], whole=True))


if __name__ == "__main__":
    main()
