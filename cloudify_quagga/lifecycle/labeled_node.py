"""A labelled node as it was left, compared with what is there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Manifest
from cloudify_quagga.errors import PermanentError
from cloudify_quagga.lifecycle import labels, nodes
from cloudify_quagga.lifecycle.kubelet import Kept
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.model.ssh import Ssh

# Kubernetes bounds none of these; a runtime property must be bounded.
_MOST_LABELS = 100
_MOST_ENTRIES = 20
_LONGEST = 300

Difference = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What is remembered of a node between two operations: one runtime property, replaced whole.

    :param wanted: the node as its author named it, and all of its labels.
    :param uid: of the node that was labelled; one that registers anew has another.
    :param access: how the cluster was reached: places and names of secrets, never their values.
    """

    wanted: LabeledNode
    node: str
    uid: str
    manager: str
    access: Mapping[str, Any]
    kubelet: Kept | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Record:
        """The record that ``to_json`` wrote."""
        kept = stored["kubelet"]
        return cls(
            wanted=LabeledNode.parse(stored["wanted"]),
            node=stored["node"],
            uid=stored["uid"],
            manager=stored["manager"],
            access=stored["access"],
            kubelet=Kept.from_json(kept) if kept else None,
        )

    def to_json(self) -> dict[str, Any]:
        """What stands in the runtime property."""
        return {
            "wanted": self.wanted.to_json(),
            "node": self.node,
            "uid": self.uid,
            "manager": self.manager,
            "access": dict(self.access),
            "kubelet": self.kubelet.to_json() if self.kubelet else None,
        }

    @property
    def kept_at(self) -> str | None:
        """Whose kubelet has the labels too, if any has."""
        return self.kubelet.host if self.kubelet else None


def drift(record: Record, owner: Owner, node: Manifest | None) -> Difference:
    """What of the node is not as it was left; nothing where all is."""
    if node is None:
        return {"node": _differs(record.node, None)}
    renewed = {"uid": _differs(record.uid, _uid(node))} if _uid(node) != record.uid else {}
    return {**renewed, **dict(_label_drift(record, node)), **_mark_drift(owner, node)}


def kubelet_drift(record: Record, account: Ssh | None) -> Difference:
    """What of the labels the kubelet's file does not say, where it was told of them."""
    kept = record.kubelet
    if kept is None or account is None:
        return {}
    try:
        told = ssh.written_node_labels(account.at_node(kept.host, kept.file))
    except PermanentError as error:
        return {"kubelet": _differs(dict(kept.labels), f"cannot be read: {error}")}
    here = {key: told[key] for key in kept.labels if key in told}
    return {"kubelet": _differs(dict(kept.labels), here)} if here != kept.labels else {}


def property_drift(
    record: Record,
    wanted: LabeledNode,
    access: Mapping[str, Any],
    account: Ssh | None,
    node: Manifest | None,
) -> Difference:
    """What the node's properties say otherwise than what was recorded.

    :param account: by which a kubelet is to be told of the labels.
    """
    changed: Difference = {}
    if not is_same(record, wanted, node):
        changed["node"] = _asked(record.wanted.node, wanted.node)
    if wanted.labels != record.wanted.labels:
        changed["labels"] = _asked(record.wanted.labels.to_json(), wanted.labels.to_json())
    if access != record.access:
        changed["client_config"] = _asked(dict(record.access), dict(access))
    keeper = account.host if account else None
    # An account is told of by the node's address, which a node that is gone does not have.
    if node is not None and keeper != record.kept_at:
        changed["ssh"] = _asked(record.kept_at, keeper)
    return {"properties": changed} if changed else {}


def is_same(record: Record, wanted: LabeledNode, node: Manifest | None) -> bool:
    """Whether a node is meant that was labelled already, by whichever of its names.

    :param node: the one that was labelled, if it is still there.
    """
    known = {record.node, record.wanted.node, *(nodes.internal_ips(node) if node else ())}
    return wanted.node in known


def ailments(record: Record, found: Difference, node: Manifest | None, address: str) -> list[str]:
    """Why the node is not well, one sentence's part each; ``found`` is its drift."""
    if node is None:
        return [f"the cluster at {address} has it no more"]
    said = [] if nodes.is_ready(node) else [f"it is not Ready{_why_not_ready(node)}"]
    return said + [_told(record, what, difference) for what, difference in found.items()]


def picture(node: Manifest | None, record: Record) -> dict[str, Any]:
    """What the node says of itself, bounded in size."""
    if node is None:
        return {"node": record.node, "there": False}
    status = node.get("status") or {}
    return {
        "node": record.node,
        "there": True,
        "uid": _uid(node),
        "registered_anew": _uid(node) != record.uid,
        "ready": nodes.is_ready(node),
        "schedulable": not nodes.is_cordoned(node),
        "labels": dict(sorted(nodes.labels(node).items())[:_MOST_LABELS]),
        "conditions": {one["type"]: _condition(one) for one in _some(status, "conditions")},
        "addresses": [f"{one['type']}: {one['address']}" for one in _some(status, "addresses")],
        "kubelet_version": (status.get("nodeInfo") or {}).get("kubeletVersion"),
    }


def _label_drift(record: Record, node: Manifest) -> Iterator[tuple[str, Difference]]:
    wanted, there = record.wanted.labels, nodes.labels(node)
    for key, value in wanted.items():
        owners = nodes.owners_of_label(node, key)
        if there.get(key) != value or record.manager not in owners:
            yield f"labels.{key}", {**_differs(value, there.get(key)), "owners": owners}
    for key in there:
        owners = nodes.owners_of_label(node, key)
        if key not in wanted and record.manager in owners:
            yield f"labels.{key}", {**_differs(None, there[key]), "owners": owners}


def _mark_drift(owner: Owner, node: Manifest) -> Difference:
    holder = labels.Holder.of(owner)
    if holder in labels.holders(node):
        return {}
    return {"annotation": _differs("/".join(holder.annotation), None)}


def _told(record: Record, what: str, difference: Difference) -> str:
    if what == "uid":
        return "it has registered anew since it was labelled"
    if what == "annotation":
        return "the annotation is gone that says whose the labels are"
    if what == "kubelet":
        return f"its kubelet's file on {record.kept_at} does not say what it should: {difference['found']}"
    owners = ", ".join(difference["owners"]) or "nobody on record"
    wanted, found = (_shown(difference[key]) for key in ("wanted", "found"))
    return f"{what} should be {wanted} and ours, and is {found}, held by {owners}"


def _shown(value: str | None) -> str:
    return "absent" if value is None else repr(value)


def _differs(wanted: object, found: object) -> Difference:
    return {"wanted": wanted, "found": found}


def _asked(recorded: object, given: object) -> Difference:
    return {"recorded": recorded, "given": given}


def _uid(node: Manifest) -> str:
    return str(node["metadata"]["uid"])


def _why_not_ready(node: Manifest) -> str:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    return f" ({_condition(ready)})" if ready else ", as its kubelet has never said that it is"


def _condition(one: Mapping[str, Any]) -> str:
    return ": ".join(str(one[key]) for key in ("status", "reason", "message") if one.get(key))[:_LONGEST]


def _some(status: Mapping[str, Any], key: str) -> list[Any]:
    return list(status.get(key) or [])[:_MOST_ENTRIES]
