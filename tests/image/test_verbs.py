"""What can be asked of a router by exec: to judge a configuration, to say how it is, and to mend."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.image.configurations import ENVIRONMENT, frr_conf, many
from tests.image.container import Container, Node, await_that, hash_of

KEYS = {
    "node",
    "suite",
    "ready",
    "reason",
    "updated",
    "wanted_hash",
    "applied_hash",
    "daemons",
    "routes",
    "forwarding",
    "forwarding_differs",
    "forwarding_switched",
    "repairs",
    "refused",
    "last_change",
    "last_error",
    "last_error_at",
    "protocols",
}
HAS = "which has eth0, eth1, lo"


def test_a_good_configuration_is_accepted_and_changes_nothing(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf(many(10))).await_ready()
    before = node.everything()
    text = frr_conf(many(500, "172.16.0.7"))

    answer = router.ask("check", str(len(text)), given=text + "what comes after is not read")

    assert answer == (0, {"accepted": True, "hash": hash_of(text)})
    assert node.everything() == before
    assert router.ready
    assert router.last_words == ""


BAD = [
    (frr_conf(["ip route 10.0.0.5/24 172.16.0.1"]), "frr.conf line 7: '10.0.0.5/24' has host bits set"),
    (frr_conf(["ip route 10.0.0.0/24 eth9"]), f"frr.conf line 7: 'eth9' is not an interface of node1, {HAS}"),
    (frr_conf(interfaces=["eth7"]), f"frr.conf line 8: 'eth7' is not an interface of node1, {HAS}"),
    (frr_conf(["router nonsense"]), "frr.conf line 7: % Unknown command[4]: router nonsense"),
    (
        frr_conf(["router isis 1", "exit"]),
        "frr.conf line 7: 'isis' is no routing protocol of this image; bgp,",
    ),
    (
        frr_conf(["router bgp 65000", " neighbor 172.16.0.1 pasword hunter2"]),
        "frr.conf line 8: % Unknown command[28]: ",
    ),
    (
        frr_conf(["ip route 10.0.0.0/24 172.16.0.1", "ip route 10.0.0.0/24 blackhole"]),
        "frr.conf: '10.0.0.0/24' drops packets and has a next hop, both with distance 1; one of them goes",
    ),
    ("end\n", "frr.conf: neither 'ip forwarding' nor 'no ip forwarding' is said"),
]


@pytest.fixture(scope="session")
def bystander(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A router that only judges."""
    node = Node(root)
    try:
        router = Container(root, tmp_path_factory.mktemp("bystander"), node, frr_conf=frr_conf(many(1)))
        try:
            yield router.await_ready()
        finally:
            router.close()
    finally:
        node.close()


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_a_bad_one_is_refused_with_its_reason(text: str, sentence: str, bystander: Container) -> None:
    status, answer = bystander.ask("check", str(len(text.encode())), given=text)

    assert status == 64
    assert not answer["accepted"]
    assert answer["reason"].startswith(sentence)
    assert "\n" not in answer["reason"]
    assert bystander.ready
    assert bystander.last_words == ""


WIDE = """\
key chain BLUE
 key 1
  key-string hunter2
 exit
exit
bfd
 profile fast
  detect-multiplier 3
 exit
exit
ip prefix-list A seq 5 permit 10.0.0.0/8
ipv6 prefix-list A seq 5 permit any
ipv6 access-list B seq 5 permit any
access-list 3 seq 5 permit any
bgp community-list standard C seq 5 permit 65000:1
route-map A permit 10
 match ip address prefix-list A
 set community 65000:1
 set ip next-hop 1.1.1.1
exit
ip nht resolve-via-default
router bgp 65000
 neighbor 172.16.0.1 remote-as 1
 neighbor 172.16.0.1 bfd profile fast
 neighbor fd00:172::1 remote-as 1
 address-family ipv6 unicast
  redistribute static
  neighbor fd00:172::1 activate
 exit-address-family
exit
router ospf
exit
router ospf6
 redistribute static
exit
router rip
 network eth1
exit
router ripng
 network eth1
exit
log file /tmp/x
hostname foo
interface eth1
 ip ospf area 0
 ipv6 ospf6 area 0
 ip rip send version 2
 link-params
  enable
 exit-link-params
exit
line vty
exit
banner motd line hello
debug bgp updates
ip protocol bgp route-map A
router-id 1.1.1.1
zebra nexthop proto only
"""


def test_lines_of_daemons_that_run_are_accepted(bystander: Container) -> None:
    text = frr_conf(many(1)).removesuffix("end\n") + WIDE + "end\n"

    status, answer = bystander.ask("check", str(len(text)), given=text)

    assert status == 0, answer


