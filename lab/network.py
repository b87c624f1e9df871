"""The lab's wires: a network namespace for every host, two bridged segments; nothing outside them."""

from __future__ import annotations

import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import LabError, packages, state

CONTROL = "control"
MAX_NODES = 40
NAMESPACES = Path("/run/netns")
# `ip netns add` makes the directory where there is none; the mark says that it is ours to remove.
_MADE_NAMESPACES = "made-run-netns"

# Every interface of a namespace has its own copy of these, so they are written to each, and to those to come.
_SYSCTLS = {
    "net/ipv4/ip_forward": 0,
    "net/ipv4/conf/*/forwarding": 0,
    "net/ipv6/conf/*/forwarding": 0,
    # A reverse path filter inherited from the machine would drop what a second router sends back.
    "net/ipv4/conf/*/rp_filter": 0,
    "net/ipv6/conf/*/accept_ra": 0,
    # Addresses answer at once.
    "net/ipv6/conf/*/accept_dad": 0,
    # traceroute asks faster than the kernel's default lets a router answer.
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv6/icmp/ratelimit": 0,
}
_WRITE_SYSCTLS = """
for setting; do
    for file in /proc/sys/${setting%%=*}; do printf %s "${setting#*=}" > "$file" || exit 1; done
done
"""


@dataclass(frozen=True)
class Wire:
    """An interface of a host and where it leads: a bridge in the control host, or nowhere."""

    interface: str
    bridge: str | None
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """A host of the lab as the network knows it."""

    name: str
    wires: tuple[Wire, ...]
    routes: tuple[str, ...] = ()


def node_names(nodes: int) -> list[str]:
    """The names of so many nodes.

    :raises LabError: if their addresses would run out.
    """
    if not 1 <= nodes <= MAX_NODES:
        raise LabError(f"{nodes} nodes: a lab has 1 to {MAX_NODES}")
    return [f"node{number}" for number in range(1, nodes + 1)]


def hosts(nodes: int) -> list[Host]:
    """Every host but the control host, whose bridges the others are plugged into."""
    return [*(_node(number) for number in range(1, nodes + 1)), _CLIENT, _SERVER]


def cluster_address(node: str) -> str:
    """A node's IPv4 address on the cluster network."""
    host = _node(int(node.removeprefix("node")))
    return host.wires[0].addresses[0].partition("/")[0]


def namespace(host: str) -> str:
    """The network namespace a host lives in."""
    return f"quagga{state.suffix()}-{host}"


def present() -> list[str]:
    """The hosts of this lab whose namespaces exist."""
    pattern = re.compile(namespace("(control|client|server|node[0-9]+)"))
    names = [path.name for path in NAMESPACES.glob("quagga*")]
    return sorted(match.group(1) for name in names if (match := pattern.fullmatch(name)))


def up(nodes: int, marks: Path) -> None:
    """Make every host anew; in the directory `marks` it is written down what else `down` has to undo."""
    names = node_names(nodes)
    down(marks)
    if not NAMESPACES.exists():
        (marks / _MADE_NAMESPACES).touch()
    for name in [CONTROL, *names, "client", "server"]:
        _ip(f"netns add {namespace(name)}")
        _write_sysctls(name)
    _batch(CONTROL, control_script(nodes))
    for host in hosts(nodes):
        _batch(host.name, host_script(host))
    for name in present():
        _write_sysctls(name)


def down(marks: Path) -> None:
    """Remove the namespaces, and the links in them even if something keeps a namespace alive."""
    for name in present():
        with suppress(LabError):  # a half-made namespace may not even be entered
            _batch(name, [f"link del {link}" for link in _links(name)])
        _ip(f"netns del {namespace(name)}")
    mark = marks / _MADE_NAMESPACES
    if mark.exists() and not any(NAMESPACES.glob("*")):
        # Somebody else may have taken the directory away.
        if NAMESPACES.exists():
            subprocess.run(["umount", str(NAMESPACES)], check=True, capture_output=True)
            NAMESPACES.rmdir()
        mark.unlink()


