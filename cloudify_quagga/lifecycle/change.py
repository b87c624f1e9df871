"""A router's changes, each in its turn: begun, judged, carried out, and undone where a router declines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, QuaggaError, Refused
from cloudify_quagga.lifecycle import asking, ending, lease, pods, preflight
from cloudify_quagga.lifecycle.converging import Convergence
from cloudify_quagga.lifecycle.healing import Healing
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Earlier, Journal, Record
from cloudify_quagga.lifecycle.routing import Declined
from cloudify_quagga.model import Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION, Identity


def start(
    cluster: Cluster, owner: Owner, record: Record, access: Mapping[str, Any], journal: Journal
) -> Record:
    """Run what is recorded, and wait until it routes; a change that was cut off is finished.

    :param access: how the cluster is reached now.
    """
    preflight.check_same_cluster(cluster, owner, record, access)
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        return _carried_out(Convergence(cluster, owner, journal, turn), journal.latest() or record)


def update(
    cluster: Cluster,
    owner: Owner,
    record: Record,
    access: Mapping[str, Any],
    wanted: Callable[[Record], Router],
    journal: Journal,
) -> Record:
    """Have it be another router than it was; what would be refused is refused before anything is changed.

    :param access: how the cluster is reached from now on.
    :param wanted: what it is to be, by what it is when one's turn has come.
    """
    preflight.check_same_cluster(cluster, owner, record, access)
    _check(cluster, owner, record, wanted(record))
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        way, now = Convergence(cluster, owner, journal, turn), journal.latest() or record
        router = wanted(now)
        if now != record:
            _check(cluster, owner, now, router)
        begun = replace(_begun(owner, now, router), access=access)
        if begun.hash != now.hash or now.earlier:
            _check_accepted(way, now, router)
        journal.save(begun)
        return _carried_out(way, begun)


def heal(
    cluster: Cluster, owner: Owner, record: Record, access: Mapping[str, Any], journal: Journal
) -> Record:
    """Bring back exactly what drifted, and make a pod anew only where nothing less helps.

    :param access: how the cluster is reached now.
    """
    preflight.check_same_cluster(cluster, owner, record, access)
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        return _carried_out(Healing(cluster, owner, journal, turn), journal.latest() or record)


def _check(cluster: Cluster, owner: Owner, record: Record, wanted: Router) -> None:
    _check_same_object(record.wanted, wanted)
    preflight.check_change(cluster, owner, record.wanted, wanted)


def _check_same_object(before: Router, wanted: Router) -> None:
    for name in ("namespace", "kind"):
        was, now = getattr(before, name), getattr(wanted, name)
        if was != now:
            right = f"cannot take the place of {was} in a router that lives; uninstall and install it"
            raise Refused(name, now, right)


def _begun(owner: Owner, record: Record, wanted: Router) -> Record:
    """The record of a change that is about to begin: it knows the objects of both ends."""
    manifests = render.objects(wanted, owner.identity)
    hash_ = render.config_hash(render.frr_conf(wanted))
    references = [Reference.of(manifest) for manifest in manifests]
    known = [one for one in record.objects if one not in references]
    is_new = (record.wanted.to_json(), record.hash) != (wanted.to_json(), hash_)
    earlier = record.earlier or (Earlier(record.wanted, record.hash) if is_new else None)
    return replace(record, wanted=wanted, hash=hash_, objects=(*known, *references), earlier=earlier)


def _check_accepted(way: Convergence, record: Record, wanted: Router) -> None:
    """Ask a router on each node whether it would take the configuration."""
    text = render.frr_conf(wanted)
    template = render.template_hash(wanted, way.owner.identity)
    found = way.its_pods(record)
    away = way.away(found)
    running = [pod for pod in found if pods.is_running(pod) and pod not in away]
    for node, pod in {pods.node_of(one): one for one in running}.items():
        try:
            reason = asking.check(way.cluster, pod, text, wanted.secrets)
        except asking.Unanswered as error:
            if pods.template_of(pod) == template:
                raise
            # It is to be made anew, from another image perhaps, which judges when it starts.
            way.journal.say(f"{node}: the configuration is not judged beforehand: {error}")
            continue
        if reason:
            raise Failed(f"the router on {node} would refuse this: {reason}; nothing was changed")


def _carried_out(way: Convergence, record: Record) -> Record:
    """To its end; where a router declines, back to what was before."""
    held = _held(way, record)
    manifests = render.objects(record.wanted, way.owner.identity)
    try:
        record = way.to_manifests(record, manifests)
    except Declined as error:
        if record.earlier is None:
            raise
        raise _undone(way, record, record.earlier, held, error) from error
    return _finished(way, record)


def _finished(way: Convergence, record: Record) -> Record:
    """Nothing of the change is left to do, and nothing of what was before is left behind."""
    current = [Reference.of(one) for one in render.objects(record.wanted, way.owner.identity)]
    for reference in record.objects:
        if reference not in current:
            way.cluster.delete(reference)
    where = {node for pod in way.its_pods(record) if (node := pods.node_of(pod))}
    minded = {node: why for node, why in record.unswept.items() if node not in where}
    record = replace(record, objects=tuple(current), earlier=None, unswept=minded)
    way.journal.save(record)
    chosen = way.chosen(record)
    left = [node for node in record.nodes if node not in (*where, *chosen)]
    left = [node for node in dict.fromkeys((*record.unswept, *left)) if node not in where]
    record = ending.sweep_left(way.cluster, way.owner.identity, record, left, way.journal)
    way.journal.say(f"the router routes on {', '.join(record.nodes)}")
    return record


def _undone(
    way: Convergence, record: Record, earlier: Earlier, held: Manifest | None, error: Declined
) -> QuaggaError:
    """Go back to what was before; tells how that went."""
    way.journal.say(f"{error}; going back to what was before")
    wanted = earlier.wanted.with_secrets(record.wanted.secrets)
    back = replace(record, wanted=wanted, hash=earlier.hash)
    try:
        configuration = _configuration(way.owner.identity, back, held)
        back = way.to_manifests(back, [configuration, render.workload(wanted, way.owner.identity)])
        _finished_back(way, back)
    except QuaggaError as second:
        return Failed(f"{error}; going back to what was before did not end well: {second}")
    return Failed(f"{error}; what was before is in force again")


def _finished_back(way: Convergence, record: Record) -> None:
    kept = [one for one in record.objects if one.kind == _configuration_kind(record.wanted)]
    for reference in record.objects:
        if reference.kind in ("ConfigMap", "Secret") and reference not in kept:
            way.cluster.delete(reference)
    way.journal.save(replace(record, objects=(*kept, record.workload), earlier=None))


def _configuration(identity: Identity, record: Record, held: Manifest | None) -> Manifest:
    """The object as it was: its own content where that is still known, since secrets may have changed."""
    if held is not None and _hash_of(held) == record.hash:
        metadata = {
            "name": identity.object_name,
            "namespace": record.wanted.namespace,
            "labels": identity.labels,
            "annotations": {**identity.annotations, CONFIG_HASH_ANNOTATION: record.hash},
        }
        content: Manifest = {key: held[key] for key in ("type", "data") if key in held}
        return {"apiVersion": "v1", "kind": held["kind"], "metadata": metadata, **content}
    made = render.configuration(record.wanted, identity)
    if _hash_of(made) != record.hash:
        raise Failed("the secrets of that time are not known any more; update it to what is right")
    return made


def _held(way: Convergence, record: Record) -> Manifest | None:
    """The configuration that the cluster holds before the change."""
    earlier = record.earlier
    if earlier is None:
        return None
    name, namespace = way.owner.identity.object_name, record.wanted.namespace
    return way.cluster.get(Reference("v1", _configuration_kind(earlier.wanted), name, namespace))


def _configuration_kind(router: Router) -> str:
    return "Secret" if router.is_secret else "ConfigMap"


def _hash_of(configuration: Manifest) -> str | None:
    annotations = configuration["metadata"].get("annotations") or {}
    return annotations.get(CONFIG_HASH_ANNOTATION)
