"""What is remembered of a router between two operations: one runtime property, replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudify_quagga.cluster import Reference
from cloudify_quagga.model import Router


@dataclass(frozen=True)
class Earlier:
    """What was wanted before a change that is not finished yet."""

    wanted: Router
    hash: str

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Earlier | None:
        """What ``to_json`` wrote; None where no change is under way."""
        return cls(Router.parse(stored["wanted"]), stored["hash"]) if stored else None

    def to_json(self) -> dict[str, Any]:
        """What stands in the runtime property."""
        return {"wanted": self.wanted.to_json(), "hash": self.hash}


@dataclass(frozen=True)
class Record:
    """A router as it was resolved and what came of it.

    :param access: how the cluster was reached: places and names of secrets, never their values.
    :param nodes: where the router has been seen routing.
    :param unswept: nodes on which it ended without having said that no route is left, and why that is so.
    :param earlier: what a change that was begun, and not finished or undone yet, began from.
    """

    wanted: Router
    hash: str
    objects: tuple[Reference, ...]
    access: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    unswept: Mapping[str, str] = field(default_factory=dict)
    earlier: Earlier | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Record:
        """The record that ``to_json`` wrote."""
        return cls(
            wanted=Router.parse(stored["wanted"]),
            hash=stored["hash"],
            objects=tuple(Reference.from_json(one) for one in stored["objects"]),
            access=stored["access"],
            nodes=tuple(stored["nodes"]),
            unswept=stored["unswept"],
            # Records of 0.1.0 have none.
            earlier=Earlier.from_json(stored.get("earlier")),
        )

    def to_json(self) -> dict[str, Any]:
        """What stands in the runtime property."""
        return {
            "wanted": self.wanted.to_json(),
            "hash": self.hash,
            "objects": [one.to_json() for one in self.objects],
            "access": dict(self.access),
            "nodes": list(self.nodes),
            "unswept": dict(self.unswept),
            "earlier": self.earlier.to_json() if self.earlier else None,
        }

    @property
    def workload(self) -> Reference:
        """The object that runs the pods; the last one to be applied."""
        return self.objects[-1]

    def swept(self, node: str) -> Record:
        """With nothing left to do on this node."""
        rest = {name: why for name, why in self.unswept.items() if name != node}
        return replace(self, unswept=rest, nodes=tuple(name for name in self.nodes if name != node))


@dataclass(frozen=True)
class Journal:
    """Where a step that is done goes at once, so that an operation that is cut off can be taken up again.

    :param save: remembers the record instead of the one before.
    :param say: tells the author what was seen.
    :param latest: what is remembered by now; another operation may have come before one's turn. None where
        there is nothing newer to know.
    """

    save: Callable[[Record], None]
    say: Callable[[str], None]
    latest: Callable[[], Record | None] = lambda: None
