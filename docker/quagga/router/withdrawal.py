"""Taking back what the router did to the node, and making sure of it."""

from __future__ import annotations

import time
from typing import Final

from router import forwarding, kernel, namespace
from router.daemons import Daemons
from router.ending import Failed
from router.journal import say
from router.suite import Suite

_PATIENCE: Final = 5.0
"""Seconds without progress after which a daemon is not waited for; the kubelet gives 30 to all of them."""


def stop(suite: Suite, daemons: Daemons) -> str:
    """End the daemons in order and take back everything; returns the last words."""
    began = time.monotonic()
    count = _count(suite)
    for name in suite.stopping(daemons.running):
        _stop_daemon(suite, daemons, name)
    _take_back(suite)
    return _stopped(count, began)


def stop_before_the_start(suite: Suite) -> str:
    """Take back what an earlier life of this router left, when this one ends before it began."""
    began = time.monotonic()
    return _stopped(_sweep(suite), began)


def sweep(suite: Suite) -> str:
    """Take back what a router left behind that could not do it itself; returns the last words."""
    return f"swept: 0 routes left ({_sweep(suite)} removed)"


def _sweep(suite: Suite) -> int:
    with namespace.lock():
        namespace.refuse_strangers()
        count = _count(suite)
        _take_back(suite)
    return count


def _stopped(count: int, began: float) -> str:
    return f"stopped: 0 routes left ({count} withdrawn in {time.monotonic() - began:.2f} s)"


def _stop_daemon(suite: Suite, daemons: Daemons, name: str) -> None:
    protocols = suite.daemon(name).protocols if name != suite.manager else frozenset()
    began = time.monotonic()
    daemons.stop(name, _PATIENCE, lambda: len(kernel.of_protocols(protocols)) if protocols else 0)
    say(f"stopped {name} in {time.monotonic() - began:.2f} s")


def _take_back(suite: Suite) -> None:
    kernel.remove(kernel.of_protocols(suite.protocols))
    kernel.remove_nexthops(suite.nexthop_protocol)
    for change in forwarding.restore():
        say(f"set back {change}")
    left = kernel.of_protocols(suite.protocols)
    objects = kernel.nexthop_ids(suite.nexthop_protocol)
    if left:
        raise Failed(f"{len(left)} routes left: {', '.join(str(route) for route in left[:20])}")
    if objects:
        named = ", ".join(str(number) for number in objects[:20])
        raise Failed(f"0 routes left, but {len(objects)} nexthop objects: {named}")


def _count(suite: Suite) -> int:
    """A route and its twin are one."""
    return len({(route.prefix, route.table) for route in kernel.of_protocols(suite.protocols)})
