"""Nodes that a router has left are swept: none keeps a route of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

from cloudify_quagga import render
from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, PermanentError, QuaggaError, Unavailable, Waiting
from cloudify_quagga.lifecycle import lease, nodes, pods
from cloudify_quagga.lifecycle.lease import Step
from cloudify_quagga.lifecycle.ownership import ROUTERS, Marks
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.removal import until_gone
from cloudify_quagga.lifecycle.story import story
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity

SWEEP_SECONDS = 60.0
# A registry that does not answer at once may be starting.
PULL_SECONDS = 20.0
STEP_SECONDS = 2.0


def sweep(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    left: Iterable[str],
    journal: Journal,
    step: Step,
) -> Record:
    """Make sure that nodes which the router has left keep no route of it.

    One on which that fails keeps no other from it; all that do are told of.
    """
    failures: list[QuaggaError] = []
    for node in left:
        try:
            journal.say(f"{node}: {_swept(cluster, identity, record, node, step)}")
        except lease.TakenOver:
            raise
        except (PermanentError, Waiting) as error:
            failures.append(error)
        except Unavailable as error:
            # The others would learn the same.
            failures.append(error)
            break
        else:
            record = record.swept(node)
            journal.save(record)
    if failures:
        raise together(failures) from failures[0]
    return record


def unclean(record: Record) -> list[str]:
    """The nodes on which routes may be left."""
    return list(dict.fromkeys((*record.unswept, *record.nodes)))


def together(failures: Sequence[QuaggaError]) -> QuaggaError:
    """One error of several: the API server is away, or else what waiting does not mend decides."""
    if len(failures) == 1:
        return failures[0]
    said = "; ".join(map(str, failures))
    if isinstance(failures[-1], Unavailable):
        return Unavailable(said, failures[-1].retry_after)
    return Failed(said) if any(isinstance(one, PermanentError) for one in failures) else Waiting(said)


def _swept(cluster: Cluster, identity: Identity, record: Record, node_name: str, step: Step) -> str:
    """Remove from a node what a router that was killed left there; tells what came of it."""
    node = cluster.get(Reference("v1", "Node", node_name))
    if node is None:
        return "is no node of the cluster any more"
    if _is_anothers(cluster, identity, node_name):
        return "another router minds its routes now"
    if not nodes.is_ready(node):
        why = record.unswept.get(node_name, "its router was not seen to end")
        raise Failed(f"routes may be left on {node_name} ({why}); {nodes.bring_back(node_name)}")
    pod = render.sweeper(_last_seen_to_run(record), identity, node_name)
    reference = Reference.of(pod)
    if cluster.delete(reference):
        until_gone(cluster, [reference], SWEEP_SECONDS, step)
    try:
        cluster.apply(pod, identity.field_manager)
    except Absent as error:
        namespace = record.wanted.namespace
        raise Failed(
            f"routes may be left on {node_name}: namespace {namespace} is gone, and with it what its pods "
            f"said at the end; `kubectl create namespace {namespace}` and uninstall again, to make sure"
        ) from error
    try:
        swept = _await_swept(cluster, reference, pod["metadata"]["labels"], node_name, step)
        words = _checked(swept, record, node_name)
    finally:
        cluster.delete(reference)
    until_gone(cluster, [reference], SWEEP_SECONDS, step)
    return words


def _last_seen_to_run(record: Record) -> Router:
    """Of a change that is not finished, what was before: its new image may be one that nobody has."""
    return record.earlier.wanted if record.earlier else record.wanted


def _await_swept(
    cluster: Cluster, reference: Reference, selector: Mapping[str, str], node_name: str, step: Step
) -> Manifest:
    began = time.monotonic()
    while True:
        there = cluster.observe("v1", "Pod", str(reference.namespace), selector)
        pod = next((one for one in there.found if one["metadata"]["name"] == reference.name), None)
        if pod is None:
            raise Waiting(f"the pod that was to sweep {node_name} has been taken away")
        if pods.has_ended(pod):
            return pod
        waited = time.monotonic() - began
        if pods.lacks_image(pod) and waited > PULL_SECONDS:
            image = pod["spec"]["containers"][0]["image"]
            raise Failed(
                f"routes may be left on {node_name}, and the pod that was to remove them has no image: "
                f"{pods.obstacle(pod)}; let {node_name} have {image} again and try again"
            )
        left = SWEEP_SECONDS - waited
        if left <= 0:
            raise Waiting(f"{node_name} is not swept after {SWEEP_SECONDS:.0f} s: {story(cluster, pod)}")
        step()
        with closing(there.changes(min(left, STEP_SECONDS))) as changes:
            next(changes, None)


def _checked(pod: Manifest, record: Record, node_name: str) -> str:
    words = pods.last_words(pod) or pods.obstacle(pod) or "it gave no reason"
    if words.startswith(pods.CLEAN):
        return words
    shown = record.wanted.secrets.masked(words)
    has_refused_so = words.startswith(pods.REFUSED) and shown in record.unswept.get(node_name, "")
    if has_refused_so and node_name not in record.nodes:
        # What kept the router from running keeps it from being swept, and is somebody else's affair.
        return f"the router was never seen to route there, and nothing can be swept: {shown}"
    raise Failed(
        f"routes may be left on {node_name}, and the pod that was to remove them says: {shown}; look at "
        f"`ip route` there, mend what it names, and try again"
    )


def _is_anothers(cluster: Cluster, identity: Identity, node_name: str) -> bool:
    return any(
        pods.node_of(pod) == node_name and not pods.has_ended(pod)
        for pod in cluster.find("v1", "Pod", selector=ROUTERS)
        if Marks.of(pod).instance != identity.instance
    )
