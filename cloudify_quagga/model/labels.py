"""Labels as Kubernetes accepts them: a map, or the list of maps that the 2017 blueprint printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.kubernetes_names import is_subdomain

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_RULE = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"


@dataclass(frozen=True, eq=False)
class Labels(Mapping[str, str]):
    """A frozen map of label keys to values, at least one; equal to a dict of the same."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, value: object, path: str = "labels") -> Labels:
        """From a map or a list of maps."""
        given = Given(path, value)
        maps = given.elements("maps") if isinstance(value, (list, tuple)) else [given]
        labels: dict[str, str] = {}
        for one in maps:
            for key, entry in one.entries("a map of label keys to values").items():
                text = _value(one.path, key, entry)
                if labels.setdefault(key, text) != text:
                    raise entry.refused(f"is a second value of this label, which already is {labels[key]!r}")
        if not labels:
            raise given.refused("holds no label; at least one is needed, as in {role: router}")
        return cls(tuple(sorted(labels.items())))

    def __getitem__(self, key: str) -> str:
        return dict(self.pairs)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    def __hash__(self) -> int:
        return hash(self.pairs)

    def to_json(self) -> dict[str, str]:
        """A plain dict."""
        return dict(self.pairs)


def _value(path: str, key: str, entry: Given) -> str:
    domain, slash, name = key.rpartition("/")
    if not _NAME.fullmatch(name):
        raise Refused(path, key, f"is no label key; its name is {_RULE}")
    if slash and not is_subdomain(domain):
        raise Refused(path, key, "is no label key; a DNS name in lower case stands before the slash")
    text = entry.text("a label's value")
    if text and not _NAME.fullmatch(text):
        raise entry.refused(f"is no label's value; that is empty, or {_RULE}")
    return text
