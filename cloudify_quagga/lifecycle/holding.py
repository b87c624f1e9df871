"""Objects that the instances of one node have in common: who made them, and who still needs them.

A microservice's manifests name its objects, so every instance of the node means the same ones. What they say
is applied in the name of the node; beside it each instance notes, in its own name, that it holds the object,
which goes with the last of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest, Reference, UnknownKind
from cloudify_quagga.errors import Conflict, PermanentError, Waiting
from cloudify_quagga.lifecycle.ownership import OURS, Forgotten, Marks, Owner
from cloudify_quagga.names import DEPLOYMENT, DOMAIN, NODE

MADE_FOR = f"{DOMAIN}/made-for"
_HELD_BY = f"{DOMAIN}/held-by-"
_TRIES = 10
_SOON = 2.0


@dataclass(frozen=True)
class Maker:
    """The node that an object was made for, and the profile or manager that knows its deployment."""

    deployment: str
    node: str
    origin: str

    @classmethod
    def of(cls, manifest: Manifest) -> Maker | None:
        """Whom an object says that it was made for; None where it says nothing, or what we never wrote."""
        said = _said(_annotations(manifest).get(MADE_FOR))
        return cls(**said) if set(said) == {"deployment", "node", "origin"} else None

    @classmethod
    def acting(cls, owner: Owner) -> Maker:
        """The node that ``owner`` acts for."""
        return cls(owner.identity.deployment, owner.identity.node, owner.origin)


@dataclass(frozen=True)
class Hold:
    """One instance's need of an object.

    :param digest: tells what the instance made of its manifests; its siblings should have made the same.
    """

    instance: str
    digest: str

    @classmethod
    def of(cls, manifest: Manifest) -> list[Hold]:
        """Everybody who holds an object."""
        told = [_said(text) for key, text in _annotations(manifest).items() if key.startswith(_HELD_BY)]
        return [cls(**one) for one in told if set(one) == {"instance", "digest"}]

    @property
    def annotation(self) -> dict[str, str]:
        """What is written on the object."""
        key = f"{_HELD_BY}{hashlib.sha256(self.instance.encode()).hexdigest()[:10]}"
        return {key: json.dumps(asdict(self), sort_keys=True)}


def manager(owner: Owner) -> str:
    """The field manager of what the manifests say: the node, whichever instance applies it."""
    return replace(owner.identity, instance="*").field_manager


def marked(owner: Owner, manifest: Manifest) -> Manifest:
    """The manifest as it is applied: with labels and the maker, where it does not say otherwise itself."""
    metadata = manifest["metadata"]
    made_for = {MADE_FOR: json.dumps(asdict(Maker.acting(owner)), sort_keys=True)}
    ours = {
        "labels": {**OURS, **_found_by(owner), **(metadata.get("labels") or {})},
        "annotations": {**(metadata.get("annotations") or {}), **made_for},
    }
    return {**manifest, "metadata": {**metadata, **ours}}


def check_ours(owner: Owner, found: Manifest) -> None:
    """Refuse an object that was made by or for somebody else."""
    maker, reference = Maker.of(found), Reference.of(found)
    if maker is None:
        raise Conflict(
            f"{reference} exists already and was not made for this node; it is {_managed_by(found)}: "
            "remove it, or give the manifest another name"
        )
    marks = Marks(maker.deployment, maker.node, "", maker.origin)
    if maker != Maker.acting(owner):
        raise Conflict(
            f"{reference} exists already, made for node {maker.node!r} of deployment {maker.deployment!r}; "
            f"give the manifest another name, or: {owner.remedy(marks)}"
        )
    holders = [hold.instance for hold in Hold.of(found)]
    if holders and not owner.known & set(holders):
        raise Forgotten(
            f"deployment {owner.identity.deployment!r} has been installed before and still lives "
            f"({reference}, held by {', '.join(holders)}); `{owner.removal()}` removes it, then install again"
        )


def put(cluster: Cluster, owner: Owner, manifest: Manifest, digest: str) -> list[Hold]:
    """Have the object be as the manifest says, and hold it; tells which siblings made another of it."""
    found = cluster.get(Reference.of(manifest))
    if found is not None:
        check_ours(owner, found)
        if found["metadata"].get("deletionTimestamp"):
            raise Waiting(f"{Reference.of(manifest)} is still being deleted", _SOON)
    applied = cluster.apply(marked(owner, manifest), manager(owner))
    own = Hold(owner.identity.instance, digest)
    if own not in Hold.of(applied):
        _note(cluster, owner, applied, own)
    return [one for one in _siblings(owner, applied) if one.digest != digest]


def hold_as(cluster: Cluster, owner: Owner, reference: Reference, before: Manifest) -> None:
    """Have the object be held by the siblings too that held the one before, in whose place it is."""
    found = cluster.get(reference)
    for hold in _siblings(owner, before):
        if found is not None and hold not in Hold.of(found):
            sibling = replace(owner.identity, instance=hold.instance)
            _note(cluster, replace(owner, identity=sibling), found, hold)


def _note(cluster: Cluster, owner: Owner, manifest: Manifest, hold: Hold) -> None:
    try:
        cluster.apply(_named(manifest, hold.annotation), owner.identity.field_manager)
    except Conflict as error:
        raise Waiting(
            f"{Reference.of(manifest)} has been replaced while it was made: {error}", _SOON
        ) from error


def let_go(cluster: Cluster, owner: Owner, reference: Reference) -> str | None:
    """Hold the object no longer, and have it go where nobody does; tells why it stays where it does."""
    for _ in range(_TRIES):
        found = get(cluster, reference)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return None
        if Maker.of(found) != Maker.acting(owner):
            return f"it has been replaced by one that is {_managed_by(found)}"
        after = _no_longer_held(cluster, owner, found)
        if after is None:
            continue
        siblings = _siblings(owner, after)
        if siblings:
            return f"{', '.join(one.instance for one in siblings)} needs it"
        if _deleted(cluster, reference, after):
            return None
    raise Waiting(f"{reference} changes faster than it can be deleted", _SOON)


def get(cluster: Cluster, reference: Reference) -> Manifest | None:
    """The object; None also where nobody knows its kind any more."""
    try:
        return cluster.get(reference)
    except UnknownKind:
        return None


def _found_by(owner: Owner) -> dict[str, str]:
    return {key: owner.identity.labels[key] for key in (DEPLOYMENT, NODE)}


def _deleted(cluster: Cluster, reference: Reference, seen: Manifest) -> bool:
    """Delete exactly what was seen: whoever takes hold of it in between must not lose it."""
    # Only pods have a kubelet to wait for, and only these kinds make any.
    has_dependents = "/" in reference.api_version or reference.kind == "ReplicationController"
    try:
        cluster.delete(reference, dependents_first=has_dependents, as_seen=seen)
    except Conflict:
        return False
    return True


def _no_longer_held(cluster: Cluster, owner: Owner, seen: Manifest) -> Manifest | None:
    """What was seen, without our hold; None where it has gone or has been replaced meanwhile."""
    try:
        return cluster.apply(_named(seen, {}), owner.identity.field_manager)
    except PermanentError:
        now = get(cluster, Reference.of(seen))
        if now is not None and now["metadata"]["uid"] == seen["metadata"]["uid"]:
            raise
        return None


def _siblings(owner: Owner, manifest: Manifest) -> list[Hold]:
    """The other holders, as far as the orchestrator knows them."""
    others = [hold for hold in Hold.of(manifest) if hold.instance != owner.identity.instance]
    return [hold for hold in others if hold.instance in owner.known]


def _named(found: Manifest, annotations: Mapping[str, str]) -> Manifest:
    # The uid keeps apply from making an object where there is none any more.
    kept = {key: found["metadata"][key] for key in ("name", "namespace", "uid") if key in found["metadata"]}
    metadata = {**kept, "annotations": dict(annotations)} if annotations else kept
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata}


def _managed_by(manifest: Manifest) -> str:
    managers = {entry["manager"] for entry in manifest["metadata"].get("managedFields") or []}
    return f"managed by {', '.join(sorted(managers))}" if managers else "managed by nobody on record"


def _annotations(manifest: Manifest) -> Mapping[str, str]:
    return manifest["metadata"].get("annotations") or {}


def _said(text: str | None) -> dict[str, Any]:
    """What stands in one of our annotations, which everybody who may change the object can change too."""
    try:
        said = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    if isinstance(said, dict) and all(isinstance(one, str) for one in said.values()):
        return said
    return {}
