"""What the plugin and the image accept of hostile values, the daemons' own parser accepts too."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Router
from router import configuration
from router.ending import Refused as ImageRefused
from tests.hostile.test_model_anything import LINES
from tests.hostile.test_parsers import CONF, LINES_OF_BGP, ROUTER, ROUTES, SECRETS, VARIABLES
from tests.hostile.values import one_of
from tests.image.container import Node

SAMPLES = 100
CHECK = ["vtysh", "-C", "-f", "/proc/self/fd/0"]

# Where FRR takes whatever follows, to the end of the line.
HOLDING = [*LINES_OF_BGP[:-1], " neighbor 172.16.0.1 description ${words}", "exit", "banner motd line ${way}"]
HELD = {"interfaces": ["eth0"], "routes": ROUTES[:1], "raw": HOLDING}


def typed(value: Any) -> str:
    return render.frr_conf(Router.parse(value if isinstance(value, dict) else {}))


def hidden(value: Any) -> str:
    text = render.frr_conf(Router.parse({**HELD, "secrets": value}))
    # A password is one word to FRR, whose own check refuses two where the router is made or changed.
    return text if re.search(r" password \S+$", text, re.MULTILINE) else ""


def of_2017(value: Any) -> str:
    told = {key: one for key, one in value.items() if isinstance(one, str)} if isinstance(value, dict) else {}
    return configuration.parse_environment(told, forwarding_ipv6=False).text


def sample(right: Any, text_of: Callable[[Any], str], needed: str) -> Iterator[str]:
    """Configurations of hostile values that were not refused, no two alike, each with what is needed."""
    chance = random.Random(1)
    seen: set[str] = set()
    while len(seen) < SAMPLES:
        try:
            text = text_of(one_of(chance, [right]))
        except (Refused, ImageRefused):
            continue
        if needed in text and text not in seen:
            seen.add(text)
            yield text


@pytest.mark.parametrize(
    ("right", "text_of", "needed"),
    [(ROUTER, typed, " route "), (SECRETS, hidden, " password "), (VARIABLES, of_2017, " route ")],
    ids=["typed", "secrets", "environment of 2017"],
)
def test_vtysh_takes_what_is_accepted(
    right: Any, text_of: Callable[[Any], str], needed: str, node: Node
) -> None:
    for text in sample(right, text_of, needed):
        assert node.run(*CHECK, given=text) == "", text


def test_of_what_is_accepted_in_raw_vtysh_refuses_no_other_line(node: Node) -> None:
    """The plugin does not know all of FRR's words; but a line of the author's own spoils none beside it."""
    clean = 0
    for text in sample({**HELD, "secrets": SECRETS}, typed, " neighbor "):
        lines = text.split("\n")
        first = next(n for n, line in enumerate(lines, 1) if not any(ours.fullmatch(line) for ours in LINES))
        refused = refused_in(node, text)
        assert all(first <= number <= lines.index("end") for number in refused), text
        clean += not refused
    assert 0 < clean < SAMPLES


def refused_in(node: Node, text: str) -> list[int]:
    """The numbers of the lines that vtysh does not take."""
    try:
        said = node.run(*CHECK, given=text)
    except AssertionError as refusal:
        return [int(number) for number in re.findall(r"\bline (\d+): ", str(refusal))] or [0]
    assert said == ""
    return []


def test_it_can_say_no(node: Node) -> None:
    with pytest.raises(AssertionError, match="Unknown command"):
        node.run(*CHECK, given=CONF.replace("ip route 10.0.0.0/24", "ip root 10.0.0.0/24"))
