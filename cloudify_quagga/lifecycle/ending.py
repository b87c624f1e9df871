"""A router is ended and removed in a cluster, with nothing left on its nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference, Right
from cloudify_quagga.errors import Failed, Waiting
from cloudify_quagga.lifecycle import lease, nodes, pods
from cloudify_quagga.lifecycle.ownership import ROUTERS, Marks, Owner, forgotten, of_instance
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.story import story
from cloudify_quagga.model import Labels, Router
from cloudify_quagga.names import NAME, Identity

# The pods' grace period, and what kubelet and controllers take on top.
STOP_SECONDS = render.GRACE_SECONDS + 30.0
SWEEP_SECONDS = 60.0
STEP_SECONDS = 2.0
_POLL_SECONDS = 0.25


def stop(cluster: Cluster, identity: Identity, record: Record, journal: Journal) -> Record:
    """End it, and make sure that no node keeps a route of it."""
    record = _halt(cluster, identity, record, journal)
    left = dict.fromkeys((*record.unswept, *record.nodes))
    return sweep_left(cluster, identity, record, left, journal)


def delete(cluster: Cluster, identity: Identity, recorded: Iterable[Reference] = ()) -> list[Reference]:
    """Remove all that is recorded or bears the instance's marks; tells what that was."""
    recorded = list(recorded)
    marked = [Reference.of(manifest) for manifest in of_instance(cluster, identity)]
    removed = [reference for reference in _last_made_first(recorded, marked) if cluster.delete(reference)]
    _until_gone(cluster, removed, STOP_SECONDS)
    _delete_leases(cluster, identity, [*recorded, *marked])
    return removed


def remove_forgotten(cluster: Cluster, owner: Owner, say: Callable[[str], None]) -> list[Reference]:
    """Stop and remove the routers of this deployment that nobody knows any more; tells what was removed."""
    removed: list[Reference] = []
    found = forgotten(cluster, owner)
    for identity in dict.fromkeys(Marks.of(manifest).identity for manifest in found):
        its = [manifest for manifest in found if Marks.of(manifest).identity == identity]
        for workload in filter(_runs, its):
            stop(cluster, identity, _reconstructed(workload), Journal(lambda _: None, say))
            removed.append(Reference.of(workload))
        secrets = [one for workload in filter(_runs, its) for one in _mounted_secrets(workload, identity)]
        removed += delete(cluster, identity, [*secrets, *map(Reference.of, its)])
    return removed


def farewell(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    journal: Journal,
    send: Callable[[], object],
    goes: Callable[[Manifest], bool],
) -> Record:
    """Send pods away and hear the last word of each.

    :param send: what makes them go.
    :param goes: tells which pods that concerns.
    """
    there = cluster.observe("v1", "Pod", record.wanted.namespace, identity.selector)
    present = {pod["metadata"]["uid"]: pod for pod in filter(goes, there.found)}
    send()
    for pod in present.values():
        _let_go(cluster, pod)
    try:
        with closing(there.changes(STOP_SECONDS)) as changes:
            while present and (event := next(changes, None)):
                if not goes(event.manifest):
                    continue
                uid = event.manifest["metadata"]["uid"]
                present[uid] = event.manifest
                if event.type == "DELETED":
                    record = _farewell(record, present.pop(uid), journal)
                else:
                    _let_go(cluster, event.manifest)
    finally:
        journal.save(record)
    if present:
        raise Waiting(_still_there(cluster, present.values()))
    return record


def sweep_left(
    cluster: Cluster, identity: Identity, record: Record, left: Iterable[str], journal: Journal
) -> Record:
    """Make sure that nodes which the router has left keep no route of it."""
    for node in left:
        journal.say(f"{node}: {_sweep(cluster, identity, record, node)}")
        record = record.swept(node)
        journal.save(record)
    return record


def _halt(cluster: Cluster, identity: Identity, record: Record, journal: Journal) -> Record:
    """Delete what runs and hear every pod's last word."""
    record = farewell(
        cluster,
        identity,
        record,
        journal,
        send=lambda: cluster.delete(record.workload, dependents_first=True),
        goes=lambda _: True,
    )
    _until_gone(cluster, [record.workload], STOP_SECONDS)
    return record


def _let_go(cluster: Cluster, pod: Manifest) -> None:
    """Do not wait for the kubelet, which keeps such a pod for ten seconds and more."""
    if pods.is_over(pod):
        cluster.delete(Reference.of(pod), at_once=True)


def _farewell(record: Record, pod: Manifest, journal: Journal) -> Record:
    """Remember what a pod that is gone leaves to do."""
    node, why, words = pods.node_of(pod), pods.left_something(pod), pods.last_words(pod) or ""
    if node is None:
        return record
    if why:
        journal.say(f"{node}: routes may be left, since {pod['metadata']['name']} ended otherwise: {why}")
        return replace(record, unswept={**record.unswept, node: f"{pod['metadata']['name']}: {why}"})
    if words.startswith(pods.CLEAN):
        journal.say(f"{node}: {words}")
        return record.swept(node)
    return record


def _still_there(cluster: Cluster, found: Iterable[Manifest]) -> str:
    sentences = []
    for pod in found:
        node = cluster.get(Reference("v1", "Node", pods.node_of(pod) or "-"))
        lost = node is not None and not nodes.is_ready(node)
        remedy = f"; {_bring_back(nodes.name(node))}" if node and lost else ""
        sentences.append(f"{pods.name(pod)} has not ended after {STOP_SECONDS:.0f} s{remedy}")
    return "; ".join(sentences)


