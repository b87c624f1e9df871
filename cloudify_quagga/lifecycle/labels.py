"""Labels on a Kubernetes node: taken in one's own name by server-side apply, and given back the same way.

Kubernetes keeps who owns which label. What we add is ours; what was there with the same value is shared, and
stays when we leave; what somebody else gave another value is a Conflict and is never forced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest, Reference, Right
from cloudify_quagga.errors import Conflict, Failed, PermanentError, Refused
from cloudify_quagga.lifecycle import nodes
from cloudify_quagga.lifecycle.ownership import Found, Marks, Owner
from cloudify_quagga.names import DOMAIN, Identity

# Beside the labels this annotation says whose they are; it comes and goes with them.
_HOLDER = f"{DOMAIN}/labels-of-"
RIGHTS = tuple(Right(verb, "v1", "Node") for verb in ("get", "list", "patch"))


@dataclass(frozen=True)
class Holder:
    """Somebody of ours who holds labels of a node."""

    marks: Marks
    manager: str

    @classmethod
    def of(cls, owner: Owner) -> Holder:
        """The node instance that ``owner`` acts for."""
        identity = owner.identity
        marks = Marks(identity.deployment, identity.node, identity.instance, owner.origin)
        return cls(marks, identity.field_manager)

    @property
    def annotation(self) -> dict[str, str]:
        """What is written on the node."""
        digest = hashlib.sha256(self.manager.encode()).hexdigest()[:10]
        text = {
            "deployment": self.marks.deployment,
            "node": self.marks.node,
            "instance": self.marks.instance,
            "origin": self.marks.origin,
            "manager": self.manager,
        }
        return {f"{_HOLDER}{digest}": json.dumps(text, sort_keys=True)}


def holders(node: Manifest) -> list[Holder]:
    """Everybody of ours who holds labels of this node."""
    annotations: Mapping[str, str] = node["metadata"].get("annotations") or {}
    told = [_told(text) for key, text in annotations.items() if key.startswith(_HOLDER)]
    return [holder for holder in told if holder]


def _told(text: str) -> Holder | None:
    """The holder that an annotation names; None where somebody wrote something else into it."""
    try:
        one = json.loads(text)
    except (ValueError, RecursionError):
        return None
    keys = ("deployment", "node", "instance", "origin", "manager")
    if not isinstance(one, dict) or not all(isinstance(one.get(key), str) for key in keys):
        return None
    return Holder(Marks(one["deployment"], one["node"], one["instance"], one["origin"]), one["manager"])


def forgotten(cluster: Cluster, owner: Owner) -> list[tuple[str, Holder]]:
    """Nodes that carry labels of the deployment's instances that nobody knows any more."""
    return _forgotten_on(cluster.find("v1", "Node"), owner)


def _forgotten_on(found: Iterable[Manifest], owner: Owner) -> list[tuple[str, Holder]]:
    return [
        (nodes.name(node), holder) for node in found for holder in holders(node) if owner.forgot(holder.marks)
    ]


def find_node(cluster: Cluster, wanted: str) -> Manifest:
    """The node of this name, else the one with this InternalIP."""
    found = cluster.get(Reference("v1", "Node", wanted))
    if found is not None:
        return found
    all_nodes = cluster.find("v1", "Node")
    with_address = [node for node in all_nodes if wanted in nodes.internal_ips(node)]
    if len(with_address) == 1:
        return with_address[0]
    raise Refused(
        "node",
        wanted,
        f"is neither a node's name nor its InternalIP; the cluster at {cluster.address} has "
        f"{nodes.listed(all_nodes)}",
    )


def take(
    cluster: Cluster, owner: Owner, node: Manifest, labels: Mapping[str, str], dry_run: bool = False
) -> None:
    """Put the labels on the node; those that we held before and that are not wanted any more go."""
    holder = Holder.of(owner)
    for key, value in labels.items():
        _check_free(node, key, value, owner.identity)
    fields = {"labels": dict(labels), "annotations": holder.annotation}
    cluster.apply(_named(node, fields), holder.manager, dry_run)


def release(cluster: Cluster, name: str, manager: str) -> dict[str, list[str]]:
    """Give back what the manager holds of a node.

    :return: the labels that were held and stay, because others hold them too, and who these are.
    """
    reference = Reference("v1", "Node", name)
    node = cluster.get(reference)
    if node is None or not nodes.is_manager(node, manager):
        return {}
    held = [key for key in nodes.labels(node) if manager in nodes.owners_of_label(node, key)]
    try:
        after = cluster.apply(_named(node, {}), manager)
    except PermanentError:
        # The uid does not fit a node that has gone since, or registered anew and with nothing of ours.
        now = cluster.get(reference)
        if now is not None and now["metadata"]["uid"] == node["metadata"]["uid"]:
            raise
        return {}
    if nodes.is_manager(after, manager):
        raise Failed(f"node {name} still has fields of {manager} after they were given back")
    return {key: nodes.owners_of_label(after, key) for key in held if key in nodes.labels(after)}


def release_forgotten(cluster: Cluster, owner: Owner, known: Iterable[Reference], note: Found) -> list[str]:
    """Give back what earlier instances of the deployment hold; tells which nodes' labels that were.

    Whoever may not list nodes could not label one either, but may have been permitted to before.

    :param known: where such labels, among other things, have been seen.
    """
    if cluster.may(Right("list", "v1", "Node")):
        left = forgotten(cluster, owner)
    else:
        seen = [one for one in known if (one.api_version, one.kind) == ("v1", "Node")]
        left = _forgotten_on(filter(None, map(cluster.get, seen)), owner)
    note([Reference("v1", "Node", name) for name, _ in left])
    for name, holder in left:
        release(cluster, name, holder.manager)
    return [f"labels of {holder.marks.instance} on {name}" for name, holder in left]


def _check_free(node: Manifest, key: str, value: str, identity: Identity) -> None:
    """Refuse a label that has another value from somebody else.

    The API server would refuse most of these too; this names the value, and minds labels without an owner.
    """
    present = nodes.labels(node).get(key)
    owners = nodes.owners_of_label(node, key)
    if present is None or present == value or owners == [identity.field_manager]:
        return
    others = [owner for owner in owners if owner != identity.field_manager]
    raise Conflict(
        f"labels.{key}: node {nodes.name(node)} already has {key}={present}, owned by "
        f"{', '.join(others) or 'nobody on record'}, and {key}={value} is wanted; choose another label, "
        f"or have its owner remove it"
    )


def _named(node: Manifest, fields: Mapping[str, Any]) -> Manifest:
    # The uid keeps apply from making a node where there is none any more.
    metadata = {"name": nodes.name(node), "uid": node["metadata"]["uid"], **fields}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
