"""The router as its author wants it: the only defaults and refusals of cloudify.nodes.quagga.Router."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.interface import Interface
from cloudify_quagga.model.labels import Labels
from cloudify_quagga.model.route import Route, network_of

KINDS = ("DaemonSet", "Deployment", "Pod")
SECURITIES = ("privileged", "capabilities")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_LONG = 253


@dataclass(frozen=True)
class Forwarding:
    """Which families the node forwards while the router lives."""

    ipv4: bool = True
    ipv6: bool = False

    @classmethod
    def parse(cls, given: Given) -> Forwarding:
        """From a map."""
        fields = given.fields(("ipv4", "ipv6"), "forwarding")
        return cls(**{family: one.flag() for family, one in fields.items()})

    def to_json(self) -> dict[str, bool]:
        """A plain dict."""
        return {"ipv4": self.ipv4, "ipv6": self.ipv6}


@dataclass(frozen=True)
class GuardPrefixes:
    """Prefixes that may be routed although they would cut off the cluster."""

    allow: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Given) -> GuardPrefixes:
        """From a map."""
        allow = given.fields(("allow",), "guard_prefixes").get("allow")
        return cls(tuple(str(network_of(one)) for one in allow.elements("prefixes")) if allow else ())

    def to_json(self) -> dict[str, list[str]]:
        """A plain dict."""
        return {"allow": list(self.allow)}


@dataclass(frozen=True)
class Router:
    """Everything that decides what is rendered; two equal routers make the same objects."""

    image: str = "quagga"
    pull_secret: str | None = None
    pull_policy: str | None = None
    node_selector: Labels | None = None
    kind: str = "DaemonSet"
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    forwarding: Forwarding = Forwarding()
    guard_prefixes: GuardPrefixes = GuardPrefixes()
    security: str = "privileged"
    namespace: str = "default"

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> Router:
        """From the properties of a node; how the cluster is reached is Access's."""
        given = Given("", properties).entries("the properties of a router")
        readers = {
            "image": _image,
            "pull_secret": lambda one: None if one.empty else _dns_name(one, "a Secret"),
            "pull_policy": lambda one: None if one.empty else one.choice(PULL_POLICIES),
            "node_selector": lambda one: None if one.empty else Labels.parse(one.value, one.path),
            "kind": lambda one: one.choice(KINDS),
            "interfaces": _interfaces,
            "routes": _routes,
            "forwarding": Forwarding.parse,
            "guard_prefixes": GuardPrefixes.parse,
            "security": lambda one: one.choice(SECURITIES),
            "namespace": _namespace,
        }
        return cls(**{name: read(given[name]) for name, read in readers.items() if name in given})

    def to_json(self) -> dict[str, Any]:
        """The canonical form: Router.parse of it is this router again."""
        return {
            "image": self.image,
            "pull_secret": self.pull_secret,
            "pull_policy": self.pull_policy,
            "node_selector": self.node_selector.to_json() if self.node_selector else None,
            "kind": self.kind,
            "interfaces": [interface.to_json() for interface in self.interfaces],
            "routes": [route.to_json() for route in self.routes],
            "forwarding": self.forwarding.to_json(),
            "guard_prefixes": self.guard_prefixes.to_json(),
            "security": self.security,
            "namespace": self.namespace,
        }

    def guard(self, protected: Iterable[tuple[str, str]]) -> None:
        """Refuse a route that would draw away the cluster's own packets, unless guard_prefixes allows its prefix.

        :param protected: pairs of a prefix or address, and what it is: ("10.200.0.11", "the address of node1").
        """
        networks = [(ipaddress.ip_network(prefix, strict=False), what) for prefix, what in protected]
        for index, route in enumerate(self.routes):
            if route.prefix not in self.guard_prefixes.allow:
                _guard_one(f"routes[{index}].prefix", route, networks)


def _guard_one(path: str, route: Route, networks: Iterable[tuple[Any, str]]) -> None:
    remedy = f"if that is meant, write guard_prefixes: {{allow: [\"{route.prefix}\"]}}"
    if route.network.prefixlen == 0:
        raise Refused(path, route.prefix, f"is the default route of the node; {remedy}")
    for network, what in networks:
        if network.version == route.network.version and network.overlaps(route.network):
            raise Refused(path, route.prefix, f"would draw away packets to {what} ({network}); {remedy}")


def _routes(given: Given) -> tuple[Route, ...]:
    first: dict[str, str] = {}
    routes = []
    for element in given.elements("routes"):
        route = Route.parse(element)
        if route.prefix in first:
            raise Refused(
                f"{element.path}.prefix",
                route.prefix,
                f"already is the prefix of {first[route.prefix]}; several next hops of one prefix are said by next_hops",
            )
        first[route.prefix] = element.path
        routes.append(route)
    return tuple(routes)


def _interfaces(given: Given) -> tuple[Interface, ...]:
    interfaces: list[Interface] = []
    for element in given.elements("interfaces"):
        interface = Interface.parse(element)
        if interface.name in [other.name for other in interfaces]:
            raise Refused(element.path, interface.name, "is named twice")
        interfaces.append(interface)
    return tuple(interfaces)


def _image(given: Given) -> str:
    text = given.text("an image reference")
    if _IMAGE.fullmatch(text) and len(text) <= _LONG:
        return text
    raise given.refused("is no image reference; quagga or registry.example:5000/net/quagga:1.0 would be one")


def _namespace(given: Given) -> str:
    text = given.text("a namespace")
    if _DNS_LABEL.fullmatch(text):
        return text
    raise given.refused("is no namespace's name: lower-case letters, digits and '-', at most 63 characters")


def _dns_name(given: Given, what: str) -> str:
    text = given.text(f"the name of {what}")
    if _DNS_NAME.fullmatch(text) and len(text) <= _LONG:
        return text
    raise given.refused(f"is no name of {what}: lower-case letters, digits, '-' and '.', at most {_LONG} characters")
