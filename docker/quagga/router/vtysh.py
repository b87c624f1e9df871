"""The suite's own shell: it judges a configuration, and hands it to the daemons."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from router.command import Result, attempt
from router.ending import Failed, Refused

_TRIES: Final = 20
_PAUSE: Final = 0.25
_LOCKED: Final = re.compile(r"datastore.*lock|lock.*datastore", re.IGNORECASE)
_COMPLAINT: Final = re.compile(
    r"^(?:line \d+: )?%.*|.*\bfailed\b.*|.*\berror\b.*", re.IGNORECASE | re.MULTILINE
)


def refuse_faults(path: Path) -> None:
    """Have the suite read a configuration and do nothing with it; what it does not understand is refused."""
    result = attempt(["vtysh", "-C", "-f", str(path)])
    if result.status != 0:
        said = [line for line in result.text.splitlines() if line.startswith("line ")]
        raise Refused(f"frr.conf {said[0] if said else result.text or f'vtysh ended with {result.status}'}")


def load() -> None:
    """Hand the integrated configuration to all daemons that run."""
    for _ in range(_TRIES):
        result = attempt(["vtysh", "-b"], seconds=600)
        complaint = complaint_in(result)
        if complaint is None:
            return
        if not _LOCKED.search(result.text):
            break
        time.sleep(_PAUSE)
    raise Failed(f"the configuration was not taken: {complaint}")


def reinstall(lines: Iterable[str], draft: Path) -> str | None:
    """Have lines taken back and given again; returns the complaint if there is one."""
    kept = list(lines)
    for commands in ([f"no {line}" for line in kept], kept):
        draft.write_text("\n".join([*commands, ""]))
        complaint = complaint_in(attempt(["vtysh", "-f", str(draft)], seconds=600))
        if complaint is not None:
            return complaint
    return None


def complaint_in(result: Result) -> str | None:
    """The line with which vtysh says that something was not taken; it may do so and still exit with 0."""
    found = _COMPLAINT.search(result.text)
    if found is not None:
        return found.group(0).strip()
    return None if result.status == 0 else f"vtysh ended with {result.status}"


def ask(daemon: str, question: str) -> str:
    """One command to one daemon, and its answer."""
    return attempt(["vtysh", "-d", daemon, "-c", question]).text
