"""Where an object in the cluster is not what its manifest made of it: fields that are ours, never the rest.

The API server is asked by a dry run what applying the manifest once more would change. Where it answers that
somebody else has made another value of a field since, the owners that it keeps say which field and who.

Values that are texts are not told: whether a manifest's text came from a secret is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest
from cloudify_quagga.errors import Conflict, PermanentError

Path = tuple[str, ...]
Differences = dict[str, Any]

# What the API server itself writes with every change.
_KEPT_BY_SERVER = ("managedFields", "resourceVersion", "generation")
_MOST = 50
_ABSENT = object()


@dataclass(frozen=True)
class Overwritten:
    """A field of a manifest that somebody else has given another value.

    :param path: as the API server writes it: ``f:spec``, ``k:{"name":"web"}``, ``v:"value"``.
    :param declared: whether that was said by server-side apply, and not just written.
    """

    path: Path
    applied: object
    live: object
    manager: str
    declared: bool


def differences(cluster: Cluster, manifest: Manifest, live: Manifest, manager: str) -> Differences:
    """What applying the manifest in the manager's name would change of the object; nothing if nothing.

    :param manifest: as it is applied, with everything of ours on it.
    """
    try:
        applied = cluster.apply(manifest, manager, dry_run=True)
    except Conflict as error:
        taken = overwritten(manifest, live, manager)
        told = {_shown_path(one.path): _told(one.applied, one.live) | {"by": one.manager} for one in taken}
        return _bounded(told) or {"conflict": str(error)}
    except PermanentError as error:
        return {"refused": str(error)}
    found = _compared(_comparable(applied), _comparable(live), ())
    return _bounded({_joined(path): _told(ours, theirs) for path, ours, theirs in found})


def overwritten(manifest: Manifest, live: Manifest, manager: str) -> list[Overwritten]:
    """The fields of the manifest that others have given other values since it was applied."""
    entries = live["metadata"].get("managedFields") or []
    ours = {path for entry in entries if entry["manager"] == manager for path in _owned(entry)}
    return [
        Overwritten(path, applied, there, *_holder(entry))
        for entry in entries
        if entry["manager"] != manager
        for path in _owned(entry)
        # Of its status nobody applies anything.
        if path not in ours and path[0] != "f:status"
        for applied, there in [(_value(manifest, path), _value(live, path))]
        if applied is not _ABSENT and applied != there
    ]


def disowning(live: Manifest, fields: Sequence[Overwritten]) -> list[dict[str, Any]]:
    """The JSON patch after which nobody owns these fields, and each keeps its value until it is applied."""
    entries = []
    for entry in live["metadata"]["managedFields"]:
        paths = [one.path for one in fields if (one.manager, one.declared) == _holder(entry)]
        left = _without(entry.get("fieldsV1") or {}, paths)
        entries += [{**entry, "fieldsV1": left}] if left else []
    seen = {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}
    return [seen, {"op": "replace", "path": "/metadata/managedFields", "value": entries}]


def shown(field: Overwritten) -> str:
    """Where the field stands, as a sentence names it."""
    return _shown_path(field.path)


def _holder(entry: Mapping[str, Any]) -> tuple[str, bool]:
    return entry["manager"], entry["operation"] == "Apply"


def _without(fields: Mapping[str, Any], paths: Sequence[Path]) -> dict[str, Any]:
    """Owned fields but these, and but what then holds nothing any more."""
    left = {}
    for step, below in fields.items():
        inside = [path[1:] for path in paths if path[0] == step]
        if () in inside:
            continue
        rest = _without(below, inside) if inside else below
        if rest or not inside:
            left[step] = rest
    return left


def _owned(entry: Mapping[str, Any]) -> Iterator[Path]:
    return _leaves(entry.get("fieldsV1") or {}, ())


def _leaves(fields: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for step, below in fields.items():
        if step == ".":
            continue
        if set(below) - {"."}:
            yield from _leaves(below, (*path, step))
        else:
            yield (*path, step)


def _value(value: Any, path: Path) -> object:  # noqa: ANN401  JSON's own types, whichever they are
    for step in path:
        value = _below(value, step)
    return value


def _below(value: Any, step: str) -> Any:  # noqa: ANN401
    kind, _, said = step.partition(":")
    if kind == "f":
        return value.get(said, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    if kind == "k":
        keys = json.loads(said).items()
        return next((one for one in value if isinstance(one, Mapping) and keys <= one.items()), _ABSENT)
    if kind == "v":
        return next((one for one in value if one == json.loads(said)), _ABSENT)
    return value[int(said)] if int(said) < len(value) else _ABSENT


def _comparable(manifest: Manifest) -> Manifest:
    metadata = {key: one for key, one in manifest["metadata"].items() if key not in _KEPT_BY_SERVER}
    return {**{key: one for key, one in manifest.items() if key != "status"}, "metadata": metadata}


def _compared(ours: object, theirs: object, path: Path) -> Iterator[tuple[Path, object, object]]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys((*ours, *theirs)):
            below = ours.get(key, _ABSENT), theirs.get(key, _ABSENT)
            yield from _compared(*below, (*path, str(key)))
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield from _compared(_by_name(ours), _by_name(theirs), path)
    elif ours != theirs:
        yield path, ours, theirs


def _by_name(values: Sequence[Any]) -> Mapping[str, Any]:
    """Elements under their names where they have any, else under their positions."""
    names = [one.get("name") if isinstance(one, Mapping) else None for one in values]
    named = all(names) and len(set(map(str, names))) == len(names)
    return {f"[{names[place] if named else place}]": one for place, one in enumerate(values)}


def _told(ours: object, theirs: object) -> Differences:
    return {"applied": _shown(ours), "live": _shown(theirs)}


def _shown(value: object) -> object:
    if value is _ABSENT or value is None:
        return None
    return value if isinstance(value, (bool, int, float)) else "(not shown)"


def _shown_path(path: Path) -> str:
    steps = [step.partition(":") for step in path]
    return _joined(said if kind == "f" else f"[{_key(said)}]" for kind, _, said in steps)


def _joined(steps: Iterable[str]) -> str:
    return ".".join(steps).replace(".[", "[")


def _key(said: str) -> str:
    keys = json.loads(said)
    return ",".join(map(str, keys.values())) if isinstance(keys, dict) else "..."


def _bounded(found: Differences) -> Differences:
    if len(found) <= _MOST:
        return found
    return {**dict(list(found.items())[:_MOST]), "more": len(found) - _MOST}
