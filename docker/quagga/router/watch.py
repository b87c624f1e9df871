"""Watching a running router: its daemons, and what is wanted beside what the kernel has."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from router import comparison, forwarding, holding, kernel, vtysh
from router.comparison import Comparison
from router.configuration import MOUNTED, Configuration
from router.daemons import DEATHS, Daemons, Death
from router.ending import Failed
from router.grammar import Route
from router.journal import say
from router.kernel import KernelRoute
from router.readiness import Observation, reason
from router.signals import Signals
from router.status import FOLDER, Status, some
from router.suite import Suite

_SEEN_SECONDS: Final = 6.0
"""A mended router stays unready for this long, so that the kubelet, which asks every 2 s, sees it."""
_SETTLE_SECONDS: Final = 10.0
"""Routes that make no progress for this long are not waited for any more."""
_CONNECT_SECONDS: Final = 5.0
_QUICK: Final = 0.05
_ATTENTIVE: Final = 1.0
"""Seconds between two looks at the kernel: while routes come in, and while something is wrong."""


class Watch:
    """A router whose configuration was accepted, on a node that is its own."""

    def __init__(
        self, suite: Suite, wanted: Configuration, daemons: Daemons, status: Status, node: str, seconds: int
    ) -> None:
        self._suite = suite
        self._wanted = wanted
        self._daemons = daemons
        self._status = status
        self._node = node
        self._seconds = seconds
        self._remembered: list[KernelRoute] = []
        self._settling_until: float | None = None
        self._missing = 0
        self._mended = ""
        self._mended_until = 0.0
        self._reinstall_after = 0.0
        self._repairs = {"daemons": 0, "routes": 0}
        self._last_error: str | None = None

    def run(self, signals: Signals) -> None:
        """Start everything and keep it running; ends by an exception only."""
        for change in forwarding.enforce(self._wanted.forwarding, self._wanted.interfaces):
            say(f"set {change}")
        self._hold()
        self._bring_up()
        while True:
            self._daemons.reap()
            if deaths := self._daemons.take_deaths():
                self._mend(deaths)
            began = time.monotonic()
            quiet = self._look()
            cost = time.monotonic() - began
            signals.wait(self._pause(quiet, cost))

    def _hold(self) -> None:
        kept = holding.hold(self._suite, self._suite.manager in self._daemons.running, self._remembered)
        if kept:
            say(f"keeping {kept} routes while the daemons start")

    def _bring_up(self) -> None:
        """Start the daemons that do not run and hand them the configuration."""
        self._daemons.start_missing()
        if self._daemons.deaths:
            return
        self._await_connection()
        vtysh.load()
        self._settling_until = time.monotonic() + _SETTLE_SECONDS
        self._missing = len(self._wanted.routes) + 1

    def _await_connection(self) -> None:
        """Wait until the daemon of static routes has found the one that installs them."""
        deadline = time.monotonic() + _CONNECT_SECONDS
        while "static" not in vtysh.ask(self._suite.manager, "show zebra client summary"):
            if time.monotonic() > deadline:
                raise Failed(
                    f"{self._suite.statics} found no way to {self._suite.manager} in {_CONNECT_SECONDS:g} s"
                )
            time.sleep(0.02)

    def _mend(self, deaths: list[Death]) -> None:
        began = time.monotonic()
        what = " and ".join(str(death) for death in deaths)
        self._last_error = what
        # First of all: the routes of a daemon that died may be on their way out of the kernel.
        self._hold()
        facts = {"last_error": what, "daemons": self._daemon_facts()}
        self._status.write(f"{what} and is being brought back", facts)
        for death in deaths:
            if death.child.hopeless:
                raise Failed(f"{death}, and that {DEATHS} times within a minute")
        self._bring_up()
        self._repairs["daemons"] += len(deaths)
        self._mended = f"{what} and was brought back in {time.monotonic() - began:.1f} s"
        self._mended_until = time.monotonic() + _SEEN_SECONDS

    def _look(self) -> bool:
        """Compare with the kernel, mend what can be mended, and report; tells whether all is well."""
        present = kernel.routes()
        found = comparison.compare(self._wanted.routes, present, self._suite.static_protocols)
        self._settle(found)
        if self._settling_until is None:
            self._remove(found.unexpected)
            self._reinstall(found.absent)
            self._keep_forwarding()
        if not found.missing:
            numbers = self._suite.static_protocols
            self._remembered = [route for route in present if route.protocol in numbers]
        why = reason(self._observe(found))
        self._status.write(why, self._facts(found))
        return why is None

    def _settle(self, found: Comparison) -> None:
        """Decide whether routes are still coming in; once they are not, those that were kept for them go."""
        if self._settling_until is None:
            return
        missing = len(found.missing)
        if missing < self._missing:
            self._settling_until = time.monotonic() + _SETTLE_SECONDS
        self._missing = missing
        if missing and time.monotonic() < self._settling_until:
            return
        self._settling_until = None
        holding.release()
        say(f"{found.installed} of {found.wanted} routes are in the kernel")

    def _remove(self, unexpected: tuple[KernelRoute, ...]) -> None:
        if unexpected:
            kernel.remove(unexpected)
            self._repairs["routes"] += len(unexpected)
            named = ", ".join(str(route) for route in unexpected[:3])
            say(f"removed {len(unexpected)} routes that nobody wants: {named}")

    def _reinstall(self, absent: tuple[Route, ...]) -> None:
        """Routes that were lost in silence: the daemons believe them to be there until they are told anew."""
        if not absent or time.monotonic() < self._reinstall_after:
            return
        self._reinstall_after = time.monotonic() + self._seconds
        complaint = vtysh.reinstall((route.line for route in absent), FOLDER / "absent.conf")
        named = ", ".join(str(route) for route in absent[:3])
        say(f"gave {len(absent)} routes to the daemons again, for they are not in the kernel: {named}")
        if complaint is not None:
            self._last_error = f"the daemons did not take a route again: {complaint}"
            say(self._last_error)
        self._repairs["routes"] += len(absent)

    def _keep_forwarding(self) -> None:
        for change in forwarding.enforce(self._wanted.forwarding, self._wanted.interfaces):
            self._last_error = f"forwarding was changed behind our back; set {change} again"
            say(self._last_error)

    def _observe(self, found: Comparison) -> Observation:
        return Observation(
            node=self._node,
            comparison=found,
            settling=self._settling_until is not None,
            mended=self._mended if time.monotonic() < self._mended_until else "",
            wanted_hash=_wanted_now() or self._wanted.hash,
            applied_hash=self._wanted.hash,
            forwarding={
                version: forwarding.differing(version, on, self._wanted.interfaces)
                for version, on in self._wanted.forwarding.items()
            },
        )

    def _facts(self, found: Comparison) -> dict[str, object]:
        return {
            "wanted_hash": _wanted_now() or self._wanted.hash,
            "applied_hash": self._wanted.hash,
            "daemons": self._daemon_facts(),
            "routes": {
                "wanted": found.wanted,
                "installed": found.installed,
                "missing": some([*found.missing]),
                "unexpected": some([str(route) for route in found.unexpected]),
            },
            "forwarding": {f"ipv{number}": forwarding.current(number).get("all", False) for number in (4, 6)},
            "repairs": dict(self._repairs),
            "last_error": self._last_error,
        }

    def _daemon_facts(self) -> dict[str, object]:
        return {
            name: {"pid": child.pid, "since": child.since, "restarts": child.restarts}
            for name, child in self._daemons.children.items()
        }

    def _pause(self, quiet: bool, cost: float) -> float:
        """Seconds until the next look; with many routes a look costs much, and comes less often."""
        if self._settling_until is not None:
            return max(_QUICK, 2 * cost)
        return self._seconds if quiet else min(self._seconds, max(_ATTENTIVE, 5 * cost))


def _wanted_now() -> str | None:
    """The hash of the mounted configuration as it is now; None where there is none."""
    try:
        return hashlib.sha256(MOUNTED.read_bytes()).hexdigest()
    except OSError:
        return None
