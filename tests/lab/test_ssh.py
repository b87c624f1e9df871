"""Everything by SSH, as in 2017: an account on the master and its nodes, and no kubeconfig at all."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, ssh, state
from tests.lab import faults, processes
from tests.lab.cfy import Cfy, WarmCfy
from tests.lab.conftest import until
from tests.lab.faults import Request
from tests.lab.living import clean
from tests.lab.test_router import SERVERS, reaches

pytestmark = pytest.mark.usefixtures("untouched")

BLUEPRINTS = Path(__file__).with_name("blueprints")
ARGUMENTS = "/etc/default/kubelet"
ROLE = {"role": "router"}


@pytest.fixture
def cfy(kubeconfig: Path, tmp_path: Path) -> Iterator[Cfy]:
    """A `cfy` where 10.200.0.1 can be reached."""
    made = WarmCfy(tmp_path / "cfy", host="control")
    yield made
    made.uninstall_the_rest()


@pytest.fixture
def keys(kubeconfig: Path) -> dict[str, Any]:
    """What the blueprints ask for."""
    return {"key": str(ssh.key()), "known_hosts": str(ssh.known_hosts())}


@pytest.fixture
def labelled(cfy: Cfy, keys: dict[str, Any]) -> Cfy:
    cfy.install_file(BLUEPRINTS / "by-ssh.yaml", "cluster", **keys)
    return cfy


def on_node1(*argv: str, given: str | None = None) -> str:
    """What a command of ubuntu's says who has logged in on node1."""
    known = ["-o", f"UserKnownHostsFile={ssh.known_hosts()}", "-o", "BatchMode=yes"]
    login = ["ssh", "-i", str(ssh.key()), *known, "ubuntu@10.200.0.11"]
    return hosts.run("control", [*login, *argv], input=given, check=True).stdout


def labels_of(kubectl: Callable[..., str], node: str) -> dict[str, str]:
    labels: dict[str, str] = json.loads(kubectl("get", "node", node, "-o", "json"))["metadata"]["labels"]
    return labels


def register_anew(kubectl: Callable[..., str]) -> None:
    """node1 as it is after somebody has thrown it out of the cluster and its kubelet was started again."""
    kubectl("delete", "node", "node1")
    on_node1("sudo", "systemctl", "restart", "kubelet")
    ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    until("node1 is Ready", lambda: kubectl("get", "node", "node1", "-o", ready, check=False) == "True", 90)


def test_a_router_by_ssh_though_the_session_drops_in_its_install(
    labelled: Cfy, keys: dict[str, Any], tmp_path: Path
) -> None:
    def drop() -> None:
        sessions = processes.forked("control", "sshd")
        assert sessions
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)

    outputs = json.loads(labelled("deployments", "outputs", "-b", "cluster").stdout)
    # The master's address, not the tunnel's end; and nothing that opens a door.
    assert outputs == {"kubernetes_info": {"url": "https://10.200.0.1:6443", "node_selector": ROLE}}
    with faults.strike(Request("patch", "daemonsets"), drop):
        said = labelled.install_file(BLUEPRINTS / "by-ssh-router.yaml", "router", retries=0, **keys).stdout
    assert "[retry" not in said
    assert all(reaches(server) for server in SERVERS)
    kept = "\n".join(path.read_text(errors="replace") for path in (tmp_path / "cfy").rglob("*.json"))
    assert "10.200.0.1" in kept
    assert "PRIVATE KEY" not in kept
    assert "client-key-data" not in kept
    labelled.uninstall("router")
    labelled.uninstall("cluster")
    assert "kubelet" not in on_node1("ls", "-a", "/etc/default").split()


def test_a_node_that_registers_anew_still_has_its_labels(
    labelled: Cfy, keys: dict[str, Any], kubectl: Callable[..., str]
) -> None:
    labelled.install_file(BLUEPRINTS / "by-ssh-router.yaml", "router", **keys)
    register_anew(kubectl)
    assert labels_of(kubectl, "node1").items() >= ROLE.items()
    until("the servers answer again", lambda: all(reaches(server) for server in SERVERS), 60)
    assert clean("node1", labelled.uninstall("router").stdout)
    # The kubelet holds the label by now; it goes all the same.
    labelled.uninstall("cluster")
    assert "role" not in labels_of(kubectl, "node1")
    register_anew(kubectl)
    assert "role" not in labels_of(kubectl, "node1")


def test_what_the_kubelet_was_told_by_others_stays(
    cfy: Cfy, keys: dict[str, Any], kubectl: Callable[..., str]
) -> None:
    before = 'OTHER=1\nKUBELET_EXTRA_ARGS="--v=1 --node-labels=role=router"\n'
    on_node1("sudo", "tee", ARGUMENTS, given=before)
    try:
        register_anew(kubectl)
        cfy.install_file(BLUEPRINTS / "by-ssh.yaml", "cluster", **keys, labels={**ROLE, "zone": "a"})
        register_anew(kubectl)
        assert labels_of(kubectl, "node1").items() >= {**ROLE, "zone": "a"}.items()
        assert "OTHER=1\n" in (now := on_node1("cat", ARGUMENTS))
        assert all(word in now for word in ("--v=1", "role=router", "zone=a"))
        cfy.uninstall("cluster")
        assert on_node1("cat", ARGUMENTS) == before
        # It was there before us, by somebody else's word.
        assert labels_of(kubectl, "node1")["role"] == "router"
        assert "zone" not in labels_of(kubectl, "node1")
    finally:
        on_node1("sudo", "rm", ARGUMENTS)
        register_anew(kubectl)


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"key": "/no/such/key"}, "ssh.key_file: /no/such/key does not exist"),
        ({"master": "10.200.0.100"}, "ubuntu@10.200.0.100:22 cannot be reached: Connection refused"),
        (
            {"labels": {"node-role.kubernetes.io/router": ""}},
            "labels: node-role.kubernetes.io/router is no label that a kubelet may give itself",
        ),
    ],
)
def test_what_is_refused_before_anything_is_changed(
    inputs: dict[str, Any], sentence: str, cfy: Cfy, keys: dict[str, Any]
) -> None:
    asked = {**keys, **inputs}
    said = cfy.install_file(BLUEPRINTS / "by-ssh.yaml", "cluster", check=False, retries=0, **asked)
    assert said.returncode != 0
    assert sentence in said.stdout
    cfy.uninstall("cluster")
    assert "kubelet" not in on_node1("ls", "-a", "/etc/default").split()


def test_a_wrong_key_is_named(cfy: Cfy, keys: dict[str, Any]) -> None:
    keys["key"] = str(state.current().ssh / "host-node1")
    said = cfy.install_file(BLUEPRINTS / "by-ssh.yaml", "cluster", check=False, **keys)
    assert "ubuntu@10.200.0.1:22 does not let us in with the key ssh-ed25519 SHA256:" in said.stdout
    assert "[retry" not in said.stdout
    cfy.uninstall("cluster")
