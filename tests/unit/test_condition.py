"""How a router is: judged in sentences, compared field by field, and told within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudify_quagga.cluster import Reference
from cloudify_quagga.errors import Failed, Waiting
from cloudify_quagga.lifecycle import condition
from tests.unit.small_routers import RoutingCluster
from tests.unit.test_change import ONE, OTHER, US, Life, hasty, moved, wanted

__all__ = ["hasty", "moved"]

LOST = "10.0.0.0/24 via 172.16.0.1"


@pytest.fixture
def cluster() -> RoutingCluster:
    return RoutingCluster("node1", "node2")


@pytest.fixture
def lived(cluster: RoutingCluster) -> Life:
    return Life(cluster, wanted())


def wrong(lived: Life) -> str:
    with pytest.raises(Failed) as failed:
        condition.check(lived.cluster, US.identity, lived.record)
    return str(failed.value)


def drift(lived: Life, **properties: Any) -> dict[str, Any]:
    told = condition.differences(lived.cluster, US, lived.record, wanted(**properties), lived.access)
    assert json.loads(json.dumps(told)) == told
    return told


class TestTheStatus:
    def test_of_a_router_that_is_well_is_nothing(self, lived: Life) -> None:
        condition.check(lived.cluster, US.identity, lived.record)

    def test_names_a_route_that_is_missing(self, lived: Life) -> None:
        lived.cluster.router_on("node2").missing.append(LOST)
        assert wrong(lived) == f"router-2 on node2: 1 routes are not in the kernel, {LOST} for one"

    def test_names_a_daemon_that_is_down(self, lived: Life) -> None:
        lived.cluster.router_on("node1").down = ("staticd",)
        assert wrong(lived).startswith(
            "router-1 on node1: staticd does not run; router-1 on node1 is not ready"
        )

    def test_names_a_configuration_that_is_not_applied(self, lived: Life) -> None:
        lived.cluster.router_on("node1").take("hello\n")
        assert f"is applied, {lived.record.hash[:16]} is wanted" in wrong(lived)

    def test_names_an_object_that_is_missing(self, lived: Life) -> None:
        lived.cluster._objects.pop(lived.record.objects[0])
        assert wrong(lived) == f"{lived.record.objects[0]} is missing"

    def test_names_a_node_without_router(self, lived: Life) -> None:
        (workload,) = lived.cluster.find("apps/v1", "DaemonSet")
        lived.cluster._objects = {
            at: one for at, one in lived.cluster._objects.items() if one["metadata"]["name"] != "router-2"
        }
        assert wrong(lived) == "no router is on node2"
        assert workload["status"]["desiredNumberScheduled"] == 2

    def test_names_a_pod_that_does_not_run_or_answer(self, lived: Life) -> None:
        lived.cluster.router_on("node1").silent = True
        lived.cluster.pods()[1]["status"] = {
            "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
        }
        said = wrong(lived)
        assert "router-1 on node1 does not answer: nothing runs in" in said
        assert "router-2 on node2 does not run: CrashLoopBackOff" in said

    def test_of_a_router_without_pods_is_bad(self, lived: Life) -> None:
        for pod in lived.cluster.pods():
            lived.cluster._objects = {at: one for at, one in lived.cluster._objects.items() if one is not pod}
        assert "no pod of the router is there" in wrong(lived)


class TestOfARouterThatMovedFromALostNode:
    def test_the_status_is_that_of_the_one_that_routes(self, moved: Life) -> None:
        condition.check(moved.cluster, US.identity, moved.record)
        moved.cluster.router_on("node2").missing.append(LOST)
        assert wrong(moved) == f"router-2 on node2: 1 routes are not in the kernel, {LOST} for one"

    def test_the_drift_is_too_and_the_live_state_shows_both(self, moved: Life) -> None:
        assert drift(moved, kind="Deployment") == {}
        told = condition.live(moved.cluster, US.identity, moved.record)
        assert [one["node"] for one in told["routers"]] == ["node1", "node2"]

    def test_none_of_a_daemon_set_is_bad(self, lived: Life) -> None:
        lived.cluster.add_node("node2", ready=False, role="router")
        lived.cluster.delete(Reference.of(lived.cluster.pods()[1]))
        assert wrong(lived) == "no router is on node2"
        assert drift(lived) == {"node2": {"router": {"wanted": "running", "found": "none"}}}

    def test_none_at_all_is_bad(self, moved: Life) -> None:
        moved.cluster._objects.pop(Reference.of(moved.cluster.pods()[1]))
        assert wrong(moved) == "no pod of the router is there"


class TestTheDrift:
    def test_of_a_router_that_is_as_wanted_is_empty(self, lived: Life) -> None:
        assert drift(lived) == {}

    def test_tells_properties_that_are_others_than_recorded(self, lived: Life) -> None:
        assert drift(lived, routes=[OTHER], check_seconds=5) == {
            "properties": {
                "routes": {"recorded": [ONE], "given": [OTHER]},
                "check_seconds": {"recorded": 30, "given": 5},
            }
        }

    def test_tells_another_way_to_the_cluster(self, lived: Life) -> None:
        lived.access = {"file": "moved"}
        expected = {"client_config": {"recorded": {}, "given": {"file": "moved"}}}
        assert drift(lived) == {"properties": expected}
        lived.update(wanted())
        assert drift(lived) == {}

    def test_tells_a_change_that_was_cut_off(self, lived: Life) -> None:
        before = lived.record.hash
        lived.cluster.router_on("node2").missing.append(LOST)
        with pytest.raises(Waiting):
            lived.update(wanted(routes=[OTHER]))
        assert drift(lived, routes=[OTHER])["change"]["found"] == f"begun, from {before[:16]}"
        lived.cluster.router_on("node2").missing.clear()
        lived.start()
        assert drift(lived, routes=[OTHER]) == {}

    def test_tells_that_a_secret_has_another_value_and_not_which(self, lived: Life) -> None:
        raw = ["password ${p}"]
        lived.update(wanted(raw=raw, secrets={"p": "tomato"}))
        told = drift(lived, raw=raw, secrets={"p": "potato"})
        assert told == {"properties": {"secrets": {"recorded": "other values", "given": "(hidden)"}}}

    def test_hides_what_a_secret_holds(self, lived: Life) -> None:
        lived.update(wanted(raw=["password ${p}"], secrets={"p": "tomato"}))
        reference = lived.record.objects[0]
        lived.cluster.edit(reference, "data/frr.conf", "dG9tYXRv", by="kubectl-edit")
        told = drift(lived, raw=["password ${p}"], secrets={"p": "tomato"})
        assert told[str(reference)] == {
            "data.frr.conf": {"wanted": "(hidden)", "found": "(hidden)"},
            "changed_by": ["kubectl-edit"],
        }

    def test_tells_fields_of_objects_and_who_changed_them(self, lived: Life) -> None:
        config, workload = lived.record.objects
        lived.cluster.edit(config, "data/frr.conf", "ip route 0.0.0.0/0 1.1.1.1\nend\n", by="kubectl-edit")
        lived.cluster.edit(workload, "metadata/labels/app.kubernetes.io~name", "x", by="nobody")
        lived.cluster._objects[workload]["spec"]["template"]["spec"]["containers"][0]["image"] = "edited"
        told = drift(lived)
        assert told[str(config)]["data.frr.conf"]["found"] == ["ip route 0.0.0.0/0 1.1.1.1"]
        assert "ip route 10.0.0.0/24 172.16.0.1" in told[str(config)]["data.frr.conf"]["wanted"]
        assert told[str(config)]["changed_by"] == ["kubectl-edit"]
        image = told[str(workload)]["spec.template.spec.containers[quagga].image"]
        assert image == {"wanted": "quagga", "found": "edited"}

    def test_does_not_tell_what_others_added(self, lived: Life) -> None:
        config, _ = lived.record.objects
        lived.cluster.edit(config, "metadata/labels/team", "blue", by="kubectl-label")
        assert drift(lived) == {}

    def test_tells_an_object_that_is_missing(self, lived: Life) -> None:
        reference = lived.record.objects[0]
        lived.cluster._objects.pop(reference)
        assert drift(lived)[str(reference)] == {"object": {"wanted": "there", "found": "missing"}}

    def test_tells_routes_and_a_configuration(self, lived: Life) -> None:
        lived.cluster.router_on("node2").missing.append(LOST)
        lived.cluster.router_on("node1").take("hello\n")
        told = drift(lived)
        assert told["router-2 on node2"] == {"routes.missing": {"wanted": [], "found": [LOST], "count": 1}}
        assert told["router-1 on node1"]["configuration"]["wanted"] == lived.record.hash

    def test_tells_a_router_that_does_not_answer(self, lived: Life) -> None:
        lived.cluster.router_on("node2").silent = True
        assert drift(lived)["router-2 on node2"]["router"]["wanted"] == "running"


class TestTheLiveState:
    def test_is_every_routers_report(self, lived: Life) -> None:
        lived.cluster.router_on("node2").silent = True
        told = condition.live(lived.cluster, US.identity, lived.record)
        assert json.loads(json.dumps(told)) == told
        one, other = told["routers"]
        assert (one["node"], one["ready"], one["routes"]["wanted"]) == ("node1", True, 2)
        assert (other["node"], other["ready"]) == ("node2", False)
        assert "does not answer" in other["reason"]

    def test_holds_no_more_of_a_pods_obstacle_than_one_reads(self, lived: Life) -> None:
        waiting = {"reason": "ErrImagePull", "message": "not\nfound " * 10_000}
        lived.cluster.pods()[0]["status"] = {"containerStatuses": [{"state": {"waiting": waiting}}]}
        one, _ = condition.live(lived.cluster, US.identity, lived.record)["routers"]
        assert one["reason"].startswith("router-1 on node1 does not run: ErrImagePull: not found not")
        assert len(one["reason"]) <= 600

    def test_of_a_router_of_another_shape_tells_so(self, lived: Life) -> None:
        lived.cluster.router_on("node2").missing = {"10.0.0.0/24": 1}
        _, other = condition.live(lived.cluster, US.identity, lived.record)["routers"]
        assert "answer.routes.missing is no list" in other["reason"]

    def test_is_bounded(self, lived: Life, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(condition, "_MOST_ROUTERS", 1)
        told = condition.live(lived.cluster, US.identity, lived.record)
        assert len(told["routers"]) == 1
        assert told["not_shown"] == 1
