"""A running router is changed: nothing that stays is ever missing, and what is refused changes nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.configurations import frr_conf, many, prefixes
from tests.image.container import Container, Node, Poller, await_that

STAYING = [*many(20), "ipv6 route 2001:db8:5::/48 fd00:172::1"]


def applied(router: Container, text: str, seconds: float = 20) -> float:
    """Swap the file, wait until it is applied, and return the seconds that it took."""
    began = time.monotonic()
    router.swap(text)
    wanted = hashlib.sha256(text.encode()).hexdigest()
    await_that(lambda: router.status["applied_hash"] == wanted, seconds, router)
    return time.monotonic() - began


def test_all_next_hops_change_and_none_is_ever_missing(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(many(2000))).await_ready(40)
    pids = router.pids("zebra") + router.pids("staticd")

    with Poller(node, prefixes(many(2000))) as poller:
        took = applied(router, frr_conf(many(2000, "172.16.0.7")), 40)
    print(f"2,000 next hops changed in {took:.2f} s, {poller.readings} readings, {poller.absences[:3]}")

    assert poller.absences == []
    assert poller.readings > 50
    assert node.ip("route show proto 196").count(" via 172.16.0.7 ") == 2000
    assert router.ready
    assert router.pids("zebra") + router.pids("staticd") == pids
    change = router.status["last_change"]
    assert (change["added"], change["removed"]) == (2000, 2000)
    assert router.status["refused"] is None
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


def test_the_same_by_a_restart_as_in_2017_loses_routes(node: Node, start: Callable[..., Container]) -> None:
    first = start(frr_conf=frr_conf(many(200))).await_ready()

    with Poller(node, prefixes(many(200))) as poller:
        assert first.stop()[0] == 0
        start(frr_conf=frr_conf(many(200, "172.16.0.7"))).await_ready()

    assert max(missing for _, missing in poller.absences) == 200


def test_one_of_a_thousand(node: Node, start: Callable[..., Container]) -> None:
    lines = many(1000)
    router = start(frr_conf=frr_conf(lines)).await_ready(30)
    lines[500] = lines[500].replace("172.16.0.1", "172.16.0.7")

    began = time.monotonic()
    router.swap(frr_conf(lines))
    prefix = lines[500].split()[2]
    await_that(lambda: "172.16.0.7" in node.ip(f"route show {prefix}"), 10, router)
    there = time.monotonic() - began
    await_that(lambda: "172.16.0.1" not in node.ip(f"route show {prefix}"), 10, router)
    alone = time.monotonic() - began
    print(f"1 of 1,000: in the kernel after {there:.2f} s, alone after {alone:.2f} s")

    assert there < 5
    await_that(lambda: router.status["last_change"] is not None, 10, router)
    assert (
        "1 line (ip route 10.101.244.0/24 172.16.0.7) came; 1 line (ip route 10.101.244.0/24 172.16.0.1) went"
        in router.log
    )


OLD = [
    "ip route 10.0.0.0/24 172.16.0.1",
    "ip route 10.1.0.0/24 172.16.0.1",
    "ip route 10.1.0.0/24 172.16.0.2",
    "ip route 10.2.0.0/24 blackhole",
    "ip route 10.3.0.0/24 172.16.0.1",
    "ip route 10.4.0.0/24 172.16.0.1",
    "ip route 10.5.0.0/24 172.16.0.1 50",
    "ip route 10.6.0.0/24 172.16.0.1 50",
    "ip route 10.7.0.0/24 eth1",
    "ip route 10.8.0.0/24 172.16.0.1",
    "ip route 10.8.0.0/24 blackhole 250",
    "ip route 10.9.0.0/24 blackhole 5",
    "ipv6 route 2001:db8:1::/48 fd00:172::1",
    "ipv6 route 2001:db8:2::/48 blackhole",
    "ipv6 route 2001:db8:3::/48 fe80::1 eth1",
    "ipv6 route 2001:db8:4::/48 fd00:172::1",
]
NEW = [
    "ip route 10.0.0.0/24 172.16.0.1",
    "ip route 10.0.0.0/24 172.16.0.2",
    "ip route 10.1.0.0/24 172.16.0.2",
    "ip route 10.2.0.0/24 172.16.0.1",
    "ip route 10.3.0.0/24 blackhole",
    "ip route 10.4.0.0/24 172.16.0.1 50",
    "ip route 10.5.0.0/24 172.16.0.1",
    "ip route 10.6.0.0/24 172.16.0.2 60",
    "ip route 10.7.0.0/24 172.16.0.3 eth1",
    "ip route 10.8.0.0/24 172.16.0.1 250",
    "ip route 10.8.0.0/24 blackhole",
    "ip route 10.9.0.0/24 blackhole 7",
    "ipv6 route 2001:db8:1::/48 blackhole",
    "ipv6 route 2001:db8:2::/48 fd00:172::1",
    "ipv6 route 2001:db8:3::/48 fe80::2 eth1",
    "ipv6 route 2001:db8:4::/48 fd00:172::1",
    "ipv6 route 2001:db8:4::/48 fd00:172::2",
]
GOING = ["ip route 10.20.0.0/24 172.16.0.1", "ipv6 route 2001:db8:20::/48 fd00:172::1"]
COMING = ["ip route 10.30.0.0/24 172.16.0.1", "ipv6 route 2001:db8:30::/48 fd00:172::1"]


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_every_kind_of_change(back: bool, root: Path, node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    old, new = (NEW, OLD) if back else (OLD, NEW)
    text = frr_conf([*STAYING, *new, *COMING])
    router = start(frr_conf=frr_conf([*STAYING, *old, *GOING])).await_ready()
    other = Node(root)
    assert start(frr_conf=text, on=other).await_ready().pid

    with Poller(node, prefixes([*STAYING, *old])) as poller:
        took = applied(router, text)
    print(f"changed in {took:.2f} s, {poller.readings} readings, {poller.absences[:3]}")

    assert poller.absences == []
    assert routes_of(node) == routes_of(other)
    other.close()
    printed = router.run("vtysh", "-c", "show running-config").stdout.splitlines()
    assert sorted(line for line in printed if " route " in line) == sorted([*STAYING, *new, *COMING])
    assert router.status["routes"]["missing"] == []
    assert node.routes(202) == []
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


def routes_of(node: Node) -> list[str]:
    """The static routes as ip(8) prints them, without what is a matter of chance."""
    shown = node.ip("-N route show proto 196") + node.ip("-6 -N route show proto 196")
    joined = shown.replace("\n\t", " ").splitlines()
    return sorted(
        " ".join(
            word
            for before, word in zip(["", *line.split()], line.split(), strict=False)
            if "nhid" not in (before, word)
        )
        for line in joined
    )
