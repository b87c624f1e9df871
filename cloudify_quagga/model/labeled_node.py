"""A Kubernetes node that carries labels: the refusals of cloudify.nodes.quagga.LabeledNode."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.model.given import Given
from cloudify_quagga.model.labels import Labels

_NODE = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_LONG = 253


@dataclass(frozen=True)
class LabeledNode:
    """Which node (its name or its InternalIP), and the labels it is to carry."""

    node: str
    labels: Labels

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> LabeledNode:
        """From the properties of a node template."""
        node = Given("node", properties.get("node"))
        return cls(_node(node), Labels.parse(properties.get("labels"), "labels"))

    def to_json(self) -> dict[str, Any]:
        """The canonical form: LabeledNode.parse of it is the same again."""
        return {"node": self.node, "labels": self.labels.to_json()}


def _node(given: Given) -> str:
    text = given.text("the name or the InternalIP of a Kubernetes node")
    if _NODE.fullmatch(text) and len(text) <= _LONG:
        return text
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise given.refused("is neither the name nor the InternalIP of a Kubernetes node; node1 would be one") from None
