"""A microservice in its cluster, looked at: whether it runs, and what is not as it was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Conflict, PermanentError, Refused
from cloudify_quagga.lifecycle import awaiting, holding, settled
from cloudify_quagga.lifecycle.drift import HIDDEN, Drift, compared
from cloudify_quagga.lifecycle.holding import Hold, Maker
from cloudify_quagga.lifecycle.microservice import Record, Say, digest
from cloudify_quagga.lifecycle.ownership import Owner

# A runtime property must be bounded, and a microservice is not.
_MOST_OBJECTS = 50
_MOST_FIELDS = 50
_LONGEST = 300
# These never begin again by themselves.
_ONCE = ("Pod", "Job")


def ailments(cluster: Cluster, owner: Owner, record: Record) -> list[str]:
    """Why it does not run as it should, one sentence's part each; nothing where it does."""
    said, there = [], []
    for reference in record.objects:
        found = holding.get(cluster, reference)
        why = _estranged(owner, found)
        if found is None or why:
            said.append(f"{reference} {why}")
        else:
            there.append(found)
    return said + awaiting.unsettled(cluster, there)


def drift(
    cluster: Cluster, owner: Owner, manifests: Sequence[Manifest], access: Mapping[str, Any], record: Record
) -> dict[str, Any]:
    """What is not as it was applied, object by object, and what the properties ask for otherwise by now.

    :param manifests: what the properties ask for by now, in order, each in its namespace.
    :param access: the way to the cluster that they say by now.
    """
    found = {
        str(Reference.of(one)): difference
        for one in manifests
        if (difference := _drift(cluster, owner, one, record))
    }
    changed: dict[str, Any] = {}
    if access != record.access:
        changed["client_config"] = {"recorded": dict(record.access), "given": dict(access)}
    if digest(manifests) != record.hash:
        changed["manifests"] = _changed(manifests, record)
    return {**found, "properties": changed} if changed else found


def edited(cluster: Cluster, owner: Owner, manifests: Sequence[Manifest]) -> list[tuple[Manifest, Drift]]:
    """Those of the manifests' objects that somebody has written over by hand.

    What another applies would be applied again: nobody wins that, so it is a Conflict that names it.
    """
    made = []
    for manifest in manifests:
        found = _compared(cluster, owner, manifest)
        if found and found.masters:
            masters = ", ".join(found.masters)
            raise Conflict(
                f"{Reference.of(manifest)}: {_fields(found)} applied by {masters} too, which would do so "
                "again; have it leave them to this microservice, or leave them out of the manifest"
            )
        if found and found.hands:
            made.append((manifest, found))
    return made


def put_back(cluster: Cluster, owner: Owner, edits: Sequence[tuple[Manifest, Drift]], say: Say) -> None:
    """Take the fields back from the hands that wrote over them, and leave everything else as it is."""
    for manifest, found in edits:
        hands = ", ".join(found.hands)
        say(f"{Reference.of(manifest)}: {_fields(found)} taken back from {hands}")
        cluster.apply(holding.marked(owner, manifest), holding.manager(owner), force=True)


def remove_ended(cluster: Cluster, owner: Owner, manifests: Sequence[Manifest], say: Say) -> list[Manifest]:
    """Make room for those that have failed and never begin again by themselves; tells what they were."""
    removed = []
    for reference in map(Reference.of, manifests):
        found = holding.get(cluster, reference) if reference.kind in _ONCE else None
        if found is None or _estranged(owner, found):
            continue
        if why := settled.failure(found):
            say(f"{reference} has ended for good ({why}) and is made anew")
            awaiting.remove_ended(cluster, found)
            removed.append(found)
    return removed


def check_same_cluster(cluster: Cluster, owner: Owner, record: Record, access: Mapping[str, Any]) -> None:
    """Refuse a way to the cluster that has come to lead to another one: what is in the old would be left."""
    if access == record.access or not record.objects:
        return
    found = (holding.get(cluster, one) for one in record.objects)
    if not any(one is not None and _estranged(owner, one) is None for one in found):
        raise Refused(
            "client_config",
            cluster.address,
            "leads to a cluster that has nothing of this microservice; uninstalling and installing this node "
            "instance takes it from the one and puts it into the other",
        )


def picture(cluster: Cluster, owner: Owner, record: Record) -> dict[str, Any]:
    """What is there of it, bounded in size."""
    looked_at = record.objects[:_MOST_OBJECTS]
    return {
        "objects": [_picture(owner, one, holding.get(cluster, one)) for one in looked_at],
        "more": len(record.objects) - len(looked_at),
    }


def _changed(manifests: Sequence[Manifest], record: Record) -> dict[str, Any]:
    wanted = [Reference.of(one) for one in manifests]
    return {
        "recorded": record.hash,
        "given": digest(manifests),
        "added": [str(one) for one in wanted if one not in record.objects],
        "dropped": [str(one) for one in record.objects if one not in wanted],
    }


def _drift(cluster: Cluster, owner: Owner, manifest: Manifest, record: Record) -> dict[str, Any]:
    there = holding.get(cluster, Reference.of(manifest))
    why = _estranged(owner, there)
    if there is None or why:
        return {"object": {"wanted": "there", "found": why}}
    try:
        found = _compared(cluster, owner, manifest)
    except PermanentError as error:
        return {"object": {"wanted": "as its manifest says", "found": f"cannot be made so: {error}"}}
    changed = _bounded(found.to_json()) if found else {}
    if Hold(owner.identity.instance, record.hash) in Hold.of(there):
        return changed
    return {**changed, "hold": {"wanted": owner.identity.instance, "found": None}}


def _compared(cluster: Cluster, owner: Owner, manifest: Manifest) -> Drift | None:
    """How an object that is ours differs from its manifest; of another one nothing is said."""
    there = holding.get(cluster, Reference.of(manifest))
    if there is None or _estranged(owner, there):
        return None
    return compared(cluster, holding.marked(owner, manifest), holding.manager(owner), _without_texts)


def _without_texts(_: str, wanted: object, found: object) -> tuple[object, object]:
    """Whether a text of a manifest came from a secret is not known here."""
    return _shown(wanted), _shown(found)


def _shown(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float)) else HIDDEN


def _fields(found: Drift) -> str:
    names = [one.path for one in found.differences[:_MOST_FIELDS]]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    if len(fields) <= _MOST_FIELDS:
        return fields
    return {**dict(list(fields.items())[:_MOST_FIELDS]), "not_shown": len(fields) - _MOST_FIELDS}


def _estranged(owner: Owner, found: Manifest | None) -> str | None:
    """Why what is there, if anything is, is not what was put there."""
    if found is None:
        return "is gone"
    if Maker.of(found) != Maker.acting(owner):
        return "has been replaced by one that was not made for this node"
    if found["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    return None


def _picture(owner: Owner, reference: Reference, found: Manifest | None) -> dict[str, Any]:
    why = _estranged(owner, found)
    if found is not None and why is None:
        why = settled.failure(found) or settled.lacks(found)
    counts = {key: one for key, one in ((found or {}).get("status") or {}).items() if isinstance(one, int)}
    return {
        **reference.to_json(),
        "uid": found["metadata"]["uid"] if found else None,
        "lacks": why[:_LONGEST] if why else None,
        "status": counts,
    }
