"""How a router is: judged, compared with what is wanted of it, and told to whoever wants to see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, Unavailable
from cloudify_quagga.lifecycle import asking, configuration, drift, nodes, pods, routing
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Record
from cloudify_quagga.model import Router
from cloudify_quagga.model.sentence import legible
from cloudify_quagga.names import Identity

_MOST_ROUTERS = 50
_MOST_NAMED = 3
_SHORT_HASH = 16
_MISSING = "routes are not in the kernel"
# Of a report, what is worth keeping; it is bounded where it is read.
_TOLD = (
    "suite",
    "ready",
    "reason",
    "updated",
    "wanted_hash",
    "applied_hash",
    "daemons",
    "routes",
    "forwarding",
    "forwarding_differs",
    "protocols",
    "repairs",
    "refused",
    "last_change",
    "last_error",
    "last_error_at",
)


def check(cluster: Cluster, identity: Identity, record: Record) -> None:
    """Failed with everything that is wrong; nothing where the router is as it should be."""
    wrong = list(_wrong(cluster, identity, record))
    if wrong:
        raise Failed("; ".join(wrong))


def differences(
    cluster: Cluster, owner: Owner, record: Record, given: Router, access: Mapping[str, Any]
) -> dict[str, Any]:
    """What differs from what is wanted, by the place where it does; empty where nothing differs.

    :param given: the router that the node's properties describe now.
    :param access: the way to the cluster that they say now.
    """
    told: dict[str, Any] = {}
    if properties := {**_properties(record, given), **_access(record, access)}:
        told["properties"] = properties
    if record.earlier:
        begun = f"begun, from {record.earlier.hash[:_SHORT_HASH]}"
        told["change"] = {"wanted": "finished", "found": begun}
    for manifest in _manifests(cluster, owner.identity, record):
        found = drift.of(cluster, owner, manifest)
        if found:
            told[str(Reference.of(manifest))] = found.to_json()
    for pod in routing.present(cluster, _pods(cluster, owner.identity, record)):
        if differs := _of_pod(cluster, owner.identity, record, pod):
            told[pods.name(pod)] = differs
    for node in _without_router(cluster, owner.identity, record):
        told[node] = {"router": {"wanted": "running", "found": "none"}}
    return told


def live(cluster: Cluster, identity: Identity, record: Record) -> dict[str, Any]:
    """What every router tells of itself just now, bounded."""
    found = _pods(cluster, identity, record)
    routers = [_told(cluster, record, pod) for pod in found[:_MOST_ROUTERS]]
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "wanted_hash": record.hash,
        "routers": routers,
        "not_shown": len(found) - len(routers),
        "nodes_without_router": _without_router(cluster, identity, record)[:_MOST_ROUTERS],
    }


def _wrong(cluster: Cluster, identity: Identity, record: Record) -> Iterator[str]:
    for reference in record.objects:
        if cluster.get(reference) is None:
            yield f"{reference} is missing"
    found = routing.present(cluster, _pods(cluster, identity, record))
    for pod in found:
        yield from _wrong_in(cluster, record, pod)
    for node in _without_router(cluster, identity, record):
        yield f"no router is on {node}"
    if not found:
        yield "no pod of the router is there"


def _wrong_in(cluster: Cluster, record: Record, pod: Manifest) -> Iterator[str]:
    name = pods.name(pod)
    told = _answer(cluster, record, pod)
    if isinstance(told, str):
        yield told
        return
    for daemon, state in (told.said.get("daemons") or {}).items():
        if not state.get("pid"):
            yield f"{name}: {daemon} does not run"
    if told.applied_hash != record.hash:
        yield f"{name}: {_applied(told)} is applied, {record.hash[:_SHORT_HASH]} is wanted"
    if refusal := told.refusal_of(record.hash):
        yield f"{name} refuses its configuration: {refusal}"
    routes = told.said.get("routes") or {}
    missing = routes.get("missing") or []
    # Its own sentence about them also says what to do.
    says_so = _MISSING in told.reason
    if missing and not says_so:
        count = routes.get("missing_count") or len(missing)
        yield f"{name}: {count} routes are not in the kernel, {', '.join(missing[:_MOST_NAMED])} for one"
    for differs in told.said.get("forwarding_differs") or []:
        yield f"{name}: forwarding is not as wanted, {differs}"
    if not told.ready and (says_so or not missing):
        yield f"{name} is not ready: {told.reason}"


def _answer(cluster: Cluster, record: Record, pod: Manifest) -> asking.Report | str:
    """What a router tells, or a sentence about why it tells nothing."""
    if not pods.is_running(pod):
        why = pods.obstacle(pod) or pods.last_words(pod) or "its container does not run"
        return f"{pods.name(pod)} does not run: {record.wanted.secrets.masked(why)}"
    try:
        return asking.report(cluster, pod, record.wanted.secrets)
    except asking.Unanswered as error:
        return str(error)
    except Unavailable as error:
        return f"{pods.name(pod)} does not answer: {error}"


def _applied(told: asking.Report) -> str:
    return (told.applied_hash or "no configuration")[:_SHORT_HASH]


def _properties(record: Record, given: Router) -> dict[str, Any]:
    recorded, now = record.wanted.to_json(), given.to_json()
    differs: dict[str, Any] = {
        name: {"recorded": recorded[name], "given": now[name]} for name in now if recorded[name] != now[name]
    }
    if not differs and render.config_hash(render.frr_conf(given)) != record.hash:
        differs["secrets"] = {"recorded": "other values", "given": "(hidden)"}
    return differs


def _manifests(cluster: Cluster, identity: Identity, record: Record) -> list[Manifest]:
    """As they are recorded: that a secret has another value by now is no drift of the object."""
    there = configuration.held(cluster, identity, record.wanted)
    recorded = configuration.recorded(identity, record, there)
    return [
        recorded or render.configuration(record.wanted, identity),
        render.workload(record.wanted, identity),
    ]


def _access(record: Record, access: Mapping[str, Any]) -> dict[str, Any]:
    if access == record.access:
        return {}
    return {"client_config": {"recorded": dict(record.access), "given": dict(access)}}


def _of_pod(cluster: Cluster, identity: Identity, record: Record, pod: Manifest) -> dict[str, Any]:
    told = _answer(cluster, record, pod)
    if isinstance(told, str):
        return {"router": {"wanted": "running", "found": told}}
    said = told.said
    differs: dict[str, Any] = {}
    template = render.template_hash(record.wanted, identity)
    if pods.template_of(pod) != template:
        differs["pod"] = {"wanted": template, "found": pods.template_of(pod)}
    if told.applied_hash != record.hash:
        differs["configuration"] = {"wanted": record.hash, "found": told.applied_hash}
    routes = said.get("routes") or {}
    for kind, count in (("missing", "missing_count"), ("unexpected", "unexpected_count")):
        if routes.get(kind) or routes.get(count):
            differs[f"routes.{kind}"] = {"wanted": [], "found": routes.get(kind), "count": routes.get(count)}
    if said.get("forwarding_differs"):
        differs["forwarding"] = {
            "wanted": record.wanted.forwarding.to_json(),
            "found": said["forwarding_differs"],
        }
    return differs


def _told(cluster: Cluster, record: Record, pod: Manifest) -> dict[str, Any]:
    where = {"pod": pod["metadata"]["name"], "node": pods.node_of(pod)}
    told = _answer(cluster, record, pod)
    if isinstance(told, str):
        return {**where, "ready": False, "reason": legible(told)}
    return {**where, **{key: told.said[key] for key in _TOLD if key in told.said}}


def _without_router(cluster: Cluster, identity: Identity, record: Record) -> list[str]:
    """The nodes that should have one of a DaemonSet and have none; a taint may keep it off some."""
    workload = cluster.get(record.workload)
    if workload is None or workload["kind"] != "DaemonSet":
        return []
    found = routing.present(cluster, _pods(cluster, identity, record))
    have = {pods.node_of(pod) for pod in found}
    if len(have) >= (workload.get("status") or {}).get("desiredNumberScheduled", 0):
        return []
    selector: Mapping[str, str] = record.wanted.node_selector or {}
    chosen = [nodes.name(node) for node in cluster.find("v1", "Node") if nodes.matches(node, selector)]
    return [name for name in chosen if name not in have]


def _pods(cluster: Cluster, identity: Identity, record: Record) -> list[Manifest]:
    return cluster.find("v1", "Pod", record.wanted.namespace, identity.selector)
