"""A value as its author wrote it, with the path that leads to it: the only way from YAML into the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudify_quagga.errors import Refused


@dataclass(frozen=True)
class Given:
    """One value of the input; every reader below returns what was meant or refuses it.

    :param hidden: the value may be or hold a secret: a refusal does not show it.
    """

    path: str
    value: object
    hidden: bool = False

    def refused(self, right: str) -> Refused:
        """The error to raise about this value."""
        return Refused(self.path, "what is given" if self.hidden else self.value, right)

    def shown(self) -> Given:
        """The same value, known to be no secret."""
        return replace(self, hidden=False)

    @property
    def empty(self) -> bool:
        """Nothing was said: what an input that was not filled in hands over."""
        return self.value is None or (isinstance(self.value, (str, Mapping, list, tuple)) and not self.value)

    def text(self, what: str) -> str:
        """A string; YAML's unquoted booleans and numbers are not guessed at."""
        if isinstance(self.value, str):
            return str(self.value)
        if isinstance(self.value, (bool, int, float)):
            raise self.refused(f"is no string; {what} is meant: put it in quotes")
        raise self.refused(f"is no string; {what} is meant")

    def characters(self, what: str) -> str:
        """A string that has bytes; half of a surrogate pair has none, and the codec's error would show it."""
        text = self.text(what)
        if text.encode("utf-8", "replace").decode() != text:
            raise self.refused("holds half of a surrogate pair, which is no character")
        return text

    def flag(self) -> bool:
        """A boolean."""
        if isinstance(self.value, bool):
            return self.value
        if isinstance(self.value, str):
            raise self.refused("is a string; true or false is meant, without quotes")
        raise self.refused("is neither true nor false")

    def whole_number(self, low: int, high: int) -> int:
        """An integer within the bounds."""
        if isinstance(self.value, str):
            raise self.refused(f"is a string; a number from {low} to {high} is meant, without quotes")
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.refused(f"is no whole number; one from {low} to {high} is meant")
        if not low <= self.value <= high:
            raise self.refused(f"is out of range; a number from {low} to {high} is meant")
        return int(self.value)

    def choice(self, choices: Sequence[str]) -> str:
        """One of the given words."""
        if isinstance(self.value, str) and self.value in choices:
            return str(self.value)
        raise self.refused(f"is none of {', '.join(choices)}")

    def elements(self, what: str) -> list[Given]:
        """A list, each element with its index in its path."""
        if isinstance(self.value, (list, tuple)):
            return [self._below(f"[{index}]", element) for index, element in enumerate(self.value)]
        raise self.refused(f"is no list; a list of {what} is meant")

    def entries(self, what: str) -> dict[str, Given]:
        """A map with strings as keys, each value with its key in its path."""
        if not isinstance(self.value, Mapping):
            raise self.refused(f"is no map; {what} is meant")
        for key in self.value:
            if not isinstance(key, str):
                raise Refused(self.path, key, "is a key that is no string; put it in quotes")
        return {str(key): self._below(f".{_word(key)}", value) for key, value in self.value.items()}

    def fields(self, known: Iterable[str], what: str) -> dict[str, Given]:
        """A map that holds no key but the known ones."""
        known = tuple(known)
        entries = self.entries(what)
        for key in entries:
            if key not in known:
                raise Refused(self.path, key, f"is no key of {what}, which knows {', '.join(known)}")
        return entries

    def _below(self, step: str, value: object) -> Given:
        return replace(self, path=self.path + step, value=value)


def _word(key: str) -> str:
    return key if key.isprintable() and key else ascii(key)
