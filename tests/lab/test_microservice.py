"""Microservices on real nodes: the pod of 2017 from TOSCA, and every kind of workload from start to end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.blueprints import blueprint, microservice
from tests.lab import routing
from tests.lab.cfy import Cfy
from tests.lab.conftest import until
from tests.lab.test_router import PREFIXES, SERVERS, reaches

pytestmark = pytest.mark.usefixtures("pod_networks", "untouched")

Kubectl = Callable[..., str]
Install = Callable[..., subprocess.CompletedProcess[str]]
DEPLOYMENT = "quagga.cloudify.co/deployment"
# Ends at once when it is told to, as not every program does that is process 1.
SERVE = "trap 'exit 0' TERM; echo serving in $COLOUR; touch /tmp/ready; sleep infinity & wait"


def container(script: str = SERVE, **said: Any) -> dict[str, Any]:
    """A container of the one image that the lab has."""
    return {"name": "web", "image": "quagga", "command": ["sh", "-c", script], **said}


def manifest(api_version: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def controller(api_version: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """Something that makes pods, with a selector that picks them."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    return manifest(api_version, kind, name, selector={"matchLabels": labels}, template=template, **spec)


@pytest.fixture
def install(kubeconfig: Path, tmp_path: Path, cfy: Cfy) -> Install:
    """Installs a blueprint of one microservice as the deployment `micro`, tried once."""

    def call(*manifests: dict[str, Any], check: bool = True, **said: Any) -> subprocess.CompletedProcess[str]:
        files = {"all.yaml": yaml.safe_dump_all(manifests)}
        template = microservice(kubeconfig, **{"config_files": ["all.yaml"], **said})
        path = blueprint(tmp_path / "micro", files, quagga=template)
        return cfy.install_file(path, "micro", check=check, retries=0)

    return call


def left(kubectl: Kubectl) -> list[str]:
    """What bears a microservice's label."""
    kinds = "all,configmaps,secrets,serviceaccounts,endpoints"
    return kubectl("get", kinds, "--all-namespaces", "-l", DEPLOYMENT, "-o", "name").split()


def test_the_pod_of_2017_from_tosca(cfy: Cfy, kubeconfig: Path, kubectl: Kubectl) -> None:
    assert not any(reaches(server) for server in SERVERS)
    cfy.install("post-2017-cluster", kubeconfig=str(kubeconfig), node="node1")
    cfy.install(
        "post-2017-router", cluster_deployment="post-2017-cluster", ssh_username="", ssh_keyfilename=""
    )
    # This pod is ready as soon as its container runs.
    until("the servers answer", lambda: all(reaches(server) for server in SERVERS), 20)
    assert routing.kernel_routes("node1") == PREFIXES
    outputs = json.loads(cfy("deployments", "outputs", "-b", "post-2017-router").stdout)
    assert outputs == {"kinds": "Pod:nginx", "master": "127.0.0.1"}
    cfy.uninstall("post-2017-router")
    assert routing.kernel_routes("node1") == set()
    assert left(kubectl) == []


def test_a_pod_that_refuses_its_input_ends_the_install(cfy: Cfy, kubeconfig: Path) -> None:
    cfy.install("post-2017-cluster", kubeconfig=str(kubeconfig), node="node1")
    overrides = ["['spec']['containers'][0]['env'][0]['value'] = 'eth0,eth9'"]
    said = cfy.install(
        "post-2017-router",
        cluster_deployment="post-2017-cluster",
        ssh_username="",
        ssh_keyfilename="",
        overrides=overrides,
        check=False,
    )
    assert said.returncode != 0
    assert "[retry" not in said.stdout
    assert "Pod nginx in namespace default: nginx on node1 refused: INTERFACES[1]: 'eth9'" in said.stdout
    cfy.uninstall("post-2017-router")


def test_deployment_service_and_config_map(install: Install, kubectl: Kubectl, cfy: Cfy) -> None:
    web = controller("apps/v1", "Deployment", "web", replicas=1)
    web["spec"]["template"]["spec"]["containers"] = [
        container(envFrom=[{"configMapRef": {"name": "settings"}}])
    ]
    service = manifest("v1", "Service", "web", selector={"app": "web"}, ports=[{"port": 80}])
    settings: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    settings["data"] = {"COLOUR": "{{ colour }}"}
    overrides = ["[0]['spec']['replicas'] = 2", "[2]['data']['NODE'] = '%{node.id}'"]
    install(
        web,
        service,
        settings,
        config_files=[{"file": "all.yaml", "overrides": overrides}],
        template_variables={"colour": "ochre"},
        env={"EXTRA": "more"},
    )
    ready = kubectl("get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}")
    assert ready == "2"
    assert kubectl("logs", "deployment/web").strip() == "serving in ochre"
    assert kubectl("exec", "deployment/web", "--", "printenv", "NODE", "EXTRA").split() == ["quagga", "more"]
    addresses = ("get", "endpoints", "web", "-o", "jsonpath={.subsets[*].addresses[*].ip}")
    until("the Service has both", lambda: len(kubectl(*addresses).split()) == 2, 10)
    cfy.uninstall("micro")
    assert left(kubectl) == []
    assert kubectl("get", "pods", "-l", "app=web", "-o", "name") == ""


