"""Configurations that the tests use."""

from __future__ import annotations

from collections.abc import Iterable

ENVIRONMENT = {"INTERFACES": "eth0,eth1", "ROUTES": "10.0.0.0/24 172.16.0.1,10.10.0.0/24 172.16.0.1"}
"""What the pod of 2017 was given."""


def frr_conf(
    routes: Iterable[str] = (), interfaces: Iterable[str] = ("eth0", "eth1"), ipv6: bool = True
) -> str:
    """A configuration in the canonical form."""
    lines = [
        "frr defaults traditional",
        "log stdout",
        "ip forwarding",
        f"{'' if ipv6 else 'no '}ipv6 forwarding",
    ]
    lines += ["service integrated-vtysh-config", "!", *routes, "!"]
    lines += [line for name in interfaces for line in (f"interface {name}", "exit", "!")]
    return "\n".join([*lines, "end", ""])


def many(count: int, next_hop: str = "172.16.0.1") -> list[str]:
    """Static routes to that many networks."""
    return [f"ip route 10.{100 + number // 256}.{number % 256}.0/24 {next_hop}" for number in range(count)]


def prefixes(lines: Iterable[str]) -> list[str]:
    """The networks that these lines lead to."""
    return [line.split()[2] for line in lines]
