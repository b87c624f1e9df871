"""Operations that are cut off when a request was sent, by the death of the API server or of the plugin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.blueprints import blueprint, microservice
from tests.lab import faults, routing
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.faults import Request
from tests.lab.test_microservice import Kubectl, container, manifest
from tests.lab.test_router import PREFIXES

pytestmark = pytest.mark.usefixtures("pod_networks", "untouched")


@dataclass(frozen=True)
class Life:
    """A deployment, and the requests that its operations are cut off at, in their order.

    :param runs: raises unless it runs as it should, once.
    """

    name: str
    blueprint: Path
    inputs: dict[str, Any]
    coming: tuple[Request, ...]
    going: tuple[Request, ...]
    runs: Callable[[], None]

    @property
    def install(self) -> list[str]:
        """The words of its `cfy install`; patient enough for an API server that comes back."""
        inputs = [word for pair in self.inputs.items() for word in ("-i", "=".join(pair))]
        return ["install", str(self.blueprint), "-b", self.name, *inputs, "--task-retries", "20"]

    @property
    def uninstall(self) -> list[str]:
        """The words of its `cfy uninstall`."""
        return ["uninstall", "-b", self.name, "--task-retries", "20"]


@pytest.fixture(params=["labeled_node", "router", "microservice"])
def life(
    request: pytest.FixtureRequest, cfy: Cfy, kubeconfig: Path, least: Path, kubectl: Kubectl, tmp_path: Path
) -> Life:
    node = Request("patch", "nodes")
    if request.param == "labeled_node":
        return Life(
            "cluster",
            PROJECT / "blueprints" / "cluster" / "local.yaml",
            {"kubeconfig": str(least), "node": "node1"},
            (node,),
            (node,),
            lambda: check(
                kubectl("get", "nodes", "-l", "role=router", "-o", "name").split() == ["node/node1"]
            ),
        )
    if request.param == "router":
        cfy.install("cluster", kubeconfig=str(least), node="node1")
        return Life(
            "router",
            PROJECT / "blueprints" / "router" / "local.yaml",
            {"cluster_deployment": "cluster"},
            (Request("patch", "configmaps"), Request("patch", "daemonsets")),
            (Request("delete", "daemonsets"), Request("delete", "configmaps")),
            lambda: check(
                routing.kernel_routes("node1") == PREFIXES and len(objects(kubectl, "router")) == 2
            ),
        )
    # As the post's: a garbage collector that starts anew with its API server takes half a minute.
    text = yaml.safe_dump(manifest("v1", "Pod", "web", containers=[container()]))
    template = microservice(kubeconfig, config_files=["web.yaml"])
    web = Request("patch", "pods")
    return Life(
        "micro",
        blueprint(tmp_path / "micro", {"web.yaml": text}, quagga=template),
        {},
        (web,),
        (Request("delete", "pods"),),
        lambda: check(objects(kubectl, "micro", "pods") == ["pod/web"]),
    )


def check(holds: bool) -> None:
    assert holds


def objects(
    kubectl: Kubectl, deployment: str, kinds: str = "daemonsets,deployments,configmaps,secrets,services"
) -> list[str]:
    """What a deployment has made; by default what its pods come from, and not these."""
    selector = f"quagga.cloudify.co/deployment={deployment}"
    return kubectl("get", kinds, "-l", selector, "-o", "name").split()


def test_the_api_server_dies_in_every_operation(life: Life, cfy: Cfy) -> None:
    cfy.expect(life.name)
    with ExitStack() as strikes:
        for request in life.coming:
            strikes.enter_context(faults.strike(request, faults.crash_the_api_server))
        cfy(*life.install)
    life.runs()
    with ExitStack() as strikes:
        for request in life.going:
            strikes.enter_context(faults.strike(request, faults.crash_the_api_server))
        cfy(*life.uninstall)
    cfy.forget(life.name)


def test_the_plugin_dies_in_every_operation(life: Life, cfy: Cfy, kubectl: Kubectl) -> None:
    cfy.expect(life.name)
    for number, request in enumerate(life.coming):
        if number:
            cfy(*life.uninstall)
            assert objects(kubectl, life.name) == []
        die(cfy, life.install, request)
        # As a manager resumes it: what was begun is gone through again.
        cfy("executions", "start", "install", "-b", life.name)
        life.runs()
    for request in life.going:
        die(cfy, life.uninstall, request)
    cfy(*life.uninstall)
    cfy.forget(life.name)


def die(cfy: Cfy, words: list[str], request: Request) -> None:
    """Run a command that does not survive the request."""
    with cfy.started(*words) as command, faults.strike(request, command.kill):
        command.communicate(timeout=120)
    assert command.returncode == -9