def _sweep(cluster: Cluster, identity: Identity, record: Record, node_name: str) -> str:
    """Remove from a node what a router that was killed left there; tells what came of it."""
    node = cluster.get(Reference("v1", "Node", node_name))
    if node is None:
        return "is no node of the cluster any more"
    if _is_anothers(cluster, identity, node_name):
        return "another router minds its routes now"
    if not nodes.is_ready(node):
        why = record.unswept.get(node_name, "its router was not seen to end")
        raise Failed(f"routes may be left on {node_name} ({why}); {_bring_back(node_name)}")
    pod = render.sweeper(record.wanted, identity, node_name)
    reference = Reference.of(pod)
    if cluster.delete(reference):
        _until_gone(cluster, [reference], SWEEP_SECONDS)
    cluster.apply(pod, identity.field_manager)
    try:
        words = _await_swept(cluster, reference, pod["metadata"]["labels"], node_name)
    finally:
        cluster.delete(reference)
    _until_gone(cluster, [reference], SWEEP_SECONDS)
    return words


def _await_swept(cluster: Cluster, reference: Reference, selector: Mapping[str, str], node_name: str) -> str:
    deadline = time.monotonic() + SWEEP_SECONDS
    while True:
        there = cluster.observe("v1", "Pod", str(reference.namespace), selector)
        pod = next((one for one in there.found if one["metadata"]["name"] == reference.name), None)
        if pod is None:
            raise Waiting(f"the pod that was to sweep {node_name} has been taken away")
        if pods.has_ended(pod):
            return _checked(pod, node_name)
        left = deadline - time.monotonic()
        if left <= 0:
            raise Waiting(f"{node_name} is not swept after {SWEEP_SECONDS:.0f} s: {story(cluster, pod)}")
        with closing(there.changes(min(left, STEP_SECONDS))) as changes:
            next(changes, None)


def _checked(pod: Manifest, node_name: str) -> str:
    words = pods.last_words(pod) or pods.obstacle(pod) or "it gave no reason"
    if not words.startswith(pods.CLEAN):
        raise Failed(
            f"routes may be left on {node_name}, and the pod that was to remove them says: {words}; look at "
            f"`ip route` there, mend what it names, and uninstall again"
        )
    return words


def _is_anothers(cluster: Cluster, identity: Identity, node_name: str) -> bool:
    return any(
        pods.node_of(pod) == node_name and not pods.has_ended(pod)
        for pod in cluster.find("v1", "Pod", selector=ROUTERS)
        if Marks.of(pod).instance != identity.instance
    )


def _bring_back(node_name: str) -> str:
    return (
        f"{node_name} is not Ready: bring it back and uninstall again, or, where it is gone for good, "
        f"`kubectl delete node {node_name}` first"
    )


def _until_gone(cluster: Cluster, references: Iterable[Reference], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    left = list(references)
    while left := [one for one in left if cluster.get(one) is not None]:
        if time.monotonic() > deadline:
            raise Waiting(f"{', '.join(map(str, left))}: still there {seconds:.0f} s after being deleted")
        time.sleep(_POLL_SECONDS)


def _last_made_first(*groups: Iterable[Reference]) -> list[Reference]:
    return list(reversed(list(dict.fromkeys(one for group in groups for one in group))))


def _runs(manifest: Manifest) -> bool:
    """Whether it is what runs a router: neither its configuration nor its sweeper."""
    labels: Mapping[str, str] = manifest["metadata"]["labels"]
    return manifest["kind"] != "ConfigMap" and labels.get(NAME) == ROUTERS[NAME]


def _delete_leases(cluster: Cluster, identity: Identity, references: Iterable[Reference]) -> None:
    """What a change that was cut off has left; before there were changes nobody had the right to it."""
    for namespace in dict.fromkeys(one.namespace for one in references):
        if namespace and cluster.may(Right("delete", lease.API_VERSION, lease.KIND, namespace)):
            cluster.delete(lease.reference(identity, namespace))


def _mounted_secrets(workload: Manifest, identity: Identity) -> Iterator[Reference]:
    """The configuration of a router of which there is no record; not everybody may look for Secrets."""
    for volume in _pod_spec(workload).get("volumes") or []:
        if (volume.get("secret") or {}).get("secretName") == identity.object_name:
            yield Reference("v1", "Secret", identity.object_name, workload["metadata"]["namespace"])


def _pod_spec(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return spec


def _reconstructed(workload: Manifest) -> Record:
    """What is needed to stop a router of which there is no record."""
    metadata = workload["metadata"]
    spec = _pod_spec(workload)
    container = spec["containers"][0]
    secrets = spec.get("imagePullSecrets") or [{}]
    selector = spec.get("nodeSelector")
    privileged = container.get("securityContext", {}).get("privileged", False)
    router = Router(
        image=container["image"],
        pull_secret=secrets[0].get("name"),
        pull_policy=container.get("imagePullPolicy"),
        node_selector=Labels.parse(selector, "node_selector") if selector else None,
        kind=workload["kind"],
        security="privileged" if privileged else "capabilities",
        namespace=metadata["namespace"],
    )
    return Record(router, "", (Reference.of(workload),))
