"""What a change of a running router is made of: what comes and goes, what is said, what is kept back."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import addressees, blocks, delta, notices, story
from router.configuration import Configuration, decode, routes_in
from router.ending import Failed, Refused
from router.grammar import Route, parse_route
from router.mounted import Mounted, hash_of
from router.secrecy import masked
from router.suite import FRR

FORWARDING = "ip forwarding\nno ipv6 forwarding\n"


def routes(*texts: str) -> list[Route]:
    return [parse_route("", text) for text in texts]


STEPS = [
    pytest.param(
        ["10.0.0.0/24 172.16.0.1"],
        ["10.0.0.0/24 172.16.0.2"],
        ["ip route 10.0.0.0/24 172.16.0.2"],
        ["no ip route 10.0.0.0/24 172.16.0.1 1"],
        id="next hop",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1"],
        ["10.0.0.0/24 172.16.0.1 7"],
        ["ip route 10.0.0.0/24 172.16.0.1 7"],
        [],
        id="a distance moves",
    ),
    pytest.param(
        ["10.0.0.0/24 blackhole"],
        ["10.0.0.0/24 172.16.0.1"],
        ["no ip route 10.0.0.0/24 blackhole 1", "ip route 10.0.0.0/24 172.16.0.1"],
        [],
        id="exclusive",
    ),
    pytest.param(
        ["10.0.0.0/24 blackhole 200"],
        ["10.0.0.0/24 172.16.0.1"],
        ["ip route 10.0.0.0/24 172.16.0.1"],
        ["no ip route 10.0.0.0/24 blackhole 200"],
        id="blackhole behind",
    ),
    pytest.param(
        ["2001:db8::/48 fd00::1", "10.0.0.0/24 eth1"],
        [],
        [],
        ["no ipv6 route 2001:db8::/48 fd00::1 1", "no ip route 10.0.0.0/24 eth1 1"],
        id="gone",
    ),
    pytest.param(["10.0.0.0/24 172.16.0.1"], ["10.0.0.0/24 172.16.0.1"], [], [], id="nothing"),
]


@pytest.mark.parametrize(("old", "new", "first", "second"), STEPS)
def test_a_change_is_two_commits(old: list[str], new: list[str], first: list[str], second: list[str]) -> None:
    step = delta.between(routes(*old), routes(*new))

    assert step.first == first
    assert step.second == second
    assert bool(step) == bool(first or second)


WAYS = st.builds(
    Route,
    prefix=st.sampled_from([route.prefix for route in routes("10.0.0.0/24 eth0", "10.1.0.0/24 eth0")]),
    next_hop=st.sampled_from([None, *(route.next_hop for route in routes("10.0.0.0/24 172.16.0.1"))]),
    interface=st.sampled_from([None, "eth1"]),
    distance=st.sampled_from([1, 10]),
)
SETS = st.lists(WAYS, max_size=8).map(lambda ways: list({way.key: way for way in ways}.values()))


def applied(lines: list[str], present: list[Route]) -> list[Route]:
    """What FRR makes of a commit: a line moves to another distance, `no` takes exactly its own distance."""
    kept = {route.key: route for route in present}
    for line in lines:
        route = parse_route("", line.removeprefix("no ").removeprefix("ip route "))
        if not line.startswith("no "):
            kept[route.key] = route
        elif kept.get(route.key) == route:
            del kept[route.key]
    return list(kept.values())


@given(SETS, SETS)
def test_two_commits_lead_from_anything_to_anything(old: list[Route], new: list[Route]) -> None:
    step = delta.between(old, new)

    between = applied(step.first, old)
    assert {route.prefix for route in between} >= {
        route.prefix for route in old if route.prefix in {other.prefix for other in new}
    }
    assert set(applied(step.second, between)) == set(new)
    assert not delta.between(new, new)
    touched = {route.prefix for route in (*step.coming, *step.going)}
    assert set(step.between) == {route for route in between if route.prefix in touched}


def test_routes_are_read_from_what_the_daemons_print() -> None:
    printed = (
        "!\nip route 10.0.0.0/24 172.16.0.1\nip route 10.1.0.0/24 Null0\nipv6 route 2001:db8::/48 eth1 5\n"
    )
    known = {"ip route 10.0.0.0/24 172.16.0.1": routes("10.0.0.0/24 172.16.0.1")[0]}

    assert routes_in(printed, known) == routes("10.0.0.0/24 172.16.0.1", "2001:db8::/48 eth1 5")


def test_of_one_way_with_two_distances_the_last_one_is_meant() -> None:
    text = f"{FORWARDING}ip route 10.0.0.0/24 172.16.0.1\nip route 10.0.0.0/24 172.16.0.1 9\n"

    assert decode(text.encode()).routes == tuple(routes("10.0.0.0/24 172.16.0.1 9"))


def test_a_way_that_drops_packets_and_leads_on_is_refused() -> None:
    text = f"{FORWARDING}ip route 10.0.0.0/24 172.16.0.1\nip route 10.0.0.0/24 blackhole\n"

    with pytest.raises(Refused, match=r"^frr.conf: '10.0.0.0/24' drops packets and has a next hop"):
        decode(text.encode())


# As frr-reload.py of FRR 10.3 printed it.
PLAN = """
Lines To Delete
===============
no router ospf
interface eth1
 no ip ospf cost 10
