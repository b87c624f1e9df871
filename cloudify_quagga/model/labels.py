"""Labels as Kubernetes accepts them: a map, or the list of maps that the 2017 blueprint printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_NAME_LENGTH = 63
_DOMAIN_LENGTH = 253
_NAME_RULE = "letters, digits, '-', '_' and '.', with a letter or digit at both ends, at most 63 characters"


@dataclass(frozen=True)
class Labels(Mapping[str, str]):
    """A frozen map of label keys to values, at least one."""

    items_: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, value: object, path: str = "labels") -> Labels:
        """From a map or a list of maps."""
        given = Given(path, value)
        maps = given.elements("maps") if isinstance(value, (list, tuple)) else [given]
        labels: dict[str, str] = {}
        for one in maps:
            for key, entry in one.entries("a map of label keys to values").items():
                _check_key(one.path, key)
                if labels.setdefault(key, _value(entry)) != entry.value:
                    raise entry.refused(f"is a second value of the label, which already is {labels[key]}")
        if not labels:
            raise given.refused("holds no label; at least one is needed")
        return cls(tuple(sorted(labels.items())))

    def __getitem__(self, key: str) -> str:
        return dict(self.items_)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.items_))

    def __len__(self) -> int:
        return len(self.items_)

    def to_json(self) -> dict[str, str]:
        """A plain dict."""
        return dict(self.items_)


def _check_key(path: str, key: str) -> None:
    domain, slash, name = key.rpartition("/")
    if not (_NAME.fullmatch(name) and len(name) <= _NAME_LENGTH):
        raise Refused(path, key, f"is no label key; its name may hold {_NAME_RULE}")
    if slash and not (_DOMAIN.fullmatch(domain) and len(domain) <= _DOMAIN_LENGTH):
        raise Refused(path, key, "is no label key; before the slash stands a DNS name in lower case")


def _value(entry: Given) -> str:
    text = entry.text("a label value")
    if text and not (_NAME.fullmatch(text) and len(text) <= _NAME_LENGTH):
        raise entry.refused(f"is no label value; it is empty or holds {_NAME_RULE}")
    return text
