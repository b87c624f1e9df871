"""What this machine must offer, asked before anything is made; each refusal says which way is left."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab import LabError, cache, packages

NETWORKS = tuple(ipaddress.ip_network(network) for network in ("10.200.0.0/24", "172.16.0.0/24"))
GIB = 1 << 30
COLD = 6 * GIB
WARM = 2 * GIB
OWN_CLUSTER = "QUAGGA_KUBECONFIG=FILE names a cluster of your own"
API_ONLY = f"`python -m lab up --api-only` brings up an API server without it, or {OWN_CLUSTER}"


def check(*, api_only: bool, cold: bool) -> None:
    """Refuse with one sentence if the lab cannot be had here."""
    _apt()
    _release(Path("/etc/os-release"))
    _disk(COLD if cold else WARM)
    if not api_only:
        _root()
        _namespaces()
        _control_groups(Path("/proc/self/mounts"))
        _addresses(Path("/proc/net/route"))


def _apt() -> None:
    missing = [name for name in ("apt-get", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise LabError(f"{missing[0]} is missing, and the lab is made of Debian packages; {OWN_CLUSTER}")


def _release(os_release: Path) -> None:
    fields = dict(line.split("=", 1) for line in os_release.read_text().splitlines() if "=" in line)
    if fields.get("VERSION_CODENAME") != packages.RELEASE:
        name = fields.get("PRETTY_NAME", "an unknown system").strip('"')
        raise LabError(f"this is {name}, and the lab needs Debian 12 ({packages.RELEASE}); {OWN_CLUSTER}")


def _disk(needed: int) -> None:
    directory = cache.directory()
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise LabError(
            f"{directory} has {free / GIB:.1f} GiB free, the lab needs {needed / GIB:.0f}: make room, "
            f"or put the cache elsewhere by XDG_CACHE_HOME, or {OWN_CLUSTER}"
        )


def _root() -> None:
    if os.geteuid() != 0:
        raise LabError(f"you are not root (uid {os.geteuid()}), which namespaces and nodes need; {API_ONLY}")


def _namespaces() -> None:
    argv = ["unshare", "--net", "--mount", "--uts", "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = subprocess.run(argv, capture_output=True, text=True, check=False)
    if tried.returncode:
        raise LabError(f"this machine gives no namespaces ({tried.stderr.strip()}); {API_ONLY}")


def _control_groups(mounts: Path) -> None:
    kinds = {line.split()[2] for line in mounts.read_text().splitlines()}
    if not kinds & {"cgroup", "cgroup2"}:
        raise LabError(f"this machine has no cgroups mounted, without which nothing runs in pods; {API_ONLY}")


def _addresses(routes: Path) -> None:
    for route, interface in _routed(routes.read_text()):
        taken = next((network for network in NETWORKS if network.overlaps(route)), None)
        if taken:
            raise LabError(
                f"{route} is routed by {interface} on this machine, and the lab's hosts use {taken}: "
                f"take that route away while the lab is up; or {API_ONLY}"
            )


def _routed(table: str) -> Iterator[tuple[ipaddress.IPv4Network, str]]:
    for line in table.splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask = line.split()[:8]
        if int(mask, 16):  # a default route covers everything and says nothing
            yield ipaddress.IPv4Network((_address(destination), _address(mask))), interface


def _address(hexadecimal: str) -> str:
    return socket.inet_ntoa(struct.pack("=L", int(hexadecimal, 16)))
