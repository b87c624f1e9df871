"""The suite's own shell: it judges a configuration, and hands it to the daemons."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from router.command import Result, attempt, output_of
from router.ending import Failed, Refused
from router.secrecy import masked

_LOADING_SECONDS: Final = 600
_COMPLAINT: Final = re.compile(r"^(?:line \d+: )?%.*|.*\bfailed\b.*|.*\berror\b.*", re.IGNORECASE)
# What has gone already need not be removed.
_HARMLESS: Final = "Refusing to remove a non-existent route"
_PROGRESS: Final = re.compile(
    r"\[\d+\|\w+\] |Waiting for children"
    # Said every 0.1 s by vtysh of FRR 10, which waits for it and then hands over everything.
    r"|% Can't enter config; \w+ datastore locked by another session$"
)
_ECHO: Final = re.compile(r"(% \w+ \w+)\b.*", re.DOTALL)
# What vtysh says itself, beside what the daemons say.
_OWN: Final = re.compile(r"line \d+: |Configuration file\[")
_NUMBER: Final = re.compile(r"^line \d+: ")
_COMMIT_FAILED: Final = "% Configuration failed."

Follower = Callable[[], Callable[[], None]]
"""Asked once for each try: returns what is called again and again during it, and ends it by raising."""


def refuse_faults(path: Path, private: bool = False) -> None:
    """Have the suite read a configuration and do nothing with it; what it does not understand is refused.

    :param private: the lines of the configuration are not shown.
    """
    result = attempt(["vtysh", "-C", "-f", str(path)])
    if result.status != 0:
        said = [line for line in result.text.splitlines() if line.startswith("line ")]
        complaint = said[0] if said else result.text or f"vtysh ended with {result.status}"
        shown = _ECHO.sub(r"\1", complaint) if private else masked(complaint)
        raise Refused(f"frr.conf {shown}")


def load(follow: Follower) -> None:
    """Hand the integrated configuration to all daemons that run."""
    complaint = _told(["-b"], follow)
    if complaint is not None:
        raise Failed(f"the configuration was not taken: {complaint}")


def give(
    lines: Iterable[str],
    draft: Path,
    follow: Follower,
    daemon: str | None = None,
) -> str | None:
    """Hand lines to the daemons, or to one of them, in one commit; returns the complaint if there is one."""
    only = [] if daemon is None else ["-d", daemon]
    write_privately(draft, "\n".join([*lines, ""]))
    try:
        complaint = _told([*only, "-f", str(draft)], follow)
    finally:
        draft.unlink(missing_ok=True)
    return None if complaint is None else _NUMBER.sub("", complaint)


def reinstall(lines: Sequence[tuple[str, str]], draft: Path, follow: Follower, daemon: str) -> str | None:
    """Have lines taken back and given again; returns the complaint if there is one.

    :param lines: what takes each line back, and the line.
    """
    away = give((removal for removal, _ in lines), draft, follow, daemon)
    return give((line for _, line in lines), draft, follow, daemon) or away


def running(daemon: str | None = None) -> str:
    """The configuration that the daemons have."""
    only = [] if daemon is None else ["-d", daemon]
    return output_of(["vtysh", *only, "-c", "show running-config no-header"])


def complaint_in(result: Result) -> str | None:
    """What vtysh says when something was not taken; it may do so and still exit with 0."""
    lines = [line.strip() for line in result.text.splitlines()]
    lines = [line for line in lines if line and not _PROGRESS.match(line)]
    for index, line in enumerate(lines):
        if line == _COMMIT_FAILED and lines[index + 1 :]:
            return f"% {masked(lines[index + 1])}"
        if _COMPLAINT.match(line) and _HARMLESS not in line:
            return masked(line)
    if result.status == 0:
        return None
    said = [line for line in lines if not _OWN.match(line)]
    return masked("; ".join(said[-2:])) or f"vtysh ended with {result.status}"


def ask(daemon: str, question: str) -> str:
    """One command to one daemon, and its answer."""
    return attempt(["vtysh", "-d", daemon, "-c", question]).text


def write_privately(path: Path, text: str) -> None:
    """Write what may hold passwords."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _told(arguments: Sequence[str], follow: Follower) -> str | None:
    """Run vtysh; returns its complaint."""
    return complaint_in(attempt(["vtysh", *arguments], seconds=_LOADING_SECONDS, meanwhile=follow()))
