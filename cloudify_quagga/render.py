"""From a Router to its configuration file and its manifests: pure, and the same text for the same router."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from cloudify_quagga.errors import Refused
from cloudify_quagga.model import NextHop, Route, Router
from cloudify_quagga.names import (
    CONFIG_HASH_ANNOTATION,
    MANAGED_BY,
    NAME,
    TEMPLATE_HASH_ANNOTATION,
    Identity,
    node_name_suffix,
)

CONTAINER = "quagga"
CONFIG_FILE = "frr.conf"
CONFIG_DIRECTORY = "/etc/quagga-router"
UNREADY_FILE = "/run/quagga/unready"
STATUS_FILE = "/run/quagga/status.json"
NODE_VARIABLE = "QUAGGA_NODE"
CHECK_VARIABLE = "QUAGGA_CHECK_SECONDS"
METRICS_PORT_VARIABLE = "QUAGGA_METRICS_PORT"
METRICS_ADDRESS_VARIABLE = "QUAGGA_METRICS_ADDRESS"
COMMAND = ("bash", "/root/start.sh")
GRACE_SECONDS = 30
SWEEP_SECONDS = 120

CAPABILITIES = (
    "NET_ADMIN",
    "NET_RAW",
    "NET_BIND_SERVICE",
    "SYS_ADMIN",
    "SETUID",
    "SETGID",
    "CHOWN",
    "DAC_OVERRIDE",
)
# What the daemons and their keeper write to, where that is not to be on the node's disk.
_WRITABLE = {
    "run": "/run",
    "settings": "/etc/frr",
    "state": "/var/lib/frr",
    "tmp": "/tmp",  # noqa: S108  the container's own
    "var-tmp": "/var/tmp",  # noqa: S108  the container's own
}
_SCRATCH = "scratch"

# What a ConfigMap holds.
_LARGEST_CONFIG = 1024 * 1024

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701  a router reads this, not a browser
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


# One operation asks for the same one several times; of 1,000 routes each takes 14 ms.
@lru_cache(maxsize=4)
def frr_conf(router: Router) -> str:
    """The configuration, in the form in which FRR itself prints it."""
    text = _TEMPLATES.get_template("frr.conf.j2").render(
        ipv4_forwarding="ip forwarding" if router.forwarding.ipv4 else "no ip forwarding",
        ipv6_forwarding="ipv6 forwarding" if router.forwarding.ipv6 else "no ipv6 forwarding",
        routes=[line for route in _in_order(router.routes) for line in _route_lines(route)],
        interfaces=sorted(router.interfaces, key=lambda interface: _natural(interface.name)),
        raw=list(_in_blocks(router.raw.revealed(router.secrets.reveal))),
    )
    size = len(text.encode())
    if size > _LARGEST_CONFIG:
        lines = f"{len(router.routes)} routes" + (
            f" and {len(router.raw.lines)} lines" if router.raw.lines else ""
        )
        right = f"make {size} bytes of configuration; a ConfigMap holds {_LARGEST_CONFIG} at most"
        raise Refused("routes", lines, right)
    return text


def config_hash(text: str) -> str:
    """What tells one configuration from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def objects(router: Router, identity: Identity) -> list[dict[str, Any]]:
    """The router's objects, in the order in which they are applied; deleted in reverse."""
    return [configuration(router, identity), workload(router, identity)]


def configuration(router: Router, identity: Identity) -> dict[str, Any]:
    """The object that holds the configuration: a Secret where nobody may read it."""
    text = frr_conf(router)
    metadata = _metadata(router, identity)
    hashed = {**metadata["annotations"], CONFIG_HASH_ANNOTATION: config_hash(text)}
    held: dict[str, Any] = {"data": {CONFIG_FILE: text}}
    if router.is_secret:
        held = {"type": "Opaque", "data": {CONFIG_FILE: base64.b64encode(text.encode()).decode()}}
    return {
        "apiVersion": "v1",
        "kind": "Secret" if router.is_secret else "ConfigMap",
        "metadata": {**metadata, "annotations": hashed},
        **held,
    }


def workload(router: Router, identity: Identity) -> dict[str, Any]:
    """The object that runs the pods."""
    return _WORKLOADS[router.kind](router, identity)


