"""Values that nobody means well with: right ones, with something stuck in, cut out, doubled or exchanged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

STUCK = (
    *(
        "\n",
        "\r\n",
        "\x00",
        "\x1b[31m",
        "\u2028",
        "\ud800",
        "\ufeff",
        "é",
        "١",
        "\t",
        "  ",
        "|",
        " | ",
        "!",
        "#",
    ),
    *(
        "'",
        '"',
        "\\",
        "`id`",
        "$(id)",
        "${x}",
        ";reboot",
        "&",
        "<",
        "{{7*7}}",
        "%s",
        "%{x}",
        "@{a, b}",
        ",",
        "=",
    ),
    *(
        "/",
        "/33",
        "-1",
        "0",
        "00",
        "255",
        "256",
        "4294967296",
        "1e9",
        "0x1",
        "::",
        "%eth0",
        ".",
        "..",
        "../",
        "~",
        "~x/",
    ),
    *("\nip route 0.0.0.0/0 1.1.1.1", "\nend\n", "\nrouter bgp 1", "\n!", " exit", " vrf x", " blackhole"),
    *(" !!bool ", " !!timestamp ", " !!int ", " !!float ", " !x ", " *x", " &x ", "\\U99999999", "<<: "),
    *("]", "[", "['a']", "=1", "__class__", "()", "x" * 300, "9" * 400, "[" * 200, "é" * 64),
)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1 << 70,
        1.5,
        float("nan"),
        float("inf"),
        "",
        " ",
        b"x",
        (),
        [],
        {},
        [[]],
        [None],
    ),
    *({"": ""}, {1: 2}, {"a": {"a": {"a": {}}}}, ["x"] * 50, {"prefix": ["10.0.0.0/8"]}, object()),
)


def spoilt(chance: random.Random, text: str) -> str:
    """The text after one to three things have been done to it."""
    for _ in range(chance.randint(1, 3)):
        place, other = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        what = chance.randrange(5)
        if what == 0:
            text = text[:place] + chance.choice(STUCK) + text[place:]
        elif what == 1:
            text = text[:place] + text[other:]
        elif what == 2:
            text = text[:other] + text[place:other] + text[other:]
        elif what == 3:
            text = (
                text[:place]
                + chr(chance.choice((chance.randrange(1, 128), chance.randrange(1, 0x3000))))
                + text[place:]
            )
        else:
            text = chance.choice(STUCK) if chance.random() < 0.1 else text.swapcase()
    return text[:5000]


def hostile(chance: random.Random, right: Any) -> Any:
    """The value with some of its parts spoilt."""
    if chance.random() < 0.03:
        return chance.choice(ODD)
    if isinstance(right, str):
        return spoilt(chance, right) if chance.random() < 0.4 else right
    if isinstance(right, dict):
        return {
            _key(chance, key): hostile(chance, one) for key, one in right.items() if chance.random() > 0.1
        }
    if isinstance(right, list):
        return [hostile(chance, one) for one in right for _ in range(_often(chance))]
    return right


def _key(chance: random.Random, key: str) -> str:
    return spoilt(chance, key) if chance.random() < 0.03 else key


def _often(chance: random.Random) -> int:
    return chance.choice((0, 1, 1, 1, 1, 1, 1, 2))


def one_of(chance: random.Random, rights: Sequence[Any]) -> Any:
    """Something hostile that began as one of these."""
    return hostile(chance, chance.choice(rights))
