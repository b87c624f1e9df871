"""The router's workflows and operations by the real cfy, on a router that is made and does not run yet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cloudify_quagga.cluster import Cluster
from cloudify_quagga.lifecycle import ownership
from tests.api import quota
from tests.api.blueprints import blueprint
from tests.api.conftest import FakeNode
from tests.lab.cfy import Cfy

PASSWORD = "tomato-7c1f"
CREATE = "cloudify.interfaces.lifecycle.create"
START = "cloudify.interfaces.lifecycle.start"
HIDDEN = {"raw": ["router bgp 1", " neighbor 10.9.9.9 password ${bgp}"], "secrets": {"bgp": PASSWORD}}
ROUTE = {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"}


class Deployment:
    """One router, and what `cfy` says of it."""

    def __init__(self, cfy: Cfy, workdir: Path) -> None:
        self._cfy = cfy
        self._workdir = workdir

    def run(self, workflow: str, *, check: bool = True, **parameters: Any) -> str:
        done = self._cfy(
            "executions", "start", workflow, "-b", "router", "-p", json.dumps(parameters),
            "--task-retries", "0", check=check,
        )  # fmt: skip
        assert (done.returncode == 0) is check
        return done.stdout

    def operate(self, operation: str, check: bool = True, **inputs: Any) -> str:
        parameters = {"operation": operation, "operation_kwargs": inputs, "allow_kwargs_override": True}
        return self.run("execute_operation", check=check, **parameters)

    def uninstall(self) -> str:
        return self._cfy("uninstall", "-b", "router").stdout

    def runtime(self) -> dict[str, Any]:
        (path,) = self._workdir.glob("**/node-instances/quagga_*")
        told: dict[str, Any] = json.loads(path.read_text())["runtime_properties"]
        return told


@pytest.fixture
def router(kubeconfig: Path, node: FakeNode) -> dict[str, Any]:
    """A node template."""
    client_config = {"configuration": {"manager_file_path": str(kubeconfig)}}
    properties = {
        "node_selector": node.labels,
        "routes": [ROUTE],
        **HIDDEN,
        "client_config": client_config,
    }
    return {"type": "cloudify.nodes.quagga.Router", "properties": properties}


@pytest.fixture
def made(router: dict[str, Any], cfy: Cfy, tmp_path: Path, cluster: Cluster) -> Iterator[Deployment]:
    """A router whose create operation has run."""
    path = blueprint(tmp_path / "blueprint", quagga=router)
    cfy("init", str(path), "-b", "router")
    deployment = Deployment(cfy, tmp_path / "cfy")
    deployment.operate(CREATE)
    yield deployment
    said = cfy("uninstall", "-b", "router").stdout
    assert "Removed: Secret router-quagga" in said


def test_a_router_that_does_not_run_is_shown(made: Deployment) -> None:
    shown = made.run("quagga_show", node_ids=["quagga"])
    assert "NODE  READY  DAEMONS" in shown
    assert "no pod of the router is there" in shown
    live = made.runtime()["live"]
    assert live["routers"] == []
    as_json = made.run("quagga_show", json=True)
    told = json.loads(as_json[as_json.index("\n{") : as_json.rindex("\n}") + 2])
    assert {**told, "at": ""} == {**live, "at": ""}


def test_a_router_that_cannot_be_shown_hides_no_other(
    router: dict[str, Any], cfy: Cfy, tmp_path: Path
) -> None:
    path = blueprint(tmp_path / "blueprint", absent=router, quagga=router, zeal=router)
    cfy("init", str(path), "-b", "router")
    deployment = Deployment(cfy, tmp_path / "cfy")
    deployment.run("execute_operation", operation=CREATE, node_ids=["quagga"])
    said = deployment.run("quagga_show", check=False)
    assert "no pod of the router is there" in said
    assert said.count("cannot be shown: there is no record of this router") == 2
    assert re.search(r"could not be shown: absent_\w+, zeal_\w+; ", said)
    as_json = deployment.run("quagga_show", check=False, json=True, node_ids=["absent"])
    told = json.loads(as_json[as_json.index("\n{") : as_json.rindex("\n}") + 2])
    assert told == {"error": "there is no record of this router; its create operation has to run first"}
    deployment.uninstall()


def test_what_is_no_router_is_not_shown(made: Deployment) -> None:
    said = made.run("quagga_show", check=False, node_ids=["nope"])
    assert "node_ids: nope is no router of this deployment, which has quagga" in said


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        (
            {"routes": [{"prefix": "10.0.0.5/24", "blackhole": True}]},
            "routes[0].prefix: 10.0.0.5/24 has host bits",
        ),
        ({"routes": [{"prefix": "0.0.0.0/0", "blackhole": True}]}, "is the default route of the node"),
        ({"kind": "Pod"}, "kind: Pod cannot take the place of DaemonSet in a router that lives"),
        ({"secrets": {"bgp": "x"}}, "secrets is no key of a Router's change"),
        ({"raw": ["password ${other}"]}, "raw: ${other} names no secret; `secrets` has bgp"),
    ],
)
def test_a_change_is_refused_before_anything_is_touched(
    properties: dict[str, Any], sentence: str, made: Deployment
) -> None:
    before = made.runtime()
    assert sentence in made.run("quagga_update", check=False, properties=properties)
    assert made.runtime() == before


def test_status_and_drift_name_what_is_missing(made: Deployment, cluster: Cluster) -> None:
    said = made.operate("cloudify.interfaces.validation.check_status", check=False)
    assert "DaemonSet router-quagga-" in said
    assert "is missing; no pod of the router is there" in said
    drift = made.operate("cloudify.interfaces.lifecycle.check_drift")
    assert "{'object': {'wanted': 'there', 'found': 'missing'}}" in drift


def test_a_secret_is_in_the_clusters_secret_and_nowhere_else(
    made: Deployment, cluster: Cluster, kubeconfig: Path
) -> None:
    made.run("quagga_show")
    made.operate("cloudify.interfaces.lifecycle.check_drift")
    assert made.runtime()["router"]["wanted"]["secrets"] == {"bgp": None}
    assert PASSWORD not in json.dumps(made.runtime())
    record = made.runtime()["router"]
    assert [one["kind"] for one in record["objects"]] == ["Secret", "DaemonSet"]


def test_a_lease_that_nobody_holds_any_more_goes_with_the_router(made: Deployment, cluster: Cluster) -> None:
    name = made.runtime()["router"]["objects"][0]["name"]
    manifest = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"holderIdentity": "nobody"},
    }
    cluster.apply(manifest, "test")
    made.operate("cloudify.interfaces.lifecycle.delete")
    assert cluster.find("coordination.k8s.io/v1", "Lease", "default") == []
    made.operate(CREATE)


Unmade = Callable[..., Deployment]


@pytest.fixture
def unmade(kubeconfig: Path, node: FakeNode, namespace: str, tmp_path: Path, cfy: Cfy) -> Unmade:
    """A router of which no operation has run yet, in a namespace of its own."""

    def call(**said: Any) -> Deployment:
        properties = {
            "node_selector": node.labels,
            "routes": [ROUTE],
            "namespace": namespace,
            "client_config": {"configuration": {"manager_file_path": str(kubeconfig)}},
            **said,
        }
        router = {"type": "cloudify.nodes.quagga.Router", "properties": properties}
        cfy("init", str(blueprint(tmp_path / "blueprint", quagga=router)), "-b", "router")
        return Deployment(cfy, tmp_path / "cfy")

    return call


@pytest.mark.parametrize(
    ("counted", "properties"), [("count/configmaps", {}), ("count/secrets", HIDDEN)], ids=["plain", "secret"]
)
def test_a_first_request_that_fails_leaves_nothing(
    counted: str,
    properties: dict[str, Any],
    unmade: Unmade,
    core: client.CoreV1Api,
    namespace: str,
    cluster: Cluster,
) -> None:
    router = unmade(**properties)
    quota.allow(core, namespace, counted)
    refused(router.operate(CREATE, check=False))
    assert made_in(cluster, namespace) == []
    router.uninstall()
    assert made_in(cluster, namespace) == []


@pytest.mark.parametrize(
    ("counted", "properties", "there"),
    [
        ("count/leases.coordination.k8s.io", {}, "ConfigMap"),
        ("count/daemonsets.apps", {}, "ConfigMap"),
        ("count/daemonsets.apps", HIDDEN, "Secret"),
        ("count/deployments.apps", {"kind": "Deployment"}, "ConfigMap"),
        ("count/pods", {"kind": "Pod"}, "ConfigMap"),
    ],
    ids=["Lease", "DaemonSet", "DaemonSet with secrets", "Deployment", "Pod"],
)
def test_a_request_that_fails_half_way_leaves_nothing(
    counted: str,
    properties: dict[str, Any],
    there: str,
    unmade: Unmade,
    core: client.CoreV1Api,
    namespace: str,
    cluster: Cluster,
) -> None:
    """The API server takes the first requests and not the next: a quota has come in between."""
    router = unmade(**properties)
    router.operate(CREATE)
    quota.allow(core, namespace, counted)
    refused(router.operate(START, check=False))
    assert made_in(cluster, namespace) == [there]
    router.uninstall()
    assert made_in(cluster, namespace) == []


def refused(said: str) -> None:
    assert "exceeded quota: few" in said
    assert "Traceback" not in said


def made_in(cluster: Cluster, namespace: str) -> list[str]:
    """The kinds of what is there of ours."""
    kinds = (*ownership.KINDS, ("v1", "Secret"), ("coordination.k8s.io/v1", "Lease"))
    found = [(kind, one) for kind in kinds for one in cluster.find(*kind, namespace, ownership.OURS)]
    return [kind for (_, kind), _ in found]
