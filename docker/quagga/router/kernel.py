"""The kernel's side: its links, its routes and its nexthop objects, read and changed by ip(8)."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from router.command import attempt, output_of
from router.ending import Failed
from router.grammar import Network

UNICAST: Final = "unicast"
_TYPES: Final = {"1": UNICAST, "6": "blackhole", "7": "unreachable", "8": "prohibit"}
_ANYWHERE: Final = {4: "0.0.0.0/0", 6: "::/0"}
MAIN_TABLE: Final = "254"
OWN: Final = 2
"""The protocol number of what the kernel adds itself: the networks of the node's interfaces."""
_BOOT: Final = 3
"""The protocol number of what is added by hand, which ip(8) does not print."""

Batch = dict[int, str]
"""Commands for ip(8), by the version of IP."""


@dataclass(frozen=True)
class Hop:
    """One way out of a route."""

    gateway: str | None = None
    device: str | None = None
    weight: int = 1
    onlink: bool = False

    @property
    def words(self) -> list[str]:
        """The hop as ip(8) takes it."""
        words = []
        if self.gateway is not None:
            words += ["via", *(["inet6"] if ":" in self.gateway else []), self.gateway]
        if self.device is not None:
            words += ["dev", self.device]
        return [*words, "onlink"] if self.onlink else words


@dataclass(frozen=True)
class KernelRoute:
    """A route as the kernel has it."""

    prefix: Network
    protocol: int
    metric: int = 0
    type: str = UNICAST
    table: str = MAIN_TABLE
    hops: tuple[Hop, ...] = ()

    @property
    def key(self) -> list[str]:
        """The words that tell this route from every other one."""
        kind = [] if self.type == UNICAST else [self.type]
        return [
            *kind,
            str(self.prefix),
            "proto",
            str(self.protocol),
            "metric",
            str(self.metric),
            "table",
            self.table,
        ]

    @property
    def words(self) -> list[str]:
        """The whole route as ip(8) takes it."""
        if self.type != UNICAST:
            return self.key
        if len(self.hops) == 1:
            return [*self.key, *self.hops[0].words]
        several = [word for hop in self.hops for word in ("nexthop", *hop.words, "weight", str(hop.weight))]
        return [*self.key, *several]

    def __str__(self) -> str:
        if self.type != UNICAST:
            return f"{self.prefix} {self.type}"
        return f"{self.prefix} via {', '.join(hop.gateway or hop.device or '?' for hop in self.hops)}"


def link_names() -> list[str]:
    """The interfaces of this network namespace."""
    return sorted(str(link["ifname"]) for link in json.loads(output_of(["ip", "-j", "link", "show"])))


def routes(versions: Sequence[int] = (4, 6)) -> list[KernelRoute]:
    """Every route of every table."""
    found: list[KernelRoute] = []
    for version in versions:
        printed = output_of(["ip", f"-{version}", "-N", "-j", "route", "show", "table", "all"])
        found += (read_route(entry, version) for entry in json.loads(printed or "[]"))
    return found


def of_protocols(numbers: Iterable[int]) -> list[KernelRoute]:
    """The routes that carry one of these protocol numbers."""
    wanted = frozenset(numbers)
    return [route for route in routes() if route.protocol in wanted]


def add(wanted: Iterable[KernelRoute]) -> None:
    """Put routes into the kernel; one that is there already is replaced."""
    run(addition(wanted))


def addition(wanted: Iterable[KernelRoute]) -> Batch:
    """What `add` runs."""
    return _batch("replace", ((route.prefix.version, route.words) for route in wanted))


def remove(unwanted: Iterable[KernelRoute]) -> None:
    """Take routes out of the kernel; one that is gone already does no harm."""
    run(_batch("del", ((route.prefix.version, route.key) for route in unwanted)))


def run(batch: Batch) -> None:
    """Run many commands in one process; what came of them is judged by reading the kernel again."""
    for version, lines in batch.items():
        if lines:
            attempt(["ip", f"-{version}", "-force", "-batch", "-"], given=lines)


def nexthop_ids(protocol: int | None) -> list[int]:
    """The nexthop objects that carry this protocol number; kernels before 5.3 have none."""
    if protocol is None:
        return []
    result = attempt(["ip", "-N", "-j", "nexthop", "show", "proto", str(protocol)])
    if result.status != 0 and "not supported" in result.errors:
        return []
    if result.status != 0:
        raise Failed(f"ip nexthop show: {result.text}")
    return [int(entry["id"]) for entry in json.loads(result.output or "[]")]


def remove_nexthops(protocol: int | None) -> None:
    """Delete the nexthop objects of a protocol; the kernel takes the routes that use them along."""
    lines = "".join(f"nexthop del id {number}\n" for number in nexthop_ids(protocol))
    if lines:
        attempt(["ip", "-force", "-batch", "-"], given=lines)


def _batch(verb: str, entries: Iterable[tuple[int, list[str]]]) -> Batch:
    by_version: dict[int, list[str]] = {4: [], 6: []}
    for version, words in entries:
        by_version[version].append(f"route {verb} {' '.join(words)}\n")
    return {version: "".join(lines) for version, lines in by_version.items()}


def read_route(entry: Mapping[str, Any], version: int) -> KernelRoute:
    """A route as `ip -N -j route show` prints it."""
    destination = _ANYWHERE[version] if entry["dst"] == "default" else entry["dst"]
    type_number = str(entry.get("type", "1"))
    return KernelRoute(
        prefix=ipaddress.ip_network(destination, strict=False),
        protocol=int(entry.get("protocol", _BOOT)),
        metric=int(entry.get("metric", 0)),
        type=_TYPES.get(type_number, type_number),
        table=str(entry.get("table", MAIN_TABLE)),
        hops=tuple(_hop(hop) for hop in entry.get("nexthops", [entry])),
    )


def _hop(entry: Mapping[str, Any]) -> Hop:
    gateway = entry.get("gateway") or entry.get("via", {}).get("host")
    return Hop(gateway, entry.get("dev"), int(entry.get("weight", 1)), "onlink" in entry.get("flags", []))
