"""A router with 1,000 routes: changed, broken in every way, mended, shown, and taken back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import hosts, traffic
from tests.lab import faults, processes, routing
from tests.lab.cfy import Cfy
from tests.lab.conftest import until
from tests.lab.living import MANY, Router, clean, pod_of, routes
from tests.lab.test_changes import A_TENTH
from tests.lab.test_condition import row
from tests.lab.test_router import router_pod

pytestmark = pytest.mark.usefixtures("untouched")

THOUSAND = MANY[:1000]
ELSEWHERE = "172.16.0.77"


def test_a_router_with_a_thousand_routes(labelled: Cfy, kubectl: Callable[..., str], tmp_path: Path) -> None:
    labelled.install("router", cluster_deployment="cluster", routes=routes(THOUSAND))
    router = Router(labelled, tmp_path)
    assert len(routing.kernel_routes("node1")) == len(THOUSAND)
    before = pod_of(kubectl)

    changed = [*routes(THOUSAND[:-1]), *routes(THOUSAND[-1:], ELSEWHERE)]
    with traffic.TableWatch("node1", THOUSAND) as table, traffic.Stream() as stream:
        router.change(routes=changed)
    assert (table.lowest, stream.delivery.lost) == (len(THOUSAND), 0)

    for daemon in ("staticd", "zebra", "mgmtd"):
        [victim] = processes.find("node1", daemon)
        with traffic.Stream() as stream:
            os.kill(victim, signal.SIGKILL)
            until(f"{daemon} is back", lambda: processes.find("node1", daemon) not in ([], [victim]), 5)  # noqa: B023
            until("all is well", router.is_well, 60)
        # zebra withdraws what a dead staticd had, unless the supervisor stops it in time.
        assert stream.delivery.lost <= (A_TENTH if daemon == "staticd" else 0)
        assert len(routing.kernel_routes("node1")) == len(THOUSAND)
    assert pod_of(kubectl) == before

    with traffic.Stream() as stream:
        by_hand("ip", "route", "del", THOUSAND[7])
        by_hand("ip", "route", "add", "10.50.0.0/24", "via", "172.16.0.1", "proto", "196")
        until("both are mended", lambda: routing.kernel_routes("node1") == set(THOUSAND), 30)
    assert stream.delivery.lost == 0

    with traffic.TableWatch("node1", THOUSAND) as table, traffic.Stream() as stream:
        faults.kill_for_memory(processes.container_init("node1"))
        until("it was started again", lambda: pod_of(kubectl)[1] == "1", 30)
        until("all is well again", router.is_well, 60)
    assert router_pod(kubectl, "status.containerStatuses[0].lastState.terminated.reason") == "OOMKilled"
    assert table.lowest == len(THOUSAND)
    # The routes of before give way to those of the next life.
    assert stream.delivery.lost <= A_TENTH
    assert "Task failed" not in router.operation("lifecycle.heal")
    assert router.drift().keys() == {"properties"}
    assert row(router.show())[3:7] == ["1000", "1000", "0", "0"]
    assert clean("node1", labelled.uninstall("router").stdout)


def by_hand(*argv: str) -> None:
    hosts.run("node1", list(argv), check=True)
