"""What the lab asks of a machine, and how it says no."""

import os
import shutil
from pathlib import Path

import pytest

from lab import LabError, network, node, preflight, state

HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


def refusal(check: object, *arguments: object) -> str:
    assert callable(check)
    with pytest.raises(LabError) as caught:
        check(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "route", "network"),
    [
        ("br7\t0000C80A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", "10.200.0.0/24", "10.200.0.0/24"),
        ("vpn\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n", "10.0.0.0/8", "10.200.0.0/24"),
        ("vpn\t010010AC\t00000000\t0001\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n", "172.16.0.1/32", "172.16.0.0/24"),
    ],
)
def test_a_network_in_use(tmp_path: Path, row: str, route: str, network: str) -> None:
    table = tmp_path / "route"
    table.write_text(HEADER + DEFAULT + row)
    sentence = refusal(preflight._addresses, table)
    assert sentence.startswith(f"{route} is routed by {row.partition(chr(9))[0]} on this machine")
    assert network in sentence
    assert "--api-only" in sentence
    assert "QUAGGA_KUBECONFIG" in sentence


def test_networks_that_do_not_matter(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(HEADER + DEFAULT + "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n")
    preflight._addresses(table)


def test_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert refusal(preflight._root).startswith("you are not root (uid 1000)")


def test_no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert refusal(preflight._apt).startswith("apt-get is missing")


def test_too_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sentence = refusal(preflight._disk, 1 << 60)
    assert str(tmp_path) in sentence
    assert "GiB free" in sentence
    assert "QUAGGA_KUBECONFIG" in sentence


def test_another_system(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\n')
    assert refusal(preflight._release, release).startswith("this is Debian GNU/Linux 13 (trixie)")
    release.write_text("VERSION_CODENAME=bookworm\n")
    preflight._release(release)


def test_no_control_groups(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("proc /proc proc rw 0 0\n")
    assert "cgroups" in refusal(preflight._control_groups, mounts)
    for line in ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"):
        mounts.write_text(line)
        preflight._control_groups(mounts)


def test_no_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sentence = refusal(preflight._namespaces)
    assert sentence.startswith("this machine gives no namespaces (unshare: Operation not permitted)")
    assert "--api-only" in sentence


def test_a_lab_beside_the_machines_own_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUAGGA_LAB", "beside")
    assert state.current().directory.name.startswith("cloudify-quagga-lab-beside")
    assert network.namespace("node1") == "quagga-beside-node1"
    assert node.directory("node1").parent.name == "nodes-beside"
    monkeypatch.setenv("QUAGGA_LAB", "../etc")
    assert refusal(state.current).startswith("QUAGGA_LAB='../etc': a lab's name is of small letters")
