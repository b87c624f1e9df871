"""What somebody else changes on the node while a router runs is mended or reported."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.image.configurations import ENVIRONMENT, frr_conf, many, prefixes
from tests.image.container import Container, Node, Poller, await_that

EVERY_SECOND = {"QUAGGA_CHECK_SECONDS": "1"}
RARELY = {"QUAGGA_CHECK_SECONDS": "3600"}


def test_a_deleted_route_comes_back(node: Node, start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, **RARELY}).await_ready()

    node.route("del 10.0.0.0/24")

    await_that(lambda: node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"], 10, router)
    router.await_ready()
    await_that(lambda: router.status["repairs"]["routes"] == 1, 10, router)
    assert "1 route was deleted by somebody and came back: 10.0.0.0/24" in router.log


def test_what_others_do_to_routes_is_seen_before_the_next_check(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start({**ENVIRONMENT, **RARELY}).await_ready()
    time.sleep(1.5)

    node.route("del 10.0.0.0/24")
    await_that(lambda: router.status["repairs"]["routes"] == 1, 5, router)
    node.route("add 10.99.0.0/24 via 172.16.0.1 proto 196 metric 20")
    await_that(lambda: router.status["repairs"]["routes"] == 2, 5, router)
    node.route("add 10.98.0.0/24 via 172.16.0.1 proto static")
    time.sleep(2)

    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
    assert node.routes(4) == ["10.98.0.0/24"]
    assert router.status["repairs"] == {"daemons": 0, "routes": 2}


def test_a_route_of_somebody_else_that_keeps_ours_out_is_named(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    node.route("add 10.0.0.0/24 via 172.16.0.9")
    await_that(lambda: not router.ready, 10, router)
    time.sleep(1.5)
    reason = router.status["reason"]
    assert (
        "10.0.0.0/24 via 172.16.0.1 (somebody's 10.0.0.0/24 via 172.16.0.9, proto 3 metric 0, comes first)"
    ) in reason
    _, command, where = reason.split("`")
    assert where == " on node1 lets ours in"
    assert router.status["repairs"]["routes"] == 0
    assert "to the daemons again" not in router.log

    node.ip(command.removeprefix("ip "))
    router.await_ready()
    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]


def test_a_network_of_the_nodes_own_is_not_to_be_taken_away(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    node.ip("address add 10.0.0.9/24 dev eth1")
    await_that(lambda: not router.ready, 10, router)
    time.sleep(1.5)
    reason = router.status["reason"]
    assert (
        "10.0.0.0/24 via 172.16.0.1 (the node's own 10.0.0.0/24 via eth1, proto 2 metric 0, comes first)"
        in reason
    )
    assert reason.endswith(
        "; 10.0.0.0/24 is a network of node1 itself, before which no route comes: want none to it"
    )

    node.ip("address del 10.0.0.9/24 dev eth1")
    router.await_ready()
    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]


def test_a_route_that_was_led_elsewhere_is_led_back(node: Node, start: Callable[..., Container]) -> None:
    lines = [*many(5), "ip route 10.1.0.0/24 172.16.0.1", "ip route 10.1.0.0/24 172.16.0.2"]
    router = start(frr_conf=frr_conf(lines), environment=EVERY_SECOND).await_ready()

    with Poller(node, prefixes(lines)) as poller:
        node.route("replace 10.100.0.0/24 via 172.16.0.9 proto 196 metric 20")
        node.route("replace 10.1.0.0/24 via 172.16.0.1 proto 196 metric 20")
        await_that(lambda: "172.16.0.9" not in node.ip("route show 10.100.0.0/24"), 10, router)
        await_that(lambda: "172.16.0.2" in node.ip("route show 10.1.0.0/24"), 10, router)
        await_that(lambda: router.status["repairs"]["routes"] == 2, 10, router)

    assert poller.absences == []
    router.await_ready()
    assert node.routes(202) == []


def test_a_route_that_was_given_to_the_daemons_by_hand_goes(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    router.run("vtysh", "-c", "configure", "-c", "ip route 10.99.0.0/24 172.16.0.1 7")

    await_that(lambda: router.status["repairs"]["routes"] == 1, 10, router)
    time.sleep(2)
    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
    assert "10.99" not in router.run("vtysh", "-c", "show running-config").stdout
    assert router.status["repairs"]["routes"] == 1


def test_deleted_nexthop_objects_come_back_with_their_routes(
    node: Node, start: Callable[..., Container]
) -> None:
    lines = [*many(20), "ipv6 route 2001:db8::/48 fd00:172::1"]
    router = start(frr_conf=frr_conf(lines), environment=EVERY_SECOND).await_ready()

    node.ip("nexthop flush proto 11")

    await_that(lambda: set(node.routes(196)) == set(prefixes(lines)), 20, router)
    router.await_ready()
    assert router.stop()[0] == 0


def test_a_route_that_nobody_wants_is_removed(node: Node, start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    node.route("add 10.99.0.0/24 via 172.16.0.1 proto 196 metric 20")
    node.route("add 2001:db8:99::/48 via fd00:172::1 proto 196 metric 20")

    await_that(lambda: node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"], 10, router)
    await_that(lambda: router.status["repairs"]["routes"] >= 2, 5, router)
    await_that(lambda: router.status["routes"]["unexpected"] == [], 5, router)


def test_forwarding_that_was_switched_off_is_switched_on(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    node.forward(4, "all", False)

    await_that(lambda: node.forwards(4) and node.forwards(4, "eth1"), 10, router)
    await_that(lambda: "behind our back" in (router.status["last_error"] or ""), 10, router)
    assert "behind our back" in router.log
    told = router.status
    time.sleep(1.1)
    # The same once more is another time.
    node.forward(4, "all", False)
    await_that(lambda: router.status["last_error_at"] > told["last_error_at"], 10, router)
    assert router.status["last_error"] == told["last_error"]
    assert router.stop()[0] == 0
    assert node.everything() == before


def test_an_interface_that_goes_down_and_up(node: Node, start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, **EVERY_SECOND}).await_ready()

    node.ip("link set eth1 down")
    # The probe's file is there first, and then the status that says why.
    await_that(lambda: not router.status["ready"], 10, router)
    assert "2 of 2 routes are not in the kernel as wanted" in router.status["reason"]
    time.sleep(2.5)
    # Nothing was mended, so nothing is counted.
    assert router.status["repairs"]["routes"] == 0

    node.ip("link set eth1 up")
    router.await_ready()
    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
