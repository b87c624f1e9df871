"""From one set of static routes to another: what comes, what goes, and what cannot stand side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from router.grammar import Network, Route


@dataclass(frozen=True)
class Delta:
    """Two commits: after the first the new ways stand beside the old ones, after the second alone."""

    coming: tuple[Route, ...]
    going: tuple[Route, ...]
    exclusive: frozenset[Network]
    """Prefixes of which the daemons would refuse the old way beside the new one: blackhole and next hop."""
    between: tuple[Route, ...]
    """The lines of the changed prefixes as they are after the first commit."""

    @property
    def first(self) -> list[str]:
        """The lines of the first commit."""
        lost = [route.removal for route in self.going if route.prefix in self.exclusive]
        return lost + [route.line for route in self.coming]

    @property
    def second(self) -> list[str]:
        """The lines of the second commit."""
        return [route.removal for route in self.going if route.prefix not in self.exclusive]

    def __bool__(self) -> bool:
        return bool(self.coming or self.going)


def between(present: Iterable[Route], wanted: Iterable[Route]) -> Delta:
    """The way from the lines that the daemons have to those that they should have."""
    old = {route.key: route for route in present}
    new = {route.key: route for route in wanted}
    coming = tuple(route for key, route in new.items() if old.get(key) != route)
    going = tuple(route for key, route in old.items() if key not in new)
    touched = {route.prefix for route in (*coming, *going)}
    union = [route for route in {**old, **new}.values() if route.prefix in touched]
    exclusive = frozenset(_exclusive(union))
    gone = {route.key for route in going if route.prefix in exclusive}
    return Delta(coming, going, exclusive, tuple(route for route in union if route.key not in gone))


def _exclusive(routes: Iterable[Route]) -> set[Network]:
    kinds: dict[tuple[Network, int], set[bool]] = defaultdict(set)
    for route in routes:
        kinds[route.prefix, route.distance].add(route.blackhole)
    return {prefix for (prefix, _), found in kinds.items() if len(found) > 1}
