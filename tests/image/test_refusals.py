"""What is no good is refused in one sentence, with exit status 64, and the node stays as it was."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.image.configurations import ENVIRONMENT, frr_conf
from tests.image.container import Container, Node, await_that

HAS = "which has eth0, eth1, lo"

REFUSED = [
    ({"INTERFACES": "eth0,eth9"}, f"INTERFACES[1]: 'eth9' is not an interface of node1, {HAS}"),
    ({"INTERFACES": "eth0;reboot"}, "INTERFACES[0]: 'eth0;reboot' is no interface name"),
    ({"INTERFACES": "$(reboot)"}, "INTERFACES[0]: '$(reboot)' is no interface name"),
    ({"INTERFACES": "eth0,,eth1"}, "INTERFACES[1]: '' is no interface name"),
    (
        {"ROUTES": "10.0.0.5/24 172.16.0.1"},
        "ROUTES[0]: '10.0.0.5/24' has host bits set; the network is 10.0.0.0/24",
    ),
    ({"ROUTES": "10.0.0.0/24 999.1.1.1"}, "ROUTES[0]: '999.1.1.1' is no next hop for 10.0.0.0/24"),
    (
        {"ROUTES": "10.0.0.0/24 fd00::1"},
        "ROUTES[0]: 'fd00::1' is no next hop for 10.0.0.0/24; an IPv4 address is",
    ),
    ({"ROUTES": "10.0.0.0/24 172.16.0.1 255"}, "ROUTES[0]: '255' is no distance; 1 to 254 are"),
    ({"ROUTES": "10.0.0.0/24 eth7"}, f"ROUTES[0]: 'eth7' is not an interface of node1, {HAS}"),
    (
        {"ROUTES": "10.0.0.0/24 172.16.0.1,10.0.0.0/24 172.16.0.2"},
        "ROUTES[1]: '10.0.0.0/24' was given by ROUTES[0]",
    ),
    ({}, "neither /etc/quagga-router/frr.conf nor INTERFACES and ROUTES are given"),
    (
        {**ENVIRONMENT, "QUAGGA_CHECK_SECONDS": "often"},
        "QUAGGA_CHECK_SECONDS: 'often' is no number of seconds",
    ),
]


@pytest.mark.parametrize(("environment", "sentence"), REFUSED, ids=[sentence[:30] for _, sentence in REFUSED])
def test_a_bad_environment(
    environment: dict[str, str], sentence: str, node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()

    router = start(environment)

    assert router.await_end() == 64, router.log
    assert router.last_words.startswith(f"refused: {sentence}")
    assert "\n" not in router.last_words
    assert router.last_words in router.log
    assert "Traceback" not in router.log
    assert node.everything() == before


BAD_FILES = [
    (["ip route 10.0.0.5/24 172.16.0.1"], "frr.conf line 7: '10.0.0.5/24' has host bits set"),
    (["ip route 10.0.0.0/24 eth9"], f"frr.conf line 7: 'eth9' is not an interface of node1, {HAS}"),
    (["router nonsense"], "frr.conf line 7: % Unknown command"),
    (
        ["ip rou 10.0.0.0/24 172.16.0.1"],
        "frr.conf line 7: 'ip rou 10.0.0.0/24 172.16.0.1' is not understood here",
    ),
]


@pytest.mark.parametrize(("lines", "sentence"), BAD_FILES, ids=[sentence[:40] for _, sentence in BAD_FILES])
def test_a_bad_file(lines: list[str], sentence: str, node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()

    router = start(frr_conf=frr_conf(lines))

    assert router.await_end() == 64, router.log
    assert router.last_words.startswith(f"refused: {sentence}")
    assert node.everything() == before


def test_a_file_and_an_environment(start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT, frr_conf=frr_conf())

    assert router.await_end() == 64
    assert router.last_words.startswith(
        "refused: both /etc/quagga-router/frr.conf and INTERFACES and ROUTES are given"
    )


def test_an_unknown_command(start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT, command=["bash", "/root/start.sh", "dance"])

    assert router.await_end() == 64
    assert router.last_words.startswith("refused: 'dance' is no command of this image")


def test_forwarding_that_cannot_be_set(node: Node, start: Callable[..., Container]) -> None:
    before = node.everything()

    router = start(ENVIRONMENT, read_only_sysctls=True)

    assert router.await_end() == 64, router.log
    assert "Read-only file system" in router.last_words
    assert "run on the node: sysctl -w net.ipv4.conf.all.forwarding=1" in router.last_words
    assert node.everything() == before


def test_forwarding_that_need_not_be_set(node: Node, start: Callable[..., Container]) -> None:
    node.forward(4, "all", True)
    before = node.everything()

    router = start(ENVIRONMENT, read_only_sysctls=True).await_ready()

    assert router.stop()[0] == 0, router.log
    assert node.everything() == before


def test_forwarding_that_was_changed_and_cannot_be_set_again(
    node: Node, start: Callable[..., Container]
) -> None:
    node.forward(4, "all", True)
    settings = {**ENVIRONMENT, "QUAGGA_CHECK_SECONDS": "1"}
    router = start(settings, read_only_sysctls=True).await_ready()
    daemons = [router.pids(name) for name in ("zebra", "mgmtd", "staticd")]

    node.forward(4, "all", False)
    await_that(lambda: not router.ready or router.ended, 10, router)
    time.sleep(3)

    assert not router.ended, router.log
    assert [router.pids(name) for name in ("zebra", "mgmtd", "staticd")] == daemons
    assert node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"]
    for seen in (router.status, router.ask("report")[1]):
        assert "Read-only file system" in seen["reason"]
        assert seen["reason"].endswith("run on the node: sysctl -w net.ipv4.conf.all.forwarding=1")
        assert seen["last_error"] == seen["reason"]
    assert router.log.count("run on the node") == 1

    node.forward(4, "all", True)
    router.await_ready(5)
    assert router.ask("report")[1]["reason"] is None
    assert router.stop()[0] == 0, router.log
