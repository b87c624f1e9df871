"""Words of others (a parser's, an author's keys) made fit to stand within one sentence of ours."""

from __future__ import annotations

_LONGEST = 600
_SHOWN_AT_EACH_END = 290


def legible(words: object) -> str:
    """One printable line; what is too long loses its middle, as a path's end tells most."""
    line = " ".join(str(words).split())
    if len(line) > _LONGEST:
        line = f"{line[:_SHOWN_AT_EACH_END]} ... {line[-_SHOWN_AT_EACH_END:]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)