def test_every_kind_of_workload_is_waited_for(install: Install, kubectl: Kubectl, cfy: Cfy) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
    slow = container(f"sleep 3; {SERVE}", readinessProbe=probe)
    done = container("echo done")
    workloads = [
        controller("apps/v1", "Deployment", "a-deployment", replicas=1),
        controller("apps/v1", "ReplicaSet", "a-replica-set", replicas=1),
        controller("apps/v1", "StatefulSet", "a-stateful-set", replicas=2, serviceName="web"),
        controller("apps/v1", "DaemonSet", "a-daemon-set"),
        controller("v1", "ReplicationController", "a-replication-controller", replicas=1),
        manifest(
            "batch/v1", "Job", "a-job", template={"spec": {"containers": [done], "restartPolicy": "Never"}}
        ),
        manifest("v1", "Pod", "a-pod", containers=[slow], initContainers=[{**done, "name": "before"}]),
        manifest("v1", "Pod", "a-pod-that-ends", containers=[done], restartPolicy="Never"),
    ]
    workloads[4]["spec"]["selector"] = {"app": "a-replication-controller"}
    for one in workloads[:5]:
        one["spec"]["template"]["spec"]["containers"] = [slow]
    install(*workloads)
    pods = json.loads(kubectl("get", "pods", "-o", "json"))["items"]
    phases = sorted(pod["status"]["phase"] for pod in pods)
    assert phases == ["Running"] * 8 + ["Succeeded"] * 2
    for pod in pods:
        ready = {one["type"]: one["status"] for one in pod["status"]["conditions"]}["Ready"]
        assert ready == "True" or pod["status"]["phase"] == "Succeeded", pod["metadata"]["name"]
    cfy.uninstall("micro")
    assert left(kubectl) == []
    assert kubectl("get", "pods", "-o", "name") == ""


def test_an_image_that_is_none_is_told_with_its_events(install: Install, kubectl: Kubectl, cfy: Cfy) -> None:
    web = controller("apps/v1", "Deployment", "web", replicas=1)
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "no-such-image"
    said = install(web, check=False)
    assert said.returncode != 0
    assert "Deployment web in namespace default: 0 of 1 pods are" in said.stdout
    assert "ImagePull" in said.stdout
    assert "events: " in said.stdout
    assert "no-such-image" in said.stdout
    cfy.uninstall("micro")
    assert left(kubectl) == []
    assert kubectl("get", "pods", "-o", "name") == ""


def test_a_container_that_fails_is_told_with_what_it_logged(install: Install, cfy: Cfy) -> None:
    containers = [container(), container("echo the sky is falling >&2; exit 3", name="second")]
    said = install(manifest("v1", "Pod", "web", containers=containers), check=False)
    assert said.returncode != 0
    assert "web on node" in said.stdout
    assert "its last word: Error (exit code 3)" in said.stdout
    assert "last log lines: the sky is falling" in said.stdout
    cfy.uninstall("micro")


def test_a_job_that_fails_ends_the_install(install: Install, cfy: Cfy) -> None:
    template = {"spec": {"containers": [container("echo no way; exit 1")], "restartPolicy": "Never"}}
    said = install(manifest("batch/v1", "Job", "web", template=template, backoffLimit=0), check=False)
    assert said.returncode != 0
    assert "Job web in namespace default has failed: BackoffLimitExceeded" in said.stdout
    assert "last log lines: no way" in said.stdout
    cfy.uninstall("micro")


def test_starting_it_again_replaces_nothing(install: Install, kubectl: Kubectl, cfy: Cfy) -> None:
    install(controller("apps/v1", "Deployment", "web", replicas=1))

    def there() -> list[str]:
        generation = kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.generation}")
        return [generation, kubectl("get", "pods", "-l", "app=web", "-o", "name")]

    before = there()
    parameters = {"operation": "cloudify.interfaces.lifecycle.start", "node_ids": ["quagga"]}
    cfy("executions", "start", "execute_operation", "-b", "micro", "-p", json.dumps(parameters))
    assert there() == before
    cfy.uninstall("micro")


def test_generated_from_image_port_and_replicas(install: Install, kubectl: Kubectl, cfy: Cfy) -> None:
    spec = {"containers": [container(name="nginx")]}
    install(
        config_files=[],
        image="quagga",
        port=80,
        replicas=2,
        run_overrides={"spec": {"template": {"spec": spec}}},
    )
    assert kubectl("get", "deployment", "nginx", "-o", "jsonpath={.status.readyReplicas}") == "2"
    ports = kubectl(
        "get", "service", "nginx", "-o", "jsonpath={.spec.ports[0].port} {.spec.ports[0].targetPort}"
    )
    assert ports == "80 80"
    cfy.uninstall("micro")
    assert left(kubectl) == []
