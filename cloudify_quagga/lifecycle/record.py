"""What is remembered of a router between two operations: one runtime property, replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudify_quagga.cluster import Reference
from cloudify_quagga.model import Router
from cloudify_quagga.model.given import Given


@dataclass(frozen=True)
class Earlier:
    """What was wanted before a change that is not finished yet."""

    wanted: Router
    hash: str

    @classmethod
    def from_json(cls, given: Given) -> Earlier | None:
        """What ``to_json`` wrote; None where no change is under way."""
        if given.empty:
            return None
        told = _told(given, ("wanted", "hash"))
        return cls(_router(told["wanted"]), told["hash"].text("a hash"))

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
    def from_json(cls, stored: object) -> Record:
        """The record that ``to_json`` wrote; what somebody else has made of it is refused."""
        told = _told(
            Given("record", stored, hidden=True),
            # Records of 0.1.0 have no `earlier`.
            ("wanted", "hash", "objects", "access", "nodes", "unswept", "earlier"),
        )
        return cls(
            wanted=_router(told["wanted"]),
            hash=told["hash"].text("a hash"),
            objects=_objects(told["objects"]),
            access=_map(told["access"]),
            nodes=tuple(one.text("a node") for one in told["nodes"].elements("nodes")),
            unswept={node: one.text("a reason") for node, one in told["unswept"].entries("a map").items()},
            earlier=Earlier.from_json(told["earlier"]),
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


def _told(given: Given, names: Iterable[str]) -> dict[str, Given]:
    """These fields of a map; one that is not there says nothing."""
    there = given.entries("a map")
    return {name: there.get(name) or Given(f"{given.path}.{name}", None) for name in names}


def _map(given: Given) -> dict[str, Any]:
    return {key: one.value for key, one in given.entries("a map").items()}


def _router(given: Given) -> Router:
    return Router.parse(_map(given))


def _objects(given: Given) -> tuple[Reference, ...]:
    """All that were made; the last one runs the pods, so there is one."""
    objects = tuple(map(_object, given.elements("objects")))
    if not objects:
        raise given.refused("names no object; at least the one that runs the pods is meant")
    return objects


def _object(given: Given) -> Reference:
    told = _told(given, ("apiVersion", "kind", "name", "namespace"))
    namespace = told["namespace"]
    return Reference(
        told["apiVersion"].text("an API version"),
        told["kind"].text("a kind"),
        told["name"].text("a name"),
        None if namespace.value is None else namespace.text("a namespace"),
    )
