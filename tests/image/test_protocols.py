"""Routing protocols that the file asks for: their daemons come, are changed, die, are mended and go."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.image.configurations import frr_conf, many, prefixes
from tests.image.container import Container, Neighbour, Node, Poller, await_that

STATIC = many(300, "172.16.0.7")
POLICY = """\
ip prefix-list OURS seq 5 permit 10.0.0.0/8 le 24
ip prefix-list OURS seq 10 permit 192.0.2.0/24
!
route-map OURS permit 10
 match ip address prefix-list OURS
 set metric 10
exit
!
"""
BGP = """\
router bgp 65000
 no bgp ebgp-requires-policy
 neighbor 172.16.0.1 remote-as 65001
 neighbor 172.16.0.1 timers 1 3
 neighbor 172.16.0.1 timers connect 1
 !
 address-family ipv4 unicast
  redistribute static route-map OURS
  neighbor 172.16.0.1 route-map OURS out
 exit-address-family
exit
!
"""
OSPF = """\
router ospf
 ospf router-id 1.1.1.1
 redistribute static metric 20
exit
!
"""
RIP = """\
router rip
 network eth1
 redistribute static
exit
!
"""
ALL = POLICY + BGP + OSPF + RIP
# A neighbour that no supervisor looks after.
PEER = """
mkdir -p /run/frr && chown frr:frr /run/frr && cd /usr/lib/frr
./zebra -d -A 127.0.0.1; ./mgmtd -d -A 127.0.0.1; ./bgpd -d -A 127.0.0.1
printf '%s\n' 'router bgp 65001' ' no bgp ebgp-requires-policy' ' no bgp network import-check' \
    ' neighbor 172.16.0.254 remote-as 65000' ' neighbor 172.16.0.254 timers connect 1' \
    ' address-family ipv4 unicast' '  network 10.50.0.0/24' > /tmp/bgp.conf
vtysh -d bgpd -f /tmp/bgp.conf
exec sleep 600
"""


def speaking(raw: str, routes: list[str] = STATIC, interface: str = "") -> str:
    """The file with lines of its author's own."""
    text = frr_conf(routes).replace("interface eth1\n", f"interface eth1\n{interface}")
    return text.removesuffix("end\n") + raw + "end\n"


def running(router: Container) -> str:
    """What the daemons have."""
    return router.run("vtysh", "-c", "show running-config").stdout


@pytest.fixture
def neighbour(node: Node, start: Callable[..., Container]) -> Neighbour:
    """A BGP speaker behind eth1 that has a network of its own."""
    made = node.neighbour("peer1", "172.16.0.1/24")
    peer = start(on=made, command=["sh", "-c", PEER])
    await_that(lambda: bool(peer.pids("sleep")), 20, peer)
    return made


def test_daemons_come_and_go_with_the_file(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(STATIC)).await_ready()
    core = [router.pids(name) for name in ("zebra", "mgmtd", "staticd")]

    with Poller(node, prefixes(STATIC)) as poller:
        router.apply(speaking(ALL, interface=" ip ospf cost 10\n"))
        assert [len(router.pids(name)) for name in ("bgpd", "ospfd", "ripd")] == [1, 1, 1]
        assert set(router.ask("report")[1]["protocols"]) == {"bgp", "ospf", "rip"}
        text = running(router)
        for line in [*ALL.splitlines(), " ip ospf cost 10"]:
            assert line in text

        router.apply(speaking(BGP + POLICY))
        assert not router.pids("ospfd")
        assert not router.pids("ripd")
        assert "ospf" not in running(router)

        router.apply(frr_conf(STATIC))
        assert not router.pids("bgpd")
        assert "bgp" not in running(router)

    assert poller.absences == []
    assert [router.pids(name) for name in ("zebra", "mgmtd", "staticd")] == core
    assert set(router.status["daemons"]) == {"zebra", "mgmtd", "staticd"}
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


