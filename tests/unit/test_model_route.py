"""Routes and interfaces: what is accepted, and the sentence that refuses the rest."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga.model import Interface, NextHop, Route
from cloudify_quagga.model.given import Given
from tests.unit.refusals import sentence

V4 = {"prefix": "10.0.0.0/24"}
V6 = {"prefix": "2001:db8::/48"}
GOOD = {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"}


def route(value: object) -> Route:
    return Route.parse(Given("routes[2]", value))


def interface(value: object) -> Interface:
    return Interface.parse(Given("interfaces[0]", value))


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (GOOD, Route("10.0.0.0/24", (NextHop("172.16.0.1"),))),
        ({**GOOD, "distance": 254}, Route("10.0.0.0/24", (NextHop("172.16.0.1"),), distance=254)),
        ({**GOOD, "blackhole": False}, Route("10.0.0.0/24", (NextHop("172.16.0.1"),))),
        ({**GOOD, "interface": "eth1"}, Route("10.0.0.0/24", (NextHop("172.16.0.1", "eth1"),))),
        ({**V4, "next_hops": ["172.16.0.1"]}, Route("10.0.0.0/24", (NextHop("172.16.0.1"),))),
        (
            {**V4, "next_hops": ["172.16.0.1", {"interface": "ppp0"}]},
            Route("10.0.0.0/24", (NextHop("172.16.0.1"), NextHop(None, "ppp0"))),
        ),
        ({**V4, "blackhole": True}, Route("10.0.0.0/24", blackhole=True)),
        ({"prefix": "0.0.0.0/0", "interface": "eth1"}, Route("0.0.0.0/0", (NextHop(None, "eth1"),))),
        ({"prefix": "2001:0DB8:0::/48", "blackhole": True}, Route("2001:db8::/48", blackhole=True)),
        ({"prefix": "::/0", "next_hop": "FD00:0::1"}, Route("::/0", (NextHop("fd00::1"),))),
        (
            {**V6, "next_hop": "fe80::1", "interface": "eth1"},
            Route("2001:db8::/48", (NextHop("fe80::1", "eth1"),)),
        ),
        ({**V4, "next_hop": "169.254.1.1"}, Route("10.0.0.0/24", (NextHop("169.254.1.1"),))),
    ],
)
def test_a_route_is_what_was_meant(value: object, meant: Route) -> None:
    assert route(value) == meant
    assert route(meant.to_json()) == meant


P = "routes[2].prefix: "
H = "routes[2].next_hop: "
VIA = "routes[2].interface: "
OWN = "; a neighbour's own address is meant"


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("10.0.0.5/24", P + "10.0.0.5/24 has host bits set; 10.0.0.0/24 would be right"),
        ("2001:db8::1/48", P + "2001:db8::1/48 has host bits set; 2001:db8::/48 would be right"),
        ("10.0.0.1", P + "10.0.0.1 is an address; 10.0.0.1/32 would be the prefix that holds it alone"),
        (
            "2001:db8::1",
            P + "2001:db8::1 is an address; 2001:db8::1/128 would be the prefix that holds it alone",
        ),
        ("10.0.0.0/33", P + "10.0.0.0/33 is no prefix; a length from 0 to 32 stands behind the slash"),
        ("10.0.0.0/", P + "10.0.0.0/ is no prefix; a length from 0 to 32 stands behind the slash"),
        ("10.0.0.0/024", P + "10.0.0.0/024 is no prefix; a length from 0 to 32 stands behind the slash"),
        ("10.0.0.0/٢٤", P + "10.0.0.0/٢٤ is no prefix; a length from 0 to 32 stands behind the slash"),
        (
            "10.0.0.0/255.255.255.0",
            P + "10.0.0.0/255.255.255.0 is no prefix; a length from 0 to 32 stands behind the slash",
        ),
        ("10.0.0/24", P + "10.0.0/24 is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one"),
        ("010.0.0.0/24", P + "010.0.0.0/24 is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one"),
        (" 10.0.0.0/24", P + "' 10.0.0.0/24' is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one"),
        ("10.0.0.0/24\n", P + r"'10.0.0.0/24\n' is no prefix; a length from 0 to 32 stands behind the slash"),
        ("", P + "'' is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one"),
        ("fe80::%eth0/64", P + "fe80::%eth0/64 is no prefix; 10.0.0.0/24 or 2001:db8::/48 would be one"),
        (None, P + "null is no string; a prefix is meant"),
        (167772160, P + "167772160 is no string; a prefix is meant: put it in quotes"),
        (["10.0.0.0/24"], P + "['10.0.0.0/24'] is no string; a prefix is meant"),
        ("224.0.0.0/4", P + "224.0.0.0/4 is in the multicast range 224.0.0.0/4; no route leads there"),
        ("ff02::/16", P + "ff02::/16 is in the multicast range ff00::/8; no route leads there"),
        ("127.0.0.0/8", P + "127.0.0.0/8 is in the loopback range 127.0.0.0/8; no route leads there"),
        ("fe80::/64", P + "fe80::/64 is in the link-local range fe80::/10; no route leads there"),
        ("::1/128", P + "::1/128 is in the loopback and IPv4-compatible range ::/96; no route leads there"),
        (
            "::ffff:10.0.0.0/120",
            P + "::ffff:10.0.0.0/120 is in the IPv4-mapped range ::ffff:0:0/96; no route leads there",
        ),
        (
            "255.255.255.255/32",
            P + "255.255.255.255/32 is in the broadcast range 255.255.255.255/32; no route leads there",
        ),
    ],
)
def test_a_prefix_is_refused(value: object, refusal: str) -> None:
    assert sentence(lambda: route({"prefix": value, "blackhole": True})) == refusal


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (
            {**V4, "next_hop": "2001:db8::1"},
            H + "2001:db8::1 is no IPv4 address, which a next hop of 10.0.0.0/24 has to be",
        ),
        (
            {**V6, "next_hop": "172.16.0.1"},
            H + "172.16.0.1 is no IPv6 address, which a next hop of 2001:db8::/48 has to be",
        ),
        (
            {**V4, "next_hop": "999.1.1.1"},
            H + "999.1.1.1 is no IPv4 address, which a next hop of 10.0.0.0/24 has to be",
        ),
        (
            {**V4, "next_hop": "eth1"},
            H + "eth1 is no IPv4 address, which a next hop of 10.0.0.0/24 has to be",
        ),
        ({**V4, "next_hop": ""}, H + "'' is no IPv4 address, which a next hop of 10.0.0.0/24 has to be"),
        ({**V4, "next_hop": None}, H + "null is no string; one next hop's address is meant"),
        (
            {**V4, "next_hop": ["172.16.0.1"]},
            H + "['172.16.0.1'] is no string; one next hop's address is meant",
        ),
        ({**V4, "next_hop": 1}, H + "1 is no string; one next hop's address is meant: put it in quotes"),
        (
            {**V4, "next_hop": "0.0.0.0"},
            H + "0.0.0.0 is in the this-network range 0.0.0.0/8" + OWN,
        ),
        (
            {**V4, "next_hop": "127.0.0.1"},
            H + "127.0.0.1 is in the loopback range 127.0.0.0/8" + OWN,
        ),
        (
            {**V4, "next_hop": "224.0.0.5"},
            H + "224.0.0.5 is in the multicast range 224.0.0.0/4" + OWN,
        ),
        (
            {**V4, "next_hop": "255.255.255.255"},
            H + "255.255.255.255 is in the broadcast range 255.255.255.255/32" + OWN,
        ),
        (
            {**V6, "next_hop": "::"},
            H + ":: is in the loopback and IPv4-compatible range ::/96" + OWN,
        ),
        (
            {**V6, "next_hop": "ff02::1"},
            H + "ff02::1 is in the multicast range ff00::/8" + OWN,
        ),
        (
            {**V6, "next_hop": "::ffff:172.16.0.1"},
            H + "::ffff:172.16.0.1 is in the IPv4-mapped range ::ffff:0:0/96" + OWN,
        ),
        (
            {**V6, "next_hop": "fe80::1"},
            H + "fe80::1 is link-local; say the interface behind which it is, beside it",
        ),
        (
            {**V6, "next_hop": "fe80::1%eth0", "interface": "eth0"},
            H + "fe80::1%eth0 is no IPv6 address, which a next hop of 2001:db8::/48 has to be",
        ),
        (
            {**V4, "next_hops": ["172.16.0.1", "172.16.0.1"]},
            "routes[2].next_hops[1]: 172.16.0.1 is the same next hop as routes[2].next_hops[0]",
        ),
        ({**V4, "next_hops": []}, "routes[2].next_hops: [] is empty; at least one next hop is needed"),
        (
            {**V4, "next_hops": "172.16.0.1"},
            "routes[2].next_hops: 172.16.0.1 is no list; a list of next hops is meant",
        ),
        (
            {**V4, "next_hops": [{}]},
            "routes[2].next_hops[0]: {} is no next hop; next_hop, interface or both are needed",
        ),
        (
            {**V4, "next_hops": [{"via": "172.16.0.1"}]},
            "routes[2].next_hops[0]: via is no key of a next hop, which knows next_hop, interface",
        ),
    ],
)
def test_a_next_hop_is_refused(value: dict[str, Any], refusal: str) -> None:
    assert sentence(lambda: route(value)) == refusal


def test_more_next_hops_than_frr_takes_are_refused() -> None:
    many = {**V4, "next_hops": [f"172.16.{n // 250}.{n % 250 + 1}" for n in range(257)]}
    assert sentence(lambda: route(many)).endswith("has 257 next hops; FRR takes 256 at most")


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("10.0.0.1", VIA + "10.0.0.1 is no interface's name; an address is said by next_hop"),
        ("fe80::1", VIA + "fe80::1 is no interface's name; an address is said by next_hop"),
        ("999.1.1.1", VIA + "999.1.1.1 is no interface's name; an address is said by next_hop"),
        ("10", VIA + "10 is no interface's name; an address is said by next_hop"),
        ("b", VIA + "b cannot be routed to: FRR reads it as its word blackhole; rename the interface"),
        ("Null0", VIA + "Null0 cannot be routed to: FRR reads it as its word null0; rename the interface"),
        (
            "eth1 10",
            VIA + "eth1 10 is no interface's name; letters with digits, '_', '-', '.' or '@' make one",
        ),
        (
            "eth1\n!",
            VIA + r"'eth1\n!' is no interface's name; letters with digits, '_', '-', '.' or '@' make one",
        ),
        ("", VIA + "'' is no interface's name; letters with digits, '_', '-', '.' or '@' make one"),
        (True, VIA + "true is no string; an interface's name is meant: put it in quotes"),
    ],
)
def test_an_interface_to_route_through_is_refused(value: object, refusal: str) -> None:
    assert sentence(lambda: route({**V4, "interface": value})) == refusal


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (
            {**GOOD, "via": "eth0"},
            "routes[2]: via is no key of a route, which knows "
            "prefix, next_hop, next_hops, interface, blackhole, distance",
        ),
        (
            {"next_hop": "172.16.0.1"},
            "routes[2]: {'next_hop': '172.16.0.1'} has no prefix; say which destinations",
        ),
        (
            V4,
            "routes[2]: {'prefix': '10.0.0.0/24'} goes nowhere; one of next_hop, next_hops, interface",
        ),
        ({**V4, "blackhole": False}, "goes nowhere"),
        ({**GOOD, "next_hops": ["172.16.0.2"]}, "has next_hop and next_hops; no two ways go together but"),
        ({**GOOD, "blackhole": True}, "has next_hop and blackhole; no two ways"),
        ({**V4, "interface": "eth1", "blackhole": True}, "has interface and blackhole; no two ways"),
        (
            {**V4, "interface": "eth1", "next_hops": ["172.16.0.2"]},
            "has next_hops and interface; no two ways",
        ),
        (
            {**V4, "blackhole": "yes"},
            "routes[2].blackhole: yes is a string; true or false is meant, without quotes",
        ),
        ({**V4, "blackhole": 1}, "routes[2].blackhole: 1 is neither true nor false"),
        ("10.0.0.0/24 172.16.0.1", "routes[2]: 10.0.0.0/24 172.16.0.1 is no map; a route is meant"),
        (None, "routes[2]: null is no map; a route is meant"),
        ({True: 1}, "routes[2]: true is a key that is no string; put it in quotes"),
        ({**GOOD, "distance": 0}, "routes[2].distance: 0 is out of range; a number from 1 to 254 is meant"),
        (
            {**GOOD, "distance": 255},
            "routes[2].distance: 255 is out of range; a number from 1 to 254 is meant",
        ),
        (
            {**GOOD, "distance": "10"},
            "routes[2].distance: 10 is a string; a number from 1 to 254 is meant, without",
        ),
        (
            {**GOOD, "distance": True},
            "routes[2].distance: true is no whole number; one from 1 to 254 is meant",
        ),
        ({**GOOD, "distance": 1.0}, "routes[2].distance: 1.0 is no whole number; one from 1 to 254 is meant"),
        (
            {**GOOD, "distance": None},
            "routes[2].distance: null is no whole number; one from 1 to 254 is meant",
        ),
    ],
)
def test_a_route_is_refused(value: object, refusal: str) -> None:
    assert refusal in sentence(lambda: route(value))


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("eth0", Interface("eth0")),
        ("enp3s0f1np1.100", Interface("enp3s0f1np1.100")),
        ("eth0.100", Interface("eth0.100")),
        ("b", Interface("b")),
        ({"name": "eth0"}, Interface("eth0")),
        ({"name": "eth0", "description": "to  the\u2007servers"}, None),
        (
            {"name": "eth0", "description": ' to  Zürich\'s "rack" 5! '},
            Interface("eth0", 'to Zürich\'s "rack" 5!'),
        ),
        ({"name": "eth0", "description": ""}, Interface("eth0")),
    ],
)
def test_an_interface_is_what_was_meant(value: object, meant: Interface | None) -> None:
    if meant is None:
        assert sentence(lambda: interface(value))
        return
    assert interface(value) == meant
    assert interface(meant.to_json()) == meant


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ("eth0;reboot", "interfaces[0]: eth0;reboot is no interface's name; letters with digits"),
        (
            "abcdefghijklmnop",
            "interfaces[0]: abcdefghijklmnop is too long; an interface's name has at most 15 bytes",
        ),
        ("éééééééé", "interfaces[0]: éééééééé is too long; an interface's name has at most 15 bytes"),
        ("eth/0", "interfaces[0]: eth/0 is no interface's name"),
        ("eth%d", "interfaces[0]: eth%d is no interface's name"),
        ("eth0:1", "interfaces[0]: eth0:1 is no interface's name"),
        ("..", "interfaces[0]: .. is no interface's name"),
        ("Reject", "interfaces[0]: Reject is FRR's word for nowhere; an interface cannot be called so"),
        ("10", "interfaces[0]: 10 is no interface's name"),
        ("-a", "interfaces[0]: -a is no interface's name"),
        ("e'", "interfaces[0]: e' is no interface's name"),
        ("\ud800", r"interfaces[0]: '\ud800' is no interface's name"),
        (0, "interfaces[0]: 0 is no map; an interface is meant"),
        ({"nme": "eth0"}, "interfaces[0]: nme is no key of an interface, which knows name, description"),
        ({}, "interfaces[0]: {} has no name; say which interface is meant"),
        ({"name": None}, "interfaces[0].name: null is no string; an interface's name is meant"),
        (
            {"name": "eth0", "description": 5},
            "interfaces[0].description: 5 is no string; a description is meant",
        ),
        (
            {"name": "eth0", "description": "a\nip route 0.0.0.0/0 1.1.1.1"},
            r"interfaces[0].description: 'a\nip route 0.0.0.0/0 1.1.1.1' is no description; one",
        ),
        ({"name": "eth0", "description": "a | b"}, "a | b is no description; FRR does not take '|' there"),
        ({"name": "eth0", "description": "x" * 201}, "is too long; a description has at most 200 characters"),
    ],
)
def test_an_interface_is_refused(value: object, refusal: str) -> None:
    assert refusal in sentence(lambda: interface(value))
