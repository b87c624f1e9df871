"""Labels on nodes: taken, shared, contested, forgotten and given back, with the real cfy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from kubernetes import client

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Conflict
from cloudify_quagga.lifecycle import labels as on_node
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.names import Identity
from tests.api.conftest import FakeNode, carried
from tests.lab.cfy import Cfy, WarmCfy

OWNER = Owner(Identity("cluster", "router_node", "router_node_1"), "here", frozenset({"router_node_1"}), "")


def owned_by(manager: str, cluster: Cluster, node: FakeNode, **labels: str) -> None:
    """Have somebody else own labels of the node by server-side apply."""
    manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": labels}}
    cluster.apply(manifest, manager)


def written_by(manager: str, core: client.CoreV1Api, node: FakeNode, **labels: str) -> None:
    """Have somebody else write labels the older way, as `kubectl label` does."""
    core.patch_node(node.name, {"metadata": {"labels": labels}}, field_manager=manager)


@pytest.mark.parametrize("by", ["name", "address"])
def test_a_node_is_labelled_and_given_back(
    by: str, core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=getattr(node, by))
    assert carried(core, node) == {**node.labels, "role": "router"}
    info = json.loads(cfy("deployments", "outputs", "-b", "cluster").stdout)["kubernetes_info"]
    assert info["kubeconfig"] == str(kubeconfig)
    assert info["node_selector"] == {"role": "router"}
    cfy.uninstall("cluster")
    assert carried(core, node) == node.labels


def test_a_label_that_was_there_before_stays(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    written_by("kubectl-label", core, node, role="router")
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels={"role": "router", "rack": "7"})
    assert carried(core, node) == {**node.labels, "role": "router", "rack": "7"}
    cfy.uninstall("cluster")
    assert carried(core, node) == {**node.labels, "role": "router"}


def applied(cluster: Cluster, core: client.CoreV1Api, node: FakeNode) -> None:
    owned_by("the-neighbours", cluster, node, role="spare")


def updated(cluster: Cluster, core: client.CoreV1Api, node: FakeNode) -> None:
    written_by("the-neighbours", core, node, role="spare")


@pytest.mark.parametrize("taken", [applied, updated])
def test_anothers_value_is_refused_with_its_owner(
    taken: Callable[..., None],
    cluster: Cluster,
    core: client.CoreV1Api,
    kubeconfig: Path,
    node: FakeNode,
    cfy: Cfy,
) -> None:
    taken(cluster, core, node)
    said = cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, check=False)
    assert said.returncode != 0
    assert f"labels.role: node {node.name} already has role=spare, owned by the-neighbours" in said.stdout
    assert "[retry" not in said.stdout
    cfy.uninstall("cluster")
    assert carried(core, node)["role"] == "spare"


def test_the_api_server_itself_says_no_too(cluster: Cluster, node: FakeNode) -> None:
    # What the look beforehand does not see, because it happened in between.
    owned_by("the-neighbours", cluster, node, role="spare")
    with pytest.raises(Conflict, match="the-neighbours"):
        owned_by("somebody", cluster, node, role="router")


def test_apply_makes_no_node_where_there_is_none_any_more(cluster: Cluster) -> None:
    metadata = {"name": "quagga-test-gone", "uid": "2f1c4c5c-0000-4000-8000-000000000000"}
    with pytest.raises(Conflict):
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata}, "somebody")
    assert cluster.get(Reference("v1", "Node", "quagga-test-gone")) is None


def test_a_second_install_is_refused_and_then_uninstall_removes_both(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, other_node: FakeNode, cfy: Cfy
) -> None:
    inputs: dict[str, Any] = {"kubeconfig": str(kubeconfig), "node": node.name}
    cfy.install("cluster", **inputs)
    again = cfy(
        "install", "blueprints/cluster/local.yaml", "-b", "cluster", "-i",
        json.dumps({**inputs, "node": other_node.name}), check=False,
    )  # fmt: skip
    assert again.returncode != 0
    assert "deployment 'cluster' has been installed before and still lives" in again.stdout
    assert "`cfy uninstall -b cluster` removes it" in again.stdout
    assert carried(core, other_node) == other_node.labels
    done = cfy.uninstall("cluster")
    assert node.name in done.stdout
    assert carried(core, node) == node.labels


def test_a_deployment_of_the_same_name_elsewhere_is_left_alone(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, other_node: FakeNode, tmp_path: Path, cfy: Cfy
) -> None:
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name)
    elsewhere = WarmCfy(tmp_path / "elsewhere")
    elsewhere.install("cluster", kubeconfig=str(kubeconfig), node=other_node.name)
    elsewhere.uninstall("cluster")
    assert carried(core, node) == {**node.labels, "role": "router"}
    assert carried(core, other_node) == other_node.labels
    cfy.uninstall("cluster")


@pytest.mark.parametrize("goes_first", ["who came first", "who came last"])
def test_two_deployments_share_a_label_and_each_has_one_of_its_own(
    goes_first: str, core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, tmp_path: Path, cfy: Cfy
) -> None:
    one, other = (
        (cfy, {"role": "router", "rack": "7"}),
        (WarmCfy(tmp_path / "other"), {"role": "router", "zone": "a"}),
    )
    for deployment, labels in (one, other):
        deployment.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels=labels)
    assert carried(core, node) == {**node.labels, **one[1], **other[1]}
    going, staying = (one, other) if goes_first == "who came first" else (other, one)
    going[0].uninstall("cluster")
    assert carried(core, node) == {**node.labels, **staying[1]}
    staying[0].uninstall("cluster")
    assert carried(core, node) == node.labels


@pytest.mark.parametrize("before", [{}, {"role": "router"}], ids=["new", "there before"])
@pytest.mark.parametrize("goes_first", ["who came first", "who came last"])
def test_of_two_deployments_that_want_unequal_values_the_first_is_not_overruled(
    goes_first: str,
    before: dict[str, str],
    core: client.CoreV1Api,
    kubeconfig: Path,
    node: FakeNode,
    tmp_path: Path,
    cfy: Cfy,
) -> None:
    written_by("kubectl-label", core, node, **before)
    second = WarmCfy(tmp_path / "second")
    inputs: dict[str, Any] = {"kubeconfig": str(kubeconfig), "node": node.name}
    cfy.install("cluster", labels={"role": "router", "rack": "7"}, **inputs)
    said = second.install("cluster", labels={"role": "spare", "zone": "a"}, check=False, **inputs)
    assert said.returncode != 0
    assert f"labels.role: node {node.name} already has role=router, owned by " in said.stdout
    assert "and role=spare is wanted; choose another label, or have its owner remove it" in said.stdout
    assert "[retry" not in said.stdout
    assert carried(core, node) == {**node.labels, "role": "router", "rack": "7"}
    if goes_first == "who came last":
        second.uninstall("cluster")
        assert carried(core, node) == {**node.labels, "role": "router", "rack": "7"}
        cfy.uninstall("cluster")
    else:
        cfy.uninstall("cluster")
        assert carried(core, node) == {**node.labels, **before}
        second.uninstall("cluster")
    assert carried(core, node) == {**node.labels, **before}


def test_who_was_second_has_its_value_once_the_first_is_gone(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, tmp_path: Path, cfy: Cfy
) -> None:
    second = WarmCfy(tmp_path / "second")
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels={"role": "router"})
    inputs: dict[str, Any] = {
        "kubeconfig": str(kubeconfig),
        "node": node.name,
        "labels": {"role": "spare"},
    }
    assert second.install("cluster", check=False, **inputs).returncode != 0
    cfy.uninstall("cluster")
    second.install("cluster", **inputs)
    assert carried(core, node) == {**node.labels, "role": "spare"}
    second.uninstall("cluster")
    assert carried(core, node) == node.labels


def test_two_uninstalls_of_one_deployment_at_once(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name)
    said = cfy.uninstall_twice_at_once("cluster")
    assert "still has fields of" not in said
    assert carried(core, node) == node.labels


@pytest.mark.parametrize("again", [False, True], ids=["gone", "registered anew"])
def test_a_node_that_goes_while_its_labels_are_given_back(
    again: bool, cluster: Cluster, core: client.CoreV1Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"quagga-test-{uuid4().hex[:8]}"
    core.create_node({"metadata": {"name": name}})
    node = on_node.find_node(cluster, name)
    on_node.take(cluster, OWNER, node, {"role": "router"})
    give_back = cluster.apply

    def apply(manifest: Manifest, manager: str) -> Manifest:
        core.delete_node(name)
        if again:
            core.create_node({"metadata": {"name": name}})
        return give_back(manifest, manager)

    monkeypatch.setattr(cluster, "apply", apply)
    assert on_node.release(cluster, name, OWNER.identity.field_manager) == {}
    if again:
        core.delete_node(name)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"-role": "router"}, "is no label"),
        ({"role": "a router"}, "labels.role: a router is no label's value"),
    ],
)
def test_what_kubernetes_would_refuse_is_refused_before(
    labels: dict[str, str], sentence: str, core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    said = cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name, labels=labels, check=False)
    assert said.returncode != 0
    assert sentence in said.stdout
    cfy.uninstall("cluster")
    assert carried(core, node) == node.labels
