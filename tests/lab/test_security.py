"""What a router may do on its node, and what nobody may read."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts, network, process, state, traffic
from lab.node import directory
from tests.lab import processes, routing
from tests.lab.cfy import Cfy
from tests.lab.conftest import until
from tests.lab.living import Router, clean, pod_of, routes, tear_away
from tests.lab.test_condition import FETCH
from tests.lab.test_router import PREFIXES, SERVERS, reaches, router_pod

pytestmark = pytest.mark.usefixtures("untouched")

Kubectl = Callable[..., str]

BLUEPRINT = Path(__file__).with_name("blueprints") / "secretive.yaml"
PASSWORD = "Planted-c5e1b7"
FORWARDING = "/proc/sys/net/ipv4/ip_forward"
# The numbers in capability.h of the eight that the plugin asks for.
EIGHT = sum(1 << number for number in (0, 1, 6, 7, 10, 12, 13, 21))


@contextmanager
def forwarding(host: str) -> Iterator[None]:
    """A host that forwards, as its administrator has it."""
    write = "echo {} > " + FORWARDING
    hosts.run(host, ["sh", "-c", write.format(1)], check=True)
    try:
        yield
    finally:
        hosts.run(host, ["sh", "-c", write.format(0)], check=True)


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_where_a_pod_may_not_switch_forwarding_on_it_says_what_to_run(labelled: Cfy) -> None:
    said = labelled.install("router", cluster_deployment="cluster", security="capabilities", check=False)
    assert said.returncode != 0
    assert "run on the node: sysctl -w net.ipv4.conf.all.forwarding=1" in said.stdout
    labelled.uninstall("router")


def test_few_capabilities_are_enough_for_a_whole_life(
    labelled: Cfy, kubectl: Kubectl, tmp_path: Path
) -> None:
    with forwarding("node1"):
        labelled.install("router", cluster_deployment="cluster")
        router = Router(labelled, tmp_path)
        assert "this needs new pods" in router.change(security="capabilities")
        assert all(reaches(server) for server in SERVERS)

        init = processes.container_init("node1")
        told = status_of(init)
        assert int(told["CapBnd"], 16) == EIGHT
        assert told["Seccomp"] == "2"
        pod = router_pod(kubectl, "metadata.name")
        root = "touch /root/x; ls -d /var/run/secrets/kubernetes.io; exit 0"
        said = kubectl("exec", pod, "--", "sh", "-c", f"({root}) 2>&1")
        assert "touch: cannot touch '/root/x': Read-only file system" in said
        assert "'/var/run/secrets/kubernetes.io': No such file" in said

        before = pod_of(kubectl)
        with traffic.Stream() as stream:
            router.change(routes=routes([*PREFIXES, "10.20.0.0/24"]))
            (zebra,) = processes.find("node1", "zebra")
            os.kill(zebra, signal.SIGKILL)
            until("zebra is back", lambda: processes.find("node1", "zebra") not in ([], [zebra]), 10)
            until("it is well", router.is_well, 30)
        assert stream.delivery.lost == 0
        assert pod_of(kubectl) == before
        # Whatever a life left in the volumes, the next one begins anew.
        os.kill(init, signal.SIGKILL)
        until("it was started again", lambda: pod_of(kubectl)[1] == "1", 30)
        until("it is well again", router.is_well, 30)
        assert routing.kernel_routes("node1") == {*PREFIXES, "10.20.0.0/24"}
        # From its node's properties alone.
        assert router.drift().keys() == {"properties"}
        assert clean("node1", labelled.uninstall("router").stdout)


def test_a_router_with_few_capabilities_that_was_killed_is_swept(labelled: Cfy, kubectl: Kubectl) -> None:
    with forwarding("node1"):
        labelled.install("router", cluster_deployment="cluster", security="capabilities")
        tear_away(kubectl)
        assert "node1: swept: 0 routes left" in labelled.uninstall("router").stdout


def test_no_secret_is_written_anywhere(
    cfy: Cfy, least: Path, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    content = least.read_text()
    token: str = yaml.safe_load(content)["users"][0]["user"]["token"]
    marks = [word for secret in (PASSWORD, token) for word in (secret, encoded(secret))]
    inputs = tmp_path / "inputs.yaml"
    inputs.write_text(yaml.safe_dump({"content": content, "password": PASSWORD}))
    everything = Written()

    def say(*arguments: str, check: bool = True) -> str:
        said = cfy(*arguments, "-vvv", check=check).stdout
        everything.add(f"cfy {arguments[0]} {arguments[1]}", said)
        return said

    def execute(workflow: str, *, check: bool = True, **parameters: Any) -> str:
        given = tmp_path / "parameters.json"
        given.write_text(yaml.safe_dump(parameters))
        return say("executions", "start", workflow, "-b", "secretive", "-p", str(given), check=check)

    def look_into_the_pod() -> None:
        pod = router_pod(kubectl, "metadata.name")
        everything.add("the pod's log", kubectl("logs", pod))
        for what in ("status.json", "unready"):
            everything.add(what, kubectl("exec", pod, "--", "sh", "-c", f"cat /run/quagga/{what} || true"))

    cfy.expect("secretive")
    say("install", str(BLUEPRINT), "-b", "secretive", "-i", str(inputs))
    # The password is where it belongs, so that what is searched for is what would be found.
    pod = router_pod(kubectl, "metadata.name")
    assert PASSWORD in kubectl("exec", pod, "--", "vtysh", "-c", "show running-config")
    mounted = kubectl("exec", pod, "--", "stat", "-L", "-c", "%a %U", "/etc/quagga-router/frr.conf")
    assert mounted.split() == ["400", "root"]
    for workflow in ("check_status", "check_drift", "pull", "heal", "quagga_show"):
        execute(workflow)
    execute("quagga_update", properties={"routes": routes(["10.20.0.0/24"])})
    # The daemon repeats the line that it refuses.
    refused = ["router bgp 65001", " neighbor 172.16.0.1 password ${bgp} no such words"]
    assert "Task failed" in execute("quagga_update", check=False, properties={"raw": refused})
    say("deployments", "outputs", "-b", "secretive")
    fetch = [*process.enter(network.namespace("client")), sys.executable, "-Ic", FETCH]
    metrics = subprocess.run(fetch, check=True, text=True, capture_output=True, timeout=10).stdout
    assert "quagga_router_routes" in metrics
    everything.add("metrics", metrics)
    look_into_the_pod()
    assert on_the_disk_of("node1", PASSWORD) == []
    kubectl("delete", "daemonsets", "--all", "--wait", "--cascade=foreground")
    execute("heal")
    look_into_the_pod()
    kinds = "nodes,configmaps,daemonsets,controllerrevisions,pods,events,leases"
    everything.add("the cluster", kubectl("get", kinds, "--all-namespaces", "-o", "yaml"))
    say("uninstall", "-b", "secretive")
    cfy.forget("secretive")
    for folder in (cfy.workdir, state.current().logs):
        for path in filter(Path.is_file, folder.rglob("*")):
            # Cloudify keeps the inputs and properties that it is given; on a manager a get_secret.
            if path.name not in ("deployment.json", "blueprint.json"):
                everything.add(str(path.relative_to(folder)), path.read_text(errors="replace"))
    assert len(everything.texts) > 30
    assert {name for name, text in everything.texts.items() if any(mark in text for mark in marks)} == set()


def on_the_disk_of(node: str, text: str) -> list[str]:
    """The files of a node that hold a text; what it has in memory is mounted in its own namespace alone."""
    folder = directory(node)
    found = subprocess.run(["grep", "-rlaF", text, str(folder)], capture_output=True, text=True, check=False)
    # A kubelet removes what is left of pods that have gone, now and then, and a file may go while it is read.
    complaints = found.stderr.splitlines()
    assert all(line.endswith("No such file or directory") for line in complaints), found.stderr
    assert found.returncode in (0, 1) or complaints
    return found.stdout.splitlines()


class Written:
    """All that was written while a test ran, under the names that a failure tells."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, name: str, text: str) -> None:
        """One more; of the same name there may be several."""
        self.texts[f"{name} ({len(self.texts)})"] = text


def encoded(text: str) -> str:
    """As it would stand in a Secret, without the end, which depends on what follows."""
    return base64.b64encode(text.encode()).decode()[: len(text) // 3 * 4]
