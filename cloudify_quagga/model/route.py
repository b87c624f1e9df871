"""A static route: a prefix and where its packets go."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga.model.given import Given
from cloudify_quagga.model.interface import interface_name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_WAYS = ("next_hop", "next_hops", "interface", "blackhole")
_KEYS = ("prefix", *_WAYS, "distance")
# 255 means "never" to FRR.
_DISTANCES = (1, 254)


@dataclass(frozen=True)
class NextHop:
    """A gateway's address, an interface, or the one behind the other; never neither."""

    address: str | None = None
    interface: str | None = None

    def to_json(self) -> object:
        """The shortest form that parses to the same."""
        if self.interface is None:
            return self.address
        return {"next_hop": self.address, "interface": self.interface} if self.address else {"interface": self.interface}


@dataclass(frozen=True)
class Route:
    """Hops and blackhole exclude each other; the prefix is in canonical text form."""

    prefix: str
    hops: tuple[NextHop, ...] = ()
    blackhole: bool = False
    distance: int = 1

    @classmethod
    def parse(cls, given: Given) -> Route:
        """From a map."""
        fields = given.fields(_KEYS, "a route")
        if "prefix" not in fields:
            raise given.refused("has no prefix; say which destinations the route is for")
        network = network_of(fields["prefix"])
        distance = fields["distance"].whole_number(*_DISTANCES) if "distance" in fields else 1
        blackhole = "blackhole" in fields and fields["blackhole"].flag()
        ways = [way for way in _WAYS if way in fields and (way != "blackhole" or blackhole)]
        if len(ways) != 1 and ways != ["next_hop", "interface"]:
            raise given.refused(
                "names no way; exactly one of next_hop, next_hops, interface and blackhole: true is needed"
                if not ways
                else f"names {' and '.join(ways)}; only next_hop and interface go together"
            )
        return cls(str(network), _hops(fields, network), blackhole, distance)

    @property
    def network(self) -> Network:
        """The prefix, to reckon with."""
        return ipaddress.ip_network(self.prefix)

    def to_json(self) -> dict[str, Any]:
        """The shortest form that parses to the same."""
        json: dict[str, Any] = {"prefix": self.prefix}
        if self.blackhole:
            json["blackhole"] = True
        elif len(self.hops) > 1:
            json["next_hops"] = [hop.to_json() for hop in self.hops]
        else:
            hop = self.hops[0].to_json()
            json.update(hop if isinstance(hop, Mapping) else {"next_hop": hop})
        if self.distance != 1:
            json["distance"] = self.distance
        return json


def network_of(given: Given) -> Network:
    """A prefix without host bits."""
    text = given.text("a prefix")
    address, slash, length = text.partition("/")
    parsed = _address(address)
    if parsed is None or not slash:
        raise given.refused("is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one")
    if not (length.isascii() and length.isdigit() and str(int(length)) == length and int(length) <= parsed.max_prefixlen):
        raise given.refused(f"has no prefix length from 0 to {parsed.max_prefixlen} after the slash")
    network = ipaddress.ip_network((parsed, int(length)), strict=False)
    if network.network_address != parsed:
        raise given.refused(f"has host bits set; {network} would be right")
    return network


def _hops(fields: Mapping[str, Given], network: Network) -> tuple[NextHop, ...]:
    if "next_hops" not in fields:
        hop = _hop(fields, network)
        return () if hop is None else (hop,)
    elements = fields["next_hops"].elements("next hops")
    if not elements:
        raise fields["next_hops"].refused("is empty; at least one next hop is needed")
    hops: list[NextHop] = []
    for element in elements:
        hop = _element(element, network)
        if hop in hops:
            raise element.refused(f"is already next_hops[{hops.index(hop)}]")
        hops.append(hop)
    return tuple(hops)


def _element(given: Given, network: Network) -> NextHop:
    if not isinstance(given.value, Mapping):
        return NextHop(address=_gateway(given, network, interface=None))
    hop = _hop(given.fields(("next_hop", "interface"), "a next hop"), network)
    if hop is None:
        raise given.refused("names neither next_hop nor interface")
    return hop


def _hop(fields: Mapping[str, Given], network: Network) -> NextHop | None:
    interface = interface_name(fields["interface"]) if "interface" in fields else None
    if "next_hop" in fields:
        return NextHop(_gateway(fields["next_hop"], network, interface), interface)
    return NextHop(interface=interface) if interface else None


def _gateway(given: Given, network: Network, interface: str | None) -> str:
    text = given.text("a next hop's address")
    address = _address(text)
    if address is None or address.version != network.version:
        raise given.refused(f"is no IPv{network.version} address, as a next hop of {network} has to be")
    if address.is_unspecified or address.is_multicast or address.is_loopback or str(address) == "255.255.255.255":
        raise given.refused("is not the address of a neighbour, as a next hop has to be")
    if address in _MAPPED:
        raise given.refused("is an IPv4 address in IPv6 clothes, which no neighbour has")
    if address.version == 6 and address.is_link_local and interface is None:
        raise given.refused("is link-local; the route's interface has to be named beside it")
    return str(address)


def _address(text: str) -> Address | None:
    if "%" in text or not text.isascii():
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
