"""A command, and beside it the moment from which on that is so which it was given for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench import node
from tests.lab import warm

Command = subprocess.Popen[str] | warm.Command
_LONGEST = 300.0


@dataclass(frozen=True)
class Took:
    """Seconds since the command was given.

    :param there: until what it was given for was so.
    :param ended: until its own end.
    :param said: what it printed.
    """

    there: float
    ended: float
    said: str


def watched(start: Callable[[], Command], holds: Callable[[], bool]) -> Took:
    """Start it, and look at once and again whether it holds; the command has to end well."""
    began = time.monotonic()
    with start() as command, ThreadPoolExecutor(1) as aside:
        end = aside.submit(_ended, command)

        def holds_at_last() -> bool:
            if end.done():
                # What failed is not waited for.
                end.result()
            return holds()

        there = node.seconds_until(holds_at_last, began)
        ended, said = end.result()
    return Took(there, ended - began, said)


def _ended(command: Command) -> tuple[float, str]:
    said, _ = command.communicate(timeout=_LONGEST)
    ended = time.monotonic()
    if command.returncode != 0:
        raise RuntimeError(f"{command.args!r} ended with {command.returncode}:\n{said}")
    return ended, said
