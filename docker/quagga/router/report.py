"""What a router says of itself when somebody asks: its status, compared with the kernel at this moment."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from router import configuration, kernel, sight
from router.configuration import Configuration
from router.ending import Failed
from router.mounted import Mounted
from router.readiness import Observation, reason, refusal_of
from router.status import FOLDER
from router.suite import Suite

SUPERVISOR: Final = 1
_PATIENCE: Final = 20.0
_PAUSE: Final = 0.2
_EMPTY: Final[Mapping[str, Any]] = {
    "node": None,
    "suite": None,
    "ready": False,
    "reason": "the router has not started yet",
    "updated": None,
    "wanted_hash": None,
    "applied_hash": None,
    "daemons": {},
    "routes": {
        "wanted": 0,
        "installed": 0,
        "missing": [],
        "unexpected": [],
        "missing_count": 0,
        "unexpected_count": 0,
    },
    "forwarding": {"ipv4": False, "ipv6": False},
    "forwarding_differs": [],
    "forwarding_switched": [],
    "repairs": {"daemons": 0, "routes": 0},
    "refused": None,
    "last_change": None,
    "last_error": None,
    "last_error_at": None,
    "protocols": {},
}
_INTERNAL: Final = ("settling", "mended", "changing")


@dataclass(frozen=True)
class Reporter:
    """Where a report comes from."""

    suite: Suite
    status: Path = FOLDER / "status.json"
    mounted: Mounted = field(default_factory=Mounted)

    def report(self) -> dict[str, Any]:
        """The report; every key is there, whatever the router is doing."""
        known = {**_EMPTY, **self.written()}
        applied = self._applied(known)
        if applied is not None:
            known |= self._seen_now(known, applied)
        else:
            known["wanted_hash"] = self.mounted.hash() or known["wanted_hash"]
        return {key: value for key, value in known.items() if key not in _INTERNAL}

    def written(self) -> dict[str, Any]:
        """What the supervisor wrote last; empty before it has written anything."""
        try:
            found = json.loads(self.status.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise self._spoilt() from error
        if not self._is_status(found):
            raise self._spoilt()
        status: dict[str, Any] = found
        return status

    def _is_status(self, found: object) -> bool:
        """Whether it has the shape on which a report relies; the supervisor writes no other."""
        if not isinstance(found, dict):
            return False
        daemons, refused = found.get("daemons", {}), found.get("refused")
        known = {daemon.name for daemon in self.suite.daemons}
        return (
            isinstance(daemons, dict)
            and daemons.keys() <= known
            and all(isinstance(facts, dict) and "pid" in facts for facts in daemons.values())
            and (refused is None or (isinstance(refused, dict) and {"hash", "reason"} <= refused.keys()))
        )

    def _spoilt(self) -> Failed:
        return Failed(f"{self.status} is not as the router writes it, which it does at each of its looks")

    def _applied(self, known: Mapping[str, Any]) -> Configuration | None:
        """What the daemons were given, or are about to be when they all start anew."""
        if known["applied_hash"] is None:
            return None
        try:
            return configuration.decode(self.suite.configuration_file.read_bytes())
        except OSError as error:
            raise Failed(f"{self.suite.configuration_file}: {error.strerror}") from error

    def _seen_now(self, known: Mapping[str, Any], applied: Configuration) -> dict[str, Any]:
        running = [name for name, facts in known["daemons"].items() if facts["pid"] is not None]
        seen = sight.look(self.suite, applied, kernel.routes(), running)
        observation = Observation(
            node=known["node"],
            comparison=seen.comparison,
            settling=bool(known.get("settling")),
            mended=known.get("mended") or "",
            wanted_hash=self.mounted.hash() or known["wanted_hash"],
            applied_hash=applied.hash,
            refused=known["refused"],
            forwarding=seen.differing,
            stuck=seen.stuck,
        )
        why = _dead(running, known) or _under_way(known) or reason(observation)
        return {
            **seen.facts,
            "wanted_hash": observation.wanted_hash,
            "refused": refusal_of(observation.wanted_hash, known["refused"]),
            "applied_hash": applied.hash,
            "ready": why is None,
            "reason": why,
        }


def mend(reporter: Reporter) -> tuple[bool, dict[str, Any]]:
    """Ask the supervisor to compare and mend now; tells whether all is well, and the report that says so."""
    deadline = time.monotonic() + _PATIENCE
    os.kill(SUPERVISOR, signal.SIGHUP)
    while True:
        found = reporter.report()
        well = is_well(found)
        if well or time.monotonic() > deadline:
            return well, found
        time.sleep(_PAUSE)


def is_well(report: Mapping[str, Any]) -> bool:
    """Everything is as it is wanted."""
    routes = report["routes"]
    return (
        report["applied_hash"] is not None
        and not routes["missing_count"]
        and not routes["unexpected_count"]
        and not report["forwarding_differs"]
        and all(facts["pid"] is not None for facts in report["daemons"].values())
    )


def _under_way(known: Mapping[str, Any]) -> str | None:
    """Whichever file is mounted by now, and whatever the daemons have: it ends with a look at the kernel."""
    changing = known.get("changing")
    if not changing:
        return None
    return (
        f"the configuration is being changed from {str(known['applied_hash'])[:16]} to {str(changing)[:16]}"
    )


def _dead(running: list[str], known: Mapping[str, Any]) -> str | None:
    for name in running:
        pid = known["daemons"][name]["pid"]
        if not Path(f"/proc/{pid}").exists():
            return f"{name} (pid {pid}) does not run"
    return None
