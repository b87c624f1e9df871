"""A router is started when every pod of its latest generation is ready; where one is not, it says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Failed, Waiting
from cloudify_quagga.lifecycle import change, patience, routing
from cloudify_quagga.lifecycle import router as life
from cloudify_quagga.lifecycle.ownership import ORIGIN, Owner
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Router
from cloudify_quagga.names import Identity
from tests.unit.small_cluster import SmallCluster

US = Owner(Identity("router", "quagga", "quagga_abc123"), "here", frozenset(), "cfy uninstall -b")
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
SETTLED = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 1,
    "currentNumberScheduled": 1,
    "numberReady": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    **READY,
}

Controller = Callable[[Manifest], Manifest]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("START_SECONDS", "STUCK_SECONDS", "TURNED_AWAY_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(patience, name, 0.05)
    monkeypatch.setattr(routing, "STEP_SECONDS", 0.05)


class Controlled(SmallCluster):
    """Gives a workload its status and its pod as soon as it is applied."""

    def __init__(self, workload: dict[str, Any], pod: dict[str, Any] | None, stale: bool = False) -> None:
        super().__init__()
        self._workload, self._pod, self._stale = workload, pod, stale

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False) -> Manifest:
        kept = super().apply(manifest, manager, dry_run)
        kept["metadata"]["generation"] = 2
        kept["status"] = self._workload
        template = kept["spec"].get("template") if "spec" in kept else None
        if template and self._pod is not None:
            metadata = {**template["metadata"], "name": "router-1", "namespace": "default"}
            if self._stale:
                metadata["annotations"] = {}
            spec = {**template["spec"], "nodeName": "node1"}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": self._pod}
            self.put(pod)
        elif manifest["kind"] == "Pod":
            kept["spec"]["nodeName"] = "node1"
        return kept


def start(cluster: SmallCluster, kind: str = "DaemonSet") -> tuple[Record, list[str]]:
    router = Router.parse({"node_selector": {"role": "router"}, "kind": kind})
    said: list[str] = []
    journal = Journal(lambda _: None, said.append)
    record = life.create(cluster, US, router, {}, journal)  # type: ignore[arg-type]
    return change.start(cluster, US, record, {}, journal), said  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "Pod"])
def test_every_kind_becomes_ready(kind: str) -> None:
    record, said = start(Controlled(SETTLED, READY), kind)
    assert record.nodes == ("node1",)
    assert said == ["the router routes on node1"]


def test_the_record_comes_before_what_it_names() -> None:
    cluster = SmallCluster()
    router = Router.parse({"node_selector": {"role": "router"}})

    def save(record: Record) -> None:
        assert cluster.applied == []
        assert record.hash == render.config_hash(render.frr_conf(router))
        assert [one.kind for one in record.objects] == ["ConfigMap", "DaemonSet"]
        assert Record.from_json(record.to_json()) == record

    life.create(cluster, US, router, {}, Journal(save, print))  # type: ignore[arg-type]
    assert [manifest["kind"] for manifest in cluster.applied] == ["ConfigMap"]
    assert cluster.applied[0]["metadata"]["annotations"][ORIGIN] == "here"


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({**SETTLED, "observedGeneration": 1}, id="of an earlier generation"),
        pytest.param({**SETTLED, "currentNumberScheduled": 0}, id="not all there"),
        pytest.param({**SETTLED, "desiredNumberScheduled": 0, "numberReady": 0}, id="for no node"),
        pytest.param({**SETTLED, "numberReady": 0}, id="not all ready"),
        pytest.param({}, id="of which nothing is known"),
    ],
)
def test_pods_that_are_not_settled_are_waited_for(status: dict[str, Any]) -> None:
    with pytest.raises(Waiting):
        start(Controlled(status, READY))


def test_an_obstacle_is_told_with_events_and_log() -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    last = {"terminated": {"message": "failed: zebra does not answer", "exitCode": 1}}
    cluster = Controlled(
        {**SETTLED, "numberReady": 0}, {"containerStatuses": [{"state": state, "lastState": last}]}
    )
    for when, reason in (("2", "BackOff"), ("1", "Pulled")):
        cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"event-{when}", "namespace": "default"},
                "lastTimestamp": when,
                "reason": reason,
                "message": "...",
            }
        )
    with pytest.raises(Waiting) as waiting:
        start(cluster)
    assert str(waiting.value) == (
        "router-1 on node1 is not ready: CrashLoopBackOff: back-off 10s; "
        "its last word: failed: zebra does not answer; events: Pulled: ... | BackOff: ...; "
        "last log lines: the previous log"
    )


def test_no_pod_at_all_is_said_so() -> None:
    with pytest.raises(Waiting, match=r"^DaemonSet .* has no pod yet"):
        start(Controlled({**SETTLED, "desiredNumberScheduled": 0}, None))


REFUSAL = "refused: interfaces[1]: 'eth9' is not an interface of node1, which has eth0, eth1, lo"
REFUSED = {"containerStatuses": [{"state": {"terminated": {"message": REFUSAL, "exitCode": 64}}}]}


def test_a_refusal_of_the_router_itself_ends_the_waiting() -> None:
    with pytest.raises(Failed) as failed:
        start(Controlled({**SETTLED, "numberReady": 0}, REFUSED))
    assert str(failed.value) == f"router-1 on node1 {REFUSAL}"


def test_a_refusal_of_an_earlier_pod_does_not_count() -> None:
    with pytest.raises(Waiting):
        start(Controlled({**SETTLED, "numberReady": 0}, REFUSED, stale=True))


def test_references_are_stored_and_found_again() -> None:
    reference = Reference("apps/v1", "DaemonSet", "router", "net")
    assert Reference.from_json(reference.to_json()) == reference
    assert str(reference) == "DaemonSet router in namespace net"
