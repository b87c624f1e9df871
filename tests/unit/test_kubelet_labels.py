"""Labels that a kubelet was given: what is remembered of them, and which of them go in the end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Unavailable
from cloudify_quagga.lifecycle import kubelet
from cloudify_quagga.lifecycle.kubelet import Kept
from cloudify_quagga.model.ssh import Ssh
from tests.unit.small_cluster import SmallCluster

US = "cloudify-quagga:cluster:node:node_1"
ACCOUNT = Ssh("10.0.0.11", "ubuntu", key_file="/key")
ROLE = {"role": "router"}


def node(**owners: list[str]) -> Manifest:
    """A node that its kubelet has registered, with labels that these hold; all have the value `router`."""
    holders: dict[str, list[str]] = {"kubelet": ["kubernetes.io/hostname"]}
    for key, names in owners.items():
        for name in names:
            holders.setdefault(name, []).append(key)
    fields: list[dict[str, Any]] = [
        {
            "manager": name,
            "operation": "Apply" if name == US else "Update",
            "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {} for key in keys}}},
        }
        for name, keys in holders.items()
    ]
    labels = {"kubernetes.io/hostname": "node1", **dict.fromkeys(owners, "router")}
    metadata = {"name": "node1", "uid": "u1", "labels": labels, "managedFields": fields}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


class Patched(SmallCluster):
    def __init__(self, *found: Manifest) -> None:
        super().__init__()
        self.patches: list[list[dict[str, Any]]] = []
        for one in found:
            self.put(one)

    def patch(self, reference: Reference, operations: list[dict[str, Any]]) -> Manifest:
        assert reference == Reference("v1", "Node", "node1")
        self.patches.append(operations)
        return {}


def take_off(found: Manifest, kept: Kept) -> tuple[list[str], list[list[dict[str, Any]]]]:
    cluster = Patched(found)
    return kubelet.take_off(cluster, kept, "node1"), cluster.patches  # type: ignore[arg-type]


def kept(*foreign: str, labels: Mapping[str, str] = ROLE) -> Kept:
    return Kept("10.0.0.11", labels, foreign)


def test_what_was_there_before_is_remembered_as_anothers() -> None:
    there = node(role=["kubectl"], zone=[US])
    wanted = {"role": "router", "zone": "router", "new": "x"}
    first = Kept.of(there, "10.0.0.11", wanted, US, None)
    assert first == Kept("10.0.0.11", wanted, ("role",))
    assert Kept.from_json(first.to_json()) == first


def test_what_has_become_the_kubelets_since_is_not_taken_for_anothers() -> None:
    there = node(role=["kubelet", US])
    assert Kept.of(there, "10.0.0.11", ROLE, US, kept()).foreign == ()
    assert Kept.of(there, "10.0.0.11", ROLE, US, None).foreign == ("role",)


def test_a_label_that_only_the_kubelet_holds_goes() -> None:
    gone, patches = take_off(node(role=["kubelet"]), kept())
    assert gone == ["role"]
    assert patches == [
        [
            {"op": "test", "path": "/metadata/uid", "value": "u1"},
            {"op": "test", "path": "/metadata/labels/role", "value": "router"},
            {"op": "remove", "path": "/metadata/labels/role"},
        ]
    ]


@pytest.mark.parametrize(
    ("there", "foreign"),
    [
        pytest.param(node(), (), id="it is gone already"),
        pytest.param(node(role=["kubelet"]), ("role",), id="it was there before us"),
        pytest.param(node(role=["kubelet", "kubectl"]), (), id="somebody wants it too"),
        pytest.param(node(role=["kubectl"]), (), id="it is somebody else's"),
    ],
)
def test_otherwise_it_stays(there: Manifest, foreign: tuple[str, ...]) -> None:
    assert take_off(there, kept(*foreign)) == ([], [])


def test_another_value_stays() -> None:
    assert take_off(node(role=["kubelet"]), kept(labels={"role": "switch"})) == ([], [])


def test_a_key_is_escaped_in_the_path() -> None:
    key = "example.com/role"
    _, [patch] = take_off(node(**{key: ["kubelet"]}), kept(labels={key: "router"}))
    assert patch[-1] == {"op": "remove", "path": "/metadata/labels/example.com~1role"}


class Host:
    """Stands for the node's SSH server, and remembers what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._error = error
        monkeypatch.setattr(ssh, "write_node_labels", self._done("write"))
        monkeypatch.setattr(ssh, "remove_node_labels", self._done("remove"))

    def _done(self, what: str) -> Any:
        def done(_: Ssh, labels: Mapping[str, str]) -> ssh.Written:
            if self._error:
                raise self._error
            self.asked.append((what, dict(labels)))
            return ssh.Written("/etc/default/kubelet", True)

        return done


def test_what_is_not_wanted_any_more_is_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    kubelet.write(ACCOUNT, kept(labels={"role": "switch", "zone": "a"}), kept(labels={**ROLE, "zone": "a"}))
    assert host.asked == [("remove", {"role": "router"}), ("write", {"role": "switch", "zone": "a"})]


def test_what_another_of_ours_wants_stays_with_the_kubelet(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch)
    other = "cloudify-quagga:other:node:node_2"
    there = node(role=[US, other], zone=[US])
    told = json.dumps({**dict.fromkeys(("deployment", "node", "instance", "origin"), "x"), "manager": other})
    there["metadata"]["annotations"] = {"quagga.cloudify.co/labels-of-1": told}
    labels = {"role": "router", "zone": "router"}
    kubelet.take_out(Patched(there), ACCOUNT, kept(labels=labels), "node1", US)  # type: ignore[arg-type]
    assert host.asked == [("remove", {"zone": "router"})]


def test_a_node_that_is_gone_for_good_does_not_keep_a_deployment_from_going(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Host(monkeypatch, Unavailable("no route to host"))
    assert kubelet.take_out(Patched(), ACCOUNT, kept(), "node1", US) is None  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        kubelet.take_out(Patched(node()), ACCOUNT, kept(), "node1", US)  # type: ignore[arg-type]
