"""One router on a node, none beside another routing suite, and a sweeper that touches neither."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.image.configurations import ENVIRONMENT, frr_conf, many
from tests.image.container import Container, Node, await_that

SWEEP = ["bash", "/root/start.sh", "sweep"]
FOREIGN = [
    "sh",
    "-c",
    "mkdir -p /run/frr && chown frr:frr /run/frr && exec /usr/lib/frr/zebra -A 127.0.0.1 -P 0",
]


def test_a_second_router_is_refused_and_the_first_goes_on(
    node: Node, start: Callable[..., Container]
) -> None:
    first = start(ENVIRONMENT).await_ready()
    before = node.everything()

    second = start({"INTERFACES": "eth0", "ROUTES": "10.9.0.0/24 172.16.0.1"})

    assert second.await_end(30) == 64
    assert second.last_words.startswith("refused: another router is running in this network namespace")
    assert node.everything() == before
    assert first.ready
    assert first.stop()[0] == 0


def test_a_router_waits_for_its_predecessor_to_end(node: Node, start: Callable[..., Container]) -> None:
    first = start(ENVIRONMENT).await_ready()
    second = start(ENVIRONMENT)
    time.sleep(1.5)

    assert first.stop()[0] == 0
    second.await_ready()

    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
    assert second.stop()[0] == 0
    assert not node.forwards(4)


def test_nothing_is_started_or_swept_beside_a_foreign_suite(
    node: Node, start: Callable[..., Container]
) -> None:
    foreign = start(command=FOREIGN)
    await_that(lambda: "zserv.api" in node_sockets(foreign), 10, foreign)
    node.route("add 10.9.0.0/24 via 172.16.0.1 proto 196 metric 20")
    time.sleep(1)  # what the foreign daemon makes of it is its own affair
    before = node.everything()
    assert node.routes(196) == ["10.9.0.0/24"]

    for command in (["bash", "/root/start.sh"], SWEEP):
        router = start(ENVIRONMENT, command=command)
        assert router.await_end(30) == 64, router.log
        assert "another routing suite is running in this network namespace" in router.last_words
        assert "/run/frr/zserv.api" in router.last_words
        assert node.everything() == before
    assert foreign.pids("zebra")


def node_sockets(container: Container) -> str:
    """The sockets of the container's network namespace."""
    return container.run("cat", "/proc/net/unix").stdout


def test_the_sweeper_takes_back_what_a_killed_router_left(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    start(frr_conf=frr_conf([*many(1000), "ipv6 route 2001:db8::/48 fd00:172::1"])).await_ready().kill()
    assert len(node.routes(196)) == 1001
    assert node.forwards(4)

    sweeper = start(command=SWEEP)

    assert sweeper.await_end() == 0, sweeper.log
    assert sweeper.last_words == "swept: 0 routes left (1001 removed)"
    assert node.everything() == before


def test_the_sweeper_finds_nothing_on_a_clean_node(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()

    sweeper = start(command=SWEEP)

    assert sweeper.await_end() == 0, sweeper.log
    assert sweeper.last_words == "swept: 0 routes left (0 removed)"
    assert node.everything() == before


def test_the_sweeper_leaves_a_living_router_alone(node: Node, start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT).await_ready()
    before = node.everything()

    sweeper = start(command=SWEEP)

    assert sweeper.await_end(30) == 64
    assert sweeper.last_words.startswith("refused: another router is running")
    assert node.everything() == before
    assert router.ready


def test_routes_of_others_are_left_alone(node: Node, start: Callable[..., Container]) -> None:
    node.route("add 10.7.0.0/24 via 172.16.0.1 proto static")
    node.route("add 10.8.0.0/24 via 172.16.0.1 proto bird")
    node.ip("nexthop add id 7 via 172.16.0.1 dev eth1")
    before = node.everything()

    router = start(ENVIRONMENT).await_ready()
    router.kill()
    assert start(ENVIRONMENT).await_ready().stop()[0] == 0

    assert node.everything() == before


def test_the_alias_of_somebody_else_comes_back(node: Node, start: Callable[..., Container]) -> None:
    node.ip("link set dev lo alias rack-7")
    before = node.everything()

    router = start(ENVIRONMENT).await_ready()
    assert "quagga-router before: 4=0 alias rack-7" in node.ip("link show dev lo")
    router.kill()
    assert start(command=SWEEP).await_end() == 0

    assert node.everything() == before


def test_forwarding_is_set_back_on_every_interface(node: Node, start: Callable[..., Container]) -> None:
    node.forward(4, "eth1", True)
    node.forward(6, "eth0", True)
    before = node.everything()

    router = start(frr_conf=frr_conf(many(1))).await_ready()
    assert all(node.forwards(version, name) for version in (4, 6) for name in ("all", "eth0", "eth1"))
    router.kill()
    again = start(frr_conf=frr_conf(many(1))).await_ready()

    assert again.stop()[0] == 0
    assert node.everything() == before
