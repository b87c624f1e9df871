"""The lab itself: up once, killed from outside, rebuilt, and down without a trace. These tests come last."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import cgroups, network, process, state
from tests.lab.cfy import PROJECT

pytestmark = pytest.mark.usefixtures("kubeconfig")


def lab(*words: str) -> float:
    """Seconds that `python -m lab WORDS` took."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "lab", *words], cwd=PROJECT, check=True)
    return time.monotonic() - began


def daemons() -> dict[str, int]:
    return {name: daemon.pid for name, daemon in state.current().daemons().items()}


def is_up() -> bool:
    said = subprocess.run(
        [sys.executable, "-c", "from lab import lifecycle; print(lifecycle.status()['up'])"],
        cwd=PROJECT,
        text=True,
        capture_output=True,
        check=True,
    )
    return said.stdout.strip() == "True"


def apt() -> str:
    """What the machine's apt is told, in short."""
    files = sorted(path for path in Path("/etc/apt").rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def test_a_second_up_changes_nothing() -> None:
    before = daemons()
    assert lab("up") < 30
    assert daemons() == before


@pytest.mark.parametrize("victim", ["etcd", "node1"])
def test_what_was_killed_from_outside_is_built_again(victim: str) -> None:
    before = daemons()
    os.kill(before[victim], signal.SIGKILL)
    assert not is_up()
    assert lab("up") < 120
    assert is_up()
    assert daemons()[victim] != before[victim]


def test_down_leaves_nothing_and_up_is_quick_again() -> None:
    told = apt()
    # Whoever lives in one of its hosts goes too: containers' shims, and what `run` has started.
    inside = {pid for host in network.present() for pid in process.inside(network.namespace(host))}
    # A number may be somebody else's by the end.
    alive = {pid: process.start_time(pid) for pid in inside}
    assert alive
    lab("down")
    assert not state.current().directory.exists()
    assert network.present() == []
    assert [
        pid for pid, since in alive.items() if since is not None and process.start_time(pid) == since
    ] == []
    links = json.loads(subprocess.run(["ip", "-j", "link"], check=True, capture_output=True).stdout)
    assert [link["ifname"] for link in links if "quagga" in link["ifname"]] == []
    assert "cloudify-quagga-lab" not in Path("/proc/self/mounts").read_text()
    assert cgroups.present("quagga-node") == set()
    assert apt() == told
    assert lab("up") < 60
