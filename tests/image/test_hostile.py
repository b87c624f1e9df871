"""What the plugin's model accepts of hostile values, the daemons' own parser accepts too."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from cloudify_quagga import render
from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Router
from tests.hostile.test_parsers import CONF, ROUTER
from tests.hostile.values import one_of
from tests.image.container import Node

SAMPLES = 100
CHECK = ["vtysh", "-C", "-f", "/proc/self/fd/0"]


def accepted() -> Iterator[str]:
    """Configurations of hostile routers that were not refused, no two alike, and none without a route."""
    chance = random.Random(1)
    seen: set[str] = set()
    while len(seen) < SAMPLES:
        value = one_of(chance, [ROUTER])
        try:
            text = render.frr_conf(Router.parse(value if isinstance(value, dict) else {}))
        except Refused:
            continue
        if " route " in text and text not in seen:
            seen.add(text)
            yield text


def test_vtysh_takes_what_the_model_takes(node: Node) -> None:
    for text in accepted():
        assert node.run(*CHECK, given=text) == "", text


def test_it_can_say_no(node: Node) -> None:
    with pytest.raises(AssertionError, match="Unknown command"):
        node.run(*CHECK, given=CONF.replace("ip route 10.0.0.0/24", "ip root 10.0.0.0/24"))
