"""The metrics' settings and their text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import metrics
from router.ending import Refused
from router.metrics import Endpoint

STATUS: dict[str, Any] = {
    "node": 'a "node"\\',
    "suite": "FRR 10.3",
    "ready": True,
    "updated": "2026-01-02T03:04:05Z",
    "applied_hash": "ab" * 32,
    "daemons": {
        "zebra": {"pid": 28, "since": "", "restarts": 0},
        "bgpd": {"pid": None, "since": "", "restarts": 2},
    },
    "routes": {"wanted": 1000, "installed": 999, "missing_count": 1, "unexpected_count": 0},
    "forwarding": {"ipv4": True, "ipv6": False},
    "repairs": {"daemons": 2, "routes": 7},
    "refused": {"hash": "cd" * 32, "reason": "no"},
    "last_change": {"hash": "ab" * 32, "at": "2026-01-02T03:04:04Z", "seconds": 0.25, "added": 1},
    "protocols": {"bgp": {"routes": 5}},
}

TEXT = """\
# HELP quagga_router_info Always 1.
# TYPE quagga_router_info gauge
quagga_router_info{node="a \\"node\\"\\\\",suite="FRR 10.3",config_hash="HASH"} 1
# HELP quagga_router_up The supervisor runs.
# TYPE quagga_router_up gauge
quagga_router_up 1
# HELP quagga_router_ready The router is as it is wanted.
# TYPE quagga_router_ready gauge
quagga_router_ready 1
# HELP quagga_router_config_refused The mounted configuration was refused.
# TYPE quagga_router_config_refused gauge
quagga_router_config_refused 1
# HELP quagga_router_routes Static routes, compared with the kernel.
# TYPE quagga_router_routes gauge
quagga_router_routes{state="wanted"} 1000
quagga_router_routes{state="installed"} 999
quagga_router_routes{state="missing"} 1
quagga_router_routes{state="unexpected"} 0
# HELP quagga_router_daemon_up The daemon runs.
# TYPE quagga_router_daemon_up gauge
quagga_router_daemon_up{daemon="zebra"} 1
quagga_router_daemon_up{daemon="bgpd"} 0
# HELP quagga_router_daemon_restarts_total How often it was brought back.
# TYPE quagga_router_daemon_restarts_total counter
quagga_router_daemon_restarts_total{daemon="zebra"} 0
quagga_router_daemon_restarts_total{daemon="bgpd"} 2
# HELP quagga_router_repairs_total What was mended.
# TYPE quagga_router_repairs_total counter
quagga_router_repairs_total{kind="daemons"} 2
quagga_router_repairs_total{kind="routes"} 7
# HELP quagga_router_forwarding Packets are forwarded.
# TYPE quagga_router_forwarding gauge
quagga_router_forwarding{family="ipv4"} 1
quagga_router_forwarding{family="ipv6"} 0
# HELP quagga_router_learned_routes Routes in the kernel.
# TYPE quagga_router_learned_routes gauge
quagga_router_learned_routes{protocol="bgp"} 5
# HELP quagga_router_change_seconds How long the last change took.
# TYPE quagga_router_change_seconds gauge
quagga_router_change_seconds 0.25
# HELP quagga_router_change_timestamp_seconds When it was made.
# TYPE quagga_router_change_timestamp_seconds gauge
quagga_router_change_timestamp_seconds 1767323044
# HELP quagga_router_updated_timestamp_seconds When the router was looked at last.
# TYPE quagga_router_updated_timestamp_seconds gauge
quagga_router_updated_timestamp_seconds 1767323045
"""


def test_a_status_becomes_metrics() -> None:
    assert metrics.exposition(STATUS) == TEXT.replace("HASH", "ab" * 32)


def test_what_is_not_known_yet_is_left_out() -> None:
    text = metrics.exposition({"ready": False, "node": "node1"})

    assert "quagga_router_ready 0\n" in text
    assert 'quagga_router_info{node="node1",suite="",config_hash=""} 1\n' in text
    assert "routes" not in text
    assert "change" not in text


SAMPLE = re.compile(r'quagga_router_[a-z_]+(\{([a-z_]+="([^"\\\n]|\\[\\"n])*",?)+\})? [0-9.e+-]+')


@given(st.text(), st.text())
def test_no_name_breaks_the_text(node: str, suite: str) -> None:
    lines = metrics.exposition({**STATUS, "node": node, "suite": suite}).removesuffix("\n").split("\n")

    assert all(SAMPLE.fullmatch(line) for line in lines if not line.startswith("# "))


ANSWERS = [
    ("GET /metrics HTTP/1.1", "200 OK", True),
    ("GET /metrics?x=1 HTTP/1.0", "200 OK", True),
    ("HEAD /metrics HTTP/1.1", "200 OK", False),
    ("GET / HTTP/1.1", "404 Not Found", False),
    ("POST /metrics HTTP/1.1", "405 Method Not Allowed", False),
    ("", "405 Method Not Allowed", False),
]


@pytest.mark.parametrize(("request_line", "status", "has_metrics"), ANSWERS)
def test_only_metrics_are_answered(request_line: str, status: str, has_metrics: bool) -> None:
    head, _, body = metrics.answer(request_line, STATUS).decode().partition("\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert ("quagga_router_up 1" in body) == has_metrics
    assert not has_metrics or f"Content-Length: {len(body.encode())}" in head


def test_metrics_are_off_by_default() -> None:
    assert metrics.endpoint({}) is None
    assert metrics.endpoint({metrics.PORT: "9342", metrics.ADDRESS: "10.0.0.1"}) == Endpoint("10.0.0.1", 9342)
    assert Endpoint("fd00::1", 1).host == "[fd00::1]"


BAD = [
    ({metrics.PORT: "9342"}, "only QUAGGA_METRICS_PORT is given; "),
    ({metrics.ADDRESS: "10.0.0.1"}, "only QUAGGA_METRICS_ADDRESS is given; "),
    ({metrics.PORT: "0", metrics.ADDRESS: "10.0.0.1"}, "QUAGGA_METRICS_PORT: '0' is no port; 1 to 65535 are"),
    ({metrics.PORT: "65536", metrics.ADDRESS: "10.0.0.1"}, "QUAGGA_METRICS_PORT: '65536' is no port"),
    ({metrics.PORT: "http", metrics.ADDRESS: "10.0.0.1"}, "QUAGGA_METRICS_PORT: 'http' is no port"),
    ({metrics.PORT: "1", metrics.ADDRESS: "node1"}, "QUAGGA_METRICS_ADDRESS: 'node1' is no address"),
    ({metrics.PORT: "1", metrics.ADDRESS: ""}, "QUAGGA_METRICS_ADDRESS: '' is no address"),
    ({metrics.PORT: "1", metrics.ADDRESS: "0.0.0.0"}, "QUAGGA_METRICS_ADDRESS: '0.0.0.0' is not one address"),
]


@pytest.mark.parametrize(("environment", "sentence"), BAD)
def test_bad_settings_are_refused(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        metrics.endpoint(environment)

    assert str(refused.value).startswith(sentence)
