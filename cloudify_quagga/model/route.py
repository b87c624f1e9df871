"""A static route: a prefix and where its packets go."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cloudify_quagga.model.given import Given
from cloudify_quagga.model.interface import NOWHERE, interface_name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WAYS = ("next_hop", "next_hops", "interface", "blackhole")
_KEYS = ("prefix", *_WAYS, "distance")
# 255 means "never" to FRR.
_DISTANCES = (1, 254)
# Debian builds FRR with --enable-multipath=256.
_MOST_HOPS = 256

# FRR and the kernel take a route for these, and no packet ever follows it; no neighbour has such an address.
_NOWHERE = {
    "0.0.0.0/8": "this-network",
    "127.0.0.0/8": "loopback",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "::/96": "loopback and IPv4-compatible",
    "::ffff:0:0/96": "IPv4-mapped",
    "fe80::/10": "link-local",
    "ff00::/8": "multicast",
}
_LINK_LOCAL = ipaddress.ip_network("fe80::/10")
_UNROUTED = {ipaddress.ip_network(text): what for text, what in _NOWHERE.items()}

# Words of FRR's route commands. It takes the beginning of one for the word, in either case: a route through
# an interface called "b" would be a blackhole.
_WORDS = (*NOWHERE, "tag", "vrf", "label", "table", "nexthop-vrf", "onlink", "color", "segments", "bfd")
_NUMBERS = re.compile(r"[0-9.]+")


@dataclass(frozen=True)
class NextHop:
    """A gateway's address, an interface, or the one behind the other; never neither."""

    address: str | None = None
    interface: str | None = None

    def to_json(self) -> object:
        """The shortest form that parses to the same."""
        if self.interface is None:
            return self.address
        return {**({"next_hop": self.address} if self.address else {}), "interface": self.interface}


@dataclass(frozen=True)
class Route:
    """Hops and blackhole exclude each other; addresses are in canonical text form."""

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
        network = _destination(fields["prefix"])
        distance = fields["distance"].whole_number(*_DISTANCES) if "distance" in fields else 1
        blackhole = "blackhole" in fields and fields["blackhole"].flag()
        _check_ways(given, [way for way in _WAYS if way in fields and (way != "blackhole" or blackhole)])
        return cls(str(network), () if blackhole else _hops(fields, network), blackhole, distance)

    @cached_property
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
    if parsed is None:
        raise given.refused("is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one")
    longest = parsed.max_prefixlen
    if not slash:
        raise given.refused(f"is an address; {parsed}/{longest} would be the prefix that holds it alone")
    if not re.fullmatch("0|[1-9][0-9]{0,2}", length) or int(length) > longest:
        raise given.refused(f"is no prefix; a length from 0 to {longest} stands behind the slash")
    network = ipaddress.ip_network((parsed, int(length)), strict=False)
    if network.network_address != parsed:
        raise given.refused(f"has host bits set; {network} would be right")
    return network


def _destination(given: Given) -> Network:
    network = network_of(given)
    for unrouted, what in _UNROUTED.items():
        if _holds(unrouted, network):
            raise given.refused(f"is in the {what} range {unrouted}; no route leads there")
    return network


def _check_ways(given: Given, ways: list[str]) -> None:
    if not ways:
        raise given.refused("goes nowhere; one of next_hop, next_hops, interface, blackhole: true is needed")
    if len(ways) > 1 and ways != ["next_hop", "interface"]:
        raise given.refused(f"has {' and '.join(ways)}; no two ways go together but next_hop and interface")


def _hops(fields: Mapping[str, Given], network: Network) -> tuple[NextHop, ...]:
    if "next_hops" not in fields:
        return (_hop(fields, network),)
    given = fields["next_hops"]
    elements = given.elements("next hops")
    if not elements:
        raise given.refused("is empty; at least one next hop is needed")
    if len(elements) > _MOST_HOPS:
        raise given.refused(f"has {len(elements)} next hops; FRR takes {_MOST_HOPS} at most")
    hops: dict[NextHop, str] = {}
    for element in elements:
        hop = _element(element, network)
        if hop in hops:
            raise element.refused(f"is the same next hop as {hops[hop]}")
        hops[hop] = element.path
    return tuple(hops)


def _element(given: Given, network: Network) -> NextHop:
    if not isinstance(given.value, Mapping):
        return NextHop(_gateway(given, network, None))
    fields = given.fields(("next_hop", "interface"), "a next hop")
    if not fields:
        raise given.refused("is no next hop; next_hop, interface or both are needed")
    return _hop(fields, network)


def _hop(fields: Mapping[str, Given], network: Network) -> NextHop:
    interface = _interface(fields["interface"]) if "interface" in fields else None
    address = _gateway(fields["next_hop"], network, interface) if "next_hop" in fields else None
    return NextHop(address, interface)


def _interface(given: Given) -> str:
    name = given.text("an interface's name")
    if _address(name) or _NUMBERS.fullmatch(name):
        raise given.refused("is no interface's name; an address is said by next_hop")
    word = next((word for word in _WORDS if name and word.startswith(name.lower())), None)
    if word:
        raise given.refused(f"cannot be routed to: FRR reads it as its word {word}; rename the interface")
    return interface_name(given)


def _gateway(given: Given, network: Network, interface: str | None) -> str:
    text = given.text("one next hop's address")
    address = _address(text)
    if address is None or address.version != network.version:
        raise given.refused(f"is no IPv{network.version} address, which a next hop of {network} has to be")
    if address in _LINK_LOCAL and interface:
        return str(address)
    if address in _LINK_LOCAL:
        raise given.refused("is link-local; say the interface behind which it is, beside it")
    for unrouted, what in _UNROUTED.items():
        if address in unrouted:
            raise given.refused(f"is in the {what} range {unrouted}; a neighbour's own address is meant")
    return str(address)


def _holds(outer: Network, inner: Network) -> bool:
    return (
        outer.version == inner.version
        and outer.prefixlen <= inner.prefixlen
        and inner.network_address in outer
    )


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A zone ("fe80::1%eth0") is said by interface.
    return None if "%" in text else address
