"""The lab that these tests need, and the few words they are written in."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts, image, kubebuild, state
from tests.lab import routing

PROJECT = Path(__file__).resolve().parents[2]
CFY = Path(sys.executable).with_name("cfy")
OURS = "app.kubernetes.io/managed-by=cloudify"
KINDS = "daemonsets,deployments,statefulsets,jobs,pods,configmaps,secrets,services,leases"

# Ends at once when it is told to, as not every program does that is process 1.
_SLEEP = "trap 'exit 0' TERM; sleep infinity & wait"
_FIRST = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "first"},
    "spec": {
        "selector": {"matchLabels": {"app": "first"}},
        "template": {
            "metadata": {"labels": {"app": "first"}},
            "spec": {
                "containers": [{"name": "first", "image": "quagga", "command": ["sh", "-c", _SLEEP]}],
            },
        },
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes the lab down comes last: the others keep what they have learnt of it."""
    items.sort(key=lambda item: item.path.name == "test_lifecycle.py")


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The lab, up, with the router's image in its registry; its administrator's kubeconfig."""
    subprocess.run([sys.executable, "-m", "lab", "up"], cwd=PROJECT, check=True)
    subprocess.run([sys.executable, "-m", "lab", "image", "docker/quagga", "quagga"], cwd=PROJECT, check=True)
    return state.current().kubeconfig


@pytest.fixture(scope="session")
def image_root(kubeconfig: Path) -> Path:
    """The image's root file system, unpacked."""
    return image.build(PROJECT / "docker" / "quagga", "quagga")


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Callable[..., str]:
    """Runs the real kubectl and returns what it printed."""

    def call(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
        # As `python -m lab kubectl` runs it, but without a Python for each of some thousand calls.
        program = [kubebuild.program("kubectl"), f"--cache-dir={state.current().directory / 'kubectl'}"]
        env = {**os.environ, "KUBECONFIG": str(state.current().kubeconfig)}
        argv = [*program, *arguments]
        done = subprocess.run(
            argv, cwd=PROJECT, env=env, text=True, capture_output=True, check=False, input=stdin
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    return call


class Cfy:
    """The real `cfy`, with a local profile of its own."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self._env = {**os.environ, "CFY_WORKDIR": str(workdir)}
        self._installed: list[str] = []
        self("profiles", "use", "local")

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `cfy ARGUMENTS`; standard error is in the output, as a user sees it."""
        with self.started(*arguments) as command:
            try:
                said = command.communicate(timeout=300)[0]
            except subprocess.TimeoutExpired:
                command.kill()
                raise
        done = subprocess.CompletedProcess(command.args, command.returncode, said)
        if check and done.returncode != 0:
            raise AssertionError(f"cfy {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
        return done

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """`cfy ARGUMENTS` while it runs."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=PROJECT,
            env=self._env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `cfy ARGUMENTS`, which acts on the deployment NAME, and do not wait for its end."""
        if name not in self._installed:
            self._installed.append(name)
        return subprocess.Popen(
            self.command(*arguments),
            cwd=PROJECT,
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def command(self, *arguments: str) -> list[str]:
        """What to run for `cfy ARGUMENTS`."""
        return [str(CFY), *arguments]

    def install(self, name: str, *, check: bool = True, **inputs: Any) -> subprocess.CompletedProcess[str]:
        """Install `blueprints/NAME/local.yaml` as the deployment NAME."""
        return self.install_file(PROJECT / "blueprints" / name / "local.yaml", name, check=check, **inputs)

    def install_file(
        self, blueprint: Path, name: str, *, check: bool = True, retries: int | None = None, **inputs: Any
    ) -> subprocess.CompletedProcess[str]:
        """Install any blueprint as the deployment NAME."""
        self.expect(name)
        options = [] if retries is None else ["--task-retries", str(retries)]
        # In a file, since a command line has not the room for many routes.
        given = self.workdir.with_name(f"{name}-inputs.yaml")
        given.write_text(json.dumps(inputs))
        return self("install", str(blueprint), "-b", name, "-i", str(given), *options, check=check)

    def uninstall(self, name: str) -> subprocess.CompletedProcess[str]:
        """Uninstall the deployment NAME."""
        done = self("uninstall", "-b", name)
        self.forget(name)
        return done

    def expect(self, name: str) -> None:
        """Note that a deployment is about to be installed, to be uninstalled at the end."""
        if name not in self._installed:
            self._installed.append(name)

    def forget(self, name: str) -> None:
        """Note that it has been uninstalled."""
        self._installed.remove(name)

    def uninstall_the_rest(self) -> None:
        """Take back what a test left installed, the latest first."""
        failures = []
        for name in reversed(list(self._installed)):
            try:
                self.uninstall(name)
            except AssertionError as failure:
                failures.append(failure)
                # What one test leaves is not to fail all that come after it.
                self("uninstall", "-b", name, check=False)
        if failures:
            raise failures[0]


@pytest.fixture
def cfy(tmp_path: Path) -> Iterator[Cfy]:
    """A `cfy` that has installed nothing yet, and leaves nothing installed."""
    made = Cfy(tmp_path / "cfy")
    yield made
    made.uninstall_the_rest()


@pytest.fixture(scope="session")
def pod_networks(kubectl: Callable[..., str]) -> None:
    """Every node has had a pod: the bridge of the pods' network comes with the first, and stays."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(_FIRST))
    kubectl("rollout", "status", "daemonset/first", "--timeout=120s")
    kubectl("delete", "daemonset", "first", "--wait", "--cascade=foreground")
    until("the pods' links are gone", lambda: not any(map(_links_of_pods, ("node1", "node2"))), 20)


@pytest.fixture
def untouched(kubectl: Callable[..., str]) -> Iterator[None]:
    """Fails the test unless hosts, labels and objects are at its end what they were at its start."""
    before = routing.state(), _cluster_state(kubectl)
    assert before[1]["objects"] == [], "the lab holds objects of ours before the test begins"
    yield
    # A deleted pod's containers and the API's view of them settle within a moment of each other.
    deadline = time.monotonic() + 5
    while (routing.state(), _cluster_state(kubectl)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert routing.state() == before[0]
    assert _cluster_state(kubectl) == before[1]


@pytest.fixture(scope="session")
def least(kubeconfig: Path, kubectl: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kubeconfig of the account that rbac/ makes: what a router needs, and no more."""
    kubectl("apply", "-f", str(PROJECT / "rbac" / "cloudify-quagga.yaml"))

    def token() -> str:
        secrets = json.loads(kubectl("get", "secrets", "-o", "json"))["items"]
        of = "kubernetes.io/service-account.name"
        found = [
            one for one in secrets if one["metadata"].get("annotations", {}).get(of) == "cloudify-quagga"
        ]
        return base64.b64decode(found[0]["data"]["token"]).decode() if found else ""

    document = yaml.safe_load(kubeconfig.read_text())
    document["users"][0]["user"] = {"token": until("the account has a token", token, 20)}
    path = tmp_path_factory.mktemp("least") / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def labelled(cfy: Cfy, least: Path) -> Cfy:
    """A `cfy` that has installed the cluster blueprint on node1, with the least rights."""
    cfy.install("cluster", kubeconfig=str(least), node="node1")
    return cfy


@pytest.fixture
def second_next_hop() -> Iterator[None]:
    """The server answers at another address too, through which the same is reached."""
    address = "172.16.0.2/24"
    hosts.run("server", ["ip", "address", "add", address, "dev", "eth1"], check=True)
    yield
    hosts.run("server", ["ip", "address", "del", address, "dev", "eth1"], check=True)


def until(what: str, holds: Callable[[], Any], seconds: float) -> Any:
    """Poll until `holds()` is true and return what it gave; its last falsehood ends the test."""
    deadline = time.monotonic() + seconds
    while not (result := holds()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return result


def _links_of_pods(node: str) -> list[str]:
    links = json.loads(hosts.run(node, ["ip", "-j", "link"], check=True).stdout)
    return [link["ifname"] for link in links if link["ifname"].startswith("veth")]


def _cluster_state(kubectl: Callable[..., str]) -> dict[str, Any]:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    objects = kubectl("get", KINDS, "--all-namespaces", "-l", OURS, "-o", "name").split()
    return {
        "labels": {node["metadata"]["name"]: node["metadata"]["labels"] for node in nodes},
        "managers": {node["metadata"]["name"]: _our_managers(node) for node in nodes},
        "objects": objects,
    }


def _our_managers(node: dict[str, Any]) -> list[str]:
    """Field managers of ours that still own something of the node."""
    names = [entry["manager"] for entry in node["metadata"].get("managedFields", [])]
    return sorted(name for name in names if name.startswith("cloudify-quagga"))
