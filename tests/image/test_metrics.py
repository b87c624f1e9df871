"""Metrics of a running router, and clients that mean it no good."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.image.configurations import ENVIRONMENT, frr_conf, many
from tests.image.container import Container, Node, await_that

ON = {"QUAGGA_METRICS_PORT": "9342", "QUAGGA_METRICS_ADDRESS": "10.200.0.11"}
FETCH = """
import sys, urllib.request
print(urllib.request.urlopen(f"http://{sys.argv[1]}:9342/metrics", timeout=5).read().decode(), end="")
"""
SILENT = """
import socket, time
held = [socket.create_connection(("10.200.0.11", 9342)) for _ in range(12)]
print("held", flush=True)
time.sleep(60)
"""


def fetch(router: Container, address: str = "10.200.0.11") -> dict[str, str]:
    """Name and labels -> value."""
    done = router.run("python3", "-c", FETCH, address)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    return dict(line.rpartition(" ")[::2] for line in lines)


def test_metrics_tell_what_the_router_does(node: Node, start: Callable[..., Container]) -> None:
    router = start(frr_conf=frr_conf(many(10)), environment=ON).await_ready()

    found = fetch(router)
    assert found["quagga_router_ready"] == "1"
    assert found['quagga_router_routes{state="installed"}'] == "10"
    assert found['quagga_router_forwarding{family="ipv4"}'] == "1"
    assert "quagga_router_change_seconds" not in found

    router.apply(frr_conf(many(12)))
    os.kill(router.pids("staticd")[0], signal.SIGKILL)
    await_that(lambda: "was brought back" in str(router.status["reason"]), 10, router)
    await_that(lambda: router.ready, 20, router)

    found = fetch(router)
    assert found['quagga_router_routes{state="wanted"}'] == "12"
    assert found['quagga_router_daemon_restarts_total{daemon="staticd"}'] == "1"
    assert found['quagga_router_repairs_total{kind="daemons"}'] == str(1 + router.crashes)
    assert abs(time.time() - float(found["quagga_router_change_timestamp_seconds"])) < 60
    assert f'config_hash="{router.status["applied_hash"]}"' in next(name for name in found if "info" in name)
    assert router.stop()[0] == 0


def test_they_are_offered_at_that_address_only(start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, **ON}).await_ready()

    for address in ("127.0.0.1", "172.16.0.254"):
        assert "Connection refused" in router.run("python3", "-c", FETCH, address).stderr


def test_they_are_off_by_default(start: Callable[..., Container]) -> None:
    router = start(ENVIRONMENT).await_ready()

    assert "Connection refused" in router.run("python3", "-c", FETCH, "10.200.0.11").stderr


@pytest.mark.timed
def test_silent_clients_hold_up_nobody(node: Node, start: Callable[..., Container]) -> None:
    router = start({**ENVIRONMENT, **ON, "QUAGGA_CHECK_SECONDS": "1"}).await_ready()
    silent = start(command=["python3", "-c", SILENT])
    await_that(lambda: "held" in silent.log, 10, silent)

    node.route("add 10.99.0.0/24 via 172.16.0.1 proto 196 metric 20")
    await_that(lambda: node.routes(196) == ["10.0.0.0/24", "10.10.0.0/24"], 5, router)
    os.kill(router.pids("staticd")[0], signal.SIGKILL)
    await_that(lambda: "was brought back" in str(router.status["reason"]), 10, router)
    await_that(lambda: bool(fetch_or_not(router)), 30, router)

    status, seconds = router.stop()
    assert status == 0, router.log
    assert seconds < 5


def fetch_or_not(router: Container) -> dict[str, str]:
    """The metrics, once the clients before have been given up."""
    try:
        return fetch(router)
    except AssertionError:
        return {}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"QUAGGA_METRICS_PORT": "http"}, "QUAGGA_METRICS_PORT: 'http' is no port; 1 to 65535 are"),
        (
            {"QUAGGA_METRICS_ADDRESS": "192.0.2.1"},
            "QUAGGA_METRICS_PORT: '9342' cannot be listened on at 192.0.2.1: Cannot assign requested address",
        ),
    ],
)
def test_what_cannot_be_offered_is_refused(
    settings: dict[str, str], sentence: str, node: Node, start: Callable[..., Container]
) -> None:
    before = node.everything()

    router = start({**ENVIRONMENT, **ON, **settings})

    assert router.await_end() == 64, router.log
    assert router.last_words == f"refused: {sentence}"
    assert node.everything() == before
