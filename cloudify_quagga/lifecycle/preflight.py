"""Everything that can be known beforehand, asked while nothing has been changed yet."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cloudify_quagga import render
from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference, Right, UnknownKind
from cloudify_quagga.errors import Conflict, NotPermitted, Refused
from cloudify_quagga.lifecycle import drift, labels, lease, nodes, pods
from cloudify_quagga.lifecycle.ownership import KINDS, ROUTERS, Forgotten, Marks, Owner, forgotten
from cloudify_quagga.lifecycle.record import Record
from cloudify_quagga.lifecycle.rights import require
from cloudify_quagga.model import Router

_KNOWN_BY_NAME = ("get", "create", "patch", "delete")
# A sample tells the pools; all pods of a large cluster are 10 KB each, at every change.
_MOST_PODS = 500
_SERVICE_NETWORK = ("networking.k8s.io/v1", "ServiceCIDR")
_CHANGING = ("list", *_KNOWN_BY_NAME)


def check_router(cluster: Cluster, owner: Owner, router: Router) -> None:
    """Refuse what would fail, or do harm, later on."""
    # Judges what only rendering can: its size, and whether its secrets have values.
    render.frr_conf(router)
    require(cluster, _rights(router))
    check_not_forgotten(cluster, owner)
    _check_place(cluster, owner, router)
    _check_admitted(cluster, owner, router)


def check_change(cluster: Cluster, owner: Owner, before: Router, wanted: Router) -> None:
    """Refuse what would fail, or do harm, in a router that has been installed already."""
    render.frr_conf(wanted)
    require(cluster, _rights_to_change(wanted))
    _check_place(cluster, owner, wanted)
    # A quota may be used up by the pods that there are.
    if render.template_hash(before, owner.identity) != render.template_hash(wanted, owner.identity):
        _check_admitted(cluster, owner, wanted)
    for manifest in render.objects(wanted, owner.identity):
        # A pod is not changed but made anew.
        if manifest["kind"] != "Pod":
            drift.put(cluster, owner, manifest, dry_run=True)


def check_same_cluster(cluster: Cluster, owner: Owner, record: Record, access: Mapping[str, Any]) -> None:
    """Refuse a way to the cluster that has come to lead to another one: the router in the old would live on.

    :param access: the way as it is now.
    """
    if access == record.access:
        return
    there = (cluster.get(reference) for reference in record.objects)
    if not any(found is not None and Marks.of(found).instance == owner.identity.instance for found in there):
        raise Refused(
            "client_config",
            cluster.address,
            "leads to a cluster that has nothing of this router; say the way to the one that it lives in "
            "again, and uninstall it there before it is installed here",
        )


def _check_place(cluster: Cluster, owner: Owner, router: Router) -> None:
    all_nodes = cluster.find("v1", "Node")
    chosen = _chosen_nodes(cluster, router, all_nodes)
    _check_no_rival(cluster, owner, router, chosen)
    router.guard(_protected(cluster, all_nodes))


def check_labels(cluster: Cluster, owner: Owner, node: str, wanted: Mapping[str, str]) -> None:
    """Refuse labels that could not be taken."""
    require(cluster, labels.RIGHTS)
    found = labels.find_node(cluster, node)
    check_not_forgotten(cluster, owner)
    labels.take(cluster, owner, found, wanted, dry_run=True)


def _rights(router: Router) -> Iterator[Right]:
    """Every verb and resource that the router's whole life will need."""
    yield Right("get", "v1", "Node")
    yield Right("list", "v1", "Node")
    for api_version, kind in KINDS:
        # Routers of other namespaces, and forgotten ones.
        yield Right("list", api_version, kind)
    changed = [one for one in KINDS if one[1] in ("ConfigMap", "Pod", router.kind)]
    for api_version, kind in changed:
        for verb in _CHANGING:
            yield Right(verb, api_version, kind, router.namespace)
    yield Right("watch", "v1", "Pod", router.namespace)
    yield Right("get", "v1", "Pod", router.namespace, "log")
    yield Right("list", "v1", "Event", router.namespace)
    yield from _rights_to_change(router)


def _rights_to_change(router: Router) -> Iterator[Right]:
    """What a change needs beyond what a router without one and without secrets does."""
    # Which of the two a websocket needs depends on the API server's version.
    yield Right("get", "v1", "Pod", router.namespace, "exec")
    yield Right("create", "v1", "Pod", router.namespace, "exec")
    for verb in _KNOWN_BY_NAME:
        yield Right(verb, lease.API_VERSION, lease.KIND, router.namespace)
        if router.is_secret:
            yield Right(verb, "v1", "Secret", router.namespace)


def check_not_forgotten(cluster: Cluster, owner: Owner) -> None:
    """Refuse to install a deployment over an earlier install of itself."""
    left = forgotten(cluster, owner)
    held = labels.forgotten(cluster, owner)
    if not left and not held:
        return
    what = [str(Reference.of(manifest)) for manifest in left]
    what += [f"labels on {name} by {holder.marks.instance}" for name, holder in held]
    raise Forgotten(
        f"deployment {owner.identity.deployment!r} has been installed before and still lives at "
        f"{cluster.address} ({', '.join(what)}); `{owner.removal()}` removes it, then install again",
        [*map(Reference.of, left), *(Reference("v1", "Node", name) for name, _ in held)],
    )


