"""Texts that the configuration needs and nobody may read: names that last, values while they are known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.secret import Secret

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_LONGEST = 256


@dataclass(frozen=True)
class Secrets:
    """Names and values; a record holds the names alone."""

    pairs: tuple[tuple[str, Secret | None], ...] = ()

    @classmethod
    def parse(cls, given: Given) -> Secrets:
        """From a map, hidden; what is null or empty in it has a name and no value yet."""
        if given.empty:
            return cls()
        pairs = given.entries("a map of names to values").items()
        return cls(tuple(sorted((_name(given, name), _value(one)) for name, one in pairs)))

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, whether its value is known or not."""
        return tuple(name for name, _ in self.pairs)

    def reveal(self, name: str) -> str:
        """The value; refused where only the name is known."""
        value = dict(self.pairs)[name]
        if value is None:
            raise Refused(f"secrets.{name}", None, "has no value, and `raw` needs one")
        return value.reveal()

    def masked(self, text: str) -> str:
        """The text with each value replaced by its name: what daemons say may quote a line."""
        known = [(value.reveal(), name) for name, value in self.pairs if value is not None]
        for value, name in sorted(known, key=lambda pair: -len(pair[0])):
            text = text.replace(value, f"${{{name}}}")
        return text

    def to_json(self) -> Mapping[str, None]:
        """The names, never a value."""
        return dict.fromkeys(self.names)


def _name(given: Given, name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    right = "is no name of a secret; letters, digits, '_' and '-' make one, with a letter or '_' in front"
    raise Refused(given.path, name, right)


def _value(given: Given) -> Secret | None:
    if given.empty:
        return None
    text = given.text("a secret's value")
    if not text.isprintable() or text != " ".join(text.split()) or "|" in text:
        raise given.refused("cannot stand in a line of FRR's; one printable line without '|' can")
    if len(text) > _LONGEST:
        raise given.refused(f"is too long; at most {_LONGEST} characters are meant")
    return Secret(text)