def template_hash(router: Router, identity: Identity) -> str:
    """What tells pods of one making from pods of another: a pod of another has to be made anew.

    A DaemonSet's pod stays where it is if other labels pick its node; others are given their node by these.
    """
    return str(workload_template(router, identity)["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION])


def probe_pod(router: Router, identity: Identity) -> dict[str, Any]:
    """The pod as it would run, whatever the kind: what a server-side dry run asks admission about."""
    pod = _made_of(_pod_template(router, identity), router, identity)
    return {**pod, "metadata": {**pod["metadata"], "name": f"{identity.object_name}-probe"}}


def sweeper(router: Router, identity: Identity, node_name: str) -> dict[str, Any]:
    """The pod that removes from one node what a killed router left there."""
    metadata = _metadata(router, identity)
    container = {
        **_container(router),
        "command": [*COMMAND, "sweep"],
        # The node has the image that ran there, which a registry may have no more.
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "name": f"{identity.object_name}-{node_name_suffix(node_name)}",
            # Not the router's labels: its controller would adopt the pod.
            "labels": {**metadata["labels"], NAME: "quagga-sweeper"},
        },
        "spec": {
            **_host_spec(router),
            "nodeName": node_name,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SWEEP_SECONDS,
            # Routes have to go from a cordoned or tainted node too.
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        },
    }


def _in_order(routes: tuple[Route, ...]) -> list[Route]:
    """As FRR prints them: short prefixes first."""
    return sorted(routes, key=lambda route: (route.network.version, route.network.prefixlen, route.network))


def _route_lines(route: Route) -> Iterator[str]:
    family = "ip" if route.network.version == 4 else "ipv6"  # noqa: PLR2004
    distance = "" if route.distance == 1 else f" {route.distance}"
    ways = ["blackhole"] if route.blackhole else [_way(hop) for hop in sorted(route.hops, key=_hop_order)]
    for way in ways:
        yield f"{family} route {route.prefix} {way}{distance}"


def _way(hop: NextHop) -> str:
    return " ".join(part for part in (hop.address, hop.interface) if part)


def _hop_order(hop: NextHop) -> tuple[bool, bool, int, list[tuple[str, int]]]:
    """As FRR prints them: interfaces, then addresses by number, then addresses behind interfaces."""
    number = int(ipaddress.ip_address(hop.address)) if hop.address else 0
    return bool(hop.address), bool(hop.address and hop.interface), number, _natural(hop.interface or "")


def _natural(name: str) -> list[tuple[str, int]]:
    """As FRR orders interfaces: eth2 before eth10."""
    return [(word, int(digits or 0)) for word, digits in re.findall(r"([^0-9]*)([0-9]*)", name)]


def _in_blocks(lines: list[str]) -> Iterator[str]:
    """With FRR's own mark behind each block, and behind the last line."""
    for line in lines:
        yield line
        if line == "exit":
            yield "!"
    if lines and lines[-1] != "exit":
        yield "!"


def _daemon_set(router: Router, identity: Identity) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(router, identity),
        "spec": {
            "selector": {"matchLabels": identity.selector},
            # Nothing restarts by itself: a change that needs a new pod is taken from node to node by us.
            "updateStrategy": {"type": "OnDelete"},
            "template": workload_template(router, identity),
        },
    }


def _deployment(router: Router, identity: Identity) -> dict[str, Any]:
    template = workload_template(router, identity)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(router, identity),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": identity.selector},
            "strategy": {"type": "Recreate"},
            "template": template,
        },
    }


def _pod(router: Router, identity: Identity) -> dict[str, Any]:
    return _made_of(workload_template(router, identity), router, identity)


def _made_of(template: dict[str, Any], router: Router, identity: Identity) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_metadata(router, identity), "annotations": template["metadata"]["annotations"]},
        "spec": template["spec"],
    }


