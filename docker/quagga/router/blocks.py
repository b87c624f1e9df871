"""The lines that are no static routes: how the daemons get from one text to another.

FRR's own frr-reload.py knows what has to be taken back before what can be given. It is only asked, for it
would take a static route back before it gives another. Its answer is carried out as it would do itself: what
goes is taken back with one word less until the daemon understands, then everything new is given, and given
again where taking something back took more along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from router import vtysh
from router.command import attempt
from router.configuration import Configuration
from router.ending import Refused
from router.secrecy import masked
from router.status import FOLDER

RELOADER: Final = Path("/usr/lib/frr/frr-reload.py")

# Static routes are changed beside these lines, forwarding by the supervisor, who can set it back.
_LEFT_OUT: Final = re.compile(r"(no )?(ip|ipv6) (route |forwarding$)")
_INTERFACE: Final = re.compile(r"interface \S+")
_SECTION: Final = re.compile(r"^Lines To (Delete|Add)\n=+\n", re.MULTILINE)
_FEWEST_WORDS: Final = 2


@dataclass(frozen=True)
class Plan:
    """What frr-reload.py would do."""

    away: tuple[tuple[str, ...], ...]
    """Commands to be taken back, each behind those that lead to its context."""
    new: tuple[str, ...]
    """Lines to be given; among them are some that take back what stood in their place."""

    @property
    def given(self) -> list[str]:
        """The lines that may be given twice."""
        return [line for line in self.new if not line.startswith("no ")]

    @property
    def removes(self) -> bool:
        """It takes something back, and maybe more than it should."""
        return bool(self.away) or len(self.given) < len(self.new)


def others(text: str) -> str:
    """The text without the lines that are changed in another way."""
    return "\n".join(line for line in text.split("\n") if not is_left_out(line))


def is_left_out(line: str) -> bool:
    """The line is of a static route or of forwarding."""
    return bool(_LEFT_OUT.match(line.strip()))


def differ(old: str, new: str) -> bool:
    """Anything but static routes and forwarding differs."""
    return _lines(others(old)) != _lines(others(new))


def change(old: Configuration, new: Configuration, follow: vtysh.Follower) -> None:
    """Bring the daemons from one configuration to another.

    :param follow: how they are watched while they are given lines.
    :raises Refused: with the daemon's own line, where one of them did not take what it was given.
    """
    target = _with_interfaces_of(others(old.text), others(new.text))
    plan = _plan(others(old.text), target)
    kept = [words for words in plan.away if _take_back(words, follow) is not None]
    complaint = _give(plan.new, follow) if plan.new else None
    if plan.removes or complaint is not None:
        again = _plan(others(vtysh.running()), target)
        complaint = _give([*again.given, *plan.given], follow)
        stubborn = [words for words in again.away if words in kept]
        if stubborn:
            what = "what they should" if old.private else f"'{masked(' / '.join(stubborn[0]))}'"
            raise Refused(f"the daemons did not do {what}")
    if complaint is not None:
        raise Refused(f"the daemons said: {complaint}")


def _give(lines: Iterable[str], follow: vtysh.Follower) -> str | None:
    return vtysh.give(lines, FOLDER / "lines.conf", follow)


def _take_back(words: tuple[str, ...], follow: vtysh.Follower) -> str | None:
    """As much of a command as is understood; returns the first complaint where nothing is."""
    *context, command = words
    first: str | None = None
    while True:
        # A file, for the arguments of a process can be read by everybody on the node.
        complaint = _give([*context, command], follow)
        if complaint is None:
            return None
        first = first or complaint
        if len(command.split()) <= _FEWEST_WORDS:
            return first
        command = command.rpartition(" ")[0]


def _plan(old: str, new: str) -> Plan:
    drafts = FOLDER / "from.conf", FOLDER / "to.conf"
    try:
        for path, text in zip(drafts, (old, new), strict=True):
            vtysh.write_privately(path, text)
        result = attempt([str(RELOADER), "--test", "--log-level", "error", "--input", *map(str, drafts)])
    finally:
        for path in drafts:
            path.unlink(missing_ok=True)
    if result.status != 0:
        said = result.text.splitlines()
        raise Refused(f"frr-reload.py: {masked(said[-1]) if said else f'exit status {result.status}'}")
    return read_plan(result.output)


def read_plan(printed: str) -> Plan:
    """What `frr-reload.py --test` printed."""
    _, *parts = _SECTION.split(printed)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    return Plan(tuple(_commands(sections.get("Delete", ""))), tuple(_body(sections.get("Add", ""))))


def _body(section: str) -> list[str]:
    return [line for line in section.split("\n") if line.strip()]


def _commands(section: str) -> Iterable[tuple[str, ...]]:
    words: list[str] = []
    for line in _body(section):
        if line.strip() == "exit":
            continue
        if not line.startswith(" ") and words:
            yield tuple(words)
            words = []
        words.append(line.strip())
    if words:
        yield tuple(words)


def _with_interfaces_of(old: str, new: str) -> str:
    """The new text, and an empty block for each interface that is left: only its lines can be deleted."""
    there = set(_lines(new))
    gone = [line for line in _lines(old) if _INTERFACE.fullmatch(line) and line not in there]
    blocks = "".join(f"{line}\nexit\n!\n" for line in dict.fromkeys(gone))
    body, end, rest = new.rpartition("\nend\n")
    return f"{body}\n{blocks}{end.lstrip()}{rest}" if end else f"{new}\n{blocks}"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip() not in ("", "!")]
