"""What a change was, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from router.secrecy import masked

_NAMED: Final = 3
_SAYS_NOTHING: Final = frozenset({"", "!", "exit", "exit-address-family", "end"})


@dataclass(frozen=True)
class Story:
    """The lines that came and those that went."""

    came: tuple[str, ...]
    went: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_told(self.came, 'came')}; {_told(self.went, 'went')}"


def of_change(old: str, new: str) -> Story:
    """The story of the change from one text to another."""
    before, after = _lines(old), _lines(new)
    return Story(tuple((after - before).elements()), tuple((before - after).elements()))


def _lines(text: str) -> Counter[str]:
    return Counter(line for each in text.split("\n") if (line := each.strip()) not in _SAYS_NOTHING)


def _told(lines: Sequence[str], verb: str) -> str:
    named = ", ".join(masked(line) for line in lines[:_NAMED])
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return (
        f"{len(lines)} {'line' if len(lines) == 1 else 'lines'} {verb}{f' ({named}{more})' if lines else ''}"
    )