def _alone(template: dict[str, Any], identity: Identity) -> dict[str, Any]:
    """The pod, kept off nodes that have a router; the scheduler looks for those in this namespace only."""
    any_router = {key: identity.labels[key] for key in (MANAGED_BY, NAME)}
    apart = {"labelSelector": {"matchLabels": any_router}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    return {**template, "spec": {**template["spec"], "affinity": affinity}}


_WORKLOADS = {"DaemonSet": _daemon_set, "Deployment": _deployment, "Pod": _pod}


def _metadata(router: Router, identity: Identity) -> dict[str, Any]:
    return {
        "name": identity.object_name,
        "namespace": router.namespace,
        "labels": identity.labels,
        "annotations": identity.annotations,
    }


def workload_template(router: Router, identity: Identity) -> dict[str, Any]:
    """The pod as the workload makes it, marked with what tells it from pods of another making."""
    template = _pod_template(router, identity)
    if router.kind != "DaemonSet":
        template = _alone(template, identity)
    judged = dict(template["spec"])
    if router.kind == "DaemonSet":
        del judged["nodeSelector"]
    digest = hashlib.sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()[:16]
    metadata = template["metadata"]
    annotations = {**metadata["annotations"], TEMPLATE_HASH_ANNOTATION: digest}
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def _pod_template(router: Router, identity: Identity) -> dict[str, Any]:
    if router.node_selector is None:
        raise Refused("node_selector", None, "names no node; labels are needed, as in {role: router}")
    container: dict[str, Any] = {
        **_container(router),
        "volumeMounts": [
            {"name": _volume(router), "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            *_writable_mounts(router),
        ],
        "readinessProbe": {
            # On an empty /run there is neither file before the router has written both.
            "exec": {"command": ["sh", "-c", f"test -e {STATUS_FILE} && ! cat {UNREADY_FILE}"]},
            "periodSeconds": 2,
            "timeoutSeconds": 5,
            "failureThreshold": 1,
        },
        "livenessProbe": {
            "exec": {"command": ["vtysh", "-d", "zebra", "-c", "show version"]},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }
    container["env"] += [{"name": CHECK_VARIABLE, "value": str(router.check_seconds)}]
    if router.metrics.enabled:
        container["env"] += _metrics_variables(router.metrics.port)
        container["ports"] = [{"name": "metrics", "containerPort": router.metrics.port, "protocol": "TCP"}]
    return {
        "metadata": {"labels": identity.labels, "annotations": identity.annotations},
        "spec": {
            **_host_spec(router),
            "nodeSelector": router.node_selector.to_json(),
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [container],
            "volumes": [{"name": _volume(router), **_source(router, identity)}, *_writable_volumes(router)],
        },
    }


def _metrics_variables(port: int) -> list[dict[str, Any]]:
    return [
        {"name": METRICS_PORT_VARIABLE, "value": str(port)},
        {"name": METRICS_ADDRESS_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
    ]


def _volume(router: Router) -> str:
    # Volumes are merged by name, and one that was a ConfigMap would stay one beside being a Secret.
    return "secret-config" if router.is_secret else "config"


def _source(router: Router, identity: Identity) -> dict[str, Any]:
    if router.is_secret:
        return {"secret": {"secretName": identity.object_name, "defaultMode": 0o400}}
    return {"configMap": {"name": identity.object_name}}


def _writable_mounts(router: Router) -> list[dict[str, Any]]:
    if not _writes_to_memory(router):
        return []
    return [{"name": _SCRATCH, "mountPath": path, "subPath": name} for name, path in _WRITABLE.items()]


def _writable_volumes(router: Router) -> list[dict[str, Any]]:
    if not _writes_to_memory(router):
        return []
    return [{"name": _SCRATCH, "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}]


def _writes_to_memory(router: Router) -> bool:
    """Where the root file system is read-only, and where what is written holds passwords."""
    return router.security == "capabilities" or router.is_secret


def _host_spec(router: Router) -> dict[str, Any]:
    """What router and sweeper share: the node's network, nothing of the cluster's."""
    spec: dict[str, Any] = {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }
    if router.pull_secret:
        spec["imagePullSecrets"] = [{"name": router.pull_secret}]
    return spec


def _container(router: Router) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": router.image,
        "workingDir": "/root",
        "command": list(COMMAND),
        "env": [{"name": NODE_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": _security(router.security),
    }
    if router.pull_policy:
        container["imagePullPolicy"] = router.pull_policy
    return container


def _security(security: str) -> dict[str, Any]:
    if security == "privileged":
        # Without a seccomp profile: container runtimes apply none to what is privileged.
        return {"privileged": True}
    return {
        # allowPrivilegeEscalation cannot be false: the API server refuses it beside SYS_ADMIN.
        "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
