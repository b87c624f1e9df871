"""Waiting until objects that were applied are as they should be, and until deleted ones are gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from cloudify_quagga.cluster import Cluster, Manifest, Reference, Right
from cloudify_quagga.errors import Conflict, Failed, Waiting
from cloudify_quagga.lifecycle import holding, nodes, patience, pods, settled
from cloudify_quagga.lifecycle.patience import Patience
from cloudify_quagga.lifecycle.story import story, told_events

# One wait occupies a worker of the orchestrator, which asks again afterwards.
STOP_SECONDS = 60.0
STEP_SECONDS = 2.0
STEADY_SECONDS = 2.0
_POLL_SECONDS = 0.25
_PODS_TOLD = 2


@dataclass(frozen=True)
class _Late:
    """An object that is not yet as it should be, and its pods that are not."""

    manifest: Manifest
    why: str
    pods: Sequence[Manifest]


def until_settled(
    cluster: Cluster,
    references: Sequence[Reference],
    again: Mapping[Reference, Callable[[Manifest], None]] | None = None,
) -> None:
    """Wait until all of them are as they should be; one that never will be is Failed, a long wait Waiting.

    :param again: makes anew a pod, told as it was, that has been deleted since its kubelet did not take it.
    """
    wait, steady_since = Patience(), time.monotonic()
    while (late := _late(cluster, references)) or _may_yet_fall(references, steady_since):
        if not late:
            time.sleep(_POLL_SECONDS)
            continue
        turned_away = [one for one in late if _is_made_again(one, again or {})]
        for one in late:
            if one not in turned_away:
                _fail_where_over(cluster, one)
        left = wait.left(pod for one in late for pod in one.pods)
        if left <= 0:
            raise Waiting("; ".join(_told(cluster, one) for one in late))
        if again and turned_away:
            time.sleep(min(left, patience.AGAIN_SECONDS))
            for one in turned_away:
                _make_again(cluster, one.manifest, again[Reference.of(one.manifest)])
        else:
            _await_change(cluster, late[0].manifest, min(left, STEP_SECONDS))
        steady_since = time.monotonic()


def remove_ended(cluster: Cluster, found: Manifest) -> None:
    """Delete what has ended for good, exactly as it was seen, and wait until it is gone."""
    reference = Reference.of(found)
    cluster.delete(reference, dependents_first=reference.kind == "Job", as_seen=found)
    until_gone(cluster, [reference])


def unsettled(cluster: Cluster, manifests: Iterable[Manifest]) -> list[str]:
    """Which of them are not as they should be, and all that the cluster tells about why; without waiting."""
    lacking = [(one, settled.failure(one) or settled.lacks(one)) for one in manifests]
    return [
        _told(cluster, _Late(manifest, why, _unready_pods(cluster, manifest)))
        for manifest, why in lacking
        if why
    ]


def _may_yet_fall(references: Iterable[Reference], steady_since: float) -> bool:
    """A container that ends as soon as it begins counts as ready in between, unless it has a probe."""
    if not any(settled.is_workload(one.api_version, one.kind) for one in references):
        return False
    return time.monotonic() - steady_since < STEADY_SECONDS


def until_gone(cluster: Cluster, references: Iterable[Reference]) -> None:
    """Wait until none of them is there any more."""
    deadline = time.monotonic() + STOP_SECONDS
    left = _seen(cluster, references)
    while left:
        if time.monotonic() > deadline:
            raise Waiting("; ".join(_still_there(cluster, *one) for one in left.items()))
        for one in left.values():
            _let_go_of_what_does_nothing(cluster, one)
        time.sleep(_POLL_SECONDS)
        now = _seen(cluster, left)
        # Another of the same name is somebody else's.
        left = {one: seen for one, seen in now.items() if _uid(seen) == _uid(left[one])}


def _seen(cluster: Cluster, references: Iterable[Reference]) -> dict[Reference, Manifest]:
    looked = {one: holding.get(cluster, one) for one in references}
    return {one: manifest for one, manifest in looked.items() if manifest is not None}


def _uid(manifest: Manifest) -> str:
    return str(manifest["metadata"]["uid"])


def _late(cluster: Cluster, references: Iterable[Reference]) -> list[_Late]:
    late = []
    for reference in references:
        manifest = cluster.get(reference)
        if manifest is None:
            raise Waiting(f"{reference} has been taken away while it was waited for")
        why = settled.lacks(manifest)
        if why:
            late.append(_Late(manifest, why, _unready_pods(cluster, manifest)))
    return late


def _unready_pods(cluster: Cluster, manifest: Manifest) -> list[Manifest]:
    found = _pods(cluster, manifest)
    if manifest["kind"] == "Pod":
        return found
    return [pod for pod in found if not pods.is_ready(pod) and not pod["metadata"].get("deletionTimestamp")]


def _let_go_of_what_does_nothing(cluster: Cluster, manifest: Manifest) -> None:
    for pod in _pods(cluster, manifest):
        if pods.is_only_held(pod) and cluster.may(Right("delete", "v1", "Pod", pod["metadata"]["namespace"])):
            cluster.delete(Reference.of(pod), at_once=True)


def _pods(cluster: Cluster, manifest: Manifest) -> list[Manifest]:
    """The pod itself, or those of a workload."""
    if not settled.is_workload(manifest["apiVersion"], manifest["kind"]):
        return []
    if manifest["kind"] == "Pod":
        return [manifest]
    selector = _selector(manifest)
    return cluster.find("v1", "Pod", manifest["metadata"]["namespace"], selector) if selector else []


def _selector(workload: Manifest) -> Mapping[str, str]:
    """Labels that its pods have; of a selector by expressions, those of the template serve."""
    spec = workload["spec"]
    said = spec.get("selector") or {}
    by_labels = said.get("matchLabels") or {}
    plain = said if workload["kind"] == "ReplicationController" else by_labels
    template = (spec.get("template") or {}).get("metadata") or {}
    return {**(template.get("labels") or {}), **plain}


def _fail_where_over(cluster: Cluster, late: _Late) -> None:
    reference = Reference.of(late.manifest)
    if late.manifest["kind"] == "Pod" and (refusal := pods.refusal(late.manifest)):
        raise Failed(f"{reference}: {pods.name(late.manifest)} {refusal}")
    why = settled.failure(late.manifest)
    if why:
        raise Failed(f"{reference} has failed: {why}{_told_pods(cluster, late)}")


def _is_made_again(late: _Late, again: Container[Reference]) -> bool:
    manifest = late.manifest
    return manifest["kind"] == "Pod" and pods.is_turned_away(manifest) and Reference.of(manifest) in again


def _make_again(cluster: Cluster, found: Manifest, put: Callable[[Manifest], None]) -> None:
    try:
        remove_ended(cluster, found)
    except Conflict:
        # It has changed since it was seen, and is to be looked at again.
        return
    put(found)


def _await_change(cluster: Cluster, seen: Manifest, seconds: float) -> None:
    """Until the object is another than it was, or the time is over."""
    metadata = seen["metadata"]
    there = cluster.observe(
        seen["apiVersion"],
        seen["kind"],
        metadata.get("namespace"),
        fields=f"metadata.name={metadata['name']}",
    )
    if [one["metadata"]["resourceVersion"] for one in there.found] != [metadata["resourceVersion"]]:
        return
    with closing(there.changes(seconds)) as changes:
        next(changes, None)


def _told(cluster: Cluster, late: _Late) -> str:
    """What is late, and everything that the cluster tells about why."""
    complaint = settled.complaint(late.manifest)
    what = f"{Reference.of(late.manifest)}: {late.why}" + (f"; {complaint}" if complaint else "")
    if late.pods:
        return what + _told_pods(cluster, late)
    return what + (told_events(cluster, late.manifest) if late.manifest["metadata"].get("namespace") else "")


def _told_pods(cluster: Cluster, late: _Late) -> str:
    return "".join(f"; {story(cluster, pod)}" for pod in late.pods[-_PODS_TOLD:])


def _still_there(cluster: Cluster, reference: Reference, seen: Manifest) -> str:
    said = f"{reference} is still there {STOP_SECONDS:.0f} s after being deleted"
    finalizers = seen["metadata"].get("finalizers") or []
    if finalizers:
        said += f", kept by {', '.join(finalizers)}"
    node = _node_of(cluster, seen)
    if node is not None and not nodes.is_ready(node):
        said += f"; its node {nodes.name(node)} is not Ready"
    return said


def _node_of(cluster: Cluster, seen: Manifest) -> Manifest | None:
    """The node of a pod, where one may look at it."""
    name = pods.node_of(seen) if seen["kind"] == "Pod" else None
    if name is None or not cluster.may(Right("get", "v1", "Node")):
        return None
    return cluster.get(Reference("v1", "Node", name))
