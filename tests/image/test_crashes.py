"""Daemons and whole containers are killed: what is wanted stays, what is not goes, and it can be seen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.image.configurations import frr_conf, many, prefixes
from tests.image.container import Container, Node, Poller, await_that

KEPT = [
    *many(1000),
    "ip route 10.4.0.0/24 eth1",
    "ip route 10.10.0.0/24 172.16.0.1",
    "ip route 10.10.0.0/24 172.16.0.2",
    "ip route 192.0.2.0/24 blackhole",
    "ipv6 route 2001:db8::/48 eth1",
    "ipv6 route 2001:db8:1::/48 fd00:172::1",
    "ipv6 route 2001:db8:2::/48 blackhole",
]
GOING = [
    "ip route 10.20.0.0/24 172.16.0.1",
    "ip route 10.21.0.0/24 172.16.0.2",
    "ip route 192.0.3.0/24 blackhole",
    "ipv6 route 2001:db8:20::/48 fd00:172::1",
]
COMING = ["ip route 10.30.0.0/24 172.16.0.3", "ipv6 route 2001:db8:30::/48 fd00:172::3"]


@pytest.mark.timed
@pytest.mark.parametrize("daemon", ["zebra", "staticd", "mgmtd"])
def test_a_killed_daemon_is_mended_and_seen(daemon: str, node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(KEPT)).await_ready()
    # FRR 10.3's mgmtd crashes at times if one of those dies whom it is still telling what they are to do.
    router.await_quiet("mgmtd")
    others = [name for name in ("zebra", "staticd", "mgmtd") if name != daemon]
    pids = list(map(router.pids, others))

    with Poller(node, prefixes(KEPT)) as poller:
        os.kill(router.pids(daemon)[0], signal.SIGKILL)
        killed = time.monotonic()
        await_that(lambda: not router.ready, 5, router)
        seen_unready = time.monotonic()
        await_that(lambda: "was brought back" in str(router.status["reason"]), 10, router)
        mended = time.monotonic()
        assert router.status["reason"].startswith(f"{daemon} was killed by signal 9 and was brought back in ")
        router.await_ready()
    noticed, took = seen_unready - killed, mended - killed
    print(f"{daemon}: noticed {noticed:.2f} s, mended {took:.2f} s, absent {poller.absent:.3f} s")

    assert list(map(router.pids, others)) == pids
    assert time.monotonic() - seen_unready > 5
    assert took < 13
    assert router.status["daemons"][daemon]["restarts"] == 1
    assert router.status["repairs"]["daemons"] == 1
    assert router.status["last_error"] == f"{daemon} was killed by signal 9"
    assert router.status["routes"]["missing"] == []
    assert poller.looks > 250
    if daemon == "staticd":
        assert poller.absent < 1
    else:
        assert poller.absences == []
    assert node.routes(202) == []
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


SLOW_IP = """\
#!/bin/sh
case "$*" in *-batch*) sleep 1 ;; esac
exec /usr/bin/ip "$@"
"""


@pytest.mark.timed
def test_zebra_waits_until_the_routes_of_a_dead_staticd_have_others_in_their_place(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf(KEPT)).await_ready()
    router.await_quiet("mgmtd")
    # What takes the kernel some milliseconds takes it a second, for zebra withdraws within ten.
    router.run("tee", "/usr/local/sbin/ip", given=SLOW_IP)
    router.run("chmod", "+x", "/usr/local/sbin/ip")
    zebra = router.pids("zebra")

    with Poller(node, prefixes(KEPT)) as poller:
        os.kill(router.pids("staticd")[0], signal.SIGKILL)
        await_that(lambda: "was brought back" in str(router.status["reason"]), 20, router)
        await_that(lambda: router.ready, 20, router)

    assert poller.absent < 0.5
    assert router.pids("zebra") == zebra
    assert node.routes(202) == []


@pytest.mark.timed
def test_a_daemon_that_dies_again_and_again_ends_the_router(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf(KEPT)).await_ready()

    with Poller(node, prefixes(KEPT)) as poller:
        for life in range(3):
            os.kill(router.pids("zebra")[0], signal.SIGKILL)
            if life < 2:
                await_that(lambda life=life: restarts(router) == life + 1, 10, router)  # type: ignore[misc]
        assert router.await_end() == 1, router.log

    assert router.last_words == "failed: zebra was killed by signal 9, and that 3 times within a minute"
    assert poller.absences == []
    assert start(frr_conf=frr_conf(KEPT)).await_ready().stop()[0] == 0


def restarts(router: Container) -> int:
    """How often zebra was brought back, as the status has it; mgmtd of FRR 10.3 at times dies with it."""
    return int(router.status["daemons"]["zebra"]["restarts"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(KEPT, KEPT, id="same"),
        pytest.param([*KEPT, *GOING], KEPT, id="smaller"),
        pytest.param(KEPT, [*KEPT, *COMING], id="larger"),
        pytest.param([*KEPT, *GOING], [*KEPT, *COMING], id="other"),
        pytest.param(KEPT, [line.replace("172.16.0.1", "172.16.0.7") for line in KEPT], id="moved"),
    ],
)
def test_after_a_crash_wanted_routes_stay_and_others_go(
    first: list[str], second: list[str], node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    killed = start(frr_conf=frr_conf(first)).await_ready()

    with Poller(node, prefixes(KEPT)) as poller:
        killed.kill()
        router = start(frr_conf=frr_conf(second)).await_ready()
        took = time.monotonic() - router.began
    print(f"ready again after {took:.2f} s, {poller.looks} looks, absent {poller.absent:.3f} s")

    assert poller.absences == []
    assert poller.looks > 250
    assert set(node.routes(196)) == set(prefixes(second))
    assert node.routes(202) == []
    assert ("172.16.0.7" in node.ip("route show 10.100.0.0/24")) == ("172.16.0.7" in str(second))
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


@pytest.mark.timed
def test_a_crash_between_two_lives_does_no_harm(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    start(frr_conf=frr_conf(KEPT)).await_ready().kill()

    with Poller(node, prefixes(KEPT)) as poller:
        for line in (
            "keeping",
            "started zebra",
            "started staticd",
            "end_config",
            "routes are in the kernel",
        ):
            router = start(frr_conf=frr_conf(KEPT))
            await_that(lambda line=line, router=router: line in router.log, 10, router)  # type: ignore[misc]
            router.kill()
        last = start(frr_conf=frr_conf(KEPT)).await_ready()

    assert poller.absences == []
    assert last.stop()[0] == 0, last.log
    assert node.everything() == before
