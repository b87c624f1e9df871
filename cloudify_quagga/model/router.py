"""The router as its author wants it: the only defaults and refusals of cloudify.nodes.quagga.Router."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.interface import Interface
from cloudify_quagga.model.kubernetes_names import image, namespace, secret_name
from cloudify_quagga.model.labels import Labels
from cloudify_quagga.model.raw import Raw
from cloudify_quagga.model.route import Network, Route, network_of
from cloudify_quagga.model.secrets import Secrets

KINDS = ("DaemonSet", "Deployment", "Pod")
SECURITIES = ("privileged", "capabilities")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_CHECK_SECONDS = (1, 3600)
_PORTS = (1, 65535)
_WHOLE = ("properties.node_selector",)
_NO_LINES, _NO_SECRETS = Raw(), Secrets()


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
    """Prefixes that may be routed although they would draw away the cluster's own packets."""

    allow: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Given) -> GuardPrefixes:
        """From a map."""
        fields = given.fields(("allow",), "guard_prefixes")
        allow = fields["allow"].elements("prefixes") if "allow" in fields else []
        return cls(tuple(str(network_of(one)) for one in allow))

    def to_json(self) -> dict[str, list[str]]:
        """A plain dict."""
        return {"allow": list(self.allow)}


@dataclass(frozen=True)
class Metrics:
    """Whether the router tells figures in Prometheus' format, at its node's address, and where."""

    enabled: bool = False
    port: int = 9342

    @classmethod
    def parse(cls, given: Given) -> Metrics:
        """From a map."""
        fields = given.fields(("enabled", "port"), "metrics")
        enabled = fields["enabled"].flag() if "enabled" in fields else cls.enabled
        return cls(enabled, fields["port"].whole_number(*_PORTS) if "port" in fields else cls.port)

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"enabled": self.enabled, "port": self.port}


@dataclass(frozen=True)
class Router:
    """Everything that decides what is rendered: two equal routers make the same objects."""

    image: str = "quagga"
    pull_secret: str | None = None
    pull_policy: str | None = None
    node_selector: Labels | None = None
    kind: str = "DaemonSet"
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    forwarding: Forwarding = Forwarding()
    guard_prefixes: GuardPrefixes = GuardPrefixes()
    raw: Raw = _NO_LINES
    secrets: Secrets = _NO_SECRETS
    check_seconds: int = 30
    metrics: Metrics = Metrics()
    security: str = "privileged"
    namespace: str = "default"

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> Router:
        """From the properties of a node; how the cluster is reached is Access's."""
        read = {
            "image": image,
            "pull_secret": lambda one: None if one.empty else secret_name(one),
            "pull_policy": lambda one: None if one.empty else one.choice(PULL_POLICIES),
            "node_selector": lambda one: None if one.empty else Labels.parse(one.value, one.path),
            "kind": lambda one: one.choice(KINDS),
            "interfaces": _interfaces,
            "routes": _routes,
            "forwarding": Forwarding.parse,
            "guard_prefixes": GuardPrefixes.parse,
            "raw": Raw.parse,
            "secrets": lambda one: Secrets.parse(replace(one, hidden=True)),
            "check_seconds": lambda one: one.whole_number(*_CHECK_SECONDS),
            "metrics": Metrics.parse,
            "security": lambda one: one.choice(SECURITIES),
            "namespace": namespace,
        }
        said = {name: read[name](Given(name, properties[name])) for name in read if name in properties}
        router = cls(**said)
        router._check_references()
        return router

    def to_json(self) -> dict[str, Any]:
        """The canonical form: Router.parse of it is this router again, except for the values of secrets."""
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
            "raw": self.raw.to_json(),
            "secrets": self.secrets.to_json(),
            "check_seconds": self.check_seconds,
            "metrics": self.metrics.to_json(),
            "security": self.security,
            "namespace": self.namespace,
        }

    def changed(self, changes: object, secrets: Secrets) -> Router:
        """With the properties that a change names in place of these; of a map, with the keys that it names.

        :param secrets: what the node's properties say; a value given here would be kept by whoever ran this.
        """
        known = self.to_json()
        fields = Given("properties", changes).fields(sorted(set(known) - {"secrets"}), "a Router's change")
        values = {name: _laid_over(known[name], one) for name, one in fields.items()}
        return Router.parse({**known, **values, "secrets": secrets.to_json()}).with_secrets(secrets)

    def with_secrets(self, secrets: Secrets) -> Router:
        """With these values; a name that has none any more keeps its name."""
        unknown = [(name, None) for name in self.raw.references if name not in secrets.names]
        return replace(self, secrets=Secrets(tuple(sorted((*secrets.pairs, *unknown)))))

    def guard(self, protected: Iterable[tuple[str, str]]) -> None:
        """Refuse a route that would draw away the cluster's own packets, unless guard_prefixes allows it.

        Equal, inside or around makes no difference: by which route a node reaches its peers, and whether
        that is more specific than this one, is not to be seen from here.

        :param protected: pairs of a prefix or address, and what it is: ("10.200.0.11", "node1").
        """
        networks = [(ipaddress.ip_network(prefix, strict=False), what) for prefix, what in protected]
        for index, route in enumerate(self.routes):
            if route.prefix not in self.guard_prefixes.allow:
                _guard(Given(f"routes[{index}].prefix", route.prefix), route.network, networks)

    @property
    def is_secret(self) -> bool:
        """Whether the configuration holds what nobody may read."""
        return bool(self.raw.references)

    def _check_references(self) -> None:
        for name in self.raw.references:
            if name not in self.secrets.names:
                known = ", ".join(self.secrets.names) or "none"
                raise Refused("raw", f"${{{name}}}", f"names no secret; `secrets` has {known}")


def _guard(given: Given, wanted: Network, networks: Iterable[tuple[Network, str]]) -> None:
    remedy = f'if that is meant, say guard_prefixes: {{allow: ["{wanted}"]}}'
    if wanted.prefixlen == 0:
        raise given.refused(f"is the default route of the node; {remedy}")
    for network, what in networks:
        if network.version == wanted.version and network.overlaps(wanted):
            raise given.refused(f"would draw away the packets to {what} ({network}); {remedy}")


def _laid_over(before: object, given: Given) -> object:
    """A map of fixed keys is changed by key; labels and everything else are replaced whole."""
    if isinstance(before, Mapping) and isinstance(given.value, Mapping) and given.path not in _WHOLE:
        return {**before, **given.value}
    return given.value


def _routes(given: Given) -> tuple[Route, ...]:
    first: dict[str, str] = {}
    routes = []
    for element in given.elements("routes"):
        route = Route.parse(element)
        if route.prefix in first:
            raise Refused(
                f"{element.path}.prefix",
                route.prefix,
                f"is the prefix of {first[route.prefix]} too; several next hops of one are said by next_hops",
            )
        first[route.prefix] = element.path
        routes.append(route)
    return tuple(routes)


def _interfaces(given: Given) -> tuple[Interface, ...]:
    first: dict[str, str] = {}
    interfaces = []
    for element in given.elements("interfaces"):
        interface = Interface.parse(element)
        if interface.name in first:
            raise Refused(element.path, interface.name, f"is {first[interface.name]} too; name it once")
        first[interface.name] = element.path
        interfaces.append(interface)
    return tuple(interfaces)
