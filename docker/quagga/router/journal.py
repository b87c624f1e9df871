"""The log: one readable line per event, on standard output."""

from __future__ import annotations

import sys
from datetime import datetime, timezone


def now() -> str:
    """The time as RFC 3339 has it, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(event: str) -> None:
    """Write one line about one event."""
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(f"{moment} router: {' '.join(event.split())}", flush=True)


def survive_odd_characters() -> None:
    """A byte of the environment that is no UTF-8 must not end the router while it complains about it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
