"""Watching a running router: its daemons, its file, and what is wanted beside what the kernel has."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from router import admission, forwarding, holding, integrated, kernel, sight, story, vtysh
from router.change import Change, Interrupted
from router.configuration import Configuration
from router.daemons import DEATHS, Daemons, Death
from router.ending import Failed, Hopeless, Refused
from router.grammar import Network
from router.journal import now, say
from router.kernel import KernelRoute
from router.mounted import Mounted, hash_of
from router.notices import Notices
from router.readiness import Observation, reason, refusal_of
from router.relearning import Relearning
from router.repairs import Repairs
from router.sight import Sight
from router.signals import Signals
from router.standstill import Standstill
from router.status import FOLDER, Status
from router.suite import Suite

_SEEN_SECONDS: Final = 6.0
"""A mended router stays unready for this long, so that the kubelet, which asks every 2 s, sees it."""
_SETTLE_SECONDS: Final = 10.0
"""Routes that make no progress for this long are not waited for any more."""
_CONNECT_SECONDS: Final = 5.0
_QUICK: Final = 0.05
_ATTENTIVE: Final = 1.0
"""Seconds between two looks at the kernel: while routes come in, and while something is wrong."""
_LISTEN_SECONDS: Final = 0.1
"""Seconds after which the file and the kernel's notices are looked at again."""
_GRACE: Final = 0.15
"""Seconds in which the daemons mend by themselves what the kernel gave notice of."""
_DYING: Final = 0.05
"""Seconds between a daemon's last answer and its end."""
_TRIES: Final = 3


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
        self._mounted = Mounted()
        self._notices = Notices(suite.static_protocols)
        self._repairs = Repairs(suite, seconds, self._follow)
        self._bare = set(daemons.children)
        """Daemons that have not been given their configuration since they were started."""
        self._has_told = False
        """Daemons were given lines since all of them were found alive."""
        self._prefixes: frozenset[Network] = frozenset()
        self._deleted: set[Network] = set()
        self._memory = holding.Memory()
        self._settling_until: float | None = None
        self._relearning = Relearning(suite)
        self._missing = 0
        self._mended = ""
        self._mended_until = 0.0
        self._refused: dict[str, str] | None = None
        self._try_again_at = math.inf
        self._last_change: dict[str, object] | None = None
        self._due = 0.0
        self._earliest = 0.0

    def run(self, signals: Signals) -> None:
        """Start everything and keep it running; ends by an exception only."""
        self._want(self._wanted)
        # It may have changed since it was read.
        self._mounted.forget()
        for change in forwarding.enforce(self._wanted.forwarding, self._wanted.interfaces):
            say(f"set {change}")
        self._hold()
        self._bring_up()
        while True:
            self._daemons.reap()
            if deaths := self._daemons.take_deaths():
                self._mend(deaths)
            else:
                self._has_told = False
            self._try_again_in_time()
            if (content := self._mounted.changed()) is not None:
                self._take(content)
            self._listen(signals)
            if time.monotonic() >= self._due:
                self._look_and_plan()
            signals.wait(min(self._due - time.monotonic(), _LISTEN_SECONDS))

    def _want(self, wanted: Configuration) -> None:
        self._wanted = wanted
        self._prefixes = frozenset(route.prefix for route in wanted.routes)
        self._memory.keep([route for route in self._memory.routes if route.prefix in self._prefixes])

    def _listen(self, signals: Signals) -> None:
        """What others did to the routes, and whether somebody asks for a look."""
        heard = self._notices.hear()
        if self._settling_until is None:
            gone = {notice.prefix for notice in heard.notices if notice.deleted}
            self._deleted |= gone & self._prefixes
        if heard.notices or heard.lost:
            self._due = min(self._due, max(time.monotonic() + _GRACE, self._earliest))
        if signals.take_hangup():
            self._repairs.hurry()
            if self._refused is not None:
                self._mounted.forget()
            self._due = 0.0

    def _try_again_in_time(self) -> None:
        """What was refused before anything was touched may be right by now: an interface that has come."""
        if time.monotonic() >= self._try_again_at:
            self._try_again_at = math.inf
            self._mounted.forget()

    def _hush(self) -> None:
        """What the kernel told until now was our own doing."""
        self._notices.hear()
        self._deleted.clear()

    def _look_and_plan(self) -> None:
        began = time.monotonic()
        quiet = self._look()
        cost = time.monotonic() - began
        self._due = time.monotonic() + self._pause(quiet, cost)
        self._earliest = time.monotonic() + max(_ATTENTIVE, 5 * cost)

    def _hold(self) -> None:
        # It withdraws the routes of a daemon that died, and is to come second.
        with self._daemons.paused(self._suite.manager):
            self._memory.put()
        kept = holding.hold(self._suite, self._suite.manager in self._daemons.running, self._memory)
        self._relearning.begin()
        if kept:
            say(f"keeping {kept} routes while the daemons start")

    def _end_those_that_depend(self, dead: list[str]) -> None:
        """End the daemons that a dead one's successor would not get along with."""
        ending = set[str]()
        if self._suite.manager in dead:
            # What they have learnt they do not tell it again, as FRR's own watchdog knows.
            ending |= set(self._daemons.children) - self._suite.core
        if self._suite.configurer in dead and self._has_told:
            # What it had been told and not yet done it would take for a part of what it is told next.
            ending.add(self._suite.statics)
        for name in sorted(ending.intersection(self._daemons.running)):
            self._daemons.kill(name)
            self._bare.add(name)

    def _bring_up(self) -> None:
        """Start the daemons that do not run and hand the configuration to those that lack it."""
        if not self._start_missing():
            return
        self._give_back(after=self._await_connection)
        self._settling_until = time.monotonic() + _SETTLE_SECONDS
        self._missing = len(self._wanted.routes) + 1
        self._due = 0.0

    def _bring_back(self) -> None:
        """Start daemons that hold no static routes, and leave the others alone."""
        if not self._start_missing():
            return
        self._give_back()
        self._due = 0.0

    def _start_missing(self) -> bool:
        """Whether all run now; what has died meanwhile is mended first, its routes held before it starts."""
        if not self._daemons.deaths:
            self._daemons.start_missing()
        return not self._daemons.deaths

    def _give_back(self, after: Callable[[], None] = lambda: None) -> None:
        """Hand the daemons that lack them their lines."""
        with self._unless_one_dies():
            after()
            self._hand_out()

    @contextmanager
    def _unless_one_dies(self) -> Iterator[None]:
        """What fails because a daemon dies is not the router's end: the daemon is mended next."""
        try:
            yield
        except Failed:
            time.sleep(_DYING)
            if not self._daemons.one_died():
                raise

    def _hand_out(self) -> None:
        """Static routes come from the daemon that keeps them, to the one that has lost them."""
        if self._suite.configurer in self._bare:
            vtysh.load(self._follow)
            self._bare.clear()
        for name in sorted(self._bare - {self._suite.statics}):
            complaint = vtysh.give(self._wanted.text.split("\n"), FOLDER / "back.conf", self._follow, name)
            if complaint is not None:
                raise Failed(f"{name} did not take its configuration again: {complaint}")
        self._bare.clear()

    def _follow(self) -> Callable[[], None]:
        self._has_told = True
        return Standstill(self._suite, self._daemons).end

    def _await_connection(self) -> None:
        """Wait until the daemon of static routes has found the one that installs them."""
        deadline = time.monotonic() + _CONNECT_SECONDS
        while "static" not in vtysh.ask(self._suite.manager, "show zebra client summary"):
            if self._daemons.one_died() or time.monotonic() > deadline:
                raise Failed(
                    f"{self._suite.statics} found no way to {self._suite.manager} in {_CONNECT_SECONDS:g} s"
                )
            time.sleep(0.02)

    def _mend(self, deaths: list[Death]) -> None:
        began = time.monotonic()
        what = " and ".join(str(death) for death in deaths)
        names = [death.child.daemon.name for death in deaths]
        self._bare |= set(names)
        # Also one that died before, if it could not be given its lines because of these.
        vital = not self._suite.core.isdisjoint(self._bare)
        self._repairs.note(what)
        # First of all: the routes of a daemon that died may be on their way out of the kernel.
        if vital:
            self._hold()
        facts = {**self._repairs.error, "daemons": self._daemons.facts}
        self._status.write(f"{what} and is being brought back", facts)
        for death in deaths:
            if death.child.hopeless:
                raise Hopeless(f"{death}, and that {DEATHS} times within a minute")
        self._end_those_that_depend(names)
        if vital:
            self._bring_up()
        else:
            self._bring_back()
        self._repairs.daemons += len(deaths)
        self._mended = f"{what} and was brought back in {time.monotonic() - began:.1f} s"
        self._mended_until = time.monotonic() + _SEEN_SECONDS
        self._hush()

    def _take(self, content: bytes) -> None:
        """Make the configuration in the mounted file the one that is run, or go on with the one that is."""
        self._due, self._try_again_at = 0.0, math.inf
        name = hash_of(content)
        if name == self._wanted.hash:
            self._refused = None
            return
        began = time.monotonic()
        refused_before = self._refused is not None and self._refused["hash"] == name
        try:
            # A daemon that dies on the way is noticed too late to have the twins of its routes put then. What
            # was refused is most likely refused again, as long as it is there.
            if not refused_before:
                self._stand_by(name)
            wanted = admission.judge(content, self._suite, self._node, self._mounted.private)
            if refused_before:
                self._stand_by(name)
        except (Refused, Failed) as error:
            self._try_again_at = time.monotonic() + self._seconds
            self._refuse(name, error)
            return
        try:
            self._change(self._wanted, wanted)
        except Hopeless:
            raise
        except (Refused, Failed) as error:
            self._go_back(wanted)
            self._refuse(name, error)
        else:
            self._took(wanted, time.monotonic() - began)
        self._hush()

    def _stand_by(self, name: str) -> None:
        """The next look takes back what is put into the kernel for the time of a change, and says so."""
        self._status.note({"changing": name})
        holding.stand_by(self._suite)

    def _change(self, old: Configuration, new: Configuration) -> None:
        change = Change(self._suite, self._daemons, self._follow, old, new)
        if change.needs_new_daemons:
            self._start_anew(new)
        else:
            self._make(change)
        for changed in forwarding.enforce(new.forwarding, new.interfaces):
            say(f"set {changed}")
        for name in change.end_needless():
            say(f"{name} is not needed any more")

    def _make(self, change: Change) -> None:
        for _ in range(_TRIES):
            try:
                change.make()
            except Interrupted:
                self._daemons.reap()
                change.drop_started()
                if deaths := self._daemons.take_deaths():
                    self._mend(deaths)
            else:
                return
        raise Failed(f"daemons died {_TRIES} times while the configuration was being changed")

    def _go_back(self, refused: Configuration) -> None:
        try:
            self._change(refused, self._wanted)
        except Hopeless:
            raise
        except (Refused, Failed) as error:
            say(f"starting all daemons anew, for the way back was not taken: {error}")
            self._start_anew(self._wanted)

    def _start_anew(self, wanted: Configuration) -> None:
        """Hand a configuration to fresh daemons; static routes stay in the kernel meanwhile."""
        self._hold()
        for name in self._daemons.running:
            self._daemons.kill(name)
        self._daemons.take_deaths()
        self._hold()
        self._daemons.add(self._suite.needed(wanted.text))
        self._bare = set(self._daemons.children)
        integrated.write(self._suite, wanted)
        self._bring_up()

    def _refuse(self, name: str, error: Exception) -> None:
        refused = {"hash": name, "reason": str(error)}
        if refused != self._refused:
            self._repairs.note(f"refused the configuration {name[:16]}: {error}")
            say(f"refused the configuration {name[:16]}, {self._wanted.hash[:16]} stays: {error}")
        self._refused = refused

    def _took(self, wanted: Configuration, seconds: float) -> None:
        told = story.of_change(self._wanted, wanted)
        self._want(wanted)
        integrated.write(self._suite, wanted)
        self._refused = None
        self._last_change = {
            "hash": wanted.hash,
            "at": now(),
            "seconds": round(seconds, 3),
            "added": len(told.came),
            "removed": len(told.went),
        }
        say(f"changed to {wanted.hash[:16]} in {seconds:.2f} s: {told}")

    def _look(self) -> bool:
        """Compare with the kernel, mend what can be mended, and report; tells whether all is well."""
        present = kernel.routes()
        seen = sight.look(self._suite, self._wanted, present, self._daemons.running)
        if self._daemons.one_died():
            # Its routes are on their way out of the kernel, and their twins have to stay.
            return False
        self._settle(seen, present)
        repaired = False
        if self._settling_until is None:
            repaired = self._repair(seen)
            self._keep_forwarding()
        if not seen.comparison.missing:
            numbers = self._suite.static_protocols
            self._memory.keep([route for route in present if route.protocol in numbers])
        # The file may change again at any moment, and what is said of it has to go together.
        wanted_hash = self._mounted.hash() or self._wanted.hash
        why = reason(self._observe(seen, wanted_hash))
        self._status.write(why, self._facts(seen, wanted_hash))
        return why is None and not repaired

    def _repair(self, seen: Sight) -> bool:
        found = seen.comparison
        returned, self._deleted = self._deleted - found.missing_prefixes, set()
        self._repairs.note_returned(sorted(returned, key=str))
        done = True
        with self._unless_one_dies():
            done = self._repairs.mend(found, self._wanted, self._memory.routes)
        if done:
            self._hush()
        return done

    def _settle(self, seen: Sight, present: list[KernelRoute]) -> None:
        """Decide whether routes are still coming in; once they are not, those that were kept for them go."""
        if self._settling_until is None:
            self._relearning.release(self._wanted.text, present)
            return
        found = seen.comparison
        missing = len(found.missing)
        if missing < self._missing:
            self._settling_until = time.monotonic() + _SETTLE_SECONDS
        self._missing = missing
        if missing and time.monotonic() < self._settling_until:
            return
        self._settling_until = None
        say(f"{found.installed} of {found.wanted} routes are in the kernel")
        self._relearning.release(self._wanted.text, present)
        self._hush()

    def _keep_forwarding(self) -> None:
        try:
            changes = forwarding.enforce(self._wanted.forwarding, self._wanted.interfaces)
        except Refused as error:
            # Only the node's owner can set it again; ending the routes would help nobody.
            self._repairs.note(str(error))
            return
        for change in changes:
            told = f"forwarding was changed behind our back; set {change} again"
            self._repairs.note(told)
            say(told)

    def _observe(self, seen: Sight, wanted_hash: str) -> Observation:
        return Observation(
            node=self._node,
            comparison=seen.comparison,
            settling=self._settling_until is not None,
            mended=self._mended if time.monotonic() < self._mended_until else "",
            wanted_hash=wanted_hash,
            applied_hash=self._wanted.hash,
            refused=self._refused,
            forwarding=seen.differing,
            stuck=seen.stuck,
        )

    def _facts(self, seen: Sight, wanted_hash: str) -> dict[str, object]:
        return {
            "wanted_hash": wanted_hash,
            "applied_hash": self._wanted.hash,
            "daemons": self._daemons.facts,
            **seen.facts,
            "repairs": self._repairs.counts,
            "refused": refusal_of(wanted_hash, self._refused),
            "last_change": self._last_change,
            **self._repairs.error,
            "settling": self._settling_until is not None,
            "mended": self._mended if time.monotonic() < self._mended_until else "",
            "changing": None,
        }

    def _pause(self, quiet: bool, cost: float) -> float:
        """Seconds until the next look; with many routes a look costs much, and comes less often."""
        if self._settling_until is not None:
            return max(_QUICK, 2 * cost)
        # A refusal does not go away by being looked at.
        calm = not self._relearning.left and (quiet or self._refused is not None)
        return self._seconds if calm else min(self._seconds, max(_ATTENTIVE, 5 * cost))