CHANGES = [
    pytest.param("remote-as 65001", "remote-as 65009", id="a neighbour's AS"),
    pytest.param(" neighbor 172.16.0.1 timers 1 3\n", " neighbor 172.16.0.1 timers 3 9\n", id="timers"),
    pytest.param(" set metric 10\n", " set metric 20\n", id="route-map"),
    pytest.param("10.0.0.0/8 le 24", "10.0.0.0/8 le 28", id="prefix-list"),
    pytest.param("ip prefix-list OURS seq 10 permit 192.0.2.0/24\n", "", id="less of it"),
    pytest.param(" redistribute static metric 20\n", "", id="redistribute"),
    pytest.param(" ip ospf cost 10\n", " ip ospf cost 20\n", id="cost"),
    pytest.param(" ip ospf cost 10\n", "", id="no cost"),
    pytest.param(OSPF, "", id="no OSPF"),
    pytest.param(" network eth1\n", " network eth0\n", id="RIP"),
    pytest.param("  redistribute static route-map OURS\n", "  redistribute static\n", id="address family"),
    pytest.param(" neighbor 172.16.0.1 ", " neighbor 172.16.0.2 ", id="another neighbour"),
]


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_changed_line_leads_to_what_a_start_would(
    old: str, new: str, back: bool, node: Node, start: Callable[..., Container]
) -> None:
    first = speaking(ALL, STATIC[:3], " ip ospf cost 10\n")
    second = first.replace(old, new)
    if back:
        first, second = second, first
    router = start(frr_conf=first).await_ready()

    router.apply(second)
    changed = running(router)
    assert router.stop()[0] == 0
    anew = running(start(frr_conf=second).await_ready())

    assert sorted(changed.splitlines()) == sorted(anew.splitlines())


@pytest.mark.timed
@pytest.mark.parametrize("daemon", ["bgpd", "ospfd", "ripd"])
def test_a_killed_protocol_daemon_comes_back_and_static_routes_stay(
    daemon: str, node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=speaking(ALL)).await_ready()
    before = running(router)
    others = [router.pids(name) for name in ("zebra", "mgmtd", "staticd")]
    # FRR 10.3's mgmtd crashes at times if one of those dies whom it is still telling what they are to do.
    router.await_quiet("mgmtd")

    with Poller(node, prefixes(STATIC)) as poller:
        killed = time.monotonic()
        os.kill(router.pids(daemon)[0], signal.SIGKILL)
        await_that(lambda: "was brought back" in str(router.status["reason"]), 10, router)
        took = time.monotonic() - killed
        await_that(lambda: sorted(running(router).splitlines()) == sorted(before.splitlines()), 5, router)
        router.await_ready()
    print(f"{daemon} back after {took:.2f} s")

    assert took < 5
    assert poller.absences == []
    assert [router.pids(name) for name in ("zebra", "mgmtd", "staticd")] == others
    assert router.status["daemons"][daemon]["restarts"] == 1
    assert router.status["repairs"] == {"daemons": 1, "routes": 0}


@pytest.mark.parametrize("daemon", ["zebra", "staticd", "ospfd", "mgmtd"])
def test_what_a_neighbour_taught_stays_while_others_are_mended(
    daemon: str, neighbour: Neighbour, node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=speaking(ALL)).await_ready()
    await_that(lambda: node.routes(186) == ["10.50.0.0/24"], 20, router)
    assert router.ask("report")[1]["protocols"]["bgp"] == {"routes": 1}

    with Poller(node, ["10.50.0.0/24"]) as poller:
        os.kill(router.pids(daemon)[0], signal.SIGKILL)
        await_that(lambda: "was brought back" in str(router.status["reason"]), 10, router)
        router.await_ready()
        router.apply(speaking(ALL, STATIC[:200]))
        await_that(lambda: node.routes(186) == ["10.50.0.0/24"], 20, router)
        await_that(lambda: node.routes(202) == [], 20, router)

    assert poller.absences == []
    assert router.ready
    await_that(lambda: len(neighbour.routes(186)) == 200, 10, router)


