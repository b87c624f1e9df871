"""What is done about routes that are not as wanted while nothing else is going on, and how often it was."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from router import change, holding, kernel, vtysh
from router.comparison import Comparison
from router.configuration import Configuration
from router.grammar import Network, Route
from router.journal import now, say
from router.kernel import KernelRoute
from router.status import FOLDER
from router.suite import Suite

_NAMED: Final = 3
_DRAFT: Final = FOLDER / "repair.conf"
_PATIENCE: Final = 0.5
"""Seconds in which the daemon that writes to the kernel puts a route back that was taken from it."""
_PAUSE: Final = 0.02
_RAREST: Final = 6
"""Doublings of the time after which routes that did not come are given to the daemons again."""


class Repairs:
    """The repairs of one router."""

    def __init__(self, suite: Suite, seconds: int, follow: vtysh.Follower) -> None:
        self._suite = suite
        self._follow = follow
        self._seconds = seconds
        self._after = 0.0
        self._vain = 0
        """How often routes were given to the daemons again without any of them coming."""
        self._given: set[Network] = set()
        self._tried: dict[Network, KernelRoute] = {}
        self.routes = 0
        self.daemons = 0
        self.error: dict[str, str | None] = {"last_error": None, "last_error_at": None}
        """The latest, and when it was seen last, as the status has them."""

    @property
    def counts(self) -> dict[str, int]:
        """As the status has them."""
        return {"daemons": self.daemons, "routes": self.routes}

    def note(self, error: str) -> None:
        """Something is wrong, now."""
        self.error = {"last_error": error, "last_error_at": now()}

    def hurry(self) -> None:
        """Somebody asks for it now: what was tried a short time ago is tried again."""
        self._after, self._vain = 0.0, 0
        self._tried.clear()

    def mend(self, found: Comparison, wanted: Configuration, remembered: Iterable[KernelRoute]) -> bool:
        """Mend what can be mended; tells whether anything was done."""
        done = self._remove(found.unexpected, wanted)
        done = self._restore(found.altered, remembered) or done
        self._count_given(found)
        return self._reinstall(found.absent) or done

    def note_returned(self, prefixes: Iterable[Network]) -> None:
        """Somebody deleted these routes, and the daemons have put them back already."""
        returned = list(prefixes)
        if returned:
            self.routes += len(returned)
            say(f"{_count(returned)} deleted by somebody and came back: {_named(returned)}")

    def _remove(self, unexpected: Sequence[KernelRoute], wanted: Configuration) -> bool:
        if not unexpected:
            return False
        # The daemons would put back what somebody told them to have.
        lines = [route.removal for route in change.remaining(self._suite, wanted).going]
        complaint = vtysh.give(lines, _DRAFT, self._follow, self._suite.configurer) if lines else None
        kernel.remove(unexpected)
        self.routes += len(unexpected)
        say(f"removed {len(unexpected)} routes that nobody wants: {_named(unexpected)}")
        self._complain("the daemons did not let go of a route", complaint)
        return True

    def _restore(self, altered: Sequence[KernelRoute], remembered: Iterable[KernelRoute]) -> bool:
        """Routes that lead elsewhere; one that comes back the same is what the daemons make of it."""
        new = [route for route in altered if self._tried.get(route.prefix) != route]
        if not new:
            return False
        self._tried.update((route.prefix, route) for route in new)
        prefixes = {route.prefix for route in new}
        twins = [holding.twin(route) for route in remembered if route.prefix in prefixes]
        kernel.add(twins)
        kernel.remove(new)
        self._await(prefixes)
        kernel.remove(twins)
        self.routes += len(new)
        say(f"put {len(new)} routes right that led elsewhere: {_named(new)}")
        return True

    def _await(self, prefixes: set[Network]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            there = {route.prefix for route in kernel.of_protocols(self._suite.static_protocols)}
            if prefixes <= there:
                return
            time.sleep(_PAUSE)

    def _count_given(self, found: Comparison) -> None:
        """What was given again and has come is mended; the rest may only have waited for it."""
        came = self._given - found.missing_prefixes
        self._given &= found.missing_prefixes
        if came:
            self.routes += len(came)
            self._after, self._vain = 0.0, 0

    def _reinstall(self, absent: Sequence[Route]) -> bool:
        """Routes that were lost in silence: the daemons believe them to be there until they are told anew."""
        if not absent or time.monotonic() < self._after:
            return False
        # What does not come costs the supervisor its time, and the more routes the more.
        self._after = time.monotonic() + self._seconds * 2 ** min(self._vain, _RAREST)
        self._vain += 1
        lines = [(route.removal, route.line) for route in absent]
        complaint = vtysh.reinstall(lines, _DRAFT, self._follow, self._suite.configurer)
        named = _named(absent)
        say(f"gave {len(absent)} routes to the daemons again, for they are not in the kernel: {named}")
        self._complain("the daemons did not take a route again", complaint)
        self._given |= {route.prefix for route in absent}
        return True

    def _complain(self, what: str, complaint: str | None) -> None:
        if complaint is not None:
            self.note(f"{what}: {complaint}")
            say(f"{what}: {complaint}")


def _count(found: Sequence[object]) -> str:
    return f"{len(found)} route was" if len(found) == 1 else f"{len(found)} routes were"


def _named(found: Sequence[object]) -> str:
    return ", ".join(str(each) for each in found[:_NAMED])
