"""The life of a router: it is admitted, it starts and is watched, and it ends in order."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from router import admission, integrated, metrics, namespace, withdrawal
from router.daemons import Daemons
from router.ending import Failed, Refused, StopAsked
from router.journal import now, say
from router.signals import Signals
from router.status import Status
from router.suite import Suite
from router.watch import Watch


class Supervisor:
    """One router, from its first check to its last words."""

    def __init__(self, suite: Suite, environment: Mapping[str, str], signals: Signals) -> None:
        self._suite = suite
        self._environment = environment
        self._signals = signals
        self._node = environment.get("QUAGGA_NODE") or socket.gethostname()
        self._status = Status()
        self._lock: socket.socket | None = None
        self._daemons: Daemons | None = None

    def live(self) -> str:
        """Run until somebody asks for the end; returns the last words."""
        try:
            self._run()
        except StopAsked as asked:
            say(f"stopping, asked by {asked}")
            return self._stop()
        except (Refused, Failed) as error:
            self._say_unready(str(error), last_error=str(error), last_error_at=now())
            self._leave_routes()
            raise
        raise AssertionError("a router ends by being asked to or by an error")

    def _run(self) -> None:
        self._signals.hear()
        self._say_unready(
            "the router is starting", suite=self._suite.version(), node=self._node, applied_hash=None
        )
        seconds = admission.check_seconds(self._environment)
        offered = metrics.endpoint(self._environment)
        wanted = admission.accepted_configuration(self._environment, self._suite)
        self._say_unready("the router is starting", wanted_hash=wanted.hash)
        self._lock = namespace.lock()
        namespace.refuse_strangers()
        admission.refuse_missing_interfaces(wanted, self._node)
        admission.refuse_taken_ports(wanted, self._suite, self._node)
        if offered is not None:
            metrics.serve(offered, lambda: self._status.content)
            say(f"metrics are offered at http://{offered.host}:{offered.port}/metrics")
        self._daemons = Daemons(self._suite, self._suite.needed(wanted.text))
        self._daemons.prepare()
        integrated.write(self._suite, wanted)
        watch = Watch(self._suite, wanted, self._daemons, self._status, self._node, seconds)
        watch.run(self._signals)

    def _stop(self) -> str:
        self._say_unready("the router is stopping")
        if self._daemons is not None:
            return withdrawal.stop(self._suite, self._daemons)
        if self._lock is not None:
            self._lock.close()
        return withdrawal.stop_before_the_start(self._suite)

    def _leave_routes(self) -> None:
        """End so that the next life of this router finds the routes where they are."""
        if self._daemons is None:
            return
        names = self._daemons.running
        for name in sorted(names, key=lambda name: name != self._suite.manager):
            self._daemons.kill(name)

    def _say_unready(self, why: str, **facts: object) -> None:
        self._status.write(why, facts)