def test_what_a_neighbour_taught_outlives_the_container(
    neighbour: Neighbour, node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    first = start(frr_conf=speaking(ALL)).await_ready()
    await_that(lambda: node.routes(186) == ["10.50.0.0/24"], 20, first)

    with Poller(node, ["10.50.0.0/24"]) as poller:
        first.kill()
        second = start(frr_conf=speaking(ALL)).await_ready()
        await_that(lambda: node.routes(186) == ["10.50.0.0/24"], 20, second)
        await_that(lambda: node.routes(202) == [], 20, second)
    assert poller.absences == []

    second.kill()
    third = start(frr_conf=frr_conf(STATIC)).await_ready()
    # Whoever speaks no BGP any more is taught nothing.
    assert node.routes(186) == node.routes(202) == []
    assert third.stop()[0] == 0
    assert node.everything() == before


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.3])
def test_daemons_that_die_one_after_the_other_all_get_their_lines_again(
    pause: float, node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=speaking(ALL)).await_ready()
    before = sorted(running(router).splitlines())

    with Poller(node, prefixes(STATIC)) as poller:
        for daemon in ("bgpd", "ospfd", "mgmtd", "ripd", "zebra"):
            os.kill(router.pids(daemon)[0], signal.SIGKILL)
            time.sleep(pause)

        await_that(lambda: router.status["repairs"]["daemons"] == 5 + router.crashes, 20, router)
        await_that(lambda: sorted(running(router).splitlines()) == before, 10, router)
        await_that(lambda: router.ready, 20, router)

    assert poller.absences == []
    assert node.routes(202) == []


@pytest.mark.timed
def test_the_twins_of_one_that_comes_back_outlast_another_that_dies_meanwhile(
    node: Node, start: Callable[..., Container]
) -> None:
    lines = many(1000, "172.16.0.7")
    router = start(frr_conf=speaking(ALL, lines)).await_ready()
    # FRR 10.3's mgmtd crashes at times if one of those dies whom it is still telling what they are to do.
    router.await_quiet("mgmtd")
    rip = router.pids("ripd")[0]

    with Poller(node, prefixes(lines)) as poller:
        os.kill(router.pids("staticd")[0], signal.SIGKILL)
        await_that(lambda: "keeping 1000 routes" in router.log, 5, router)
        os.kill(rip, signal.SIGKILL)
        await_that(lambda: router.status["repairs"]["daemons"] == 2 + router.crashes, 20, router)
        await_that(lambda: router.ready, 20, router)

    # zebra withdraws what a dead staticd had, unless it is stopped in time; nothing is given a second time.
    assert poller.absent < 1
    assert router.status["repairs"]["routes"] == 0
    assert node.routes(202) == []


def test_a_daemon_that_dies_as_it_comes_is_started_with_its_lines(start: Callable[..., Container]) -> None:
    router = start(frr_conf=speaking(POLICY)).await_ready()

    router.swap(speaking(ALL))
    await_that(lambda: bool(router.pids("bgpd")), 10, router)
    os.kill(router.pids("bgpd")[0], signal.SIGKILL)

    await_that(lambda: "changed to" in router.log, 20, router)
    await_that(lambda: router.ready, 20, router)
    text = running(router)
    assert [line for line in ALL.splitlines() if line not in text] == []


# Everybody on the node can read the arguments of a process.
LISTEN_IN = """
mv /usr/bin/vtysh /usr/bin/vtysh.real
cat > /usr/bin/vtysh <<'END'
#!/bin/sh
echo "$@" >> /tmp/arguments
case " $* " in *" -C "*) echo "$@" >> /tmp/judged; grep -rl hunter /run/quagga >> /tmp/judged-on-disk ;; esac
exec /usr/bin/vtysh.real "$@"
END
chmod 755 /usr/bin/vtysh
touch /tmp/judged-on-disk
"""


