"""Who of ours holds labels of a node, read from annotations that anybody may write."""

from __future__ import annotations

import json

import pytest

from cloudify_quagga.lifecycle.labels import Holder, holders
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.names import Identity

HOLDER = Holder.of(Owner(Identity("cluster", "router_node", "router_node_1"), "here", frozenset(), ""))
[(KEY, TEXT)] = HOLDER.annotation.items()


def node(text: str) -> dict[str, object]:
    return {"metadata": {"name": "node1", "annotations": {KEY: text, "other": "{"}}}


def test_what_we_wrote_is_read() -> None:
    assert holders(node(TEXT)) == [HOLDER]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        "[]",
        "{}",
        pytest.param("[" * 100_000, id="deep"),
        json.dumps({**json.loads(TEXT), "manager": None}),
    ],
)
def test_what_somebody_else_wrote_there_is_no_holder(text: str) -> None:
    assert holders(node(text)) == []
