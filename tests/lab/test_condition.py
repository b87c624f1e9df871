"""A router that is looked at and looked after: its status, what drifted, what heals it, and what it shows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from lab import hosts, network, process
from tests.lab import faults, processes, routing
from tests.lab.conftest import until
from tests.lab.living import Router, pod_of, routes
from tests.lab.test_router import PREFIXES, router_pod

FETCH = "import urllib.request as u; print(u.urlopen('http://10.200.0.11:9342/metrics').read().decode())"


def on_node1(words: str) -> None:
    hosts.run("node1", words.split(), check=True)


def test_a_router_that_is_as_it_should_be(router: Router) -> None:
    router.operation("validation.check_status")
    assert router.drift() == {}


def test_routes_added_and_deleted_by_hand_are_seen_and_healed(
    router: Router, kubectl: Callable[..., str]
) -> None:
    before = pod_of(kubectl)
    # A supervisor that is awake would have mended it before anybody can look; zebra puts back by itself what
    # is deleted.
    with faults.stopped([processes.container_init("node1"), *processes.find("node1", "zebra")]):
        on_node1("ip route add 10.50.0.0/24 via 172.16.0.1 proto 196 metric 20")
        on_node1("ip route del 10.0.0.0/24")
        [found] = router.drift().values()
        assert found["routes.unexpected"]["count"] == found["routes.missing"]["count"] == 1
        assert "10.0.0.0/24" in router.operation("validation.check_status", check=False)
        shown = router.show()
        assert row(shown)[3:7] == ["2", "1", "1", "1"]
        assert "node1 is not ready: " in shown
        assert "node1, missing: 10.0.0.0/24" in shown
        assert re.search("node1, unexpected: .*10.50.0.0/24", shown)
    router.operation("lifecycle.heal")
    assert routing.kernel_routes("node1") == PREFIXES
    assert router.drift() == {}
    assert pod_of(kubectl) == before


def test_routes_added_and_deleted_by_hand_do_not_last(router: Router, kubectl: Callable[..., str]) -> None:
    pod = router_pod(kubectl, "metadata.name")

    def repairs() -> int:
        status = json.loads(kubectl("exec", pod, "--", "cat", "/run/quagga/status.json"))
        count: int = status["repairs"]["routes"]
        return count

    before = repairs()
    on_node1("ip route del 10.0.0.0/24")
    on_node1("ip route add 10.50.0.0/24 via 172.16.0.1 proto 196 metric 20")
    until("all is as before", lambda: routing.kernel_routes("node1") == PREFIXES, 10)
    until("both are counted", lambda: repairs() == before + 2, 10)


def test_forwarding_that_was_switched_off_is_seen_and_healed(
    router: Router, kubectl: Callable[..., str]
) -> None:
    # So that nobody mends it meanwhile.
    router.change(check_seconds=3600)
    before = pod_of(kubectl)
    on_node1("sysctl -q -w net.ipv4.ip_forward=0")
    assert "forwarding of IPv4 is not as wanted" in router.operation("validation.check_status", check=False)
    assert any("forwarding" in place for found in router.drift().values() for place in found)
    router.operation("lifecycle.heal")
    router.operation("validation.check_status")
    assert hosts.run("node1", ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"
    assert pod_of(kubectl) == before


def test_a_route_of_somebody_else_that_keeps_ours_out_is_named(router: Router) -> None:
    on_node1("ip route add 10.0.0.0/24 via 172.16.0.9")
    try:
        until("it is noticed", lambda: not router.is_well(), 10)
        said = router.operation("validation.check_status", check=False)
        assert "(somebody's 10.0.0.0/24 via 172.16.0.9, proto 3 metric 0, comes first)" in said
        [command] = set(re.findall("`(ip route del .*?)` on node1 lets ours in", said))
    finally:
        on_node1("ip route del 10.0.0.0/24 via 172.16.0.9")
    on_node1("ip route add 10.0.0.0/24 via 172.16.0.9")
    on_node1(command)
    until("ours is back", lambda: routing.kernel_routes("node1") == PREFIXES, 10)
    until("it is well", router.is_well, 10)


def test_a_configuration_edited_by_hand_is_seen_and_healed(
    router: Router, kubectl: Callable[..., str]
) -> None:
    before, before_name = pod_of(kubectl), router_pod(kubectl, "metadata.name")
    (name,) = kubectl("get", "configmaps", "-l", "app.kubernetes.io/name=quagga", "-o", "name").split()
    text = kubectl("get", name, "-o", r"jsonpath={.data.frr\.conf}")
    edited = text.replace("ip route 10.0.0.0/24 172.16.0.1\n", "ip route 10.30.0.0/24 172.16.0.1\n")
    assert edited != text
    kubectl("patch", name, "--type=merge", "-p", json.dumps({"data": {"frr.conf": edited}}))
    [found] = router.drift().values()
    assert any("frr.conf" in place for place in found), found
    # The router takes what it is given when its kubelet brings it, which this hurries.
    kubectl("annotate", "pod", before_name, "hurry=1")
    until("it routes as edited", lambda: "10.30.0.0/24" in routing.kernel_routes("node1"), 30)
    assert "Task failed" in router.operation("validation.check_status", check=False)
    router.operation("lifecycle.heal")
    assert routing.kernel_routes("node1") == PREFIXES
    assert kubectl("get", name, "-o", r"jsonpath={.data.frr\.conf}") == text
    router.operation("validation.check_status")
    assert pod_of(kubectl) == before


def test_a_daemon_set_edited_by_hand_is_seen_and_healed(router: Router, kubectl: Callable[..., str]) -> None:
    before = pod_of(kubectl)
    [workload] = kubectl("get", "daemonsets", "-o", "name").split()
    container = {"name": "quagga", "env": [{"name": "QUAGGA_CHECK_SECONDS", "value": "99"}]}
    kubectl(
        "patch", workload, "-p", json.dumps({"spec": {"template": {"spec": {"containers": [container]}}}})
    )
    [found] = router.drift().values()
    assert "99" in json.dumps(found)
    router.operation("lifecycle.heal")
    assert router.drift() == {}
    assert pod_of(kubectl) == before


@pytest.mark.parametrize("what", ["daemonset", "configmap"])
def test_an_object_deleted_by_hand_is_made_again(
    what: str, router: Router, kubectl: Callable[..., str]
) -> None:
    before = pod_of(kubectl)
    kubectl("delete", what, "-l", "app.kubernetes.io/name=quagga", "--wait", "--cascade=foreground")
    assert "is missing" in router.operation("validation.check_status", check=False)
    router.operation("lifecycle.heal")
    router.operation("validation.check_status")
    assert routing.kernel_routes("node1") == PREFIXES
    assert (pod_of(kubectl) == before) is (what == "configmap")


@pytest.mark.parametrize("daemon", ["zebra", "staticd", "mgmtd"])
def test_a_killed_daemon_is_mended_and_seen(daemon: str, router: Router, kubectl: Callable[..., str]) -> None:
    [victim] = processes.find("node1", daemon)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    until("the pod's status shows it", lambda: is_ready(kubectl) == "False", 10)
    until("it is mended", lambda: is_mended(daemon, victim), 5 - (time.monotonic() - killed))
    until("the pod is ready again", lambda: is_ready(kubectl) == "True", 30)
    # A lab that is used again still has the events of earlier pods.
    about = f"reason=Unhealthy,involvedObject.name={router_pod(kubectl, 'metadata.name')}"
    events = kubectl("get", "events", "--field-selector", about, "-o", "jsonpath={.items[*].message}")
    assert daemon in events


def is_mended(daemon: str, victim: int) -> bool:
    """Whether another process has taken the victim's place, and the kernel has the routes."""
    back = any(pid != victim for pid in processes.find("node1", daemon))
    return back and routing.kernel_routes("node1") == PREFIXES


