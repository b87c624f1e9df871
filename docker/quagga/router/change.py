"""A change of a running router, without a moment in which a route that stays is not there.

What is new is given to the daemons in one commit, and when the kernel has it, what is no longer wanted is
taken back in a second one. A working way is not taken away for one that does not come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from router import blocks, comparison, delta, kernel, vtysh
from router.configuration import Configuration, routes_in
from router.daemons import Daemons
from router.delta import Delta
from router.ending import Failed, Refused
from router.grammar import Route
from router.kernel import KernelRoute
from router.status import FOLDER
from router.suite import Suite

_DRAFT: Final = FOLDER / "change.conf"
_PATIENCE: Final = 5.0
"""Seconds without progress after which a route is not waited for."""
_PAUSE: Final = 0.01
_DYING: Final = 0.05
_PASSES: Final = 3
_DEFAULTS: Final = "frr defaults "

_Left = TypeVar("_Left")


class Interrupted(Exception):
    """A daemon died on the way; once it is back the change can be made again."""


@dataclass(frozen=True)
class Change:
    """From one configuration to another, with the daemons that run.

    The twins of the routes of before stand in the kernel: where the daemons refuse the old way beside the new
    one, packets go by them in between.
    """

    suite: Suite
    daemons: Daemons
    follow: vtysh.Follower
    """How the daemons are watched while they are given lines."""
    old: Configuration
    new: Configuration
    started: list[str] = field(default_factory=list)
    """Daemons that run because of this change."""

    @property
    def needs_new_daemons(self) -> bool:
        """Some of its lines cannot be given to daemons that run."""
        if not blocks.differ(self.old.text, self.new.text):
            return False
        return not blocks.RELOADER.exists() or _defaults(self.old.text) != _defaults(self.new.text)

    def make(self) -> None:
        """Make it; the daemons that it needs are there afterwards, those that it does not need too.

        :raises Refused: if the daemons do not take it; they may have taken half of it.
        :raises Interrupted: if one of them died.
        """
        try:
            self._make_all()
        except (Refused, Failed):
            # One that dies is likely to have been the reason.
            time.sleep(_DYING)
            self._be_sure_of_the_daemons()
            raise

    def _make_all(self) -> None:
        self._start_needed()
        if blocks.differ(self.old.text, self.new.text):
            blocks.change(self.old, self.new, self.follow)
            self._be_sure_of_the_daemons()
        for _ in range(_PASSES):
            step = remaining(self.suite, self.new)
            if not step:
                return
            self._make(step)
        raise Refused(f"the daemons do not keep '{(*step.coming, *step.going)[0].line}' as it was given")

    def end_needless(self) -> list[str]:
        """End the daemons that nothing needs any more, and return their names."""
        needed = {daemon.name for daemon in self.suite.needed(self.new.text)}
        needless = self.suite.stopping(name for name in self.daemons.children if name not in needed)
        for name in needless:
            self._end(name, self.suite.daemon(name).protocols - self._protocols_of(needed))
        return needless

    def drop_started(self) -> None:
        """Have the daemons that it started be started anew when it is made again."""
        for name in self.started:
            self.daemons.kill(name)
            self.daemons.forget(name)

    def _end(self, name: str, protocols: frozenset[int]) -> None:
        self.daemons.stop(name, _PATIENCE, lambda: len(kernel.of_protocols(protocols)) if protocols else 0)
        self.daemons.forget(name)

    def _protocols_of(self, names: Iterable[str]) -> frozenset[int]:
        return frozenset[int]().union(*(self.suite.daemon(name).protocols for name in names))

    def _start_needed(self) -> None:
        self.started[:] = self.daemons.add(self.suite.needed(self.new.text))
        if not self.started:
            return
        self.daemons.start_missing()
        self._be_sure_of_the_daemons()
        for name in self.started:
            complaint = vtysh.give(self.new.text.split("\n"), _DRAFT, self.follow, name)
            if complaint is not None:
                raise Refused(f"{name} said: {complaint}")

    def _make(self, step: Delta) -> None:
        self._commit(step.first)
        self._await_coming(step)
        self._commit(step.second)
        self._await_going(step)

    def _commit(self, lines: list[str]) -> None:
        if not lines:
            return
        complaint = vtysh.give(lines, _DRAFT, self.follow, self.suite.configurer)
        self._be_sure_of_the_daemons()
        if complaint is not None:
            raise Refused(f"the daemons said: {complaint}")

    def _await_coming(self, step: Delta) -> None:
        # What replaces a working way has to come before that way goes.
        before = {route.prefix for route in step.going}
        late = self._await(lambda present: comparison.pending(step.between, step.coming, present, self.suite))
        for route in late:
            if route.prefix in before and self._works(route):
                raise Refused(
                    f"{route} did not come into the kernel within {_PATIENCE:g} s, so the way of before"
                    " stays; is its next hop reached, and is the interface up?"
                )

    def _works(self, route: Route) -> bool:
        """Packets of this route's prefix have a way now."""
        statics = kernel.of_protocols(self.suite.static_protocols)
        return any(present.prefix == route.prefix for present in statics)

    def _await_going(self, step: Delta) -> None:
        wanted = self.new.routes
        going = {route.prefix for route in step.going}

        def left(present: list[KernelRoute]) -> list[KernelRoute]:
            found = comparison.compare(wanted, present, self.suite)
            return [route for route in (*found.unexpected, *found.altered) if route.prefix in going]

        if going:
            self._await(left)

    def _await(self, remaining: Callable[[list[KernelRoute]], list[_Left]]) -> list[_Left]:
        """Wait until nothing remains to be done in the kernel; returns what does, if it makes no progress."""
        left = remaining(kernel.routes())
        deadline, least = time.monotonic() + _PATIENCE, len(left)
        while left and time.monotonic() < deadline:
            self._be_sure_of_the_daemons()
            time.sleep(_PAUSE)
            left = remaining(kernel.routes())
            if len(left) < least:
                deadline, least = time.monotonic() + _PATIENCE, len(left)
        return left

    def _be_sure_of_the_daemons(self) -> None:
        if self.daemons.one_died():
            raise Interrupted


def remaining(suite: Suite, wanted: Configuration) -> Delta:
    """What the daemons still have to be told of static routes."""
    known = {route.line: route for route in wanted.routes}
    return delta.between(routes_in(vtysh.running(suite.configurer), known), wanted.routes)


def _defaults(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith(_DEFAULTS)]
