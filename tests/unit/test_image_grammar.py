"""The words of a static route in the image: accepted as FRR would mean them, or refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ending import Refused
from router.grammar import Route, canonical_order, parse_interface, parse_route

ACCEPTED = [
    ("10.0.0.0/24 172.16.0.1", "ip route 10.0.0.0/24 172.16.0.1"),
    ("10.0.0.0/24   172.16.0.1  1", "ip route 10.0.0.0/24 172.16.0.1"),
    ("10.0.0.0/24 172.16.0.1 254", "ip route 10.0.0.0/24 172.16.0.1 254"),
    ("10.0.0.0/24 172.16.0.1 eth1 20", "ip route 10.0.0.0/24 172.16.0.1 eth1 20"),
    ("10.0.0.1/32 eth0.100", "ip route 10.0.0.1/32 eth0.100"),
    ("10.0.0.0/24 blackhole 9", "ip route 10.0.0.0/24 blackhole 9"),
    ("0.0.0.0/0 172.16.0.1", "ip route 0.0.0.0/0 172.16.0.1"),
    ("2001:DB8::/48 FD00::1", "ipv6 route 2001:db8::/48 fd00::1"),
    ("2001:db8::/48 fe80::1 eth1", "ipv6 route 2001:db8::/48 fe80::1 eth1"),
    ("::/0 eth1", "ipv6 route ::/0 eth1"),
]


@pytest.mark.parametrize(("text", "line"), ACCEPTED)
def test_what_is_right_becomes_its_canonical_line(text: str, line: str) -> None:
    assert parse_route("ROUTES[0]", text).line == line


REFUSED = [
    ("", "'' is empty"),
    ("10.0.0.0/24", "'10.0.0.0/24' is not 'PREFIX NEXTHOP"),
    ("10.0.0.5/24 172.16.0.1", "'10.0.0.5/24' has host bits set; the network is 10.0.0.0/24"),
    ("10.0.0.0 172.16.0.1", "'10.0.0.0' is no prefix"),
    ("10.0.0.0/33 172.16.0.1", "'10.0.0.0/33' is no prefix"),
    ("10.0.0.0/255.255.255.0 172.16.0.1", "'10.0.0.0/255.255.255.0' is no prefix"),
    ("010.0.0.0/24 172.16.0.1", "'010.0.0.0/24' is no prefix"),
    ("224.0.0.0/4 172.16.0.1", "'224.0.0.0/4' is a multicast or loopback network"),
    ("127.0.0.0/8 172.16.0.1", "'127.0.0.0/8' is a multicast or loopback network"),
    ("10.0.0.0/24 999.1.1.1", "'999.1.1.1' is no next hop for 10.0.0.0/24; an IPv4 address is"),
    ("10.0.0.0/24 172.16.0", "'172.16.0' is no next hop"),
    ("10.0.0.0/24 fd00::1", "'fd00::1' is no next hop for 10.0.0.0/24; an IPv4 address is"),
    ("2001:db8::/48 10.0.0.1", "'10.0.0.1' is no next hop for 2001:db8::/48; an IPv6 address is"),
    ("2001:db8::/48 fe80::1", "'fe80::1' is a link-local next hop; name its interface"),
    ("2001:db8::/48 fe80::1%eth1", "'fe80::1%eth1' is no interface name"),
    ("10.0.0.0/24 0.0.0.0", "'0.0.0.0' cannot be a next hop"),
    ("10.0.0.0/24 255.255.255.255", "'255.255.255.255' cannot be a next hop"),
    ("10.0.0.0/24 224.0.0.5", "'224.0.0.5' cannot be a next hop"),
    ("10.0.0.0/24 127.0.0.1", "'127.0.0.1' cannot be a next hop"),
    ("10.0.0.0/24 172.16.0.1 0", "'0' is no distance; 1 to 254 are"),
    ("10.0.0.0/24 172.16.0.1 255", "'255' is no distance; 1 to 254 are"),
    ("10.0.0.0/24 172.16.0.1 -1", "'-1' is no distance; 1 to 254 are"),
    ("10.0.0.0/24 172.16.0.1 " + "9" * 5000, "99...' is no distance; 1 to 254 are"),
    ("10.0.0.0/24 Null0", "'Null0' cannot be combined or is another spelling"),
    ("10.0.0.0/24 reject", "'reject' cannot be combined or is another spelling"),
    ("10.0.0.0/24 172.16.0.1 blackhole", "'blackhole' cannot be combined"),
    ("10.0.0.0/24 b", "'b' cannot be routed to: FRR reads it as its word blackhole; rename the interface"),
    ("10.0.0.0/24 172.16.0.1 N", "'N' cannot be routed to: FRR reads it as its word null0"),
    ("10.0.0.0/24 172.16.0.1 eth1 20 table 5", "is not 'PREFIX NEXTHOP"),
    ("10.0.0.0/24 eth0;reboot", "'eth0;reboot' is no interface name"),
    ("10.0.0.0/24 $(reboot)", "'$(reboot)' is no interface name"),
    ("10.0.0.0/24 averylonginterface", "'averylonginterface' is no interface name"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_what_is_wrong_is_refused_with_path_and_value(text: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_route("ROUTES[3]", text)

    assert str(refused.value).startswith("ROUTES[3]: ")
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", ["eth0", "br-lan", "eth0.100", "wg_0", "0lan", "cali1234567890a", "_x"])
def test_names_of_interfaces(name: str) -> None:
    assert parse_interface("INTERFACES[0]", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "-x",
        "12",
        "1.2.3.4",
        "a b",
        "a/b",
        "a:b",
        "eth0\n",
        "é",
        "blackhole",
        "NULL0",
        "a" * 16,
    ],
)
def test_what_is_no_name_of_an_interface(name: str) -> None:
    with pytest.raises(Refused, match=r"^INTERFACES\[0\]: .* is no interface name; "):
        parse_interface("INTERFACES[0]", name)


def test_lines_are_sorted_as_frr_prints_them() -> None:
    # As `show running-config` of FRR 10.3 printed them.
    printed = [
        "10.0.0.0/8 172.16.0.1",
        "10.0.0.0/16 172.16.0.1",
        "2.0.0.0/24 172.16.0.1",
        "10.0.0.0/24 172.16.0.1",
        "10.10.0.0/24 eth0",
        "10.10.0.0/24 eth1",
        "10.10.0.0/24 172.16.0.2",
        "10.10.0.0/24 172.16.0.3",
        "10.10.0.0/24 172.16.0.10",
        "10.10.0.0/24 172.16.0.2 eth1",
        "10.10.0.0/24 172.16.0.1 5",
        "10.10.0.0/24 blackhole 250",
        "2001:db8::/32 eth1",
        "2001:db8::/32 fd00:172::1",
        "2001:db8::/32 fe80::1 eth1",
        "2001:db8::/48 eth1",
    ]
    routes = [parse_route("", text) for text in printed]

    assert sorted(reversed(routes), key=canonical_order) == routes


WORDS = st.sampled_from(
    [
        "10.0.0.0/24",
        "172.16.0.1",
        "eth0",
        "blackhole",
        "2001:db8::/32",
        "fe80::1",
        "10",
        "255",
        "ip",
        "table",
        "nexthop",
    ]
)


@given(st.lists(WORDS | st.text(max_size=12), max_size=6).map(" ".join))
def test_anything_is_accepted_for_good_or_refused(text: str) -> None:
    route = outcome(text)
    if isinstance(route, Refused):
        assert "\n" not in str(route)
        assert str(route).startswith("ROUTES[0]: ")
        return
    assert parse_route("again", route.line.partition(" route ")[2]) == route
    assert route.line.isascii()
    assert "\n" not in route.line


def outcome(text: str) -> Route | Refused:
    try:
        return parse_route("ROUTES[0]", text)
    except Refused as refused:
        return refused
