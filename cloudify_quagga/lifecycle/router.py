"""A router is made and started in a cluster, and waited for until it routes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, Waiting
from cloudify_quagga.lifecycle import pods
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.story import story, told_events
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity

# One wait occupies a worker of the orchestrator, which asks again afterwards.
START_SECONDS = 60.0
# A pod that cannot start is given this long to think better of it.
STUCK_SECONDS = 20.0
STEP_SECONDS = 2.0


def create(
    cluster: Cluster, owner: Owner, router: Router, access: Mapping[str, Any], journal: Journal
) -> Record:
    """Put everything there but what runs."""
    manifests = render.objects(router, owner.identity)
    record = Record(
        wanted=router,
        hash=render.config_hash(render.frr_conf(router)),
        objects=tuple(Reference.of(manifest) for manifest in manifests),
        access=access,
    )
    # Recorded before it is made: what is not there can be deleted, what is not known cannot.
    journal.save(record)
    for manifest in manifests[:-1]:
        cluster.apply(owner.stamped(manifest), owner.identity.field_manager)
    return record


def start(cluster: Cluster, owner: Owner, record: Record, journal: Journal) -> Record:
    """Run it, and wait until every pod of it routes."""
    manifests = render.objects(record.wanted, owner.identity)
    for manifest in manifests:
        cluster.apply(owner.stamped(manifest), owner.identity.field_manager)
    routing = _await_ready(cluster, owner.identity, record)
    record = replace(record, nodes=tuple(sorted({*record.nodes, *routing})))
    journal.save(record)
    journal.say(f"the router routes on {', '.join(record.nodes)}")
    return record


def _await_ready(cluster: Cluster, identity: Identity, record: Record) -> list[str]:
    """The nodes on which it routes, once it does on all of them."""
    began = time.monotonic()
    while True:
        there = cluster.observe("v1", "Pod", record.wanted.namespace, identity.selector)
        current = [pod for pod in there.found if record.hash.startswith(pods.config_of(pod) or "-")]
        for pod in current:
            _fail_where_refused(pod)
        workload = cluster.get(record.workload)
        if workload is not None and _is_settled(workload) and all(map(pods.is_ready, there.found)):
            return [node for pod in there.found if (node := pods.node_of(pod))]
        stuck = any(pods.obstacle(pod) for pod in current)
        left = began + (STUCK_SECONDS if stuck else START_SECONDS) - time.monotonic()
        if left <= 0:
            raise Waiting(_awaited(cluster, record, workload, there.found))
        with closing(there.changes(min(left, STEP_SECONDS))) as changes:
            next(changes, None)


def _fail_where_refused(pod: Manifest) -> None:
    sentence = pods.refusal(pod)
    if sentence:
        raise Failed(f"{pods.name(pod)} {sentence}")


def _is_settled(workload: Manifest) -> bool:
    """Whether as many pods are ready as there should be, all of them of the latest generation."""
    status = workload.get("status") or {}
    if workload["kind"] == "Pod":
        return pods.is_ready(workload)
    if status.get("observedGeneration") != workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        counts = [status.get(key, 0) for key in ("updatedNumberScheduled", "numberReady")]
    else:
        wanted = workload["spec"]["replicas"]
        counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    return wanted > 0 and all(count == wanted for count in counts)


def _awaited(cluster: Cluster, record: Record, workload: Manifest | None, found: list[Manifest]) -> str:
    """What has not come yet, and everything that the cluster tells about why."""
    late = [pod for pod in found if not pods.is_ready(pod)]
    if not late:
        return f"{record.workload} has no pod yet{told_events(cluster, workload)}"
    return "; ".join(story(cluster, pod) for pod in late)
