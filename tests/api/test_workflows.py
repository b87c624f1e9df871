"""Scale, rollback and resume by Cloudify's own workflows, for the types that need no node to run on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.lifecycle.holding import Hold
from cloudify_quagga.lifecycle.labels import holders
from tests.api.aftercare import ailment, drift, instances, operate
from tests.api.blueprints import blueprint, microservice
from tests.api.conftest import FakeNode, carried
from tests.api.scaling import SCALE
from tests.api.test_microservice import config_map
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.warm import Command

Scale = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def several(kubeconfig: Path, node: FakeNode, namespace: str, tmp_path: Path, cfy: Cfy) -> Cfy:
    """A `cfy` that has installed one node of each type, with a workflow `scale`."""
    cfy.install("cluster", kubeconfig=str(kubeconfig), node=node.name)
    client_config = {"configuration": {"manager_file_path": str(kubeconfig)}}
    labelled = {"node": node.name, "labels": {"rack": "7"}, "client_config": client_config}
    proxy = {"deployment_id": "cluster", "inherit_outputs": ["kubernetes_info"]}
    path = blueprint(
        tmp_path / "several",
        label={"type": "cloudify.nodes.quagga.LabeledNode", "properties": labelled},
        micro=microservice(kubeconfig, namespace=namespace, config=config_map("settings", colour="teal")),
        proxy={"type": "cloudify.nodes.quagga.DeploymentProxy", "properties": proxy},
    )
    said = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**said, "workflows": {"scale": SCALE}}))
    cfy.install_file(path, "several")
    return cfy


@pytest.fixture
def scale(several: Cfy) -> Scale:
    """Scales a node by Cloudify's own workflow."""
    (deployments,) = several.workdir.glob("**/profiles/local")

    def call(node: str, delta: int, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.api.scaling", str(deployments), "several", node, str(delta)]
        done = subprocess.run(command, cwd=PROJECT, text=True, capture_output=True, check=False, timeout=120)
        assert (done.returncode == 0) == check, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def settings(cluster: Cluster, namespace: str) -> Callable[[], Manifest | None]:
    return lambda: cluster.get(Reference("v1", "ConfigMap", "settings", namespace))


def ids(cfy: Cfy, node: str) -> set[str]:
    return {one["id"] for one in instances(cfy, "several") if one["node_id"] == node}


def test_scaling_a_labelled_node(several: Cfy, scale: Scale, cluster: Cluster, node: FakeNode) -> None:
    def held_by() -> set[str]:
        there = cluster.get(Reference("v1", "Node", node.name)) or {}
        return {one.marks.instance for one in holders(there) if one.marks.deployment == "several"}

    scale("label", 1)
    assert len(held_by()) == 2
    assert held_by() == ids(several, "label")
    for one in instances(several, "several"):
        if one["node_id"] == "label":
            assert one["runtime_properties"]["labels"] == {"rack": "7"}
    scale("label", -1)
    assert len(held_by()) == 1
    assert held_by() == ids(several, "label")
    assert (cluster.get(Reference("v1", "Node", node.name)) or {})["metadata"]["labels"]["rack"] == "7"


def test_scaling_a_microservice(several: Cfy, scale: Scale, settings: Callable[[], Manifest | None]) -> None:
    def held_by() -> set[str]:
        return {one.instance for one in Hold.of(settings() or {"metadata": {}})}

    scale("micro", 1)
    assert len(held_by()) == 2
    assert held_by() == ids(several, "micro")
    scale("micro", -1)
    assert held_by() == ids(several, "micro")
    scale("micro", -1)
    assert settings() is None
    scale("micro", 1)
    assert held_by() == ids(several, "micro")


def test_scaling_a_proxy(several: Cfy, scale: Scale) -> None:
    scale("proxy", 2)
    told = [one["runtime_properties"] for one in instances(several, "several") if one["node_id"] == "proxy"]
    assert len(told) == 3
    assert all(one["kubernetes_info"] for one in told)
    scale("proxy", -2)
    assert len(ids(several, "proxy")) == 1


def test_scaling_out_in_vain_leaves_what_was_there(
    several: Cfy, scale: Scale, core: client.CoreV1Api, node: FakeNode, namespace: str,
    settings: Callable[[], Manifest | None],
) -> None:  # fmt: skip
    before = ids(several, "micro")
    # The new instance is refused by the API server, not by what was looked at beforehand.
    core.patch_namespaced_config_map("settings", namespace, {"data": {"colour": "red"}}, field_manager="me")
    said = scale("micro", 1, check=False)
    assert "conflict" in said.stdout + said.stderr
    assert ids(several, "micro") == before
    assert {one.instance for one in Hold.of(settings() or {"metadata": {}})} == before


def failing(kubeconfig: Path, namespace: str, node: FakeNode, directory: Path) -> Path:
    """A blueprint whose last instance fails to start, when the others have."""
    client_config = {"configuration": {"manager_file_path": str(kubeconfig)}}
    labelled = {"node": node.name, "labels": {"rack": "7"}, "client_config": client_config}
    # Applied, and refused by nobody, but its file says something that only the start can find out.
    late = {**config_map("late"), "data": {"kinds": ""}}
    overrides = ["['data']['kinds'] = '%{instance.runtime_properties[\"kinds\"]}'"]
    micro = microservice(
        kubeconfig, namespace=namespace, config_files=[{"file": "a.yaml", "overrides": overrides}]
    )
    micro["relationships"] = [{"type": "cloudify.relationships.depends_on", "target": "label"}]
    label = {"type": "cloudify.nodes.quagga.LabeledNode", "properties": labelled}
    return blueprint(directory, {"a.yaml": late}, label=label, micro=micro)


@pytest.mark.parametrize("whole", [False, True])
def test_rolling_back_an_install_that_failed(
    whole: bool, kubeconfig: Path, namespace: str, node: FakeNode, core: client.CoreV1Api, tmp_path: Path,
    cfy: Cfy,
) -> None:  # fmt: skip
    said = cfy.install_file(failing(kubeconfig, namespace, node, tmp_path / "b"), "b", check=False)
    assert said.returncode != 0
    states = {one["node_id"]: one["state"] for one in instances(cfy, "b")}
    assert states == {"label": "started", "micro": "starting"}
    cfy("executions", "start", "rollback", "-b", "b", "-p", json.dumps({"full_rollback": whole}))
    states = {one["node_id"]: one["state"] for one in instances(cfy, "b")}
    left = {one["node_id"]: one["runtime_properties"] for one in instances(cfy, "b")}
    assert left["micro"] == {}
    if whole:
        assert (set(states.values()), left["label"]) == ({"deleted"}, {})
        assert carried(core, node) == node.labels
    else:
        assert states == {"label": "started", "micro": "configured"}
        assert carried(core, node) == {**node.labels, "rack": "7"}
    cfy.uninstall("b")


def kill_when(process: subprocess.Popen[str] | Command, holds: Callable[[], Any]) -> None:
    """Kill it without a word, as an out-of-memory killer does, as soon as something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait(10) == -signal.SIGKILL


def test_an_install_that_was_killed_is_taken_up_where_it_was(
    kubeconfig: Path, namespace: str, core: client.CoreV1Api, tmp_path: Path, cfy: Cfy,
    cluster: Cluster,
) -> None:  # fmt: skip
    """A local profile cannot resume an execution; what that means is an operation that is run once more."""
    manifests = [config_map(f"settings-{number}", number=str(number)) for number in range(40)]
    template = microservice(kubeconfig, namespace=namespace, config={"kind": "List", "items": manifests})
    path = blueprint(tmp_path / "b", micro=template)

    def made() -> list[str]:
        found = cluster.find("v1", "ConfigMap", namespace)
        return [one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith("settings-")]

    kill_when(cfy.begin("b", "install", str(path), "-b", "b"), lambda: len(made()) > 5)
    assert len(made()) < 40
    (left,) = instances(cfy, "b")
    assert left["state"] == "starting"
    assert len(left["runtime_properties"]["microservice"]["objects"]) == 40
    operate(cfy, "b", "start")
    assert len(made()) == 40
    assert drift(cfy, "b") == {}
    assert ailment(cfy, "b") is None
    kill_when(cfy.begin("b", "uninstall", "-b", "b"), lambda: len(made()) < 40)
    assert made()
    cfy.uninstall("b")
    assert made() == []


def test_every_operation_may_run_again(
    several: Cfy, core: client.CoreV1Api, node: FakeNode, settings: Callable[[], Manifest | None]
) -> None:
    """As a resumed execution does it with whatever was under way."""
    before = instances(several, "several"), settings()
    for one in ("create", "start", "update", "heal", "pull"):
        operate(several, "several", one)
    forget = ("live", "version", "system_properties")
    assert without(forget, instances(several, "several")) == without(forget, before[0])
    assert settings() == before[1]
    for one in ("stop", "stop", "delete", "delete"):
        operate(several, "several", one)
    assert all(found["runtime_properties"] == {} for found in instances(several, "several"))
    assert settings() is None
    assert carried(core, node) == {**node.labels, "role": "router"}
    for one in ("create", "start"):
        operate(several, "several", one)
    assert settings()
    assert carried(core, node) == {**node.labels, "role": "router", "rack": "7"}


def without(names: tuple[str, ...], value: Any) -> Any:
    """The same without what is under these names."""
    if isinstance(value, dict):
        return {key: without(names, one) for key, one in value.items() if key not in names}
    return [without(names, one) for one in value] if isinstance(value, list) else value
