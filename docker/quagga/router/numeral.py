"""A number as an environment variable or an argument has it."""

from __future__ import annotations

import re
from typing import Final

# With as many zeros before it as somebody likes, but not so many digits that reading them takes long.
_NUMERAL: Final = re.compile(r"0{0,80}[1-9][0-9]{0,8}")


def numeral(text: str, largest: int) -> int | None:
    """A whole number from 1 to the largest; None where the text is none."""
    if not _NUMERAL.fullmatch(text):
        return None
    number = int(text)
    return number if number <= largest else None
