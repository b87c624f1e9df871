"""A labelled node after its install: looked after by Cloudify's own workflows, before a real API server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cloudify_quagga.cluster import Cluster
from tests.api.aftercare import ailment, change, drift, heal, instance, operate, pull
from tests.api.conftest import FakeNode, carried
from tests.api.test_labels import owned_by, written_by
from tests.lab.cfy import Cfy

LABELS = {"role": "router", "rack": "7"}


@pytest.fixture
def ready(core: client.CoreV1Api) -> Callable[[FakeNode], None]:
    """Says that a node is Ready, as its kubelet would."""

    def say(node: FakeNode, status: str = "True", message: str = "kubelet is posting ready status") -> None:
        condition = {"type": "Ready", "status": status, "reason": "KubeletSays", "message": message}
        core.patch_node_status(node.name, {"status": {"conditions": [condition]}})

    return say


@pytest.fixture
def labelled(kubeconfig: Path, node: FakeNode, ready: Callable[..., None], cfy: Cfy) -> Cfy:
    """A `cfy` that has labelled a node, which is Ready."""
    ready(node)
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels=LABELS)
    return cfy


def test_a_node_that_is_as_it_was_left(labelled: Cfy, node: FakeNode) -> None:
    assert ailment(labelled, "cluster") is None
    assert drift(labelled, "cluster") == {}
    assert "labeled_node.heal" not in heal(labelled, "cluster")
    before = instance(labelled, "cluster")["runtime_properties"]
    live = pull(labelled, "cluster")
    assert (live["node"], live["there"], live["ready"]) == (node.name, True, True)
    assert live["labels"] == {**live["labels"], **node.labels, **LABELS}
    assert live["addresses"] == [f"InternalIP: {node.address}"]
    assert instance(labelled, "cluster")["runtime_properties"] == {**before, "live": live}
    labelled("executions", "start", "uninstall", "-b", "cluster")
    assert instance(labelled, "cluster")["runtime_properties"] == {}


def test_a_label_that_was_taken_away_is_told_and_comes_back(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode
) -> None:
    core.patch_node(node.name, {"metadata": {"labels": {"role": None}}})
    assert drift(labelled, "cluster") == {
        "labels.role": {"wanted": "router", "found": None, "owners": []},
    }
    said = ailment(labelled, "cluster")
    assert said == (
        f"node {node.name}: labels.role should be 'router' and ours, and is absent, held by nobody on record"
    )
    heal(labelled, "cluster")
    assert carried(core, node) == {**node.labels, **LABELS}
    assert ailment(labelled, "cluster") is None
    assert drift(labelled, "cluster") == {}


def test_a_label_with_anothers_value_is_told_and_never_forced(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode
) -> None:
    written_by("the-neighbours", core, node, rack="9")
    assert drift(labelled, "cluster") == {
        "labels.rack": {"wanted": "7", "found": "9", "owners": ["the-neighbours"]},
    }
    said = heal(labelled, "cluster", check=False)
    assert f"labels.rack: node {node.name} already has rack=9, owned by the-neighbours" in said
    assert carried(core, node)["rack"] == "9"
    core.patch_node(node.name, {"metadata": {"labels": {"rack": None}}})
    heal(labelled, "cluster")
    assert carried(core, node) == {**node.labels, **LABELS}


def test_a_label_that_another_holds_too_is_no_drift(
    labelled: Cfy, cluster: Cluster, core: client.CoreV1Api, node: FakeNode
) -> None:
    owned_by("the-neighbours", cluster, node, role="router")
    assert drift(labelled, "cluster") == {}
    assert ailment(labelled, "cluster") is None
    # What is left is theirs; the fixture wants nobody of ours to hold anything.
    labelled.uninstall("cluster")
    assert carried(core, node) == {**node.labels, "role": "router"}


def test_a_node_that_is_not_ready_is_ill_with_what_its_kubelet_says(
    labelled: Cfy, node: FakeNode, ready: Callable[..., None]
) -> None:
    ready(node, "False", "container runtime is down")
    said = ailment(labelled, "cluster")
    assert said == f"node {node.name}: it is not Ready (False: KubeletSays: container runtime is down)"
    assert drift(labelled, "cluster") == {}
    assert "no label mends that" in heal(labelled, "cluster")


def test_a_node_that_is_gone_and_registers_anew(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode, ready: Callable[..., None]
) -> None:
    core.delete_node(node.name)
    assert drift(labelled, "cluster") == {"node": {"wanted": node.name, "found": None}}
    said = ailment(labelled, "cluster")
    assert said is not None
    assert "has it no more" in said
    assert pull(labelled, "cluster") == {"node": node.name, "there": False}
    assert f"node {node.name} is gone from https://" in heal(labelled, "cluster", check=False)
    core.create_node({"metadata": {"name": node.name, "labels": node.labels}})
    ready(node)
    found = drift(labelled, "cluster")
    assert set(found) == {"uid", "labels.role", "labels.rack", "annotation"}
    said = ailment(labelled, "cluster")
    assert said is not None
    assert "it has registered anew since it was labelled" in said
    heal(labelled, "cluster")
    assert carried(core, node) == {**node.labels, **LABELS}
    assert drift(labelled, "cluster") == {}


def test_an_update_changes_adds_and_removes_labels(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode
) -> None:
    wanted = {"rack": "8", "zone": "blue"}
    change(labelled, "cluster", "router_node", labels=wanted)
    assert drift(labelled, "cluster") == {"properties": {"labels": {"recorded": LABELS, "given": wanted}}}
    # What is healed is what was installed; the properties are followed by an update.
    core.patch_node(node.name, {"metadata": {"labels": {"role": None}}})
    heal(labelled, "cluster")
    assert carried(core, node) == {**node.labels, **LABELS}
    for _ in range(2):
        operate(labelled, "cluster", "update")
        assert carried(core, node) == {**node.labels, **wanted}
    assert drift(labelled, "cluster") == {}
    told = instance(labelled, "cluster")["runtime_properties"]
    assert told["labels"] == told["kubernetes_info"]["node_selector"] == wanted
    labelled.uninstall("cluster")
    assert carried(core, node) == node.labels


def test_an_update_that_would_take_from_others_changes_nothing(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode
) -> None:
    written_by("the-neighbours", core, node, zone="red")
    before = instance(labelled, "cluster")["runtime_properties"]
    change(labelled, "cluster", "router_node", labels={"zone": "blue", "rack": "8"})
    said = operate(labelled, "cluster", "update", check=False)
    assert "already has zone=red, owned by the-neighbours" in said
    assert carried(core, node) == {**node.labels, **LABELS, "zone": "red"}
    assert instance(labelled, "cluster")["runtime_properties"] == before


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"labels": {"role": "a router"}}, "labels.role: a router is no label's value"),
        ({"node": 7}, "node: 7"),
    ],
)
def test_an_update_to_what_is_refused_changes_nothing(
    properties: dict[str, Any], sentence: str, labelled: Cfy, core: client.CoreV1Api, node: FakeNode
) -> None:
    change(labelled, "cluster", "router_node", **properties)
    assert sentence in drift(labelled, "cluster")["properties"]["refused"]
    assert sentence in operate(labelled, "cluster", "update", check=False)
    assert carried(core, node) == {**node.labels, **LABELS}


def test_another_node_is_refused_and_another_name_of_the_same_is_none(
    labelled: Cfy, core: client.CoreV1Api, node: FakeNode, other_node: FakeNode
) -> None:
    change(labelled, "cluster", "router_node", node=node.address)
    assert drift(labelled, "cluster") == {}
    operate(labelled, "cluster", "update")
    change(labelled, "cluster", "router_node", node=other_node.name)
    assert set(drift(labelled, "cluster")["properties"]) == {"node"}
    said = operate(labelled, "cluster", "update", check=False)
    assert f"node: {other_node.name} is another node than {node.name}, which has the labels" in said
    assert carried(core, other_node) == other_node.labels
    assert carried(core, node) == {**node.labels, **LABELS}
    # What Cloudify does where an update is refused.
    labelled("executions", "start", "reinstall", "-b", "cluster")
    assert carried(core, node) == node.labels
    assert carried(core, other_node) == {**other_node.labels, **LABELS}
    labelled.uninstall("cluster")


def test_before_its_start_it_says_so(kubeconfig: Path, node: FakeNode, cfy: Cfy) -> None:
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name)
    cfy("executions", "start", "uninstall", "-b", "cluster")
    for one in ("check_drift", "heal", "pull"):
        assert "the start operation has to run first" in operate(cfy, "cluster", one, check=False)