def test_a_password_that_goes_is_in_no_arguments(start: Callable[..., Container]) -> None:
    secret = BGP.replace(" timers 1 3", " password hunter2")
    keyed = " ip ospf message-digest-key 1 md5 hunter3\n"
    router = start(frr_conf=speaking(POLICY + secret + OSPF, STATIC[:3], keyed)).await_ready()
    router.run("sh", "-c", LISTEN_IN)

    judged = speaking(POLICY + secret, STATIC[:3])
    assert router.ask("check", str(len(judged)), given=judged)[0] == 0
    router.apply(speaking(POLICY + secret.replace("hunter2", "other"), STATIC[:3]))
    router.apply(speaking(POLICY + BGP, STATIC[:3]))

    text = running(router)
    assert "neighbor 172.16.0.1 timers 1 3" in text
    assert "password" not in text
    assert "hunter" not in text
    arguments = router.run("cat", "/tmp/arguments").stdout
    assert "-f" in arguments
    assert "hunter" not in arguments
    assert "other" not in arguments
    assert router.run("grep", "-rl", "hunter", "/run/quagga").stdout == ""
    assert "-C" in router.run("cat", "/tmp/judged").stdout
    assert router.run("cat", "/tmp/judged-on-disk").stdout == ""


HOLDER = """
import socket, time
holder = socket.create_server(("0.0.0.0", 179))
time.sleep(600)
"""
TAKEN = "router bgp: port 179 of node1, where neighbours call, is held by a program outside of this container"


@pytest.mark.parametrize("caller", ["node", "neighbour"])
def test_two_routers_are_neighbours_whoever_calls(
    caller: str, node: Node, start: Callable[..., Container]
) -> None:
    other = node.neighbour("peer1", "172.16.0.1/24")
    waits = "neighbor 172.16.0.{} passive"
    here = BGP.replace("neighbor 172.16.0.1 timers connect 1", waits.format(1)) if caller != "node" else BGP
    there = BGP.replace("172.16.0.1", "172.16.0.254").replace("65001", "X").replace("65000", "65001")
    there = there.replace("X", "65000").replace(" route-map OURS", "")
    there = there.replace("  neighbor 172.16.0.254 out\n", "")
    if caller == "node":
        there = there.replace("neighbor 172.16.0.254 timers connect 1", waits.format(254))
    text = frr_conf(["ip route 10.60.0.0/24 blackhole"], ["peer1"]).removesuffix("end\n") + there + "end\n"

    second = start(on=other, frr_conf=text).await_ready()
    first = start(frr_conf=speaking(POLICY + here)).await_ready()

    await_that(lambda: node.routes(186) == ["10.60.0.0/24"], 20, first)
    await_that(lambda: len(other.routes(186)) == len(STATIC), 20, second)
    assert first.stop()[0] == second.stop()[0] == 0


def test_where_another_takes_the_calls_no_neighbour_is_configured(
    node: Node, start: Callable[..., Container]
) -> None:
    holder = start(command=["python3", "-c", HOLDER])
    await_that(lambda: "0.0.0.0:179" in holder.run("ss", "-tlnH").stdout, 10, holder)

    refused = start(frr_conf=speaking(POLICY + BGP))
    assert refused.await_end() == 64, refused.log
    assert refused.last_words.startswith(f"refused: {TAKEN}")
    assert node.routes(196) == []

    router = start(frr_conf=speaking("router bgp 65000\nexit\n!\n")).await_ready()
    router.swap(speaking(POLICY + BGP))
    await_that(lambda: router.status["refused"] is not None, 10, router)
    assert router.status["refused"]["reason"].startswith(TAKEN)
    assert len(node.routes(196)) == len(STATIC)

    holder.kill()
    assert router.ask("mend")[0] == 0
    router.await_ready()
