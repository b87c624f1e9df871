"""How many requests each operation makes of the API server, as that itself has written down."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TextIO

from lab import control

AGENT = "cloudify-quagga-plugin"
_TOLD = re.compile(
    r"^(\S+ \S+)  CFY <\S+> \[(\S+)\] Task (started|succeeded|failed|rescheduled) "
    r"'cloudify_quagga\.operations\.(\w+\.\w+)'( \[retry )?",
    re.MULTILINE,
)
# Cloudify cuts off what is less.
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Operation:
    """One that a workflow told of, such as `router.start`, with the beginning and the end of each try."""

    name: str
    tries: list[tuple[datetime, datetime]] = field(default_factory=list)

    def made(self, moments: Sequence[datetime]) -> int:
        """How many of the requests that came at these moments were made by it, in all its tries."""
        return sum(began <= moment <= ended for began, ended in self.tries for moment in moments)


def operations(said: str) -> list[Operation]:
    """Those that `cfy` told of, in the order of their beginnings."""
    found: list[Operation] = []
    latest: dict[tuple[str, str], Operation] = {}
    began: dict[tuple[str, str], datetime] = {}
    for moment, task, deed, name, again in _TOLD.findall(said):
        # Cloudify writes UTC, and does not say so.
        when = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc)
        if deed != "started":
            latest[task, name].tries.append((began[task, name], when + _MILLISECOND))
            continue
        began[task, name] = when
        if not again:
            latest[task, name] = Operation(name)
            found.append(latest[task, name])
    return found


@contextmanager
def counted(noted: dict[str, list[float]], only: str = "") -> Iterator[list[str]]:
    """Note the requests of each operation in what `cfy` said, which the block appends.

    :param only: the one operation, by its end, that is to be noted, where others are in an unusual plight.
    """
    said: list[str] = []
    with control.audit_log().open() as log:
        log.seek(0, os.SEEK_END)
        yield said
        # What has been answered is in the log: the API server writes a request down first.
        moments = [moment for line in _lines(log) for moment in received(line)]
    for one in operations("".join(said)):
        if one.name.endswith(only):
            noted.setdefault(one.name, []).append(float(one.made(moments)))


def received(line: str) -> Iterator[datetime]:
    """When the API server received the request of ours that a line of its audit log begins, if it does."""
    entry = json.loads(line)
    if entry["stage"] == "RequestReceived" and entry.get("userAgent") == AGENT:
        yield datetime.fromisoformat(entry["requestReceivedTimestamp"].replace("Z", "+00:00"))


def _lines(log: TextIO) -> Iterator[str]:
    """The whole lines since then, also where the API server has meanwhile begun another log."""
    yield from (line for line in log if line.endswith("\n"))
    if not os.path.samestat(os.fstat(log.fileno()), control.audit_log().stat()):
        yield from control.audit_log().read_text().splitlines()
