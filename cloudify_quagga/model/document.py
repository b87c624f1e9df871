"""Data of the author's own shape, as far as JSON can hold it: a manifest, the variables of a template."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudify_quagga.model.given import Given

# Deeper than any schema in use, and far from the end of Python's stack.
DEEPEST = 100
# One request to an API server is at most 3 MiB; a hundred thousand values do not fit into it.
MOST_VALUES = 100_000
# Of characters, in one text or in all of them together.
LONGEST = 4 * 1024 * 1024
INTEGERS = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True)
class Document:
    """A frozen map or list, compared by what it says and not by the order of its keys."""

    json: str

    @classmethod
    def parse(cls, given: Given) -> Document:
        """From a map or a list."""
        if not isinstance(given.value, (Mapping, list, tuple)):
            raise given.refused("is neither a map nor a list")
        return cls(json.dumps(plain(given), sort_keys=True))

    @property
    def data(self) -> Any:  # noqa: ANN401  its shape is the author's
        """A copy of one's own."""
        return json.loads(self.json)


def plain(given: Given) -> Any:  # noqa: ANN401  JSON's own types, whichever they are
    """A copy that shares nothing, of JSON's types only; what has no such form is refused with its path."""
    return _Copy(given).made()


class _Copy:
    """One copying; a few aliases of YAML can stand for more values than fit into memory, so it counts."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._left = MOST_VALUES
        self._characters_left = LONGEST

    def made(self) -> Any:  # noqa: ANN401
        return self._of(self._given, 0)

    def _of(self, given: Given, depth: int) -> Any:  # noqa: ANN401
        self._left -= 1
        if self._left < 0:
            raise self._whole(f"holds more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise self._whole(f"is nested deeper than {DEEPEST} levels")
        if isinstance(given.value, Mapping):
            return {
                self._text(given, key): self._of(one, depth + 1)
                for key, one in given.entries("a map").items()
            }
        if isinstance(given.value, (list, tuple)):
            return [self._of(one, depth + 1) for one in given.elements("values")]
        return self._text(given, given.value) if isinstance(given.value, str) else _scalar(given)

    def _text(self, given: Given, value: str) -> str:
        self._characters_left -= len(value)
        if self._characters_left < 0:
            raise self._whole(f"holds more than {LONGEST} characters")
        return replace(given, value=value).characters("a text")

    def _whole(self, right: str) -> Exception:
        # Its value is not shown: the repr of what is too deep or too large is so too.
        return replace(self._given, value=f"a {type(self._given.value).__name__}", hidden=False).refused(
            right
        )


def _scalar(given: Given) -> object:
    value = given.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value not in INTEGERS:
            raise given.refused("is a number of more than 64 bits, which no API server takes")
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise given.refused(
        f"is a {type(value).__name__}, which JSON does not have; if a text is meant, put it in quotes"
    )
