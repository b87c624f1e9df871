"""What the router is asked to do, from the mounted file or, as in 2017, from the environment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from router.ending import Refused, refusal
from router.grammar import Network, Route, canonical_order, parse_interface, parse_route

MOUNTED: Final = Path("/etc/quagga-router/frr.conf")

_ROUTE: Final = re.compile(r"(ip|ipv6) route (.*)")
_FORWARDING: Final = re.compile(r"(no )?(ip|ipv6) forwarding")
_INTERFACE: Final = re.compile(r"interface (.*)")
# The daemons would take these as routes, and the supervisor would not know of them.
_UNREAD: Final = re.compile(r"(no )?(ip|ipv|ipv6) (ro|rou|rout|route)\b(?!-)|vrf ")


@dataclass(frozen=True)
class Configuration:
    """One text for the daemons, and what the supervisor reads from it."""

    text: str
    routes: tuple[Route, ...]
    interfaces: Mapping[str, str]
    """Interfaces that the node must have, and where each is asked for."""
    forwarding: Mapping[int, bool]
    """IP version -> packets are forwarded."""
    private: bool = False
    """Its file is readable by its owner only, for there are secrets in it: it is not shown to anybody."""

    @property
    def hash(self) -> str:
        """SHA-256 of the text, the name under which the plugin knows it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read(environment: Mapping[str, str], forwarding_ipv6: bool, mounted: Path = MOUNTED) -> Configuration:
    """The configuration from where it is given.

    :param forwarding_ipv6: the node forwards IPv6 now; INTERFACES and ROUTES say nothing of it, so it stays.
    """
    given = [name for name in ("INTERFACES", "ROUTES") if name in environment]
    if mounted.exists():
        if given:
            raise Refused(
                f"both {mounted} and {' and '.join(given)} are given; one of them says what the router does"
            )
        return decode(_bytes_of(mounted), is_private(mounted))
    if not given:
        raise Refused(
            f"neither {mounted} nor INTERFACES and ROUTES are given; one of them says what the router does"
        )
    return parse_environment(environment, forwarding_ipv6)


def parse_environment(environment: Mapping[str, str], forwarding_ipv6: bool) -> Configuration:
    """The configuration that INTERFACES and ROUTES stand for."""
    interfaces: dict[str, str] = {}
    for index, text in enumerate(_elements(environment.get("INTERFACES", ""))):
        path = f"INTERFACES[{index}]"
        name = parse_interface(path, text)
        if name in interfaces:
            raise refusal(path, name, f"was given by {interfaces[name]} already")
        interfaces[name] = path
    routes = _routes_of(environment.get("ROUTES", ""))
    text = render(sorted(routes.values(), key=canonical_order), sorted(interfaces), forwarding_ipv6)
    asked = {route.interface: path for path, route in routes.items() if route.interface}
    return Configuration(text, tuple(routes.values()), {**asked, **interfaces}, {4: True, 6: forwarding_ipv6})


def render(routes: list[Route], interfaces: list[str], forwarding_ipv6: bool) -> str:
    """The canonical text, as `show running-config` has it."""
    header = [
        "frr defaults traditional",
        "log stdout",
        "ip forwarding",
        "ipv6 forwarding" if forwarding_ipv6 else "no ipv6 forwarding",
        "service integrated-vtysh-config",
        "!",
    ]
    body = [*(route.line for route in routes), "!"] if routes else []
    blocks = [line for name in interfaces for line in (f"interface {name}", "exit", "!")]
    return "\n".join([*header, *body, *blocks, "end", ""])


def parse(text: str) -> Configuration:
    """The configuration that a frr.conf holds; what is not understood here is the daemons' to judge."""
    routes: list[Route] = []
    interfaces: dict[str, str] = {}
    forwarding: dict[int, bool] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        path, words = f"frr.conf line {number}", " ".join(line.split())
        if found := _ROUTE.fullmatch(words):
            routes.append(_parse_line(path, found.group(1), found.group(2)))
            _need(interfaces, routes[-1].interface, path)
        elif found := _FORWARDING.fullmatch(words):
            forwarding[4 if found.group(2) == "ip" else 6] = found.group(1) is None
        elif found := _INTERFACE.fullmatch(words):
            _need(interfaces, parse_interface(path, found.group(1)), path)
        elif _UNREAD.match(words):
            raise refusal(
                path, words, "is not understood here; 'ip route' and 'ipv6 route', in full and in no vrf, are"
            )
    for version, command in ((4, "ip forwarding"), (6, "ipv6 forwarding")):
        if version not in forwarding:
            raise Refused(f"frr.conf: neither '{command}' nor 'no {command}' is said; one of them has to be")
    effective = {route.key: route for route in routes}
    _refuse_contradictions(effective.values())
    return Configuration(text, tuple(effective.values()), interfaces, forwarding)


def routes_in(text: str, known: Mapping[str, Route]) -> list[Route]:
    """The static routes that the daemons say they have; a line that is not understood here is none of ours.

    :param known: canonical line -> route; reading a line is what takes the time.
    """
    found = (known.get(line) or _read_line(line) for line in text.split("\n"))
    return [route for route in found if route is not None]


def _read_line(line: str) -> Route | None:
    found = _ROUTE.fullmatch(line.strip())
    try:
        return _parse_line("", found[1], found[2]) if found else None
    except Refused:
        return None


def _refuse_contradictions(routes: Iterable[Route]) -> None:
    """The daemons would refuse it too, but only when they are given all the lines."""
    ways: dict[tuple[Network, int], bool] = {}
    for route in routes:
        if ways.setdefault((route.prefix, route.distance), route.blackhole) != route.blackhole:
            right = f"drops packets and has a next hop, both with distance {route.distance}; one of them goes"
            raise refusal("frr.conf", str(route.prefix), right)


def _need(interfaces: dict[str, str], name: str | None, path: str) -> None:
    if name is not None:
        interfaces.setdefault(name, path)


def _parse_line(path: str, command: str, text: str) -> Route:
    route = parse_route(path, text)
    if route.prefix.version != (4 if command == "ip" else 6):
        raise refusal(path, str(route.prefix), f"is no prefix for '{command} route'")
    return route


def _routes_of(text: str) -> dict[str, Route]:
    """Path -> route for every element of ROUTES."""
    routes: dict[str, Route] = {}
    seen: dict[str, str] = {}
    for index, element in enumerate(_elements(text)):
        path = f"ROUTES[{index}]"
        route = parse_route(path, element)
        prefix = str(route.prefix)
        if prefix in seen:
            raise refusal(
                path, prefix, f"was given by {seen[prefix]} already; several next hops are said in frr.conf"
            )
        routes[path], seen[prefix] = route, path
    return routes


def _elements(text: str) -> list[str]:
    return [element.strip(" \t") for element in text.split(",")] if text.strip() else []


def is_private(path: Path) -> bool:
    """Nobody but its owner may read it."""
    try:
        return not path.stat().st_mode & 0o044
    except OSError:
        return True


def decode(content: bytes, private: bool = False) -> Configuration:
    """The configuration in the bytes of a file."""
    try:
        return replace(parse(content.decode()), private=private)
    except UnicodeDecodeError as error:
        raise Refused(f"frr.conf: byte {error.start} is not UTF-8") from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
