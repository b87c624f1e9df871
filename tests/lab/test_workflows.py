"""Cloudify's own workflows on a router: scale gives another node one, rollback undoes a start that failed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.blueprints import blueprint
from tests.api.scaling import SCALE
from tests.lab import routing
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.test_router import PREFIXES

pytestmark = pytest.mark.usefixtures("untouched")

Kubectl = Callable[..., str]


def install_pod_router(cfy: Cfy, kubeconfig: Path, directory: Path) -> None:
    """A router in one pod, on one of two nodes that could have it."""
    way = {"configuration": {"manager_file_path": str(kubeconfig)}}
    labelled = "cloudify.nodes.quagga.LabeledNode"
    nodes: dict[str, Any] = {
        name: {
            "type": labelled,
            "properties": {"node": name, "labels": {"role": "router"}, "client_config": way},
        }
        for name in ("node1", "node2")
    }
    placed = [{"type": "cloudify.relationships.quagga.placed_on", "target": name} for name in nodes]
    routes = [{"prefix": prefix, "next_hop": "172.16.0.1"} for prefix in sorted(PREFIXES)]
    router = {
        "type": "cloudify.nodes.quagga.Router",
        "properties": {"kind": "Pod", "routes": routes, "client_config": way},
        "relationships": placed,
    }
    path = blueprint(directory / "scaled", **nodes, router=router)
    said = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**said, "workflows": {"scale": SCALE}}))
    cfy.install_file(path, "scaled")


def scale(cfy: Cfy, delta: int) -> subprocess.CompletedProcess[str]:
    (deployments,) = cfy.workdir.glob("**/profiles/local")
    command = [sys.executable, "-m", "tests.api.scaling", str(deployments), "scaled", "router", str(delta)]
    return subprocess.run(command, cwd=PROJECT, text=True, capture_output=True, check=False, timeout=300)


def routing_nodes() -> list[str]:
    return [name for name in ("node1", "node2") if routing.kernel_routes(name) == PREFIXES]


def test_scaling_gives_the_other_node_a_router_and_takes_it_back(
    cfy: Cfy, kubeconfig: Path, tmp_path: Path
) -> None:
    install_pod_router(cfy, kubeconfig, tmp_path)
    assert len(routing_nodes()) == 1
    out = scale(cfy, 1)
    assert out.returncode == 0, out.stdout + out.stderr
    assert len(routing_nodes()) == 2
    back = scale(cfy, -1)
    assert back.returncode == 0, back.stdout + back.stderr
    assert len(routing_nodes()) == 1
    cfy.uninstall("scaled")
    assert routing_nodes() == []


def test_a_start_that_failed_is_rolled_back(labelled: Cfy, kubectl: Kubectl) -> None:
    labelled.expect("router")
    inputs = {"cluster_deployment": "cluster", "interfaces": ["eth0", "eth9"]}
    blueprint = "blueprints/router/local.yaml"
    words = ("install", blueprint, "-b", "router", "-i", json.dumps(inputs), "--task-retries", "0")
    assert labelled(*words, check=False).returncode != 0
    assert kubectl("get", "daemonsets", "-o", "name").split()
    labelled("executions", "start", "rollback", "-b", "router")
    assert kubectl("get", "daemonsets", "-o", "name").split() == []
    (state,) = [
        one["state"]
        for one in json.loads(labelled("node-instances", "-b", "router").stdout)
        if one["node_id"] == "quagga"
    ]
    assert state == "configured"
    labelled.uninstall("router")
