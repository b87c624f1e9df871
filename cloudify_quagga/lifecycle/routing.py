"""Waiting until a router's pods route, with everything that the cluster tells about why they do not yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest
from cloudify_quagga.errors import Failed, Waiting
from cloudify_quagga.lifecycle import nodes, patience, pods
from cloudify_quagga.lifecycle.patience import Patience
from cloudify_quagga.lifecycle.record import Record
from cloudify_quagga.lifecycle.story import story, told_events
from cloudify_quagga.names import Identity

STEP_SECONDS = 2.0


class Declined(Failed):
    """A router did not take what it was given."""


class TurnedAway(Waiting):
    """A bare pod was not taken by its kubelet, and nobody else makes another one."""


def until_all(
    cluster: Cluster, identity: Identity, record: Record, step: Callable[[], None], wait: Patience
) -> None:
    """Wait until it routes on every node that it is for; TurnedAway where a pod has to be made again.

    :param step: called from time to time while waiting.
    :param wait: goes on where it was, when it is waited for again.
    """
    template = render.template_hash(record.wanted, identity)

    def done(workload: Manifest | None, found: list[Manifest]) -> bool:
        return (
            workload is not None
            and _is_settled(workload)
            and all(
                pods.is_ready(pod) and pods.template_of(pod) == template for pod in present(cluster, found)
            )
        )

    awaited = _Awaited(lambda pod: pods.template_of(pod) == template, done)
    _until(cluster, identity, record, step, awaited, wait)


def until_successor(
    cluster: Cluster, identity: Identity, record: Record, before: Manifest, step: Callable[[], None]
) -> None:
    """Wait until another pod routes where this one, which is gone, did.

    :raises TurnedAway: as with ``until_all``; whoever tries again makes it anew.
    """
    place = pods.node_of(before) if record.wanted.kind == "DaemonSet" else None

    def follows(pod: Manifest) -> bool:
        return place in (None, pods.node_of(pod)) and _uid(pod) != _uid(before)

    def done(_: Manifest | None, found: list[Manifest]) -> bool:
        return any(pods.is_ready(pod) for pod in filter(follows, found))

    _until(cluster, identity, record, step, _Awaited(follows, done), Patience())


def until_others(
    cluster: Cluster, identity: Identity, record: Record, going: Collection[str], step: Callable[[], None]
) -> None:
    """Wait until a DaemonSet's router routes on every node that answers, but for the pods that are to go.

    One that was made anew and cannot run is not to be followed by the next, by whichever operation.

    :param going: the uids of those pods.
    """

    def stays(pod: Manifest) -> bool:
        return _uid(pod) not in going

    def done(workload: Manifest | None, found: list[Manifest]) -> bool:
        ready = ready_nodes(cluster)
        near = [pod for pod in filter(stays, found) if pods.node_of(pod) in (None, *ready)]
        return len(found) >= expected(workload) and all(map(pods.is_ready, near))

    _until(cluster, identity, record, step, _Awaited(stays, done), Patience())


def present(cluster: Cluster, found: Sequence[Manifest]) -> list[Manifest]:
    """All but those that another one has followed, and those that are to go and were lost with their node.

    The latter end when it is back, if ever.
    """
    found = [pod for pod in found if not pods.is_left_over(pod)]
    if not any(map(pods.is_leaving, found)):
        return found
    ready = ready_nodes(cluster)
    return [pod for pod in found if not pods.is_leaving(pod) or pods.node_of(pod) in (None, *ready)]


def ready_nodes(cluster: Cluster) -> set[str]:
    """The names of the nodes whose kubelet answers."""
    return {nodes.name(node) for node in cluster.find("v1", "Node") if nodes.is_ready(node)}


def expected(workload: Manifest | None) -> int:
    """How many pods there are to be, at least one."""
    if workload is None:
        return 1
    said = (workload.get("status") or {}).get("desiredNumberScheduled")
    return int(said or workload["spec"].get("replicas", 1))


@dataclass(frozen=True)
class _Awaited:
    """What is waited for.

    :param concerns: the pods whose refusals and obstacles count.
    """

    concerns: Callable[[Manifest], bool]
    done: Callable[[Manifest | None, list[Manifest]], bool]


def _until(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    step: Callable[[], None],
    awaited: _Awaited,
    wait: Patience,
) -> None:
    while True:
        there = cluster.observe("v1", "Pod", record.wanted.namespace, identity.selector)
        current = list(filter(awaited.concerns, present(cluster, there.found)))
        for pod in current:
            _fail_where_refused(pod, record)
        workload = cluster.get(record.workload)
        if awaited.done(workload, there.found):
            return
        # One that was turned away may be left over, and its successor is turned away too.
        left = wait.left([*current, *filter(pods.is_turned_away, there.found)])
        if left <= 0:
            told = _told(cluster, record, workload, present(cluster, there.found))
            raise Waiting(record.wanted.secrets.masked(told))
        step()
        if record.wanted.kind == "Pod" and (turned_away := list(filter(pods.is_turned_away, current))):
            time.sleep(min(left, patience.AGAIN_SECONDS))
            raise TurnedAway(record.wanted.secrets.masked(story(cluster, turned_away[0])))
        with closing(there.changes(min(left, STEP_SECONDS))) as changes:
            next(changes, None)


def _fail_where_refused(pod: Manifest, record: Record) -> None:
    sentence = pods.refusal(pod)
    if sentence and not pods.is_leaving(pod):
        raise Declined(record.wanted.secrets.masked(f"{pods.name(pod)} {sentence}"))


def _is_settled(workload: Manifest) -> bool:
    """Whether as many pods are ready as there should be; which ones these are is not asked here."""
    status = workload.get("status") or {}
    if workload["kind"] == "Pod":
        return pods.is_ready(workload)
    if status.get("observedGeneration") != workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "DaemonSet":
        # A pod that need not be made anew stays, so not all are of the latest generation.
        wanted = status.get("desiredNumberScheduled", 0)
        counts = [status.get(key, 0) for key in ("currentNumberScheduled", "numberReady")]
    else:
        wanted = workload["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    return wanted > 0 and all(count == wanted for count in counts)


def _told(cluster: Cluster, record: Record, workload: Manifest | None, found: list[Manifest]) -> str:
    """What has not come yet, and everything that the cluster tells about why."""
    late = [pod for pod in found if not pods.is_ready(pod)]
    if not late:
        return f"{record.workload} has no pod yet{told_events(cluster, workload)}"
    away = {nodes.name(node) for node in cluster.find("v1", "Node") if not nodes.is_ready(node)}
    # A kubelet that does not answer cannot be asked for a log.
    sentences = (
        f"{pods.name(pod)} is not ready, nor is its node"
        if pods.node_of(pod) in away
        else story(cluster, pod)
        for pod in sorted(late, key=lambda pod: pods.node_of(pod) in away)
    )
    return "; ".join(sentences)


def _uid(pod: Manifest) -> str:
    return str(pod["metadata"]["uid"])
