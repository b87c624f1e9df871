"""Keeping routes alive while no daemon does.

A daemon that comes back after a crash takes its predecessor's nexthop objects out of the kernel, and with
them the routes that packets are following, for some milliseconds; routes that nobody wants any more it keeps
for ever. So before it comes back, each of its routes gets a twin under a protocol number of our own and with
a metric that no daemon prefers, and the originals go. Once the daemons have installed what is wanted, the
twins go too; those of routes that neighbours had taught stay until they have taught them again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from router import kernel
from router.kernel import UNICAST, Batch, KernelRoute
from router.suite import HELD, Suite

# FRR takes the upper byte of a kernel route's metric for its distance, and 255 means "never". The next one
# tells whose route it is a twin of.
_METRIC: Final = 0xFF000000
_ORIGIN_BITS: Final = 16


class Memory:
    """The routes that the daemons had when all was well, and their twins, ready to be put beside them.

    Whoever withdraws the routes of a daemon that died begins at once, and 1,000 twins take 30 ms to be made.
    """

    def __init__(self) -> None:
        self.routes: list[KernelRoute] = []
        self._addition: Batch = {}

    def keep(self, routes: list[KernelRoute]) -> None:
        """These are the routes from now on."""
        if routes != self.routes:
            self.routes = routes
            self._addition = kernel.addition(map(twin, routes))

    def put(self) -> None:
        """Have their twins in the kernel."""
        kernel.run(self._addition)


def hold(suite: Suite, manager_runs: bool, memory: Memory) -> int:
    """Keep what the daemons have installed, and what they had when all was well; returns how many.

    :param manager_runs: the daemon that writes to the kernel lives; its routes are its own to remove.
    :param memory: a daemon that died may have had its routes withdrawn; their twins have been put.
    """
    early = {twin(route) for route in memory.routes}
    found = kernel.of_protocols(suite.protocols - {HELD})
    there = {(route.prefix, route.table) for route in found}
    twins = {twin(route) for route in found if _can_be_put_back(route)}
    kernel.add(twins - early)
    count = len({(one.prefix, one.table) for one in early | twins})
    if manager_runs:
        return count
    safe = {(route.prefix, route.table) for route in held()}
    kernel.remove(route for route in found if (route.prefix, route.table) in safe)
    if safe >= there:
        kernel.remove_nexthops(suite.nexthop_protocol)
    return count


def stand_by(suite: Suite) -> None:
    """Put twins beside the static routes that the kernel has, for their daemon may die while nobody looks."""
    statics = kernel.of_protocols(suite.static_protocols)
    kernel.add(twin(route) for route in statics if _can_be_put_back(route))


def held() -> list[KernelRoute]:
    """The twins that are in the kernel."""
    return kernel.of_protocols({HELD})


def release(suite: Suite, present: Iterable[KernelRoute], learning: frozenset[int]) -> tuple[int, int]:
    """Let the twins go, but for those of routes that are still to be learnt again: how many go, and stay.

    :param present: every route of the kernel.
    :param learning: protocol numbers of what neighbours teach.
    """
    routes = list(present)
    own = suite.protocols - {HELD}
    back = {(route.prefix, route.table) for route in routes if route.protocol in own}
    twins = [route for route in routes if route.protocol == HELD]
    going = [one for one in twins if _origin(one) not in learning or (one.prefix, one.table) in back]
    kernel.remove(going)
    return len(going), len(twins) - len(going)


def twin(route: KernelRoute) -> KernelRoute:
    """The same way under our own number, where it stands behind what a daemon installs."""
    metric = _METRIC | route.protocol << _ORIGIN_BITS | (route.metric & 0xFFFF)
    return replace(route, protocol=HELD, metric=metric)


def _origin(one: KernelRoute) -> int:
    """The protocol number of the route that it is a twin of."""
    return one.metric >> _ORIGIN_BITS & 0xFF


def _can_be_put_back(route: KernelRoute) -> bool:
    """A route whose nexthop object is being removed shows no way out."""
    return route.type != UNICAST or all(hop.device for hop in route.hops)
