"""A router from its first line of log to its last: it starts, says so, and takes everything back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.configurations import ENVIRONMENT, frr_conf, many, prefixes
from tests.image.container import Container, Node, Poller, await_that, hash_of

HOLD_THE_LOCK = """
import socket, time
held = socket.socket(socket.AF_UNIX)
held.bind(b"\\0cloudify-quagga-router")
print("held", flush=True)
time.sleep(60)
"""

EVERY_KIND = [
    "ip route 10.0.0.0/24 172.16.0.1",
    "ip route 10.4.0.0/24 eth1",
    "ip route 10.10.0.0/24 172.16.0.1",
    "ip route 10.10.0.0/24 172.16.0.2",
    "ip route 10.10.0.0/24 172.16.0.3 10",
    "ip route 192.0.2.0/24 blackhole",
    "ip route 198.51.100.0/24 172.16.0.9 eth1 20",
    "ipv6 route 2001:db8::/48 eth1",
    "ipv6 route 2001:db8:1::/48 fe80::1 eth1",
    "ipv6 route 2001:db8:2::/48 fd00:172::1",
    "ipv6 route 2001:db8:3::/48 blackhole 20",
]


def test_the_environment_of_2017_makes_the_node_route(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()

    router = start(ENVIRONMENT).await_ready()

    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
    assert node.forwards(4)
    assert node.forwards(4, "eth1")
    assert not node.forwards(6)

    status, _ = router.stop()

    assert status == 0, router.log
    assert router.last_words.startswith("stopped: 0 routes left (2 withdrawn in ")
    assert node.everything() == before


def test_every_kind_of_route_reaches_the_kernel_and_leaves_it(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    text = frr_conf(EVERY_KIND)

    router = start(frr_conf=text).await_ready()

    present = json.loads(node.ip("-j route show")) + json.loads(node.ip("-6 -j route show"))
    ways = {entry["dst"]: entry for entry in present}
    assert {hop["gateway"] for hop in ways["10.10.0.0/24"]["nexthops"]} == {"172.16.0.1", "172.16.0.2"}
    assert ways["192.0.2.0/24"]["type"] == "blackhole"
    assert ways["2001:db8:1::/48"]["gateway"] == "fe80::1"
    assert ways["10.4.0.0/24"]["dev"] == "eth1"
    assert set(prefixes(EVERY_KIND)) <= set(ways)
    routes = router.status["routes"]
    assert (routes["wanted"], routes["installed"], routes["missing"], routes["unexpected"]) == (9, 9, [], [])
    assert router.status["wanted_hash"] == router.status["applied_hash"]
    assert router.status["applied_hash"] == hash_of(text)
    assert router.status["forwarding"] == {"ipv4": True, "ipv6": True}

    assert router.stop()[0] == 0
    assert node.everything() == before


def test_the_daemons_print_the_configuration_as_it_was_written(start: Callable[..., Container]) -> None:
    text = frr_conf(EVERY_KIND, ipv6=False)
    router = start(frr_conf=text).await_ready()

    printed = router.run("vtysh", "-c", "show running-config").stdout.splitlines()

    left_out = {"ip forwarding", "interface eth0", "interface eth1"}
    written = [line for line in text.splitlines() if line not in left_out]
    assert [line for line in printed if "route" in line] == EVERY_KIND
    header = printed[printed.index("frr defaults traditional") : printed.index("!", 4)]
    assert [line for line in header if not line.startswith("hostname")] == written[: written.index("!")]


def test_the_environment_is_rendered_as_the_plugin_would(start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT).await_ready()

    lines = ["ip route 10.0.0.0/24 172.16.0.1", "ip route 10.10.0.0/24 172.16.0.1"]
    text = frr_conf(lines, ipv6=False)
    assert router.status["applied_hash"] == hash_of(text)


@pytest.mark.timed
def test_a_thousand_routes_come_in_and_go_out_in_time(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    lines = many(1000)
    router = start(frr_conf=frr_conf(lines)).await_ready()

    assert len(node.routes(196)) == 1000
    status, seconds = router.stop()

    assert status == 0, router.log
    assert seconds < 5
    assert router.last_words.startswith("stopped: 0 routes left (1000 withdrawn in ")
    assert node.everything() == before


def test_it_can_be_stopped_at_any_moment_of_its_start(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    text = frr_conf(many(300))
    for line in (
        "set net.ipv4",
        "started zebra",
        "started staticd",
        "of 300 routes are",
    ):
        router = start(frr_conf=text)
        await_that(lambda line=line, router=router: line in router.log, 10, router)  # type: ignore[misc]

        assert router.stop()[0] == 0, router.log
        assert router.last_words.startswith("stopped: 0 routes left"), router.log
        assert node.everything() == before


def test_a_stop_that_comes_before_anybody_listens_is_not_lost(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    start(frr_conf=frr_conf(many(10))).await_ready().kill()
    # PID 1 gets it in its very first moment, as bash.
    early = ["env", "--block-signal=TERM", "bash", "-c", "kill -TERM 1; exec bash /root/start.sh"]
    router = start(frr_conf=frr_conf(many(10)), command=early)

    assert router.await_end() == 0, router.log
    assert router.last_words.startswith("stopped: 0 routes left (10 withdrawn in ")
    assert node.everything() == before


def test_stopped_before_it_began_it_takes_back_what_its_last_life_left(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    start(frr_conf=frr_conf(many(10))).await_ready().kill()
    holder = start(command=["python3", "-c", HOLD_THE_LOCK])
    await_that(lambda: "held" in holder.log, 10, holder)
    router = start(frr_conf=frr_conf(many(10)))
    await_that(lambda: bool(router.status.get("wanted_hash")), 10, router)

    # It waits for the lock; its holder goes while it is being stopped.
    os.kill(router.pid, signal.SIGTERM)
    holder.kill()

    assert router.await_end() == 0, router.log
    assert router.last_words.startswith("stopped: 0 routes left (10 withdrawn in ")
    assert node.everything() == before


@pytest.mark.timed
def test_a_daemon_that_hangs_does_not_keep_the_router_from_ending(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(many(10))).await_ready()

    os.kill(router.pids("zebra")[0], signal.SIGSTOP)
    status, seconds = router.stop()

    assert status == 0, router.log
    assert seconds < 20
    assert "zebra makes no progress" in router.log
    assert router.last_words.startswith("stopped: 0 routes left (10 withdrawn in ")
    assert node.everything() == before


def test_it_is_not_ready_before_it_has_said_so(start: Callable[..., Container], root: Path) -> None:
    assert (root / "run" / "quagga" / "unready").exists()
    router = start(ENVIRONMENT)

    await_that(lambda: bool(router.status), 10, router)

    assert not router.status["ready"]
    assert router.status["reason"] == "the router is starting"
    probe = ["sh", "-c", "test -e /run/quagga/status.json && ! cat /run/quagga/unready"]
    assert router.run(*probe).returncode == 1
    router.await_ready()
    assert router.run(*probe).returncode == 0
    assert router.run("vtysh", "-d", "zebra", "-c", "show version").returncode == 0


@pytest.mark.timed
def test_few_capabilities_are_enough(node: Node, start: Callable[..., Container]) -> None:
    node.forward(4, "all", True)
    before = node.everything()
    few = "net_admin,net_raw,net_bind_service,sys_admin,setuid,setgid,chown,dac_override"
    limited = ["setpriv", f"--bounding-set=-all,+{few.replace(',', ',+')}", "bash", "/root/start.sh"]

    router = start(ENVIRONMENT, command=limited, read_only_sysctls=True).await_ready()
    # Where staticd dies, zebra is stopped and goes on, as another user's process.
    for daemon in ("zebra", "staticd"):
        [victim] = router.pids(daemon)
        os.kill(victim, signal.SIGKILL)
        await_that(lambda: router.pids(daemon) not in ([], [victim]), 10, router)  # noqa: B023
        router.await_ready()

    assert router.status["repairs"]["daemons"] == 2
    status, seconds = router.stop()
    assert status == 0, router.log
    assert seconds < 5
    assert node.everything() == before


def test_it_listens_on_no_port(node: Node, start: Callable[..., Container]) -> None:
    start(ENVIRONMENT).await_ready()

    assert node.run("ss", "-Hlntu") == ""


def test_children_that_nobody_waits_for_do_not_stay(start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, "QUAGGA_CHECK_SECONDS": "1"}).await_ready()

    router.run("sh", "-c", "(sleep 0.1; exit 3) &")

    def zombies() -> list[str]:
        states = router.run("sh", "-c", "grep -h ^State /proc/[0-9]*/status").stdout.splitlines()
        return [state for state in states if "Z" in state]

    await_that(lambda: not zombies(), 5, router)
    assert len(router.pids("sleep")) == 0


@pytest.mark.parametrize("next_hop", ["172.16.99.1", "192.0.2.1"])
def test_a_route_that_cannot_be_installed_is_named(next_hop: str, start: Callable[..., Container]) -> None:
    router = start({"INTERFACES": "eth1", "ROUTES": f"10.0.0.0/24 172.16.0.1,10.1.0.0/24 {next_hop}"})

    await_that(lambda: "not in the kernel as wanted" in str(router.status.get("reason")), 20, router)

    assert router.status["reason"].startswith(
        f"1 of 2 routes are not in the kernel as wanted: 10.1.0.0/24 via {next_hop}; does node1 reach"
    )
    assert router.status["routes"] == {
        "wanted": 2,
        "installed": 1,
        "missing": [f"10.1.0.0/24 via {next_hop}"],
        "unexpected": [],
        "missing_count": 1,
        "unexpected_count": 0,
    }
    assert not router.ready
    assert router.stop()[0] == 0


def test_a_next_hop_behind_another_route_is_found(node: Node, start: Callable[..., Container]) -> None:
    lines = ["ip route 10.0.0.0/24 172.16.0.1", "ip route 10.1.0.0/24 10.0.0.9"]

    router = start(frr_conf=frr_conf(lines)).await_ready()

    assert router.status["routes"]["installed"] == 2
    assert node.routes(196) == ["10.0.0.0/24", "10.1.0.0/24"]


def test_a_backup_route_counts_while_the_first_choice_is_away(
    node: Node, start: Callable[..., Container]
) -> None:
    lines = ["ip route 10.0.0.0/24 172.16.0.1", "ip route 10.0.0.0/24 10.200.0.1 10"]
    router = start(frr_conf=frr_conf(lines), environment={"QUAGGA_CHECK_SECONDS": "1"}).await_ready()

    with Poller(node, ["10.0.0.0/24"]) as poller:
        node.ip("address del 172.16.0.254/24 dev eth1")
        await_that(lambda: "10.200.0.1" in node.ip("route show 10.0.0.0/24"), 5)
    assert poller.looks
    await_that(lambda: router.status["routes"]["installed"] == 1 and router.ready, 10, router)
