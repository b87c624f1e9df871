"""How an object of ours differs from what we want of it, field by field, and who made it so.

The API server is asked what applying would change: it knows its defaults, and the fields that others own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Conflict
from cloudify_quagga.lifecycle.ownership import Marks, Owner

# What the API server itself writes.
_BOOKKEEPING = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "selfLink", "uid")
_GENERATION = "deprecated.daemonset.template.generation"
_TRIES = 3
_MOST_LINES = 20
_LONGEST = 200
HIDDEN = "(hidden)"

Shown = Callable[[str, object, object], tuple[object, object]]


@dataclass(frozen=True)
class Difference:
    """One field that is not as wanted."""

    path: str
    wanted: object
    found: object


@dataclass(frozen=True)
class Drift:
    """What an object has become.

    :param missing: it is not there at all.
    :param hands: who changed fields by hand.
    :param masters: who else applies them, and would again.
    """

    differences: tuple[Difference, ...] = ()
    missing: bool = False
    hands: tuple[str, ...] = ()
    masters: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Field by field, fit for a runtime property."""
        if self.missing:
            return {"object": {"wanted": "there", "found": "missing"}}
        said: dict[str, Any] = {
            one.path: {"wanted": one.wanted, "found": one.found} for one in self.differences
        }
        by = [*self.hands, *self.masters]
        return {**said, **({"changed_by": by} if by else {})}


def of(cluster: Cluster, owner: Owner, manifest: Manifest) -> Drift | None:
    """How the instance's object differs from the manifest; None where it does not. Nothing is changed."""
    shown = _shown_of_secret if manifest["kind"] == "Secret" else _shown
    return compared(cluster, owner.stamped(manifest), owner.identity.field_manager, shown)


def compared(cluster: Cluster, manifest: Manifest, manager: str, shown: Shown) -> Drift | None:
    """How the object differs from what the manager applied; None where it does not. Nothing is changed.

    :param shown: what may be told of a field: its path, what is wanted, and what is found.
    """
    for _ in range(_TRIES):
        live = cluster.get(Reference.of(manifest))
        if live is None:
            return Drift(missing=True)
        ours = cluster.apply(manifest, manager, dry_run=True, force=True)
        differences = tuple(_differences(_told(ours), _told(live), shown))
        if not differences:
            return None
        found = _drift(live, ours, manager, differences)
        # Its controller may have written to it between the two.
        if _version(ours) == _version(live):
            break
    return found


def _drift(live: Manifest, ours: Manifest, manager: str, differences: tuple[Difference, ...]) -> Drift:
    losers = _losers(live, ours, manager)
    return Drift(
        differences,
        hands=tuple(sorted({name for name, operation in losers if operation != "Apply"})),
        masters=tuple(sorted({name for name, operation in losers if operation == "Apply"})),
    )


def _version(manifest: Manifest) -> object:
    return manifest["metadata"].get("resourceVersion")


def put(cluster: Cluster, owner: Owner, manifest: Manifest, dry_run: bool = False) -> Manifest:
    """Apply an object of ours; whoever changed a field of it is a Conflict."""
    try:
        return cluster.apply(owner.stamped(manifest), owner.identity.field_manager, dry_run)
    except Conflict as error:
        raise Conflict(f"{error}; the operation `heal` takes back what was edited by hand") from error


def put_back(cluster: Cluster, owner: Owner, manifest: Manifest, say: Callable[[str], None]) -> Manifest:
    """Apply it, and take back the fields of ours that were changed by hand.

    What another applies it would apply again: nobody wins that, so it is a Conflict that names it.
    """
    stamped, manager = owner.stamped(manifest), owner.identity.field_manager
    try:
        return cluster.apply(stamped, manager)
    except Conflict as error:
        drift = of(cluster, owner, manifest)
        live = cluster.get(Reference.of(manifest))
        if live is None or drift is None or Marks.of(live).instance != owner.identity.instance:
            raise
        if drift.masters:
            raise Conflict(
                f"{Reference.of(manifest)}: {_paths(drift)} applied by {', '.join(drift.masters)} too, which "
                f"would do so again; have it leave them to this router: {error}"
            ) from error
    hands = ", ".join(drift.hands) or "somebody"
    say(f"{Reference.of(manifest)}: {_paths(drift)} taken back from {hands}")
    return cluster.apply(stamped, manager, force=True)


def _paths(drift: Drift) -> str:
    names = [one.path for one in drift.differences]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _told(manifest: Manifest) -> Manifest:
    metadata = {key: one for key, one in manifest["metadata"].items() if key not in _BOOKKEEPING}
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {key: one for key, one in annotations.items() if key != _GENERATION}
    return {**{key: one for key, one in manifest.items() if key != "status"}, "metadata": metadata}


def _differences(wanted: object, found: object, shown: Shown, path: str = "") -> Iterator[Difference]:
    if wanted == found:
        return
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in sorted({*wanted, *found}):
            step = f"{path}.{key}" if path else str(key)
            yield from _differences(wanted.get(key), found.get(key), shown, step)
    elif (names := _names(wanted)) is not None and (others := _names(found)) is not None:
        for name in sorted({*names, *others}):
            yield from _differences(names.get(name), others.get(name), shown, f"{path}[{name}]")
    else:
        yield Difference(path, *shown(path, wanted, found))


def _names(value: object) -> dict[str, Any] | None:
    """A list of things with names, by name."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    if all(isinstance(one, Mapping) and "name" in one for one in value):
        return {one["name"]: one for one in value}
    return None


def _shown_of_secret(path: str, wanted: object, found: object) -> tuple[object, object]:
    return (HIDDEN, HIDDEN) if path.startswith("data") else _shown(path, wanted, found)


def _shown(_: str, wanted: object, found: object) -> tuple[object, object]:
    """Both, or of long texts the lines that only one of them has."""
    if isinstance(wanted, str) and isinstance(found, str) and "\n" in f"{wanted}{found}":
        return _only(wanted, found), _only(found, wanted)
    return _cut(wanted), _cut(found)


def _only(text: str, other: str) -> list[str]:
    there = set(other.splitlines())
    return [line[:_LONGEST] for line in text.splitlines() if line not in there][:_MOST_LINES]


def _cut(value: object) -> object:
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _losers(live: Manifest, ours: Manifest, manager: str) -> set[tuple[str, str]]:
    """Who owns something that applying would take from them."""
    before, after = _owned(live), _owned(ours)
    return {
        who for who, fields in before.items() if who[0] != manager and not fields <= after.get(who, set())
    }


def _owned(manifest: Manifest) -> dict[tuple[str, str], set[str]]:
    """Field managers, and the paths that each owns by update or apply."""
    owned: dict[tuple[str, str], set[str]] = {}
    for one in manifest["metadata"].get("managedFields") or []:
        who = one["manager"], one["operation"]
        owned.setdefault(who, set()).update(_paths_below(one.get("fieldsV1") or {}))
    return owned


def _paths_below(fields: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, inner in fields.items():
        yield f"{path}/{key}"
        yield from _paths_below(inner, f"{path}/{key}")
