"""A microservice in its cluster, looked at: whether it runs, and what is not as it was applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle import awaiting, holding, settled
from cloudify_quagga.lifecycle.differences import differences, disowning, overwritten, shown
from cloudify_quagga.lifecycle.holding import Hold, Maker
from cloudify_quagga.lifecycle.microservice import Record, Say, digest
from cloudify_quagga.lifecycle.ownership import Owner

# A runtime property must be bounded, and a microservice is not.
_MOST_OBJECTS = 50
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
        changed["client_config"] = {"applied": dict(record.access), "now": dict(access)}
    if digest(manifests) != record.hash:
        changed["manifests"] = _changed(manifests, record)
    return {**found, "properties": changed} if changed else found


def disown_edits(cluster: Cluster, owner: Owner, manifests: Sequence[Manifest], say: Say) -> None:
    """Have fields of the manifests that somebody wrote over be nobody's, so that they can be applied again.

    What server-side apply declares to be another's stays so: whoever applies is told of the conflict.
    """
    for manifest in manifests:
        found = holding.get(cluster, Reference.of(manifest))
        if found is not None and not _estranged(owner, found):
            _disown(cluster, owner, manifest, found, say)


def remove_ended(cluster: Cluster, owner: Owner, manifests: Sequence[Manifest], say: Say) -> None:
    """Make room for those that have failed and never begin again by themselves."""
    for reference in map(Reference.of, manifests):
        found = holding.get(cluster, reference) if reference.kind in _ONCE else None
        why = settled.failure(found) if found and not _estranged(owner, found) else None
        if why:
            say(f"{reference} has ended for good ({why}) and is made anew")
            cluster.delete(reference, dependents_first=reference.kind == "Job", as_seen=found)
            awaiting.until_gone(cluster, [reference])


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
        "applied": record.hash,
        "now": digest(manifests),
        "added": [str(one) for one in wanted if one not in record.objects],
        "dropped": [str(one) for one in record.objects if one not in wanted],
    }


def _drift(cluster: Cluster, owner: Owner, manifest: Manifest, record: Record) -> dict[str, Any]:
    found = holding.get(cluster, Reference.of(manifest))
    why = _estranged(owner, found)
    if found is None or why:
        return {"object": {"applied": "there", "live": why}}
    wanted = holding.marked(owner, manifest)
    changed = differences(cluster, wanted, found, holding.manager(owner))
    if Hold(owner.identity.instance, record.hash) in Hold.of(found):
        return changed
    return {**changed, "hold": {"applied": owner.identity.instance, "live": None}}


def _estranged(owner: Owner, found: Manifest | None) -> str | None:
    """Why what is there, if anything is, is not what was put there."""
    if found is None:
        return "is gone"
    if Maker.of(found) != Maker.acting(owner):
        return "has been replaced by one that was not made for this node"
    if found["metadata"].get("deletionTimestamp"):
        return "is being deleted"
    return None


def _disown(cluster: Cluster, owner: Owner, manifest: Manifest, found: Manifest, say: Say) -> None:
    taken = overwritten(holding.marked(owner, manifest), found, holding.manager(owner))
    by_hand = [one for one in taken if not one.declared]
    if not by_hand:
        return
    reference = Reference.of(found)
    cluster.patch(reference, disowning(found, by_hand))
    fields = ", ".join(f"{shown(one)} (by {one.manager})" for one in by_hand)
    say(f"{reference}: what was written over becomes what the manifest says again: {fields}")


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
