"""Everything about a host's routing that a router could have changed, as text that can be compared."""

from __future__ import annotations

import re
from collections import Counter

from lab.hosts import run

HOSTS = ("control", "node1", "node2", "client", "server")

# The number by which staticd marks its routes in the kernel; iproute2 has no name for it.
STATICD = "196"

# /proc/sys/net shows the reader's own network namespace, so the shell reads the host's.
_NUMBER = re.compile(r"\bnhid \d+")
_NEXT = "=== next"
_QUESTIONS = {
    "ip route": "ip route show table all",
    "ip -6 route": "ip -6 route show table all",
    "ip nexthop": "ip nexthop; ip -6 nexthop",
    "ip rule": "ip rule; ip -6 rule",
    "forwarding": "grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv[46]/conf/*/forwarding",
    "alias of lo": "ip link show lo",
}


def state() -> dict[str, list[str]]:
    """The routing state of every lab host: ``{"node1: ip route": [sorted lines]}``."""
    return {f"{host}: {name}": lines for host in HOSTS for name, lines in _answers(host).items()}


def beside_a_router(told: dict[str, list[str]]) -> dict[str, list[str]]:
    """What of it is the same before and after a router has been another and is again what it was.

    zebra keeps nexthop objects for minutes, each life has other numbers for them, and the router remembers on
    lo's alias what it has ever touched.
    """
    kept = {name: lines for name, lines in told.items() if not name.endswith(("ip nexthop", "alias of lo"))}
    return {name: [_NUMBER.sub("nhid -", line) for line in lines] for name, lines in kept.items()}


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Lines that only one of two states has: ``["- node1: ip route: ...", "+ node1: ip route: ..."]``."""
    lines, found = (
        Counter(f"{name}: {line}" for name, told in one.items() for line in told) for one in (before, after)
    )
    return [
        *(f"- {line}" for line in (lines - found).elements()),
        *(f"+ {line}" for line in (found - lines).elements()),
    ]


def kernel_routes(host: str, protocol: str = STATICD, *, ipv6: bool = False) -> set[str]:
    """Prefixes in the host's main table that carry the routing suite's protocol."""
    family = "-6" if ipv6 else "-4"
    lines = run(host, ["ip", family, "route", "show", "proto", protocol]).stdout.splitlines()
    kinds = {"blackhole", "unreachable", "prohibit"}
    return {next(word for word in line.split() if word not in kinds) for line in lines if line[:1].strip()}


def _answers(host: str) -> dict[str, list[str]]:
    """By one shell for all questions: the lab's tests ask some thousand times."""
    script = "set -e\n" + f"echo {_NEXT}\n".join(f"{question}\n" for question in _QUESTIONS.values())
    done = run(host, ["sh", "-c", script])
    if done.returncode != 0:
        raise AssertionError(f"{host}: {done.stderr}")
    told = done.stdout.split(f"{_NEXT}\n")
    return {name: sorted(text.splitlines()) for name, text in zip(_QUESTIONS, told, strict=True)}