def test_a_password_in_a_bad_line_is_not_shown(bystander: Container) -> None:
    text = frr_conf(["router bgp 65000", " neighbour 172.16.0.1 password hunter2"])

    status, answer = bystander.ask("check", str(len(text)), given=text)

    assert status == 64
    assert "neighbour 172.16.0.1 password ***" in answer["reason"]


FOREIGN = [
    (["mpls ldp", " router-id 1.1.1.1", "exit"], 7, "mpls ldp", "ldpd"),
    (["l2vpn A type vpls", "exit"], 7, "l2vpn A type vpls", "ldpd"),
    (["pbr-map A seq 1", "exit"], 7, "pbr-map A seq 1", "pbrd"),
    (["!", "interface eth1", " vrrp 1", "exit"], 9, "vrrp 1", "vrrpd"),
    (["interface eth1", " ip pim", "exit"], 8, "ip pim", "pimd"),
    (["interface eth1", f" description {'why? ' * 40}", " ip router isis 1"], 9, "ip router isis 1", "isisd"),
    (["interface eth1", "exit", "exit", "quit", "mpls ldp", "exit"], 11, "mpls ldp", "ldpd"),
    (["ip route 10.0.0.0/24 172.16.0.1", "nhrp nfl 5"], 8, "nhrp nfl 5", "nhrpd"),
    (["rout isis 1", "exit"], 7, "rout isis 1", "isisd"),
    (["rout eigrp 1", "exit"], 7, "rout eigrp 1", "eigrpd"),
    (["rout babel", "exit"], 7, "rout babel", "babeld"),
    (["rout bgp 1", "exit"], 7, "rout bgp 1", "bgpd"),
    (["nexthop-group A", " nexthop 172.16.0.1", "exit"], 7, "nexthop-group A", "pbrd"),
]


@pytest.mark.parametrize(
    ("lines", "number", "line", "daemon"), FOREIGN, ids=[f"{each[1]} {each[2]}" for each in FOREIGN]
)
def test_a_line_for_a_daemon_that_does_not_run_is_refused(
    lines: list[str], number: int, line: str, daemon: str, bystander: Container
) -> None:
    text = frr_conf(lines)

    status, answer = bystander.ask("check", str(len(text)), given=text)

    assert status == 64, answer
    assert answer["reason"].startswith(f"frr.conf line {number}: '{line}' is for {daemon}, which ")
    assert bystander.run("ls", "/run/quagga").stdout.split() == ["status.json"]
    assert line not in bystander.run("cat", "/root/.history_frr").stdout


@pytest.mark.parametrize(
    ("words", "given", "sentence"),
    [
        (["check", "many"], "", "check: 'many' is no number of bytes"),
        (["check", "0"], "", "check: '0' is no number of bytes"),
        (["check", "100"], "end\n", "check: only 4 of 100 bytes came"),
    ],
)
def test_a_check_that_is_not_asked_for_rightly(
    words: list[str], given: str, sentence: str, bystander: Container
) -> None:
    status, answer = bystander.ask(*words, given=given)

    assert status == 64
    assert answer["reason"].startswith(sentence)


def test_a_check_does_not_wait_for_the_end_of_the_stream(bystander: Container) -> None:
    text = frr_conf(many(3))
    entering = ["nsenter", f"--target={bystander.pid}", "--mount", "--pid", "--net", "--root", "--wd"]
    argv = [*entering, "env", "-C", "/root", "python3", "-E", "-m", "router", "check", str(len(text))]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(text)
        process.stdin.flush()
        assert process.wait(20) == 0


def test_a_report_is_of_this_moment(node: Node, start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT).await_ready()

    began = time.monotonic()
    status, report = router.ask("report")
    print(f"a report takes {time.monotonic() - began:.2f} s")

    assert status == 0
    assert set(report) == KEYS
    assert report["ready"]
    assert report["reason"] is None
    assert report["node"] == "node1"
    assert report["wanted_hash"] == report["applied_hash"]
    assert report["routes"]["wanted"] == report["routes"]["installed"] == 2
    assert report["forwarding"] == {"ipv4": True, "ipv6": False}
    assert set(report["daemons"]) == {"zebra", "mgmtd", "staticd"}

    node.ip("link set eth1 down")
    report = router.ask("report")[1]
    assert not report["ready"]
    assert report["routes"]["missing_count"] == 2
    assert "2 of 2 routes are not in the kernel as wanted" in report["reason"]

    node.ip("link set eth1 up")
    # So that nobody mends it before it is asked for.
    os.kill(router.pid, signal.SIGSTOP)
    node.forward(4, "all", False)
    report = router.ask("report")[1]
    os.kill(router.pid, signal.SIGCONT)
    assert report["forwarding_differs"] == ["IPv4 on all"]


