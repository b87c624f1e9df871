"""What neighbours had taught stays in the kernel while daemons that came anew learn it again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from router import holding
from router.journal import say
from router.kernel import KernelRoute
from router.suite import Suite

SECONDS: Final = 120.0
"""How long neighbours have; as long as BGP's graceful restart waits where nobody says otherwise."""


class Relearning:
    """The twins that outlast the daemons' start."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._until = 0.0
        self.left = 0
        """Routes that are kept until neighbours have taught them again."""

    def begin(self) -> None:
        """Daemons have died, and neighbours have the whole time from now on."""
        self._until = time.monotonic() + SECONDS

    def release(self, configuration: str, present: Iterable[KernelRoute]) -> bool:
        """Let every twin go that nobody needs any more, and say what that means; tells whether one went.

        :param configuration: the protocols that it speaks are those that can be taught.
        :param present: every route of the kernel.
        """
        in_time = time.monotonic() < self._until
        learning = self._learnt_by(configuration) if in_time else frozenset[int]()
        before = self.left
        gone, self.left = holding.release(self._suite, present, learning)
        if self.left and not before:
            say(f"keeping {self.left} routes until neighbours have taught them again")
        elif before and not self.left:
            say(_end(before, in_time))
        return gone > 0

    def _learnt_by(self, configuration: str) -> frozenset[int]:
        learners = [daemon for daemon in self._suite.needed(configuration) if daemon.speaks]
        return frozenset[int]().union(*(daemon.protocols for daemon in learners))


def _end(count: int, in_time: bool) -> str:
    if in_time:
        return "neighbours have taught all routes again that were kept"
    return f"{count} routes go, for no neighbour has taught them again in {SECONDS:g} s"
