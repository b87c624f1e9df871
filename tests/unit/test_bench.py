"""What the benchmarks make of what `cfy` says and of the API server's audit log."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from lab import control
from tests.bench import beside, requests

# As cfy prints it, but for the middle of the sentence.
RETRIED = """\
2026-11-26 18:24:20.490  CFY <cluster> [router_node_9oc1ew] Validating node instance before creation
2026-11-26 18:24:20.490  CFY <cluster> [router_node_9oc1ew.create] Task started \
'cloudify_quagga.operations.labeled_node.validate_creation'
2026-11-26 18:24:20.508  CFY <cluster> [router_node_9oc1ew.create] Task failed \
'cloudify_quagga.operations.labeled_node.validate_creation' -> it cannot be reached [retry_after=5]
2026-11-26 18:24:25.509  CFY <cluster> [router_node_9oc1ew.create] Task started \
'cloudify_quagga.operations.labeled_node.validate_creation' [retry 1/1]
2026-11-26 18:24:25.531  CFY <cluster> [router_node_9oc1ew.create] Task succeeded \
'cloudify_quagga.operations.labeled_node.validate_creation' [retry 1/1]
"""
TWICE = """\
2026-11-26 18:25:00.000  CFY <post> [quagga_aaaaaa.pull] Task started 'cloudify_quagga.operations.microservice.pull'
2026-11-26 18:25:00.100  CFY <post> [proxy_bbbbbb.pull] Task started 'cloudify_quagga.operations.deployment_proxy.refresh'
2026-11-26 18:25:00.200  CFY <post> [proxy_bbbbbb.pull] Task succeeded 'cloudify_quagga.operations.deployment_proxy.refresh'
2026-11-26 18:25:00.300  CFY <post> [quagga_aaaaaa.pull] Task succeeded 'cloudify_quagga.operations.microservice.pull' - {}
2026-11-26 18:25:01.000  CFY <post> [quagga_cccccc.pull] Task started 'cloudify_quagga.operations.microservice.pull'
2026-11-26 18:25:01.100  CFY <post> [quagga_cccccc.pull] Task succeeded 'cloudify_quagga.operations.microservice.pull'
"""  # noqa: E501 - as it is printed


def at(moment: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-26 {moment}").replace(tzinfo=timezone.utc)


def logged(moment: str, agent: str = requests.AGENT, stage: str = "RequestReceived") -> str:
    said = {"stage": stage, "userAgent": agent, "requestReceivedTimestamp": f"2026-11-26T{moment}Z"}
    return json.dumps(said) + "\n"


def test_the_tries_of_an_operation_are_summed() -> None:
    [operation] = requests.operations(RETRIED)
    assert operation.name == "labeled_node.validate_creation"
    moments = ["18:24:20.500000", "18:24:23.000000", "18:24:25.520000", "18:24:25.531400", "18:24:25.900000"]
    assert operation.made([at(moment) for moment in moments]) == 3


def test_every_type_and_every_instance_has_its_operations() -> None:
    told = requests.operations(TWICE)
    assert [one.name for one in told] == [
        "microservice.pull",
        "deployment_proxy.refresh",
        "microservice.pull",
    ]
    moment = at("18:25:01.050000")
    assert [one.made([moment]) for one in told] == [0, 0, 1]


def test_requests_are_counted_as_the_api_server_wrote_them_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.log"
    log.write_text(logged("18:25:00.050000"))
    monkeypatch.setattr(control, "audit_log", lambda: log)
    noted: dict[str, list[float]] = {}
    with requests.counted(noted) as said:
        said.append(TWICE)
        with log.open("a") as more:
            more.write(logged("18:25:00.010000") + logged("18:25:00.010000", stage="ResponseComplete"))
            more.write(logged("18:25:00.020000", agent="kubectl"))
        log.rename(tmp_path / "audit-older.log")
        log.write_text(logged("18:25:01.010000") + logged("18:25:01.020000"))
    assert noted == {"microservice.pull": [1.0, 2.0], "deployment_proxy.refresh": [0.0]}


def test_a_command_is_watched_while_it_runs() -> None:
    program = "import time; print('said'); time.sleep(0.5)"
    began = time.monotonic()
    took = beside.watched(lambda: python(program), lambda: time.monotonic() - began > 0.1)
    assert took.there < 0.5 < took.ended
    assert took.said == "said\n"


def test_what_comes_after_the_command_is_waited_for() -> None:
    began = time.monotonic()
    took = beside.watched(lambda: python("pass"), lambda: time.monotonic() - began > 1)
    assert took.ended < 1 < took.there


def test_a_command_that_fails_is_not_waited_for() -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nno way"):
        beside.watched(lambda: python("print('no way'); raise SystemExit(3)"), lambda: False)


def python(program: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-Ic", program]
    return subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
