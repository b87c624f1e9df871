"""A kubelet that believes that its node lacks a label turns pods away: they are waited for, or made again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.blueprints import blueprint, microservice
from tests.lab import faults, processes, routing
from tests.lab.cfy import Cfy
from tests.lab.conftest import until
from tests.lab.living import clean, routes
from tests.lab.test_microservice import DEPLOYMENT, container, manifest

pytestmark = pytest.mark.usefixtures("pod_networks", "untouched")

Kubectl = Callable[..., str]
SELECTOR = {"quagga-tests": "here"}
PREFIXES = {"10.0.0.0/24"}
# Longer than a pod that cannot start is waited for.
LONG = 25.0
# The kernel's own names, of at most 15 characters.
SCHEDULER, CONTROLLERS = "kube-scheduler", "kube-controller"


Label = Callable[[bool], None]


@pytest.fixture
def label(kubectl: Kubectl) -> Iterator[Label]:
    """Puts the label on node1, or takes it away."""

    def put(on: bool) -> None:
        said = [f"{key}={value}" if on else f"{key}-" for key, value in SELECTOR.items()]
        kubectl("label", "node", "node1", *said)

    put(True)
    yield put
    put(False)


def test_a_router_whose_pods_are_turned_away_for_a_time(
    cfy: Cfy, least: Path, kubectl: Kubectl, tmp_path: Path, label: Label
) -> None:
    with cfy.started(*install(cfy, tmp_path, router(least))) as installing:
        with faults.stopped(processes.find("control", SCHEDULER)):
            pod_is_made(kubectl)
            with faults.stopped(processes.find("control", CONTROLLERS)):
                turned_away(kubectl, label)
                time.sleep(LONG)
        said = installing.communicate(timeout=120)[0]
    assert installing.returncode == 0, said
    assert routing.kernel_routes("node1") == PREFIXES
    assert clean("node1", cfy.uninstall("turned").stdout)


def test_a_router_in_a_bare_pod_that_is_turned_away_is_made_again(
    cfy: Cfy, least: Path, kubectl: Kubectl, tmp_path: Path, label: Label
) -> None:
    said = installed(cfy, kubectl, install(cfy, tmp_path, router(least, kind="Pod")), label)
    assert "is not ready: NodeAffinity: " in said
    assert routing.kernel_routes("node1") == PREFIXES
    assert clean("node1", cfy.uninstall("turned").stdout)


def test_a_router_of_a_deployment_runs_beside_the_pod_that_was_turned_away(
    cfy: Cfy, least: Path, kubectl: Kubectl, tmp_path: Path, label: Label
) -> None:
    installed(cfy, kubectl, install(cfy, tmp_path, router(least, kind="Deployment")), label)
    assert routing.kernel_routes("node1") == PREFIXES
    assert "NodeAffinity" in reasons(kubectl)
    cfy("executions", "start", "check_status", "-b", "turned")
    assert clean("node1", cfy.uninstall("turned").stdout)


def test_a_bare_pod_that_is_turned_away_is_made_again(
    cfy: Cfy, kubeconfig: Path, kubectl: Kubectl, tmp_path: Path, label: Label
) -> None:
    web = manifest("v1", "Pod", "web", containers=[container()], nodeSelector=SELECTOR)
    template = microservice(kubeconfig, config_files=["web.yaml"])
    words = install(cfy, tmp_path, template, {"web.yaml": yaml.safe_dump(web)})
    said = installed(cfy, kubectl, words, label)
    assert "Pod web in namespace default was not taken by its kubelet (NodeAffinity) and is made anew" in said
    assert kubectl("logs", "web").startswith("serving")
    cfy.uninstall("turned")


def installed(cfy: Cfy, kubectl: Kubectl, words: list[str], label: Label) -> str:
    """What an install said that made a pod which was turned away."""
    with cfy.started(*words) as installing:
        with faults.stopped(processes.find("control", SCHEDULER)):
            pod_is_made(kubectl)
            turned_away(kubectl, label)
        said = installing.communicate(timeout=120)[0]
    assert installing.returncode == 0, said
    return said


def router(kubeconfig: Path, **properties: Any) -> dict[str, Any]:
    """A node template of a router that reaches the cluster by itself."""
    client_config = {"configuration": {"manager_file_path": str(kubeconfig)}}
    said = {
        "client_config": client_config,
        "node_selector": SELECTOR,
        "routes": routes(sorted(PREFIXES)),
        **properties,
    }
    return {"type": "cloudify.nodes.quagga.Router", "properties": said}


def install(
    cfy: Cfy, directory: Path, template: dict[str, Any], files: dict[str, str] | None = None
) -> list[str]:
    """The words of an install that is tried once."""
    path = blueprint(directory / "turned", files or {}, quagga=template)
    return cfy.install_words(path, "turned", {}, 0)


def pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "-l", DEPLOYMENT, "-o", "json"))["items"]
    return found


def pod_is_made(kubectl: Kubectl) -> None:
    until("there is a pod", lambda: pods(kubectl), 30)


def turned_away(kubectl: Kubectl, label: Label) -> None:
    """Have the pod, which no scheduler has seen yet, be given to node1 while that lacks the label.

    To the kubelet that is what an old picture of its node is: others have seen a label that it does not know.
    """
    label(False)
    # Its kubelet hears of the label and of the pod in two streams.
    time.sleep(2)
    (pod,) = pods(kubectl)
    name = pod["metadata"]["name"]
    target = {"apiVersion": "v1", "kind": "Node", "name": "node1"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    place = f"/api/v1/namespaces/default/pods/{name}/binding"
    kubectl("create", "--raw", place, "-f", "-", stdin=json.dumps(binding))
    until("the pod is turned away", lambda: "NodeAffinity" in reasons(kubectl), 20)
    label(True)


def reasons(kubectl: Kubectl) -> list[str | None]:
    return [pod["status"].get("reason") for pod in pods(kubectl)]