def _chosen_nodes(cluster: Cluster, router: Router, all_nodes: Sequence[Manifest]) -> list[Manifest]:
    selector: Mapping[str, str] = router.node_selector or {}
    chosen = [node for node in all_nodes if nodes.matches(node, selector)]
    if not chosen:
        raise Refused(
            "node_selector",
            shown(selector),
            f"matches no node; the cluster at {cluster.address} has {nodes.listed(all_nodes)}",
        )
    return chosen


def _check_no_rival(cluster: Cluster, owner: Owner, router: Router, chosen: Sequence[Manifest]) -> None:
    """A node's routing table has one master; two instances of a DaemonSet router would share one too."""
    taken = _taken(cluster, owner, chosen)
    if not taken or (router.kind != "DaemonSet" and _is_kept_apart(router, taken, chosen)):
        return
    node, rival = next(iter(taken.items()))
    marks = Marks.of(rival)
    raise Conflict(
        f"node_selector: on {node} another router lives already, {Reference.of(rival)} of deployment "
        f"{marks.deployment!r} ({marks.instance}), and a node can have only one; {owner.remedy(marks)}"
    )


def _is_kept_apart(router: Router, taken: Mapping[str, Manifest], chosen: Sequence[Manifest]) -> bool:
    """Whether the scheduler has a free node for the one pod, and sees every rival's pod.

    A pod's anti-affinity looks at its own namespace only.
    """
    free = [node for node in chosen if nodes.name(node) not in taken and not nodes.is_cordoned(node)]
    return bool(free) and all(rival["metadata"]["namespace"] == router.namespace for rival in taken.values())


def _taken(cluster: Cluster, owner: Owner, chosen: Sequence[Manifest]) -> dict[str, Manifest]:
    """The nodes on which another instance's router is, or is bound to be."""
    taken: dict[str, Manifest] = {}
    for workload in _others(cluster, owner, "apps/v1", "DaemonSet"):
        selector = workload["spec"]["template"]["spec"].get("nodeSelector") or {}
        for node in chosen:
            if nodes.matches(node, selector):
                taken.setdefault(nodes.name(node), workload)
    names = {nodes.name(node) for node in chosen}
    for pod in _others(cluster, owner, "v1", "Pod"):
        node_name = pods.node_of(pod)
        if node_name in names and not pods.has_ended(pod):
            taken.setdefault(node_name, pod)
    return taken


def _others(cluster: Cluster, owner: Owner, api_version: str, kind: str) -> Iterator[Manifest]:
    for found in cluster.find(api_version, kind, selector=ROUTERS):
        if Marks.of(found).instance != owner.identity.instance:
            yield found


def _protected(cluster: Cluster, all_nodes: Sequence[Manifest]) -> Iterator[tuple[str, str]]:
    """Prefixes and addresses that the cluster itself lives on, and what they are."""
    host = urlsplit(cluster.address).hostname or ""
    if _is_address(host):
        yield host, "the API server"
    for node in all_nodes:
        for address in nodes.internal_ips(node):
            yield address, nodes.name(node)
        for prefix in nodes.pod_networks(node):
            yield prefix, f"the pods of {nodes.name(node)}"
    yield from _pods(cluster)
    # Not everybody may read these three; the router itself has no need of them.
    if cluster.may(Right("list", "v1", "Service")):
        yield from _services(cluster)
    if _may_list_service_networks(cluster):
        yield from _service_networks(cluster)
    if cluster.may(Right("get", "v1", "Endpoints", "default")):
        yield from _api_servers(cluster)


def _pods(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Those that run: a network plugin with pools of its own gives addresses that no node tells of."""
    for pod in cluster.find("v1", "Pod", fields="status.phase=Running", at_most=_MOST_PODS):
        for address in pods.own_addresses(pod):
            yield address, f"the pod {_place(pod)}"


def _services(cluster: Cluster) -> Iterator[tuple[str, str]]:
    for service in cluster.find("v1", "Service"):
        spec = service["spec"]
        # Before 1.20 there is one at most.
        for address in spec.get("clusterIPs") or [spec.get("clusterIP", "")]:
            if _is_address(address):
                yield address, f"the service {_place(service)}"


def _place(manifest: Manifest) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"


def _may_list_service_networks(cluster: Cluster) -> bool:
    try:
        return cluster.may(Right("list", *_SERVICE_NETWORK))
    except UnknownKind:
        # Before 1.33 only the API server's own command line says them.
        return False


def _service_networks(cluster: Cluster) -> Iterator[tuple[str, str]]:
    for found in cluster.find(*_SERVICE_NETWORK):
        for prefix in found["spec"].get("cidrs") or []:
            yield prefix, "services"


def _api_servers(cluster: Cluster) -> Iterator[tuple[str, str]]:
    endpoints = cluster.get(Reference("v1", "Endpoints", "kubernetes", "default")) or {}
    for subset in endpoints.get("subsets") or []:
        for one in subset.get("addresses") or []:
            yield one["ip"], "the API server"


def _check_admitted(cluster: Cluster, owner: Owner, router: Router) -> None:
    """Let every admission rule of the namespace judge the pod as it would run."""
    pod = render.probe_pod(router, owner.identity)
    try:
        cluster.apply(pod, owner.identity.field_manager, dry_run=True)
    except Absent as error:
        raise Refused("namespace", router.namespace, f"is no namespace of {cluster.address}") from error
    except NotPermitted as error:
        # The rights were there a moment ago: this is a rule about pods, not about us.
        sentence = f"namespace: {router.namespace} does not admit the router's pod: {error}"
        raise NotPermitted(sentence) from error


def shown(selector: Mapping[str, str]) -> str:
    """Labels as they are written on a command line."""
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "(no label)"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
