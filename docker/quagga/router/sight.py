"""One look at the kernel, told as the status tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router import comparison, forwarding
from router.comparison import Comparison
from router.configuration import Configuration
from router.ending import Refused
from router.kernel import KernelRoute
from router.status import some
from router.suite import Suite


@dataclass(frozen=True)
class Sight:
    """What was seen at one moment."""

    comparison: Comparison
    differing: dict[int, list[str]]
    """IP version -> sysctl entries of forwarding that are not as wanted."""
    stuck: str | None
    """Why the router cannot set them itself, and who can; None if it can."""
    forwarding: dict[int, bool]
    switched: list[int]
    """IP versions whose forwarding the router itself has switched."""
    learned: dict[str, int]
    """Routing protocol -> routes in the kernel that are there because of it."""

    @property
    def facts(self) -> dict[str, object]:
        """As the status has it."""
        found = self.comparison
        return {
            "routes": {
                "wanted": found.wanted,
                "installed": found.installed,
                "missing": some([*found.missing]),
                "unexpected": some([str(route) for route in found.unexpected]),
                "missing_count": len(found.missing),
                "unexpected_count": len(found.unexpected),
            },
            "forwarding": {f"ipv{version}": on for version, on in self.forwarding.items()},
            "forwarding_differs": [
                f"IPv{version} on {name}" for version, names in self.differing.items() for name in names
            ],
            "forwarding_switched": [f"ipv{version}" for version in self.switched],
            "protocols": {name: {"routes": count} for name, count in self.learned.items()},
        }


def look(suite: Suite, wanted: Configuration, present: list[KernelRoute], running: Iterable[str]) -> Sight:
    """Compare what is wanted with what is there.

    :param present: every route of the kernel.
    :param running: names of the daemons that run.
    """
    return Sight(
        comparison.compare(wanted.routes, present, suite),
        {
            version: forwarding.differing(version, on, wanted.interfaces)
            for version, on in wanted.forwarding.items()
        },
        _stuck(wanted),
        {version: forwarding.current(version).get("all", False) for version in (4, 6)},
        forwarding.changed(),
        _learned(suite, present, running),
    )


def _stuck(wanted: Configuration) -> str | None:
    try:
        forwarding.refuse_what_cannot_be(wanted.forwarding, wanted.interfaces)
    except Refused as error:
        return str(error)
    return None


def _learned(suite: Suite, present: list[KernelRoute], running: Iterable[str]) -> dict[str, int]:
    daemons = [suite.daemon(name) for name in running]
    return {
        daemon.speaks: sum(
            route.protocol in daemon.protocols and daemon.version in (None, route.prefix.version)
            for route in present
        )
        for daemon in daemons
        if daemon.speaks
    }