def control_script(nodes: int) -> list[str]:
    """The `ip` commands that make the control host: both bridges, and a port on them for every wire."""
    lines = ["link set lo up"]
    for bridge in ("br0", "br1"):
        lines += [
            f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0",
            # An address of its own, or it would change with the ports.
            f"link set {bridge} address 02:00:0a:c8:00:0{bridge[2]}",
            # Only what is given an address here takes part in IP.
            f"link set {bridge} addrgenmode none",
        ]
    lines += ["address add 10.200.0.1/24 dev br0", "address add fd00:200::1/64 dev br0 nodad"]
    lines += ["link set br0 up", "link set br1 up"]
    for host in hosts(nodes):
        for wire in host.wires:
            lines += _port(host.name, wire)
    return lines


def host_script(host: Host) -> list[str]:
    """The `ip` commands that make any other host, once its wires are in its namespace."""
    lines = ["link set lo up"]
    for wire in host.wires:
        if wire.bridge is None:
            lines.append(f"link add {wire.interface} type bridge")
        lines.append(f"link set {wire.interface} up")
        lines += [_address(address, wire.interface) for address in wire.addresses]
    return [*lines, *(f"route add {route}" for route in host.routes)]


def _address(address: str, interface: str) -> str:
    return f"address add {address} dev {interface}{' nodad' if ':' in address else ''}"


def _node(number: int) -> Host:
    last = 10 + number
    segment = 255 - number
    return Host(
        name=f"node{number}",
        wires=(
            Wire("eth0", "br0", (f"10.200.0.{last}/24", f"fd00:200::{last}/64")),
            Wire("eth1", "br1", (f"172.16.0.{segment}/24", f"fd00:172::{segment}/64")),
        ),
    )


_CLIENT = Host(
    name="client",
    wires=(Wire("eth0", "br0", ("10.200.0.100/24", "fd00:200::100/64")),),
    routes=("default via 10.200.0.11", "default via fd00:200::11"),
)
_SERVER = Host(
    name="server",
    wires=(
        Wire("eth1", "br1", ("172.16.0.1/24", "fd00:172::1/64")),
        # Not every kernel has dummy interfaces; an empty bridge holds addresses as well.
        Wire("lan0", None, ("10.0.0.1/24", "2001:db8:10::1/64")),
        Wire("lan1", None, ("10.10.0.1/24",)),
    ),
    routes=("10.200.0.0/24 via 172.16.0.254", "fd00:200::/64 via fd00:172::254"),
)


def _port(host: str, wire: Wire) -> list[str]:
    if wire.bridge is None:
        return []
    port = f"{host}-{wire.interface}"
    return [
        f"link add {port} type veth peer name {wire.interface} netns {namespace(host)}",
        f"link set {port} addrgenmode none",
        f"link set {port} master {wire.bridge} up",
    ]


def _links(host: str) -> list[str]:
    shown = _ip(f"-n {namespace(host)} -o link show").splitlines()
    names = [line.split(": ")[1].partition("@")[0] for line in shown]
    return [name for name in names if name != "lo"]


def _write_sysctls(host: str) -> None:
    settings = [f"{key}={value}" for key, value in _SYSCTLS.items()]
    argv = ["nsenter", f"--net={NAMESPACES / namespace(host)}", "--"]
    done = subprocess.run(
        [*argv, "sh", "-c", _WRITE_SYSCTLS, "sh", *settings], text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise LabError(f"{host}: its kernel settings could not be written: {done.stderr.strip()}")


def _batch(host: str, lines: list[str]) -> None:
    _ip(f"-n {namespace(host)} -batch -", "\n".join(lines) + "\n")


def _ip(arguments: str, script: str | None = None) -> str:
    done = subprocess.run(
        [str(packages.tool("ip")), *arguments.split()],
        env=packages.environment(),
        input=script,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"ip {arguments}: {done.stderr.strip()}")
    return done.stdout
