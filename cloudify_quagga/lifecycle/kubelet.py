"""A node's labels in its kubelet's arguments too, so that a node that registers anew still has them.

Such a node carries them in the kubelet's name, not in ours: giving them back takes more than leaving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Unavailable
from cloudify_quagga.lifecycle import labels, nodes
from cloudify_quagga.model.ssh import Ssh

# Whoever holds this label of a node has registered it.
_REGISTERED_BY = "kubernetes.io/hostname"


@dataclass(frozen=True)
class Kept:
    """What is remembered of labels that were given to a kubelet.

    :param foreign: keys that others held on the node before us; whatever comes, those labels stay.
    :param file: where they were written; None as long as they were not.
    """

    host: str
    labels: Mapping[str, str]
    foreign: tuple[str, ...]
    file: str | None = None

    @classmethod
    def of(
        cls, node: Manifest, host: str, wanted: Mapping[str, str], manager: str, earlier: Kept | None
    ) -> Kept:
        """What is to be remembered before anything is done, also when it is done a second time."""
        known = earlier.labels if earlier else {}
        new = [key for key in wanted if key not in known and _is_anothers(node, key, manager)]
        again = earlier.foreign if earlier else ()
        file = earlier.file if earlier and earlier.host == host else None
        return cls(host, dict(wanted), tuple(sorted({*again, *new})), file)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Kept:
        """What ``to_json`` wrote."""
        return cls(stored["host"], stored["labels"], tuple(stored["foreign"]), stored["file"])

    def to_json(self) -> dict[str, Any]:
        """What stands in a runtime property."""
        return {
            "host": self.host,
            "labels": dict(self.labels),
            "foreign": list(self.foreign),
            "file": self.file,
        }


def write(account: Ssh, kept: Kept, earlier: Kept | None) -> ssh.Written:
    """Have the kubelet keep exactly these labels for us."""
    stale = {key: value for key, value in _items(earlier) if kept.labels.get(key) != value}
    if stale:
        ssh.remove_node_labels(account, stale)
    return ssh.write_node_labels(account, kept.labels)


def dropped(earlier: Kept, kept: Kept) -> Kept:
    """Of what was kept, that which is not any more."""
    rest = {key: value for key, value in earlier.labels.items() if key not in kept.labels}
    return replace(earlier, labels=rest)


def take_out(cluster: Cluster, account: Ssh, kept: Kept, name: str, manager: str) -> ssh.Written | None:
    """Have the kubelet forget them; those that another instance of ours wants stay.

    :return: None if the node is gone, from the cluster and from the network.
    """
    node = cluster.get(Reference("v1", "Node", name))
    ours = {key: value for key, value in kept.labels.items() if not _is_wanted(node, key, manager)}
    try:
        return ssh.remove_node_labels(account, ours)
    except Unavailable:
        if node is not None:
            raise
        return None


def take_off(cluster: Cluster, kept: Kept, name: str) -> list[str]:
    """Take off the node what it carries only because its kubelet gave itself our labels; tells their keys."""
    reference = Reference("v1", "Node", name)
    node = cluster.get(reference)
    if node is None:
        return []
    ours = {key: value for key, value in kept.labels.items() if key not in kept.foreign}
    left = [key for key, value in ours.items() if _is_kubelets(node, key, value)]
    if left:
        same = {"op": "test", "path": "/metadata/uid", "value": node["metadata"]["uid"]}
        cluster.patch(reference, [same, *(step for key in left for step in _removal(key, kept.labels[key]))])
    return left


def _items(earlier: Kept | None) -> list[tuple[str, str]]:
    return list(earlier.labels.items()) if earlier else []


def _is_anothers(node: Manifest, key: str, manager: str) -> bool:
    return key in nodes.labels(node) and nodes.owners_of_label(node, key) != [manager]


def _is_wanted(node: Manifest | None, key: str, manager: str) -> bool:
    others = {one.manager for one in labels.holders(node)} - {manager} if node else set()
    return node is not None and bool(others & set(nodes.owners_of_label(node, key)))


def _is_kubelets(node: Manifest, key: str, value: str) -> bool:
    owners = nodes.owners_of_label(node, key)
    registrars = nodes.owners_of_label(node, _REGISTERED_BY)
    return nodes.labels(node).get(key) == value and bool(owners) and set(owners) <= set(registrars)


def _removal(key: str, value: str) -> list[dict[str, Any]]:
    path = f"/metadata/labels/{key.replace('~', '~0').replace('/', '~1')}"
    return [{"op": "test", "path": path, "value": value}, {"op": "remove", "path": path}]
