"""Writes docs/refusals.md from the code: with what words a value is refused, and what would be right."""

from __future__ import annotations

from collections.abc import Iterator

from packing.plugin import PROJECT
from packing.sentences import HOLE, IMAGE, PLUGIN, SOURCES, Source

PAGE = PROJECT / "docs" / "refusals.md"
_HEAD = """\
# Refusals

Made from the code by `make reference`; a test keeps it true. Such a sentence begins with the path of a value
and the value itself, `routes[2].prefix: 10.0.0.5/24`, and ends in words that are listed here, by what it is
about; `[...]` stands for one name or value. The end says what is wrong with the value or what would be right.
What else can go wrong is in [troubleshooting.md](troubleshooting.md).
"""
_PARTS = {PLUGIN: "What the plugin refuses", IMAGE: "What the image refuses, whoever starts it"}


def text() -> str:
    """The page as it has to be."""
    return "\n".join([_HEAD, *(line for tree, title in _PARTS.items() for line in _part(tree, title))])


def _part(tree: str, title: str) -> Iterator[str]:
    yield f"## {title}\n"
    for source in SOURCES[tree]:
        if endings := _endings(source):
            yield f"### {source.subject}\n"
            yield "\n".join(f"- {one}" for one in endings) + "\n"


def _endings(source: Source) -> list[str]:
    """In the order in which the file says them, once each."""
    said = sorted((one for one in source.refusals() if one.has_words), key=lambda one: one.line)
    return list(dict.fromkeys(one.template.replace(HOLE, "[...]") for one in said))
