"""A running router is changed: nothing that stays is ever missing, and what is refused changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.image.configurations import frr_conf, many, prefixes
from tests.image.container import Container, Node, Poller, await_that, hash_of

# As mgmtd says it: another one has the configuration, and one line was given.
LOCKED = "Lock already taken"
ONE_LINE = "pending SET-CFG: 1\n"
STAYING = [*many(20), "ipv6 route 2001:db8:5::/48 fd00:172::1"]


def test_all_next_hops_change_and_none_is_ever_missing(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(many(2000))).await_ready(40)
    pids = router.pids("zebra") + router.pids("staticd")

    with Poller(node, prefixes(many(2000))) as poller:
        took = router.apply(frr_conf(many(2000, "172.16.0.7")), 40)
    print(f"2,000 next hops changed in {took:.2f} s, {poller.looks} looks, {poller.absences[:3]}")

    assert poller.absences == []
    assert poller.looks > 250
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


@pytest.mark.timed
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
        took = router.apply(text)
    print(f"changed in {took:.2f} s, {poller.looks} looks, {poller.absences[:3]}")

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


BAD = [
    pytest.param(
        frr_conf(["ip route 10.0.0.5/24 172.16.0.1"]),
        "frr.conf line 7: '10.0.0.5/24' has host bits",
        id="model",
    ),
    pytest.param(
        frr_conf(["router nonsense"]), "frr.conf line 7: % Unknown command[4]: router nonsense", id="vtysh"
    ),
    pytest.param(
        frr_conf(interfaces=["eth9"]), "frr.conf line 8: 'eth9' is not an interface", id="interface"
    ),
    pytest.param(
        frr_conf([*many(4), "router bgp 65000", "exit", "router bgp 65001", "exit"]),
        "bgpd said: BGP instance name and AS number mismatch; BGP instance is already running; AS is 65000",
        id="daemon",
    ),
    pytest.param(
        frr_conf([*many(10, "192.0.2.1"), "ip route 10.66.0.0/24 172.16.0.1"]),
        "10.100.0.0/24 via 192.0.2.1 did not come into the kernel within 5 s",
        id="kernel",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_what_is_refused_changes_nothing(
    text: str, sentence: str, node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    good = frr_conf(many(100))
    router = start(frr_conf=good).await_ready()
    running, routed = node.everything(), router.run("vtysh", "-c", "show running-config").stdout

    with Poller(node, prefixes(many(100))) as poller:
        router.swap(text)
        await_that(lambda: router.status["refused"] is not None, 20, router)
        await_that(lambda: not router.ready, 10, router)

    bad = hash_of(text)
    assert router.status["refused"]["hash"] == router.status["wanted_hash"] == bad
    assert router.status["refused"]["reason"].startswith(sentence), router.status["refused"]
    assert router.status["reason"].startswith(f"the configuration {bad[:16]} was refused and ")
    assert router.status["applied_hash"] == hash_of(good)
    assert sentence in router.log
    assert poller.absences == []
    await_that(lambda: node.routes(202) == [], 5, router)
    assert without_numbers(node.everything()) == without_numbers(running)
    assert router.run("vtysh", "-c", "show running-config").stdout == routed
    assert set(router.status["daemons"]) == {"zebra", "mgmtd", "staticd"}

    router.apply(frr_conf(many(50)))
    router.await_ready()
    assert router.status["refused"] is None
    assert len(node.routes(196)) == 50
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


def without_numbers(everything: dict[str, str]) -> dict[str, str]:
    """Nexthop objects are numbered as they come."""
    return {
        words: re.sub(r"(nhid|id) \d+", r"\1", text)
        for words, text in everything.items()
        if words != "-N nexthop show"
    }


def test_a_refused_file_is_not_judged_again_and_again(start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(3))).await_ready()
    router.swap("nonsense\n")
    await_that(lambda: router.status["refused"] is not None, 10, router)

    worked = router.work()
    time.sleep(4)

    assert router.work() - worked < 0.4
    assert router.log.count("refused the configuration") == 1


def test_of_changes_that_come_at_once_the_last_one_wins(node: Node, start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(300))).await_ready()

    with Poller(node, prefixes(many(300))) as poller:
        for number in range(2, 8):
            router.swap(frr_conf(many(300, f"172.16.0.{number}")))
            time.sleep(0.1)
        router.apply(frr_conf(many(300, "172.16.0.9")))

    assert poller.absences == []
    assert node.ip("route show proto 196").count(" via 172.16.0.9 ") == 300
    assert router.log.count("changed to") <= 7


def test_a_change_back_to_what_is_run_ends_a_refusal(start: Callable[..., Container]) -> None:
    good = frr_conf(many(3))
    router = start(frr_conf=good).await_ready()
    router.swap("nonsense\n")
    await_that(lambda: not router.ready, 10, router)

    router.swap(good)

    router.await_ready()
    assert router.status["refused"] is None
    assert router.status["last_change"] is None


def test_an_interface_that_comes_later_ends_a_refusal(node: Node, start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(3)), environment={"QUAGGA_CHECK_SECONDS": "1"}).await_ready()
    router.swap(frr_conf(many(3), interfaces=["eth0", "eth1", "late0"]))
    await_that(lambda: router.status["refused"] is not None, 10, router)

    node.ip("link add late0 type veth peer name late1")

    router.await_ready()
    assert router.status["refused"] is None


@pytest.mark.parametrize("moment", [0.02, 0.1, 0.2, 0.3, 0.5, 0.8])
def test_a_change_that_a_crash_interrupts_is_finished_by_the_next_life(
    moment: float, node: Node, start: Callable[..., Container]
) -> None:
    lines = many(1000)
    text = frr_conf([line.replace("172.16.0.1", "172.16.0.7") for line in lines])
    router = start(frr_conf=frr_conf(lines)).await_ready(30)

    with Poller(node, prefixes(lines)) as poller:
        router.swap(text)
        time.sleep(moment)
        router.kill()
        successor = start(frr_conf=text).await_ready(30)

    assert poller.absences == []
    assert node.ip("route show proto 196").count(" via 172.16.0.7 ") == 1000
    assert node.routes(202) == []
    assert successor.stop()[0] == 0


@pytest.mark.parametrize("daemon", ["zebra", "staticd", "mgmtd"])
@pytest.mark.parametrize("moment", [0.0, 0.2, 0.5])
def test_a_daemon_that_dies_in_the_middle_is_mended_and_the_change_finished(
    daemon: str, moment: float, node: Node, start: Callable[..., Container]
) -> None:
    lines = [*many(1000), "ip route 192.0.2.0/24 blackhole"]
    changed = [*many(1000, "172.16.0.7"), "ip route 192.0.2.0/24 172.16.0.7"]
    router = start(frr_conf=frr_conf(lines)).await_ready(30)
    pid = router.pids(daemon)[0]

    with Poller(node, prefixes(lines)) as poller:
        router.swap(frr_conf(changed))
        await_that(lambda: len(node.routes(202)) == 1001, 10, router)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        assert "changed to" not in router.log
        await_that(lambda: "changed to" in router.log, 40, router)
        await_that(lambda: node.ip("route show proto 196").count(" via 172.16.0.7 ") == 1001, 20, router)

    assert poller.absences == []
    await_that(lambda: router.ready, 20, router)
    # At times FRR's mgmtd stands still when it comes back, and is ended once more.
    again = "did nothing for 5 s" in router.log
    assert again or router.status["repairs"]["daemons"] == 1 + router.crashes
    assert node.routes(202) == []


def test_a_change_waits_until_another_lets_go_of_the_configuration_and_is_made_once(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf(many(10))).await_ready()
    router.await_quiet("mgmtd")
    # It changes nothing, and takes some time to be read.
    router.run("tee", "/run/by-hand.conf", given="\n".join([*many(10) * 300, ""]))
    worked, refused, made = router.work("mgmtd"), router.log.count(LOCKED), router.log.count(ONE_LINE)
    changed = frr_conf([*many(10), "ip route 10.30.0.0/24 172.16.0.3"])
    with ThreadPoolExecutor(1) as other:
        by_hand = other.submit(router.run, "vtysh", "-d", "mgmtd", "-f", "/run/by-hand.conf")
        await_that(lambda: router.work("mgmtd") > worked + 0.2, 10, router)
        [vtysh] = [
            pid for pid in router.pids("vtysh") if b"by-hand" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        entered = int(re.findall(r"^PPid:\t(\d+)$", Path(f"/proc/{vtysh}/status").read_text(), re.M)[0])
        # It holds on to the configuration for as long as it takes, and no longer.
        os.kill(vtysh, signal.SIGSTOP)
        try:
            router.swap(changed)
            await_that(lambda: router.log.count(LOCKED) > refused, 10, router)
        finally:
            os.kill(vtysh, signal.SIGCONT)
            # nsenter stops with what it has started.
            os.kill(entered, signal.SIGCONT)
        router.await_applied(changed)

    assert by_hand.result().returncode == 0
    assert router.log.count(ONE_LINE) == made + 1
    assert "10.30.0.0/24" in node.routes(196)


def test_what_staticd_was_told_by_a_mgmtd_that_died_does_not_come_back_to_it(
    node: Node, start: Callable[..., Container]
) -> None:
    lines = [*many(10), "ip route 192.0.2.0/24 blackhole"]
    router = start(frr_conf=frr_conf(lines)).await_ready()
    # As long as mgmtd goes on telling staticd of these, it takes no change.
    router.await_quiet("mgmtd")
    mgmtd, staticd = router.pids("mgmtd")[0], router.pids("staticd")[0]
    commits = router.log.count("pending SET-CFG")

    with Poller(node, prefixes(lines)) as poller:
        os.kill(staticd, signal.SIGSTOP)
        router.swap(frr_conf([*many(10, "172.16.0.7"), "ip route 192.0.2.0/24 172.16.0.7"]))
        await_that(lambda: router.log.count("pending SET-CFG") > commits, 10, router)
        # It has been told what to check, and nobody is there to tell it what becomes of that.
        os.kill(mgmtd, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(staticd, signal.SIGCONT)
        await_that(lambda: "changed to" in router.log, 20, router)

    assert "was refused and" not in router.log
    assert poller.absences == []
    assert node.ip("route show proto 196").count(" via 172.16.0.7 ") == 11
    await_that(lambda: router.ready, 20, router)
    assert router.status["repairs"]["daemons"] == 1 + router.crashes
    restarts = {name: facts["restarts"] for name, facts in router.status["daemons"].items()}
    assert restarts == {"zebra": 0, "mgmtd": 1 + router.crashes, "staticd": 0}
    assert router.pids("staticd") != [staticd]
    assert node.routes(202) == []


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_daemon_that_does_nothing_about_a_change_is_ended(
    seconds: float, node: Node, start: Callable[..., Container]
) -> None:
    lines = many(1000)
    router = start(frr_conf=frr_conf(lines)).await_ready(30)
    # mgmtd goes on telling staticd for a second or two, and a change stands still in another way then.
    time.sleep(seconds)
    os.kill(router.pids("staticd")[0], signal.SIGSTOP)

    with Poller(node, prefixes(lines)) as poller:
        router.apply(frr_conf([line.replace("172.16.0.1", "172.16.0.7") for line in lines]), 60)
        await_that(lambda: router.ready, 30, router)

    assert poller.absences == []
    assert node.ip("route show proto 196").count(" via 172.16.0.7 ") == 1000
    assert "staticd did nothing for 5 s about its configuration and was killed" in router.log
    assert router.status["repairs"]["daemons"] >= 2
    assert node.routes(202) == []
    assert router.stop()[0] == 0, router.log


def test_forwarding_and_interfaces_are_changed_too(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()
    router = start(frr_conf=frr_conf(many(3), ["eth0"], ipv6=False)).await_ready()
    described = frr_conf(many(3), ["eth0", "eth1"]).replace(
        "interface eth1\n", "interface eth1\n description to the server\n"
    )

    router.apply(described)
    assert node.forwards(6)
    assert node.forwards(6, "eth1")
    assert router.ready
    assert " description to the server" in router.run("vtysh", "-c", "show running-config").stdout

    router.apply(frr_conf(many(3), ["eth0"], ipv6=False))
    assert not node.forwards(6)
    assert "description" not in router.run("vtysh", "-c", "show running-config").stdout

    assert router.stop()[0] == 0
    assert node.everything() == before


def test_forwarding_that_cannot_be_changed_is_refused_before_anything_is(
    node: Node, start: Callable[..., Container]
) -> None:
    node.forward(4, "all", True)
    router = start(frr_conf=frr_conf(many(3), ipv6=False), read_only_sysctls=True).await_ready()

    router.swap(frr_conf(many(5)))

    await_that(lambda: router.status["refused"] is not None, 10, router)
    assert "run on the node: sysctl -w net.ipv6.conf.all.forwarding=1" in router.status["refused"]["reason"]
    assert len(node.routes(196)) == 3


def test_routes_are_changed_while_their_interface_is_down(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf([*many(20), "ip route 10.0.0.0/24 10.200.0.1"])).await_ready()
    node.ip("link set eth1 down")

    with Poller(node, ["10.0.0.0/24"]) as poller:
        router.apply(frr_conf([*many(15, "172.16.0.7"), "ip route 10.0.0.0/24 10.200.0.2"]))
        await_that(
            lambda: "15 of 16 routes are not in the kernel as wanted" in router.status["reason"], 10, router
        )
        node.ip("link set eth1 up")
        await_that(lambda: router.ready, 20, router)

    assert poller.absences == []
    assert router.status["refused"] is None
    assert node.ip("route show proto 196").count(" via 172.16.0.7 ") == 15


def test_lines_that_need_new_daemons_leave_the_routes_where_they_are(
    node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()
    lines = [*many(200), "ipv6 route 2001:db8::/48 fd00:172::1", "ip route 192.0.2.0/24 blackhole"]
    router = start(frr_conf=frr_conf(lines)).await_ready()
    pids = router.pids("zebra")

    with Poller(node, prefixes(lines)) as poller:
        router.apply(frr_conf(lines).replace("defaults traditional", "defaults datacenter"))
        await_that(lambda: router.ready, 20, router)

    assert poller.absences == []
    assert router.pids("zebra") != pids
    assert "frr defaults datacenter" in router.run("vtysh", "-c", "show running-config").stdout
    assert node.routes(202) == []
    assert router.status["repairs"] == {"daemons": 0, "routes": 0}
    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


def test_an_image_without_frr_reload_starts_the_daemons_anew(
    node: Node, start: Callable[..., Container]
) -> None:
    lines = many(200)
    router = start(frr_conf=frr_conf(lines)).await_ready()
    assert router.run("rm", "/usr/lib/frr/frr-reload.py").returncode == 0

    with Poller(node, prefixes(lines)) as poller:
        router.apply(
            frr_conf(lines).removesuffix("end\n") + "router ospf\n ospf router-id 1.1.1.1\nexit\nend\n"
        )
        await_that(lambda: router.ready, 20, router)
        router.swap(frr_conf(lines).removesuffix("end\n") + "router bgp 1\nexit\nrouter bgp 2\nexit\nend\n")
        await_that(lambda: router.status["refused"] is not None, 30, router)

    assert poller.absences == []
    assert "AS is 1" in router.status["refused"]["reason"]
    assert " ospf router-id 1.1.1.1" in router.run("vtysh", "-c", "show running-config").stdout
    assert not router.pids("bgpd")


def test_few_capabilities_are_enough_for_a_change(node: Node, start: Callable[..., Container]) -> None:
    node.forward(4, "all", True)
    few = "net_admin,net_raw,net_bind_service,sys_admin,setuid,setgid,chown,dac_override"
    limited = ["setpriv", f"--bounding-set=-all,+{few.replace(',', ',+')}", "bash", "/root/start.sh"]
    text = frr_conf(many(5), ipv6=False)
    router = start(frr_conf=text, command=limited, read_only_sysctls=True).await_ready()

    raw = "router ospf\n ospf router-id 1.1.1.1\nexit\nend\n"
    router.apply(frr_conf(many(7, "172.16.0.7"), ipv6=False).removesuffix("end\n") + raw)
    assert router.pids("ospfd")
    router.apply(text.replace("defaults traditional", "defaults datacenter"))

    await_that(lambda: router.ready, 20, router)
    assert not router.pids("ospfd")
    assert node.ip("route show proto 196").count(" via 172.16.0.1 ") == 5
    assert router.stop()[0] == 0, router.log


def test_no_password_is_logged_or_reported(node: Node, start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(3))).await_ready()
    raw = "router bgp 1\n neighbor 172.16.0.1 remote-as 2\n neighbor 172.16.0.1 password hunter2\nexit\nend\n"
    text = frr_conf(many(3)).removesuffix("end\n") + raw

    router.apply(text)
    assert "password hunter2" in router.run("vtysh", "-c", "show running-config").stdout
    for bad in (
        text.replace("password hunter2", "password hunter2 hunter2"),
        text.replace("remote-as 2", "x hunter2"),
    ):
        router.swap(bad, mode=0o400)
        await_that(lambda: router.status["refused"] is not None, 10, router)
        router.swap(text)
        await_that(lambda: router.status["refused"] is None, 10, router)
    router.apply(frr_conf(many(3)))

    assert "hunter2" not in router.log + json.dumps(router.status)
    left = router.run("grep", "-rl", "hunter2", "/run", "/tmp", "/etc").stdout.split()
    assert [path for path in left if not path.startswith("/etc/quagga-router/")] == []
