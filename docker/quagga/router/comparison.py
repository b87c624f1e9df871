"""What was asked for beside what the kernel has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from router.grammar import Address, Network, Route
from router.kernel import MAIN_TABLE, OWN, UNICAST, Hop, KernelRoute
from router.suite import HELD, Suite


@dataclass(frozen=True)
class Comparison:
    """The outcome; a prefix counts once, however many next hops it has."""

    wanted: int
    missing: tuple[str, ...]
    """One entry for each route or next hop that the kernel lacks."""
    missing_prefixes: frozenset[Network]
    absent: tuple[Route, ...]
    """The lines of those prefixes to which the kernel has no route of ours at all, though it could."""
    altered: tuple[KernelRoute, ...]
    """Routes of ours that lead elsewhere, though the wanted way could be gone."""
    unexpected: tuple[KernelRoute, ...]
    rivals: tuple[KernelRoute, ...] = ()
    """Routes of others to missing prefixes, which keep ours out of the kernel."""

    @property
    def installed(self) -> int:
        """How many of the wanted prefixes are as they were wanted."""
        return self.wanted - len(self.missing_prefixes)


def compare(wanted: Iterable[Route], present: Sequence[KernelRoute], suite: Suite) -> Comparison:
    """Compare.

    :param present: every route of the kernel; the others tell how a next hop is reached.
    """
    by_prefix = _by_prefix(wanted)
    marked = [route for route in present if route.protocol in suite.static_protocols]
    ours = _ours(marked, suite)
    finder = _Finder(present)
    missing = {
        prefix: lacking for prefix, lines in by_prefix.items() if (lacking := _lacking(lines, ours, finder))
    }
    rivals = _rivals(missing.keys() - ours.keys(), present, suite)
    return Comparison(
        len(by_prefix),
        tuple(_told(route, rivals) for lacking in missing.values() for route in lacking),
        frozenset(missing),
        tuple(
            line
            for prefix in missing
            if prefix not in ours and prefix not in rivals
            for line in by_prefix[prefix]
            if finder.leads_to(line)
        ),
        tuple(
            ours[prefix]
            for prefix, lacking in missing.items()
            if prefix in ours and all(finder.leads_to(line) for line in lacking)
        ),
        tuple(
            route for route in marked if route.prefix not in by_prefix or ours.get(route.prefix) is not route
        ),
        tuple(rivals.values()),
    )


def pending(
    lines: Iterable[Route], awaited: Iterable[Route], present: Sequence[KernelRoute], suite: Suite
) -> list[Route]:
    """The awaited lines that the kernel does not follow yet; those behind a better distance need not come.

    :param lines: all the lines of their prefixes.
    """
    ours = _ours(present, suite)
    finder = _Finder(present)
    expected = set(awaited)
    found = []
    for prefix, ways in _by_prefix(lines).items():
        best = min(line.distance for line in ways)
        nearest = [line for line in ways if line.distance == best]
        lacking = _unfollowed(nearest, ours[prefix], finder) if prefix in ours else nearest
        found += [line for line in lacking if line in expected]
    return found


def _by_prefix(routes: Iterable[Route]) -> dict[Network, list[Route]]:
    by_prefix: dict[Network, list[Route]] = defaultdict(list)
    for route in routes:
        by_prefix[route.prefix].append(route)
    return by_prefix


def _ours(present: Iterable[KernelRoute], suite: Suite) -> dict[Network, KernelRoute]:
    """The routes that the daemons would have made; another metric or table is somebody else's doing."""
    return {
        route.prefix: route
        for route in present
        if route.protocol in suite.static_protocols
        and route.metric == suite.static_metric
        and route.table == MAIN_TABLE
    }


def _rivals(
    prefixes: Container[Network], present: Iterable[KernelRoute], suite: Suite
) -> dict[Network, KernelRoute]:
    """What somebody else has put there comes before whatever the daemons have, whatever its metric."""
    return {
        route.prefix: route
        for route in present
        if route.prefix in prefixes and route.table == MAIN_TABLE and route.protocol not in suite.protocols
    }


def _told(route: Route, rivals: Mapping[Network, KernelRoute]) -> str:
    rival = rivals.get(route.prefix)
    if rival is None:
        return str(route)
    whose = "the node's own" if rival.protocol == OWN else "somebody's"
    return f"{route} ({whose} {rival}, proto {rival.protocol} metric {rival.metric}, comes first)"


class _Finder:
    """How the kernel reaches a next hop that is no neighbour: through another route."""

    def __init__(self, present: Sequence[KernelRoute]) -> None:
        # No daemon finds a next hop by way of a twin.
        self._present = [route for route in present if route.protocol != HELD]
        self._known: dict[Address, frozenset[str]] = {}
        self._devices = {hop.device for route in self._present for hop in route.hops}

    def gateways(self, address: Address) -> frozenset[str]:
        """The gateways behind which the address lies; empty where it is a neighbour or nowhere."""
        if address not in self._known:
            self._known[address] = self._search(address)
        return self._known[address]

    def leads_to(self, line: Route) -> bool:
        """There is a way to what the line names."""
        if line.next_hop is None:
            return line.blackhole or line.interface in self._devices
        return line.interface in (None, *self._devices) and self._covering(line.next_hop) is not None

    def _search(self, address: Address) -> frozenset[str]:
        best = self._covering(address)
        return frozenset(hop.gateway for hop in best.hops if hop.gateway is not None) if best else frozenset()

    def _covering(self, address: Address) -> KernelRoute | None:
        covering = (
            route
            for route in self._present
            if route.type == UNICAST and route.prefix.version == address.version and address in route.prefix
        )
        return max(covering, key=lambda route: route.prefix.prefixlen, default=None)


def _lacking(lines: Sequence[Route], ours: Mapping[Network, KernelRoute], finder: _Finder) -> list[Route]:
    """The lines that the kernel does not follow; of several distances one is enough, the best is named."""
    by_distance: dict[int, list[Route]] = defaultdict(list)
    for line in lines:
        by_distance[line.distance].append(line)
    best = by_distance[min(by_distance)]
    route = ours.get(lines[0].prefix)
    if route is None:
        return best
    outcomes = [_unfollowed(group, route, finder) for _, group in sorted(by_distance.items())]
    return [] if any(not outcome for outcome in outcomes) else outcomes[0]


def _unfollowed(lines: Sequence[Route], route: KernelRoute, finder: _Finder) -> list[Route]:
    """The lines that no hop serves; all of them where a hop serves none, for that is another route."""
    if lines[0].blackhole or route.type != UNICAST:
        return [] if lines[0].blackhole and route.type == "blackhole" else list(lines)
    if not all(any(_serves(hop, line, finder) for line in lines) for hop in route.hops):
        return list(lines)
    return [line for line in lines if not any(_serves(hop, line, finder) for hop in route.hops)]


def _serves(hop: Hop, line: Route, finder: _Finder) -> bool:
    if line.next_hop is None:
        return hop.gateway is None and hop.device == line.interface
    if hop.gateway is None or line.interface not in (None, hop.device):
        return False
    return hop.gateway == str(line.next_hop) or hop.gateway in finder.gateways(line.next_hop)
