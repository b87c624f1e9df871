"""Words of others (a parser's, an author's keys) made fit to stand within one sentence of ours."""

from __future__ import annotations

import re
from collections.abc import Callable

_LONGEST = 600
_SHOWN_AT_EACH_END = 290


def legible(words: object) -> str:
    """One printable line; what is too long loses its middle, as a path's end tells most."""
    line = " ".join(str(words).split())
    if len(line) > _LONGEST:
        line = f"{line[:_SHOWN_AT_EACH_END]} ... {line[-_SHOWN_AT_EACH_END:]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d[\d.]*""")


def unquoted(words: str, keeps: Callable[[str], bool]) -> str:
    """The words without what they quote and count, which may be what nobody is to see.

    :param keeps: tells which quotation, its quotes included, or number is known to be none of that.
    """
    return _QUOTED.sub(lambda found: found[0] if keeps(found[0]) else "...", words)
