"""A router's changes, each in its turn: begun, judged, carried out, and undone where a router declines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, QuaggaError, Refused
from cloudify_quagga.lifecycle import asking, configuration, lease, pods, preflight, routing, sweeping
from cloudify_quagga.lifecycle.converging import Convergence
from cloudify_quagga.lifecycle.healing import Healing
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Earlier, Journal, Record
from cloudify_quagga.lifecycle.routing import Declined
from cloudify_quagga.model import Router


def start(
    cluster: Cluster, owner: Owner, record: Record, access: Mapping[str, Any], journal: Journal
) -> Record:
    """Run what is recorded, and wait until it routes; a change that was cut off is finished.

    :param access: how the cluster is reached now.
    """
    preflight.check_same_cluster(cluster, owner, record, access)
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        way = Convergence(cluster, owner, journal, turn)
        return _carried_out(way, _with_present_secrets(way, journal.latest() or record))


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
    router = wanted(record)
    _check(cluster, owner, record, router)
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        way, now = Convergence(cluster, owner, journal, turn), journal.latest() or record
        if now != record:
            router = wanted(now)
            _check(cluster, owner, now, router)
        _check_security(way, now, router)
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
        way, now = Healing(cluster, owner, journal, turn), journal.latest() or record
        return _carried_out(way, now if _is_known(way, now) else _with_present_secrets(way, now))


def _check(cluster: Cluster, owner: Owner, record: Record, wanted: Router) -> None:
    _check_same_object(record.wanted, wanted)
    preflight.check_change(cluster, owner, record.wanted, wanted)


def _check_same_object(before: Router, wanted: Router) -> None:
    for name in ("namespace", "kind"):
        was, now = getattr(before, name), getattr(wanted, name)
        if was != now:
            right = f"cannot take the place of {was} in a router that lives; uninstall and install it"
            raise Refused(name, now, right)


def _check_security(way: Convergence, record: Record, wanted: Router) -> None:
    """A pod with few capabilities can only take over what the node itself does."""
    if wanted.security != "capabilities" or record.wanted.security == wanted.security:
        return
    found = way.its_pods(record)
    away = way.away(found)
    for pod in found:
        if not pods.is_running(pod) or pod in away:
            continue
        try:
            switched = asking.report(way.cluster, pod, record.wanted.secrets).forwarding_switched
        except asking.Unanswered:
            # Its successor says so when it starts.
            continue
        if switched:
            raise Refused(
                "security",
                wanted.security,
                f"cannot take over on {pods.node_of(pod)}, where this router itself has switched the"
                f" forwarding of {' and '.join(switched)}; uninstall it, set"
                f" {' and '.join(f'net.{one}' for one in switched)} forwarding on the node for good, and"
                " install it so",
            )


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
    earlier = record.earlier
    before = configuration.held(way.cluster, way.owner.identity, earlier.wanted) if earlier else None
    try:
        record = way.to_manifests(record, _manifests(way, record, _recorded(way, record)))
    except Declined as error:
        if earlier is None:
            raise
        raise _undone(way, record, earlier, before, error) from error
    return _finished(way, record)


def _with_present_secrets(way: Convergence, record: Record) -> Record:
    """With what its secrets make of it now, where that is something else: a change like any other."""
    begun = _begun(way.owner, record, record.wanted)
    if begun.hash == record.hash:
        return record
    _check_accepted(way, record, record.wanted)
    why = "a secret has another value" if record.wanted.is_secret else "this plugin writes it otherwise"
    way.journal.say(f"the configuration is not as it was recorded, since {why}; it is taken as it is now")
    way.journal.save(begun)
    return begun


def _is_known(way: Convergence, record: Record) -> bool:
    """Whether the configuration that was wanted can be had, whatever the secrets are by now."""
    made = render.config_hash(render.frr_conf(record.wanted))
    return made == record.hash or _recorded(way, record) is not None


def _recorded(way: Convergence, record: Record) -> Manifest | None:
    """The configuration as it is recorded, as far as that is known."""
    identity = way.owner.identity
    return configuration.recorded(identity, record, configuration.held(way.cluster, identity, record.wanted))


def _manifests(way: Convergence, record: Record, held: Manifest | None) -> list[Manifest]:
    if held is None:
        raise Failed(
            "the values that its secrets had are not known any more; run quagga_update with what is right"
        )
    return [held, render.workload(record.wanted, way.owner.identity)]


def _finished(way: Convergence, record: Record) -> Record:
    """Nothing of the change is left to do, and nothing of what was before is left behind."""
    current = [Reference.of(one) for one in render.objects(record.wanted, way.owner.identity)]
    for reference in record.objects:
        if reference not in current:
            way.cluster.delete(reference)
    found = way.its_pods(record)
    there = routing.present(way.cluster, found)
    where = {node for pod in there if (node := pods.node_of(pod))}
    lost = {node: pod for pod in found if pod not in there and (node := pods.node_of(pod)) not in where}
    minded = {node: why for node, why in record.unswept.items() if node not in where}
    record = replace(record, objects=tuple(current), earlier=None, unswept=minded)
    way.journal.save(record)
    chosen = way.chosen(record)
    left = [node for node in record.nodes if node not in (*where, *chosen)]
    left = [node for node in dict.fromkeys((*record.unswept, *left)) if node not in (*where, *lost)]
    record = sweeping.sweep(way.cluster, way.owner.identity, record, left, way.journal, way.turn.renew)
    for pod in lost.values():
        way.journal.say(
            f"{pods.name(pod)} was lost with its node; when that is back, uninstall looks after it"
        )
    way.journal.say(f"the router routes on {', '.join(sorted(where))}")
    return record


def _undone(
    way: Convergence, record: Record, earlier: Earlier, before: Manifest | None, error: Declined
) -> QuaggaError:
    """Go back to what was before; tells how that went.

    :param before: the configuration that the cluster held then.
    """
    way.journal.say(f"{error}; going back to what was before")
    wanted = earlier.wanted.with_secrets(record.wanted.secrets)
    back = replace(record, wanted=wanted, hash=earlier.hash)
    try:
        held = configuration.recorded(way.owner.identity, back, before)
        back = way.to_manifests(back, _manifests(way, back, held))
        _finished_back(way, back)
    except QuaggaError as second:
        return Failed(f"{error}; going back to what was before did not end well: {second}")
    return Failed(f"{error}; what was before is in force again")


def _finished_back(way: Convergence, record: Record) -> None:
    kept = [one for one in record.objects if one.kind == configuration.kind(record.wanted)]
    for reference in record.objects:
        if reference.kind in ("ConfigMap", "Secret") and reference not in kept:
            way.cluster.delete(reference)
    way.journal.save(replace(record, objects=(*kept, record.workload), earlier=None))