exit
router bgp 65000
 address-family ipv4 unicast
  no redistribute static
 exit
exit

Lines To Add
============
interface eth1
 ip ospf cost 20
exit
ip prefix-list P seq 5 permit 10.0.0.0/8 le 25
no ip prefix-list P seq 5 permit 10.0.0.0/8 le 24
"""


def test_a_plan_is_read() -> None:
    plan = blocks.read_plan(PLAN)

    assert plan.away == (
        ("no router ospf",),
        ("interface eth1", "no ip ospf cost 10"),
        ("router bgp 65000", "address-family ipv4 unicast", "no redistribute static"),
    )
    assert plan.new[:2] == ("interface eth1", " ip ospf cost 20")
    assert len(plan.new) == 5
    assert blocks.read_plan("") == blocks.Plan((), ())


def test_static_routes_and_forwarding_are_no_other_lines() -> None:
    old = f"{FORWARDING}ip route 10.0.0.0/24 eth1\nipv6 route ::/0 fe80::1 eth1\nrouter bgp 1\nexit\n"
    new = "ipv6 forwarding\nrouter bgp 1\n!\nexit\n"

    assert blocks.others(old) == "router bgp 1\nexit\n"
    assert not blocks.differ(old, new)
    assert blocks.differ(old, new.replace("bgp 1", "bgp 2"))
    assert blocks.others("ip route-map x") == "ip route-map x"


MASKED = [
    ("neighbor 172.16.0.1 password hunter2", "neighbor 172.16.0.1 password ***"),
    ("ip ospf message-digest-key 1 md5 hunter2", "ip ospf message-digest-key 1 md5 ***"),
    ("key-string 7 hunter2", "key-string 7 ***"),
    ("ip ospf authentication-key hunter2", "ip ospf authentication-key ***"),
    ("line 3: % Unknown: password a b\nnext", "line 3: % Unknown: password ***\nnext"),
    ("ip route 10.0.0.0/24 172.16.0.1", "ip route 10.0.0.0/24 172.16.0.1"),
    ("ip ospf authentication message-digest", "ip ospf authentication message-digest"),
    ("neighbor 172.16.0.1 passw hunter2", "neighbor 172.16.0.1 passw ***"),
    ("line 3: % Ambiguous command: neigh 172.16.0.1 pa hunter2 x", None),
    ("% Unknown: 'neighbor 172.16.0.1 PASSWO' hunter2", "% Unknown: 'neighbor 172.16.0.1 PASSWO' ***"),
    ("ip ospf message-digest-key 1 m hunter2", "ip ospf message-digest-key 1 m ***"),
    ("ip ospf me 1 md hunter2", "ip ospf me 1 md ***"),
    (" key hunter2", " key ***"),
    ("ip ospf a hunter2", "ip ospf a ***"),
    ("Route cannot have a next hop", "Route cannot have a next hop"),
    (" key-s 7 hunter2", " key-s 7 ***"),
    ("ip ospf auth hunter2", "ip ospf auth ***"),
    ("ip ospf authentication-k hunter2", "ip ospf authentication-k ***"),
    ("ip rip auth str hunter2", "ip rip auth str ***"),
    ("ip rip authentication string hunter2", "ip rip authentication string ***"),
    ("ipv6 ospf6 authentication key-id 1 hash-algo hmac-sha-256 key hunter2", None),
    ("ipv6 ospf6 auth key-id 1 hash md5 key hunter2", None),
    (" area 0 authentication message-digest", " area 0 authentication message-digest"),
    ("key chain BLUE", "key chain BLUE"),
    (" key 1", " key 1"),
    (" neighbor 172.16.0.1 passive", " neighbor 172.16.0.1 passive"),
    ("ip prefix-list P seq 5 permit 10.0.0.0/8 le 24", "ip prefix-list P seq 5 permit 10.0.0.0/8 le 24"),
    ("  redistribute static route-map A", "  redistribute static route-map A"),
    ("ip route 10.0.0.0/24 172.16.0.1 'k", "ip route 10.0.0.0/24 172.16.0.1 'k"),
]


@pytest.mark.parametrize(("text", "shown"), MASKED)
def test_what_follows_a_password_word_is_not_shown(text: str, shown: str | None) -> None:
    assert "hunter2" not in masked(text)
    assert shown is None or masked(text) == shown


@given(st.integers(5, 8), st.text("abc7", min_size=1, max_size=8))
def test_a_password_behind_a_short_word_is_not_shown(length: int, secret: str) -> None:
    assert masked(f" neighbor 10.0.0.1 {'password'[:length]} {secret}").endswith(" ***")


def told(old: str, new: str, private: bool = False) -> str:
    before, after = (Configuration(text, (), {}, {}, private) for text in (old, new))
    return str(story.of_change(before, after))


def test_a_change_is_told_in_one_line() -> None:
    old = "!\nrouter bgp 1\n neighbor 1.1.1.1 password hunter2\nexit\n"
    new = old + "".join(f"ip route 10.{number}.0.0/24 eth1\n" for number in range(4))

    assert told(old, new) == (
        "4 lines (ip route 10.0.0.0/24 eth1, ip route 10.1.0.0/24 eth1, ip route 10.2.0.0/24 eth1 and 1 more)"
        " came; 0 lines went"
    )
    assert told(old, "") == "0 lines came; 2 lines (router bgp 1, neighbor 1.1.1.1 password ***) went"
    assert told(old, "", private=True) == "0 lines came; 2 lines went"


def test_a_changed_file_is_seen_once(tmp_path: Path) -> None:
    path = tmp_path / "frr.conf"
    write_in_the_past(path, b"one")
    mounted = Mounted(path)
    assert mounted.changed() is None

    write_in_the_past(tmp_path / "new", b"two")
    (tmp_path / "new").replace(path)

    assert mounted.changed() == b"two"
    assert mounted.changed() is None
    assert mounted.hash() == hash_of(b"two")
    mounted.forget()
    assert mounted.changed() == b"two"


def test_a_file_that_is_being_written_is_not_taken_yet(tmp_path: Path) -> None:
    path = tmp_path / "frr.conf"
    write_in_the_past(path, b"one")
    mounted = Mounted(path)

    path.write_bytes(b"half of the ne")
    assert mounted.changed() is None
    os.utime(path, (time.time() - 1, time.time() - 1))
    assert mounted.changed() == b"half of the ne"


def test_where_there_was_no_file_none_is_looked_for(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "frr.conf")
    write_in_the_past(tmp_path / "frr.conf", b"one")

    mounted.forget()

    assert mounted.changed() is None


def write_in_the_past(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (time.time() - 60, time.time() - 60))


def message(kind: int, family: int, bits: int, protocol: int, *attributes: tuple[int, bytes]) -> bytes:
    """A message as netlink sends it."""
    body = struct.pack("=BBBBBBBBI", family, bits, 0, 0, 254, protocol, 0, 1, 0)
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_notices_of_our_routes_are_understood() -> None:
    there = (1, socket.inet_aton("10.0.0.0"))
    sent = (
        message(25, socket.AF_INET, 24, 196, (15, b"\xfe\0\0\0"), there)
        + message(24, socket.AF_INET, 24, 4, there)
        + message(24, socket.AF_INET6, 48, 196, (1, socket.inet_pton(socket.AF_INET6, "2001:db8::")))
        + message(24, socket.AF_INET, 0, 196)
        + message(16, socket.AF_INET, 24, 196, there)
    )

    heard = list(notices.read(sent, frozenset({196})))

    assert [(str(notice.prefix), notice.deleted) for notice in heard] == [
        ("10.0.0.0/24", True),
        ("2001:db8::/48", False),
        ("0.0.0.0/0", False),
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_their_end(content: bytes) -> None:
    list(notices.read(content, FRR.static_protocols))


NEEDED = [
    ("router ospf6\nexit\n", ["ospf6d"]),
    ("router ripng\nexit\n", ["ripngd"]),
    ("bfd\n peer 172.16.0.1\n exit\nexit\n", ["bfdd"]),
    ("router bgp 1\n neighbor 172.16.0.1 bfd profile fast\nexit\n", ["bgpd", "bfdd"]),
    ("interface eth1\n description to the bfd lab\nexit\n", []),
    ("interface eth1\n ip ospf cost 3\n ipv6 ospf6 cost 3\nexit\n", ["ospfd", "ospf6d"]),
    ("interface eth1\n ip rip passive\nexit\nbgp as-path access-list A permit 1\n", ["bgpd", "ripd"]),
    ("interface eth1\n ip ospf bfd\nexit\nrouter ospf\nexit\n", ["ospfd", "bfdd"]),
]


@pytest.mark.parametrize(("text", "names"), NEEDED)
def test_more_daemons_are_started_by_their_lines(text: str, names: list[str]) -> None:
    assert [daemon.name for daemon in FRR.needed(text)][3:] == names


def test_a_protocol_that_nobody_speaks_is_refused() -> None:
    FRR.refuse_unknown("router bgp 1\nexit\nrouter-id 1.1.1.1\nip router-id 1.1.1.1\nrouter ospf6\nexit\n")
    with pytest.raises(
        Refused, match=r"^frr.conf line 2: 'isis' is no routing protocol of this image; bgp, "
    ):
        FRR.refuse_unknown("!\nrouter isis 1\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_configuration_or_refused(content: bytes) -> None:
    said = ""
    try:
        decode(content)
    except Refused as refused:
        said = str(refused)
    assert "\n" not in said


@given(st.text(max_size=300))
def test_any_text_is_read_as_a_plan(text: str) -> None:
    blocks.read_plan(text)
    assert blocks.read_plan(f"{PLAN} {text}").away == blocks.read_plan(PLAN).away


def test_a_line_that_names_a_section_begins_none() -> None:
    printed = "\nLines To Delete\n===============\ninterface eth1\n no description Lines To Add\nexit\n"

    assert blocks.read_plan(printed).away == (("interface eth1", "no description Lines To Add"),)


# As vtysh of FRR 10.3 prints it at its prompt.
AT_THE_PROMPT = """
Hello, this is FRRouting (version 10.3).

