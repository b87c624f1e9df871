"""From a Router to its configuration file and its manifests: pure, and the same text for the same router."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from cloudify_quagga.errors import Refused
from cloudify_quagga.model import NextHop, Route, Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION, MANAGED_BY, NAME, Identity, node_name_suffix

CONTAINER = "quagga"
CONFIG_FILE = "frr.conf"
CONFIG_DIRECTORY = "/etc/quagga-router"
UNREADY_FILE = "/run/quagga/unready"
NODE_VARIABLE = "QUAGGA_NODE"
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


def frr_conf(router: Router) -> str:
    """The configuration, in the form in which FRR itself prints it."""
    text = _TEMPLATES.get_template("frr.conf.j2").render(
        ipv4_forwarding="ip forwarding" if router.forwarding.ipv4 else "no ip forwarding",
        ipv6_forwarding="ipv6 forwarding" if router.forwarding.ipv6 else "no ipv6 forwarding",
        routes=[line for route in _in_order(router.routes) for line in _route_lines(route)],
        interfaces=sorted(router.interfaces, key=lambda interface: _natural(interface.name)),
    )
    size = len(text.encode())
    if size > _LARGEST_CONFIG:
        right = f"make {size} bytes of configuration; a ConfigMap holds {_LARGEST_CONFIG} at most"
        raise Refused("routes", f"{len(router.routes)} routes", right)
    return text


def config_hash(text: str) -> str:
    """What tells one configuration from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def objects(router: Router, identity: Identity) -> list[dict[str, Any]]:
    """The router's objects, in the order in which they are applied; deleted in reverse."""
    return [_config_map(router, identity), _WORKLOADS[router.kind](router, identity)]


def probe_pod(router: Router, identity: Identity) -> dict[str, Any]:
    """The pod as it would run, whatever the kind: what a server-side dry run asks admission about."""
    pod = _anywhere(router, identity)
    return {**pod, "metadata": {**pod["metadata"], "name": f"{identity.object_name}-probe"}}


def sweeper(router: Router, identity: Identity, node_name: str) -> dict[str, Any]:
    """The pod that removes from one node what a killed router left there."""
    metadata = _metadata(router, identity)
    container = {**_container(router), "command": [*COMMAND, "sweep"]}
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


def _config_map(router: Router, identity: Identity) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(router, identity),
        "data": {CONFIG_FILE: frr_conf(router)},
    }


def _daemon_set(router: Router, identity: Identity) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(router, identity),
        "spec": {
            "selector": {"matchLabels": identity.selector},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": _pod_template(router, identity),
        },
    }


def _deployment(router: Router, identity: Identity) -> dict[str, Any]:
    template = _alone(_pod_template(router, identity), identity)
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
    return _alone(_anywhere(router, identity), identity)


def _anywhere(router: Router, identity: Identity) -> dict[str, Any]:
    template = _pod_template(router, identity)
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


def _pod_template(router: Router, identity: Identity) -> dict[str, Any]:
    if router.node_selector is None:
        raise Refused("node_selector", None, "names no node; labels are needed, as in {role: router}")
    container = {
        **_container(router),
        "volumeMounts": [{"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True}],
        "readinessProbe": {
            "exec": {"command": ["sh", "-c", f"! cat {UNREADY_FILE}"]},
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
    annotations = {**identity.annotations, CONFIG_HASH_ANNOTATION: config_hash(frr_conf(router))[:16]}
    return {
        "metadata": {"labels": identity.labels, "annotations": annotations},
        "spec": {
            **_host_spec(router),
            "nodeSelector": router.node_selector.to_json(),
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "containers": [container],
            "volumes": [{"name": "config", "configMap": {"name": identity.object_name}}],
        },
    }


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
        return {"privileged": True}
    return {"capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)}}
