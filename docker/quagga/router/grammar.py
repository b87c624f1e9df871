"""The words of a static route, read strictly: FRR takes more, and does something else with it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from router.ending import refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LARGEST_DISTANCE: Final = 254
"""255 means "never" to the daemons."""

_INTERFACE: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
_PREFIX: Final = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
_ADDRESS: Final = re.compile(r"[0-9.]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_RESERVED: Final = frozenset({"blackhole", "null0", "reject"})
# Where a route names an interface, FRR takes the beginning of one of its words for the word, in any case.
_WORDS: Final = (
    *("blackhole", "null0", "reject", "tag", "vrf", "label", "table"),
    *("nexthop-vrf", "onlink", "color", "segments", "bfd"),
)


@dataclass(frozen=True)
class Route:
    """One way to a network, as one line of configuration says it."""

    prefix: Network
    next_hop: Address | None = None
    interface: str | None = None
    distance: int = 1

    @property
    def blackhole(self) -> bool:
        """Packets to this network are dropped."""
        return self.next_hop is None and self.interface is None

    @property
    def way(self) -> str:
        """Where the packets go."""
        words = [str(word) for word in (self.next_hop, self.interface) if word is not None]
        return " ".join(words) or "blackhole"

    @property
    def line(self) -> str:
        """The line as `show running-config` prints it."""
        distance = "" if self.distance == 1 else f" {self.distance}"
        return f"{self._command} {self.prefix} {self.way}{distance}"

    @property
    def removal(self) -> str:
        """The line that takes it back; without a distance FRR would take whichever there is."""
        return f"no {self._command} {self.prefix} {self.way} {self.distance}"

    @property
    def key(self) -> tuple[Network, Address | None, str | None]:
        """What the daemons tell lines by: one with another distance takes the place of the first."""
        return self.prefix, self.next_hop, self.interface

    @property
    def _command(self) -> str:
        return {4: "ip route", 6: "ipv6 route"}[self.prefix.version]

    def __str__(self) -> str:
        return f"{self.prefix} {self.way}" if self.blackhole else f"{self.prefix} via {self.way}"


def canonical_order(route: Route) -> tuple[int, int, int, int, int, int, str]:
    """The key by which FRR 10.3 sorts the lines of `show running-config`."""
    kind = 3 if route.blackhole else 0 if route.next_hop is None else 1 if route.interface is None else 2
    return (
        route.prefix.version,
        route.prefix.prefixlen,
        int(route.prefix.network_address),
        route.distance,
        kind,
        int(route.next_hop or 0),
        route.interface or "",
    )


def parse_interface(path: str, text: str) -> str:
    """The name of an interface."""
    if not _INTERFACE.fullmatch(text) or text.lower() in _RESERVED:
        raise refusal(
            path,
            text,
            "is no interface name; 1 to 15 letters, digits, '_', '-', '.' or '@' are, as in 'eth0'",
        )
    return text


def parse_route(path: str, text: str) -> Route:
    """A route: PREFIX NEXTHOP [INTERFACE] [DISTANCE] or PREFIX INTERFACE|blackhole [DISTANCE]."""
    words = text.split()
    if not words:
        raise refusal(
            path, text, "is empty; 'PREFIX NEXTHOP [DISTANCE]' is right, as in '10.0.0.0/24 172.16.0.1'"
        )
    prefix, rest = _parse_prefix(path, words[0]), words[1:]
    distance = _parse_distance(path, rest.pop()) if len(rest) > 1 and _is_number(rest[-1]) else 1
    if rest == ["blackhole"]:
        return Route(prefix, distance=distance)
    if len(rest) == 1 and not _ADDRESS.fullmatch(rest[0]):
        return Route(prefix, interface=_parse_way_out(path, rest[0]), distance=distance)
    if len(rest) not in (1, 2):
        raise refusal(
            path,
            text,
            "is not 'PREFIX NEXTHOP [INTERFACE] [DISTANCE]' nor 'PREFIX INTERFACE|blackhole [DISTANCE]'",
        )
    interface = _parse_way_out(path, rest[1]) if rest[1:] else None
    next_hop = _parse_next_hop(path, rest[0], prefix)
    if isinstance(next_hop, ipaddress.IPv6Address) and next_hop.is_link_local and interface is None:
        raise refusal(
            path, rest[0], f"is a link-local next hop; name its interface: '{prefix} {next_hop} eth0'"
        )
    return Route(prefix, next_hop, interface, distance)


def _is_number(word: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[0-9]+", word))


def _parse_prefix(path: str, word: str) -> Network:
    if not _PREFIX.fullmatch(word):
        raise refusal(
            path, word, "is no prefix; an address and a length are, as in '10.0.0.0/24' or '2001:db8::/48'"
        )
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError as error:
        raise refusal(path, word, "is no prefix; an address and a length are, as in '10.0.0.0/24'") from error
    given = ipaddress.ip_address(word.partition("/")[0])
    if given != network.network_address:
        raise refusal(path, word, f"has host bits set; the network is {network}")
    if network.is_multicast or (network.prefixlen and network.is_loopback):
        raise refusal(
            path,
            word,
            "is a multicast or loopback network; a static route leads to unicast networks of others",
        )
    return network


def _parse_next_hop(path: str, word: str, prefix: Network) -> Address:
    try:
        address = ipaddress.ip_address(word if _ADDRESS.fullmatch(word) else "")
    except ValueError as error:
        raise refusal(
            path, word, f"is no next hop for {prefix}; an IPv{prefix.version} address is"
        ) from error
    if address.version != prefix.version:
        raise refusal(path, word, f"is no next hop for {prefix}; an IPv{prefix.version} address is")
    if address.is_multicast or address.is_unspecified or address.is_loopback or int(address) == 2**32 - 1:
        raise refusal(
            path, word, f"cannot be a next hop for {prefix}; the unicast address of a neighbour can"
        )
    return address


def _parse_way_out(path: str, word: str) -> str:
    if word.lower() in _RESERVED:
        raise refusal(
            path,
            word,
            "cannot be combined or is another spelling; 'PREFIX blackhole [DISTANCE]' drops packets",
        )
    meant = next((known for known in _WORDS if known.startswith(word.lower())), None)
    if meant:
        right = f"cannot be routed to: FRR reads it as its word {meant}; rename the interface"
        raise refusal(path, word, right)
    return parse_interface(path, word)


def _parse_distance(path: str, word: str) -> int:
    if not _NUMBER.fullmatch(word) or not 1 <= int(word) <= LARGEST_DISTANCE:
        raise refusal(path, word, f"is no distance; 1 to {LARGEST_DISTANCE} are")
    return int(word)
