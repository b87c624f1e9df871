"""What is wanted beside what the kernel has, and the sentence that comes of it."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from router.comparison import Comparison, compare, pending
from router.grammar import parse_route
from router.kernel import Hop, KernelRoute, read_route
from router.readiness import Observation, reason
from router.suite import FRR

CONNECTED = KernelRoute(ipaddress.ip_network("172.16.0.0/24"), 2, hops=(Hop(device="eth1"),))


def static(prefix: str, *hops: Hop, kind: str = "unicast") -> KernelRoute:
    return KernelRoute(ipaddress.ip_network(prefix), 196, 20, kind, hops=hops)


def outcome(wanted: list[str], present: list[KernelRoute]) -> Comparison:
    return compare([parse_route("", text) for text in wanted], [CONNECTED, *present], FRR)


VIA_1, VIA_2, ETH1 = Hop("172.16.0.1", "eth1"), Hop("172.16.0.2", "eth1"), Hop(device="eth1")

INSTALLED = [
    pytest.param(["10.0.0.0/24 172.16.0.1"], [static("10.0.0.0/24", VIA_1)], id="next hop"),
    pytest.param(["10.0.0.0/24 eth1"], [static("10.0.0.0/24", ETH1)], id="interface"),
    pytest.param(["10.0.0.0/24 172.16.0.1 eth1"], [static("10.0.0.0/24", VIA_1)], id="both"),
    pytest.param(["10.0.0.0/24 blackhole"], [static("10.0.0.0/24", Hop(), kind="blackhole")], id="blackhole"),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1", "10.0.0.0/24 172.16.0.2"],
        [static("10.0.0.0/24", VIA_2, VIA_1)],
        id="several",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1", "10.0.0.0/24 172.16.0.2 10"],
        [static("10.0.0.0/24", VIA_1)],
        id="first choice",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.9.1", "10.0.0.0/24 172.16.0.2 10"],
        [static("10.0.0.0/24", VIA_2)],
        id="second choice",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1", "10.1.0.0/24 10.0.0.7"],
        [static("10.0.0.0/24", VIA_1), static("10.1.0.0/24", VIA_1)],
        id="next hop behind a route",
    ),
    pytest.param(
        ["2001:db8::/48 fe80::1 eth1"], [static("2001:db8::/48", Hop("fe80::1", "eth1"))], id="link-local"
    ),
]


@pytest.mark.parametrize(("wanted", "present"), INSTALLED)
def test_installed(wanted: list[str], present: list[KernelRoute]) -> None:
    found = outcome(wanted, present)

    assert found.missing == ()
    assert found.unexpected == ()
    assert found.installed == found.wanted == len({text.split()[0] for text in wanted})


MISSING = [
    pytest.param(["10.0.0.0/24 172.16.0.1"], [], "10.0.0.0/24 via 172.16.0.1", id="absent"),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1"], [static("10.0.0.0/24", VIA_2)], "10.0.0.0/24 via 172.16.0.1", id="stale"
    ),
    pytest.param(
        ["10.0.0.0/24 eth1"], [static("10.0.0.0/24", VIA_2)], "10.0.0.0/24 via eth1", id="other kind"
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1 eth0"],
        [static("10.0.0.0/24", VIA_1)],
        "10.0.0.0/24 via 172.16.0.1 eth0",
        id="device",
    ),
    pytest.param(
        ["10.0.0.0/24 blackhole"], [static("10.0.0.0/24", VIA_2)], "10.0.0.0/24 blackhole", id="no blackhole"
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1"],
        [static("10.0.0.0/24", Hop(), kind="blackhole")],
        "10.0.0.0/24 via 172.16.0.1",
        id="blackhole",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1", "10.0.0.0/24 172.16.0.2"],
        [static("10.0.0.0/24", VIA_1)],
        "10.0.0.0/24 via 172.16.0.2",
        id="one of several",
    ),
    pytest.param(
        ["10.0.0.0/24 172.16.0.1"],
        [KernelRoute(ipaddress.ip_network("10.0.0.0/24"), 202, hops=(VIA_1,))],
        "10.0.0.0/24 via 172.16.0.1",
        id="only its twin",
    ),
]


@pytest.mark.parametrize(("wanted", "present", "named"), MISSING)
def test_missing(wanted: list[str], present: list[KernelRoute], named: str) -> None:
    found = outcome(wanted, present)

    assert found.missing == (named,)
    assert found.installed == 0
    assert bool(found.absent) == (not [route for route in present if route.protocol == 196])


def test_no_next_hop_is_reached_by_way_of_a_twin() -> None:
    way = KernelRoute(ipaddress.ip_network("192.0.2.0/24"), 202, hops=(VIA_1,))
    wanted = ["10.0.0.0/24 192.0.2.1"]

    assert outcome(wanted, [way]).absent == ()
    assert len(outcome(wanted, [replace(way, protocol=186)]).absent) == 1


def test_unexpected_are_only_routes_of_ours() -> None:
    other = KernelRoute(ipaddress.ip_network("10.8.0.0/24"), 4, hops=(VIA_1,))
    ours = static("10.9.0.0/24", VIA_1)

    assert outcome([], [other, ours]).unexpected == (ours,)


def test_a_route_beside_the_daemons_own_is_nobodys() -> None:
    right, beside = static("10.9.0.0/24", VIA_1), KernelRoute(right_prefix(), 196, 3, hops=(VIA_2,))

    found = outcome(["10.9.0.0/24 172.16.0.1"], [right, beside])

    assert found.unexpected == (beside,)
    assert found.missing == ()


def right_prefix() -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network("10.9.0.0/24")


def test_only_what_could_lead_where_it_should_was_altered() -> None:
    wanted = ["10.0.0.0/24 172.16.0.1", "10.1.0.0/24 192.0.2.1", "10.2.0.0/24 172.16.0.1"]
    elsewhere = [static(f"10.{number}.0.0/24", VIA_2) for number in range(2)]

    found = outcome(wanted, elsewhere)

    assert found.altered == (elsewhere[0],)
    assert [str(route.prefix) for route in found.absent] == ["10.2.0.0/24"]


PENDING = [
    pytest.param(["10.0.0.0/24 172.16.0.2"], [], ["172.16.0.2"], id="absent"),
    pytest.param(["10.0.0.0/24 172.16.0.2"], [VIA_1], ["172.16.0.2"], id="elsewhere"),
    pytest.param(["10.0.0.0/24 172.16.0.2"], [VIA_1, VIA_2], [], id="beside the old one"),
    pytest.param(["10.0.0.0/24 172.16.0.2 10"], [VIA_1], [], id="behind the old one"),
]


@pytest.mark.parametrize(("coming", "hops", "named"), PENDING)
def test_what_a_change_still_waits_for(coming: list[str], hops: list[Hop], named: list[str]) -> None:
    old = parse_route("", "10.0.0.0/24 172.16.0.1")
    awaited = [parse_route("", text) for text in coming]
    present = [CONNECTED, *([static("10.0.0.0/24", *hops)] if hops else [])]

    found = pending([old, *awaited], awaited, present, FRR)

    assert [str(route.next_hop) for route in found] == named


def observed(comparison: Comparison, **changed: object) -> Observation:
    seen = {
        "node": "node1",
        "comparison": comparison,
        "settling": False,
        "mended": "",
        "wanted_hash": "a" * 64,
        "applied_hash": "a" * 64,
        "refused": None,
        "forwarding": {4: [], 6: []},
        **changed,
    }
    return Observation(**seen)  # type: ignore[arg-type]


def test_the_reason_names_what_is_wrong() -> None:
    fine, poor = outcome([], []), outcome([f"10.{number}.0.0/24 172.16.0.1" for number in range(5)], [])

    assert reason(observed(fine)) is None
    assert reason(observed(fine, settling=True)) == "routes are being installed"
    assert reason(observed(fine, mended="zebra was killed")) == "zebra was killed"
    assert reason(observed(fine, wanted_hash="b" * 64)) == (
        "the configuration is being changed from aaaaaaaaaaaaaaaa to bbbbbbbbbbbbbbbb"
    )
    refused = {"hash": "b" * 64, "reason": "frr.conf line 7: % Unknown command"}
    assert reason(observed(fine, wanted_hash="b" * 64, refused=refused)) == (
        "the configuration bbbbbbbbbbbbbbbb was refused and aaaaaaaaaaaaaaaa stays:"
        " frr.conf line 7: % Unknown command"
    )
    assert reason(observed(fine, refused=refused)) is None
    assert (
        reason(observed(fine, forwarding={4: ["all"], 6: []})) == "forwarding of IPv4 is not as wanted on all"
    )
    assert str(reason(observed(poor))).startswith(
        "5 of 5 routes are not in the kernel as wanted: 10.0.0.0/24 via 172.16.0.1,"
        " 10.1.0.0/24 via 172.16.0.1, 10.2.0.0/24 via 172.16.0.1 and 2 more; does node1 reach"
    )


# As iproute2 6.15 printed them.
PRINTED: list[tuple[dict[str, Any], str]] = [
    (
        {
            "dst": "10.0.0.0/24",
            "nhid": 43,
            "gateway": "172.16.0.1",
            "dev": "eth1",
            "protocol": "196",
            "metric": 20,
        },
        "10.0.0.0/24 proto 196 metric 20 table 254 via 172.16.0.1 dev eth1",
    ),
    (
        {"type": "6", "dst": "192.0.2.0/24", "protocol": "196", "metric": 20, "flags": []},
        "blackhole 192.0.2.0/24 proto 196 metric 20 table 254",
    ),
    (
        {"dst": "default", "dev": "eth1", "protocol": "3", "flags": []},
        "0.0.0.0/0 proto 3 metric 0 table 254 dev eth1",
    ),
    (
        {"dst": "10.0.0.9", "dev": "eth1", "table": "7", "protocol": "3", "flags": []},
        "10.0.0.9/32 proto 3 metric 0 table 7 dev eth1",
    ),
    (
        {
            "dst": "10.0.0.0/24",
            "protocol": "202",
            "metric": 4278190100,
            "flags": [],
            "nexthops": [
                {"gateway": "172.16.0.1", "dev": "eth1", "weight": 1, "flags": []},
                {
                    "via": {"family": "inet6", "host": "fe80::1"},
                    "dev": "eth1",
                    "weight": 2,
                    "flags": ["onlink"],
                },
            ],
        },
        "10.0.0.0/24 proto 202 metric 4278190100 table 254"
        " nexthop via 172.16.0.1 dev eth1 weight 1 nexthop via inet6 fe80::1 dev eth1 onlink weight 2",
    ),
]


@pytest.mark.parametrize(("entry", "words"), PRINTED, ids=[words for _, words in PRINTED])
def test_a_route_can_be_put_back_as_it_was_printed(entry: dict[str, Any], words: str) -> None:
    assert " ".join(read_route(entry, 4).words) == words