def test_a_change_is_done_when_nothing_is_left_of_its_making(
    node: Node, start: Callable[..., Container]
) -> None:
    router = start(frr_conf=frr_conf(many(1000))).await_ready()
    # The moment is a short one, and a busy machine may let it pass.
    for number in range(5):
        text = frr_conf(many(1000, f"172.16.0.{2 + number}"))
        router.swap(text)
        stop_when_the_daemons_have(text, router)
        report, twins = router.ask("report")[1], node.routes(202)
        os.kill(router.pid, signal.SIGCONT)
        if twins:
            break
        await_done(router, node)
    assert twins
    assert not report["ready"]
    assert report["applied_hash"] == report["wanted_hash"] == hash_of(text)
    assert report["reason"].startswith("the configuration is being changed from ")

    await_done(router, node)


def test_a_change_that_is_taken_back_in_its_midst_is_still_under_way(
    node: Node, start: Callable[..., Container]
) -> None:
    text = frr_conf(many(1000))
    router = start(frr_conf=text).await_ready()
    router.swap(frr_conf(many(1000, "172.16.0.2")))
    await_that(lambda: len(node.routes(202)) > 0, 20, router)

    os.kill(router.pid, signal.SIGSTOP)
    router.swap(text)
    report = router.ask("report")[1]
    os.kill(router.pid, signal.SIGCONT)
    assert report["applied_hash"] == report["wanted_hash"] == hash_of(text)
    assert not report["ready"]
    assert report["reason"].startswith("the configuration is being changed from ")

    await_done(router, node)
    assert router.status["applied_hash"] == hash_of(text)


def await_done(router: Container, node: Node) -> None:
    """Wait until it says that it is ready, at whose word nothing may be left that a change has put up."""
    deadline = time.monotonic() + 60
    while not router.ask("report")[1]["ready"]:
        assert time.monotonic() < deadline, router.log
    assert node.routes(202) == []


def stop_when_the_daemons_have(text: str, router: Container) -> None:
    """Have the supervisor do nothing more once the file is written from which its daemons would start."""
    given = Path(f"/proc/{router.pid}/root/etc/frr/frr.conf")
    deadline = time.monotonic() + 60
    while given.read_text() != text:
        assert time.monotonic() < deadline, router.log
        time.sleep(0.001)
    os.kill(router.pid, signal.SIGSTOP)


def test_a_report_of_a_router_that_has_not_started(start: Callable[..., Container]) -> None:
    idle = start(command=["sleep", "60"])
    await_that(lambda: bool(idle.pids("sleep")), 10, idle)

    status, report = idle.ask("report")

    assert status == 0
    assert set(report) == KEYS
    assert not report["ready"]


def test_mending_does_not_wait_for_the_next_check(node: Node, start: Callable[..., Container]) -> None:
    router = start(
        frr_conf=frr_conf([*many(10), "ipv6 route 2001:db8::/48 fd00:172::1"]),
        environment={"QUAGGA_CHECK_SECONDS": "3600"},
    ).await_ready()
    time.sleep(1.5)

    node.route("add 10.99.0.0/24 via 172.16.0.1 proto 196 metric 20")
    node.route("replace 10.100.3.0/24 via 172.16.0.9 proto 196 metric 20")
    node.route("add 10.100.4.0/24 via 172.16.0.9 proto 196 metric 3")
    node.forward(4, "all", False)
    node.forward(6, "eth1", False)
    status, report = router.ask("mend")

    assert status == 0, report
    assert report["routes"]["missing_count"] == report["routes"]["unexpected_count"] == 0
    assert node.forwards(4)
    assert node.forwards(6, "eth1")
    assert "172.16.0.9" not in node.ip("route show")
    assert len(node.routes(196)) == 11
    assert router.ask("report")[1]["repairs"]["routes"] == 3


def test_what_cannot_be_mended_is_said(node: Node, start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT).await_ready()
    node.ip("link set eth1 down")

    began = time.monotonic()
    status, report = router.ask("mend")

    assert status == 1
    assert 19 < time.monotonic() - began < 30
    assert report["routes"]["missing_count"] == 2


def test_a_hangup_at_any_moment_ends_nothing(node: Node, start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(100)))

    deadline = time.monotonic() + 20
    while not router.ready and time.monotonic() < deadline:
        os.kill(router.pid, signal.SIGHUP)
        time.sleep(0.01)

    router.await_ready()
    assert len(node.routes(196)) == 100
    assert router.stop()[0] == 0