def is_ready(kubectl: Callable[..., str]) -> str:
    return router_pod(kubectl, 'status.conditions[?(@.type=="Ready")].status')


def test_a_daemon_that_was_killed_is_brought_back_and_shown(router: Router) -> None:
    (told,) = router.pulled()["routers"]
    before = told["daemons"]["staticd"]["restarts"]
    [victim] = processes.find("node1", "staticd")
    os.kill(victim, signal.SIGKILL)
    until("another one runs", lambda: processes.find("node1", "staticd") not in ([], [victim]), 5)
    router.operation("lifecycle.heal")
    router.operation("validation.check_status")
    shown = router.show()
    ready, daemons, *counts = row(shown)[1:7]
    assert (ready, counts) == ("yes", ["2", "2", "0", "0"])
    assert re.search(rf"\bzebra \d+[smhd]\b.*\bstaticd \d+s \({before + 1} restarts\)", daemons), daemons
    assert "node1, last error: staticd" in shown


def test_a_table_shows_it_and_its_runtime_property_has_the_same(router: Router) -> None:
    router.change(routes=routes(["10.0.0.0/24", "10.20.0.0/24"]))
    change = row(router.show())[7]
    (told,) = router.remembered()["live"]["routers"]
    assert told["node"] == "node1"
    assert told["routes"]["wanted"] == told["routes"]["installed"] == 2
    assert told["daemons"]["staticd"]["pid"] > 0
    assert re.fullmatch(rf"[0-9: -]+ \+1 -1 in [0-9.]+ s \({told['applied_hash'][:8]}\)", change), change


def row(shown: str) -> list[str]:
    """The columns of node1's row."""
    [found] = [line for line in shown.splitlines() if re.search(r"(^|\s)node1  ", line)]
    return re.split(r"\s{2,}", found.strip())


def test_metrics_are_read_from_the_nodes_address(router: Router) -> None:
    router.change(metrics={"enabled": True, "port": 9342})
    enter = process.enter(network.namespace("client"))
    fetch = [*enter, sys.executable, "-Ic", FETCH]
    text = subprocess.run(fetch, check=True, text=True, capture_output=True, timeout=10).stdout
    assert re.search(r'^quagga_router_routes\{state="installed"\} 2$', text, re.MULTILINE), text
