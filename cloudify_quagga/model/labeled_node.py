"""A Kubernetes node that carries labels: the refusals of cloudify.nodes.quagga.LabeledNode."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.model.given import Given
from cloudify_quagga.model.kubernetes_names import is_subdomain
from cloudify_quagga.model.labels import Labels


@dataclass(frozen=True)
class LabeledNode:
    """Which node (its name or its InternalIP), and the labels it is to carry."""

    node: str
    labels: Labels

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> LabeledNode:
        """From the properties of a node template."""
        return cls(_node(Given("node", properties.get("node"))), Labels.parse(properties.get("labels")))

    def to_json(self) -> dict[str, Any]:
        """The canonical form: LabeledNode.parse of it is the same again."""
        return {"node": self.node, "labels": self.labels.to_json()}


def _node(given: Given) -> str:
    text = given.text("a Kubernetes node's name or InternalIP")
    if is_subdomain(text):
        return text
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise given.refused("is no Kubernetes node's name or InternalIP; node1 would be one") from None