vm# configure
vm(config)# interface eth1
vm(config-if)#  vrrp 1
vrrpd is not running
vm(config-if)#  ip ospf cost 1
ospfd is not running
vm(config-if)# exit
vm(config)# configure
% Unknown command: configure
vm(config)# \n"""


def test_a_line_for_a_daemon_that_does_not_run_is_refused() -> None:
    lines = [(0, "configure"), (7, "interface eth1"), (8, " vrrp 1"), (10, " ip ospf cost 1"), (11, "exit")]
    found = addressees.read(lines, AT_THE_PROMPT)

    assert found == [(8, "vrrp 1", "vrrpd"), (10, "ip ospf cost 1", "ospfd")]
    FRR.refuse_unserved("interface eth1\n ip ospf cost 1\n", found[1:])
    with pytest.raises(Refused, match=r"^frr.conf line 8: 'vrrp 1' is for vrrpd, which this image does not"):
        FRR.refuse_unserved("", found)
    with pytest.raises(
        Refused, match=r"^frr.conf line 10: 'ip ospf cost 1' .* only where there is 'router o"
    ):
        FRR.refuse_unserved("", found[1:])
    with pytest.raises(Refused, match=r"^frr.conf line 8: 'vrrp ...' is for vrrpd"):
        FRR.refuse_unserved("", found, private=True)


def test_lines_of_which_nothing_was_said_are_no_accepted_ones() -> None:
    with pytest.raises(Failed, match=r"of 6 lines, and not of 9$"):
        addressees.read(
            [(number, "exit") for number in range(9)], AT_THE_PROMPT.removesuffix("vm(config)# \n")
        )
