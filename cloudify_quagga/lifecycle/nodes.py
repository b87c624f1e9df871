"""What a Kubernetes node tells about itself; pure functions of the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cloudify_quagga.cluster import Manifest


def name(node: Manifest) -> str:
    """The node's name."""
    return str(node["metadata"]["name"])


def labels(node: Manifest) -> Mapping[str, str]:
    """The labels that it carries."""
    return node["metadata"].get("labels") or {}


def internal_ips(node: Manifest) -> list[str]:
    """Its addresses inside the cluster."""
    addresses = (node.get("status") or {}).get("addresses") or []
    return [one["address"] for one in addresses if one["type"] == "InternalIP"]


def pod_networks(node: Manifest) -> list[str]:
    """The prefixes that its pods' addresses are taken from, where Kubernetes itself gives them out."""
    spec = node.get("spec") or {}
    return spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])


def is_ready(node: Manifest) -> bool:
    """Whether its kubelet answers."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_cordoned(node: Manifest) -> bool:
    """Whether the scheduler is told to put nothing new there."""
    return bool(node["spec"].get("unschedulable"))


def matches(node: Manifest, selector: Mapping[str, str]) -> bool:
    """Whether a nodeSelector picks it."""
    return selector.items() <= labels(node).items()


def owners_of_label(node: Manifest, key: str) -> list[str]:
    """The field managers that hold a label, whatever its value."""
    return [
        entry["manager"]
        for entry in node["metadata"].get("managedFields") or []
        if f"f:{key}" in entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:labels", {})
    ]


def is_manager(node: Manifest, manager: str) -> bool:
    """Whether a field manager holds anything of the node by server-side apply."""
    entries = node["metadata"].get("managedFields") or []
    return any(entry["manager"] == manager and entry["operation"] == "Apply" for entry in entries)


def listed(nodes: Iterable[Manifest]) -> str:
    """Nodes as a sentence lists them."""
    each = [f"{name(node)} ({', '.join(internal_ips(node)) or 'no InternalIP'})" for node in nodes]
    return ", ".join(each) or "none"


def bring_back(node_name: str) -> str:
    """What is to be done about a node that is not Ready, as a sentence says it."""
    return (
        f"{node_name} is not Ready: bring it back and try again, or, where it is gone for good, "
        f"`kubectl delete node {node_name}` first"
    )
