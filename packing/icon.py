"""Draws quagga.png, the plugin's sign: a router, as network diagrams have it, with four arrows on a disc."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable

from packing.bundle import ICON

SIZE = 128
SAMPLES = 4
DISC = (32, 84, 147)
SIDE = (19, 54, 98)
ARROW = (255, 255, 255)

Colour = tuple[int, int, int]
Shape = Callable[[float, float], bool]

# In units of the picture, 0..1, y downwards. A disc seen from above stands on the same disc, a little lower.
CENTRE, TOP, RADIUS, FLAT, HEIGHT = 0.5, 0.37, 0.46, 0.62, 0.25
# The arrows' tips, from the middle of the disc; their length, their head's, and how thick they are.
INNER, OUTER, LENGTH, HEAD, SHAFT, SLOPE = 0.07, 0.41, 0.34, 0.15, 0.04, 0.75


def _disc(x: float, y: float, lower: float) -> bool:
    return math.hypot(x - CENTRE, (y - TOP - lower) / FLAT) <= RADIUS


def _side(x: float, y: float) -> bool:
    between = abs(x - CENTRE) <= RADIUS and TOP <= y <= TOP + HEIGHT
    return between or _disc(x, y, HEIGHT)


def _arrow(degrees: float, *, inwards: bool) -> Shape:
    """An arrow on the disc, from near its middle to near its edge or the other way round."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def inside(x: float, y: float) -> bool:
        flat_x, flat_y = x - CENTRE, (y - TOP) / FLAT
        along = flat_x * cosine + flat_y * sine
        across = abs(flat_y * cosine - flat_x * sine)
        from_tip = along - INNER if inwards else OUTER - along
        shaft = across <= SHAFT and HEAD / 2 <= from_tip <= LENGTH
        return shaft or (0 <= from_tip <= HEAD and across <= from_tip * SLOPE)

    return inside


_ARROWS = [
    _arrow(20, inwards=True),
    _arrow(200, inwards=True),
    _arrow(110, inwards=False),
    _arrow(290, inwards=False),
]


def _colour(x: float, y: float) -> Colour | None:
    if _disc(x, y, 0):
        return ARROW if any(inside(x, y) for inside in _ARROWS) else DISC
    return SIDE if _side(x, y) else None


def _pixel(column: int, row: int) -> bytes:
    steps = [(step + 0.5) / SAMPLES for step in range(SAMPLES)]
    found = [_colour((column + right) / SIZE, (row + down) / SIZE) for down in steps for right in steps]
    seen = [colour for colour in found if colour]
    if not seen:
        return bytes(4)
    mean = (round(sum(part) / len(seen)) for part in zip(*seen, strict=True))
    return bytes([*mean, round(255 * len(seen) / len(found))])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def draw() -> bytes:
    """The picture as a PNG file: 8 bits a channel, with transparency."""
    rows = b"".join(b"\0" + b"".join(_pixel(column, row) for column in range(SIZE)) for row in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


if __name__ == "__main__":
    ICON.write_bytes(draw())
