"""What a change was, in one line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from router.configuration import Configuration
from router.secrecy import masked

_NAMED: Final = 3
_ROUTE: Final = re.compile(r"ip(v6)? route ")
_SAYS_NOTHING: Final = frozenset({"", "!", "exit", "exit-address-family", "end"})


@dataclass(frozen=True)
class Story:
    """The lines that came and those that went."""

    came: tuple[str, ...]
    went: tuple[str, ...]
    private: bool = False
    """Nothing but static routes is shown of it."""

    def __str__(self) -> str:
        return f"{self._told(self.came)} came; {self._told(self.went)} went"

    def _told(self, lines: Sequence[str]) -> str:
        shown = [masked(line) for line in lines if _ROUTE.match(line) or not self.private][:_NAMED]
        more = f" and {len(lines) - len(shown)} more" if shown and len(lines) > len(shown) else ""
        named = f" ({', '.join(shown)}{more})" if shown else ""
        return f"{len(lines)} {'line' if len(lines) == 1 else 'lines'}{named}"


def of_change(old: Configuration, new: Configuration) -> Story:
    """The story of the change from one configuration to another."""
    before, after = _lines(old.text), _lines(new.text)
    came, went = tuple((after - before).elements()), tuple((before - after).elements())
    return Story(came, went, old.private or new.private)


def _lines(text: str) -> Counter[str]:
    return Counter(line for each in text.split("\n") if (line := each.strip()) not in _SAYS_NOTHING)
