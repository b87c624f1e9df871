"""The router's operations as Cloudify calls them: what they read, remember, return and raise."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError

from cloudify_quagga.cluster import Absent, Manifest, Reference
from cloudify_quagga.errors import NotPermitted, Unavailable
from cloudify_quagga.lifecycle import lease
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations import router as operations
from tests.unit.small_routers import CLEAN, RoutingCluster
from tests.unit.test_change import ONE, OTHER, US, accepting, hasty
from tests.unit.test_operations_door import Instance, Runtime

__all__ = ["hasty"]

PASSWORD = "tomato"


class Node:
    """One node instance of a router, and its cluster."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = RoutingCluster("node1", "node2")
        self.properties: dict[str, Any] = {"node_selector": {"role": "router"}, "routes": [ONE]}
        self.instance = Instance()
        self.ctx = SimpleNamespace(
            node=SimpleNamespace(id="quagga"), instance=self.instance, logger=logging.getLogger("router")
        )
        self.access: dict[str, Any] = {"file": "here"}
        self.away = False
        monkeypatch.setattr(context, "properties", lambda _: self.properties)
        monkeypatch.setattr(context, "owner", lambda _: US)
        monkeypatch.setattr(context, "access", lambda _: SimpleNamespace(to_json=lambda: self.access))
        monkeypatch.setattr(context, "connection", self._connection)

    @contextmanager
    def _connection(self, _: object) -> Iterator[RoutingCluster]:
        if self.away:
            raise Unavailable("the API server is away")
        yield self.cluster

    @property
    def runtime(self) -> dict[str, Any]:
        return self.instance.runtime_properties

    def __call__(self, name: str, **inputs: Any) -> Any:
        done = getattr(operations, name)(self.ctx, **inputs)
        assert json.loads(json.dumps(self.runtime)) == self.runtime
        assert PASSWORD not in json.dumps(self.instance.stored)
        return done


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    """A router that routes on two nodes."""
    made = Node(monkeypatch)
    made("create")
    made("start")
    return made


def wanted_routes(node: Node) -> Any:
    return node.runtime["router"]["wanted"]["routes"]


def test_an_update_without_input_is_what_the_node_says(node: Node) -> None:
    node.properties["routes"] = [OTHER]
    node("update")
    assert wanted_routes(node) == [OTHER]
    assert "172.16.0.2" in node.cluster.router_on("node1").text


def test_an_update_with_input_is_laid_over_the_present_state(node: Node) -> None:
    node("update", properties={"routes": [OTHER]})
    node("update", properties={"check_seconds": 5})
    assert wanted_routes(node) == [OTHER]
    assert node("check_drift")["properties"].keys() == {"routes", "check_seconds"}
    node("update")
    assert node("check_drift") == {}


def test_a_bad_update_is_not_tried_again(node: Node) -> None:
    with pytest.raises(NonRecoverableError, match="has host bits set"):
        node("update", properties={"routes": [{"prefix": "10.0.0.5/24", "blackhole": True}]})


def test_a_secret_is_read_anew_in_every_operation(node: Node) -> None:
    node.properties |= {"raw": ["password ${p}"], "secrets": {"p": PASSWORD}}
    node("update")
    for name in ("check_status", "check_drift", "heal", "pull", "start"):
        node(name)
    assert f"password {PASSWORD}\n" in node.cluster.router_on("node2").text
    assert node.runtime["router"]["wanted"]["secrets"] == {"p": None}
    node.properties["secrets"] = {}
    with pytest.raises(NonRecoverableError, match=r"secrets.p: null has no value, and `raw` needs one"):
        node("heal")


@pytest.mark.parametrize("name", ["start", "update", "heal", "stop"])
def test_another_cluster_is_refused(name: str, node: Node) -> None:
    node.cluster, node.access = RoutingCluster("node1"), {"file": "elsewhere"}
    assert node("check_drift")["properties"] == {
        "client_config": {"recorded": {"file": "here"}, "given": {"file": "elsewhere"}}
    }
    with pytest.raises(NonRecoverableError, match="client_config"):
        node(name)
    assert node.cluster.applied == []


CHANGED = {"properties": {"secrets": {"recorded": "other values", "given": "(hidden)"}}}


class TestASecretThatHasAnotherValueNow:
    """Nobody remembers the value of before but the Secret in the cluster."""

    @pytest.fixture
    def keeper(self, node: Node) -> Node:
        node.properties |= {"raw": ["password ${p}"], "secrets": {"p": PASSWORD}}
        node("update")
        node.properties["secrets"] = {"p": "potato"}
        return node

    def passwords(self, node: Node) -> set[str]:
        texts = [node.cluster.router_on(name).text for name in ("node1", "node2")]
        return {line for text in texts for line in text.splitlines() if line.startswith("password")}

    def secret(self, node: Node) -> Reference:
        (found,) = node.cluster.find("v1", "Secret")
        return Reference.of(found)

    def test_is_not_healed_away(self, keeper: Node) -> None:
        before = keeper.runtime["router"]
        assert keeper("check_drift") == CHANGED
        keeper("heal")
        assert self.passwords(keeper) == {f"password {PASSWORD}"}
        assert keeper.runtime["router"] == before
        assert keeper("check_drift") == CHANGED
        keeper("check_status")

    def test_is_taken_by_a_start(self, keeper: Node, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            keeper("start")
        assert self.passwords(keeper) == {"password potato"}
        assert "since a secret has another value; it is taken as it is now" in caplog.text
        assert keeper.runtime["router"]["earlier"] is None
        assert keeper("check_drift") == {}
        keeper("check_status")

    def test_is_not_taken_where_a_router_would_refuse_it(self, keeper: Node) -> None:
        keeper.cluster.judge = lambda text: "too short a password" if "potato" in text else None
        with pytest.raises(NonRecoverableError, match="too short a password; nothing was changed"):
            keeper("start")
        assert keeper("check_drift") == CHANGED

    def test_is_taken_back_where_one_refuses_it_after_all(self, keeper: Node) -> None:
        router = keeper.cluster.router_on("node2")
        router.judge = lambda text: "too short a password" if "potato" in text else None
        router.answer = accepting(router)  # type: ignore[method-assign]
        with pytest.raises(NonRecoverableError, match="password; what was before is in force again"):
            keeper("start")
        assert self.passwords(keeper) == {f"password {PASSWORD}"}
        assert keeper("check_drift") == CHANGED

    def test_is_taken_by_heal_where_the_one_of_before_is_gone(self, keeper: Node) -> None:
        keeper.cluster._objects.pop(self.secret(keeper))
        keeper("heal")
        assert self.passwords(keeper) == {"password potato"}
        assert keeper("check_drift") == {}

    def test_is_taken_by_heal_where_the_one_of_before_was_written_over(self, keeper: Node) -> None:
        keeper.cluster.edit(self.secret(keeper), "data/frr.conf", "dG9tYXRv", by="kubectl-edit")
        assert keeper("check_drift").keys() == {"properties", str(self.secret(keeper))}
        keeper("heal")
        assert self.passwords(keeper) == {"password potato"}
        assert keeper("check_drift") == {}


def test_a_status_is_good_or_not_and_never_later(node: Node) -> None:
    assert node("check_status") is None
    node.cluster.router_on("node1").missing.append("10.0.0.0/24 via 172.16.0.1")
    with pytest.raises(NonRecoverableError, match="1 routes are not in the kernel"):
        node("check_status")
    node.away = True
    with pytest.raises(NonRecoverableError, match="the API server is away"):
        node("check_status")


def test_a_drift_is_told_even_where_nothing_can_be_compared(node: Node) -> None:
    assert node("check_drift") == {}
    node.properties["routes"] = [{"prefix": "10.0.0.5/24"}]
    assert "has host bits set" in node("check_drift")["comparison"]["found"]
    node.away = True
    assert node("check_drift").keys() == {"comparison"}
    node.runtime.clear()
    assert "no record of this router" in node("check_drift")["comparison"]["found"]


def test_healing_waits_as_starting_does(node: Node) -> None:
    router = node.cluster.router_on("node1")
    router.missing.append("10.0.0.0/24 via 172.16.0.1")
    router.mendable = False
    with pytest.raises(OperationRetry, match="some routes are missing"):
        node("heal")
    router.mendable = True
    node("heal")
    node("check_status")


def test_a_pull_is_one_runtime_property(node: Node) -> None:
    before = set(node.runtime)
    assert node("pull") is None
    assert set(node.runtime) - before == {"live"}
    assert [one["node"] for one in node.runtime["live"]["routers"]] == ["node1", "node2"]


def test_an_api_server_that_is_away_is_tried_again(node: Node) -> None:
    node.away = True
    for name in ("update", "heal", "pull"):
        with pytest.raises(RecoverableError):
            node(name)


@pytest.mark.parametrize("name", ["start", "update", "heal", "pull", "check_status"])
def test_without_a_record_there_is_no_router(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NonRecoverableError, match="its create operation has to run first"):
        Node(monkeypatch)(name)


def test_uninstalling_forgets_everything(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node("pull")
    monkeypatch.setattr(forgotten, "remove", lambda ctx: None)
    node("stop")
    node("delete")
    assert node.runtime == {}
    assert {reference.kind for reference in node.cluster._objects} == {"Node"}


def held_by(cluster: RoutingCluster, holder: str) -> Manifest:
    """The Lease of a change that has just said that it is at it."""
    at = lease.reference(US.identity, "default")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 120, "renewTime": lease._now()}
    metadata = {"name": at.name, "namespace": at.namespace}
    return cluster.put({"apiVersion": at.api_version, "kind": at.kind, "metadata": metadata, "spec": spec})


class TestLastWords:
    """They may quote a line of the configuration."""

    @pytest.fixture
    def keeper(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
        monkeypatch.setattr(forgotten, "remove", lambda ctx: None)
        node.properties |= {"raw": ["password ${p}"], "secrets": {"p": PASSWORD}}
        node("update")
        node.cluster.last_word = f"failed: staticd said: password {PASSWORD}"
        return node

    @pytest.mark.parametrize("name", ["stop", "delete"])
    def test_show_no_secret(self, name: str, keeper: Node, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        with suppress(NonRecoverableError, OperationRetry):
            keeper(name)
        assert "password ${p}" in caplog.text
        assert PASSWORD not in caplog.text

    @pytest.mark.parametrize("secrets", [{}, {"p": None}, {"p": "two\nlines"}, "no map"])
    def test_keep_nobody_from_uninstalling_where_the_secret_is_gone(
        self, secrets: object, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(forgotten, "remove", lambda ctx: None)
        node.properties |= {"raw": ["password ${p}"], "secrets": {"p": PASSWORD}}
        node("update")
        node.properties["secrets"] = secrets
        node("stop")
        node("delete")
        assert node.runtime == {}


class TestUninstallingWhileItIsChanged:
    """The change has its turn first, and nothing that comes later brings the router back."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(forgotten, "remove", lambda ctx: None)

    @pytest.mark.parametrize("name", ["stop", "delete"])
    def test_waits_within_bounds(self, name: str, node: Node) -> None:
        held = held_by(node.cluster, "elsewhere/1234/9/abc")
        before = set(node.cluster._objects)
        with pytest.raises(OperationRetry, match="another change of this router is under way"):
            node(name)
        assert set(node.cluster._objects) == before
        assert node.cluster.get(Reference.of(held)) == held
        assert "router" in node.runtime

    @pytest.mark.parametrize("name", ["stop", "delete"])
    def test_but_not_for_the_dead(self, name: str, node: Node) -> None:
        held_by(node.cluster, f"{lease._machine()}/99999999/abc")
        node(name)
        assert node.cluster.pods() == []
        assert node.cluster.find("coordination.k8s.io/v1", "Lease") == []

    def test_what_was_run_again_after_it_was_stopped_ends_in_order(
        self, node: Node, caplog: pytest.LogCaptureFixture
    ) -> None:
        node("stop")
        node("update", properties={"routes": [OTHER]})
        assert len(node.cluster.pods()) == 2
        caplog.set_level(logging.INFO)
        node("delete")
        assert f"node2: {CLEAN}" in caplog.messages
        assert {reference.kind for reference in node.cluster._objects} == {"Node"}

    def test_a_change_whose_turn_comes_later_finds_no_router(self, node: Node) -> None:
        remembered = dict(node.runtime)
        node("stop")
        node("delete")
        assert node.instance.stored[-1] == {}
        # What the change has read before it waited.
        node.instance.runtime_properties = Runtime(remembered)
        with pytest.raises(NonRecoverableError, match="no record of this router"):
            node("update", properties={"routes": [OTHER]})
        assert {reference.kind for reference in node.cluster._objects} == {"Node"}

    def test_nor_does_one_whose_turn_was_taken_over_write_it_back(self, node: Node) -> None:
        node.instance.meanwhile = {}
        with pytest.raises(NonRecoverableError, match="quagga_abc123 has been deleted meanwhile"):
            node("update", properties={"routes": [OTHER]})
        assert node.instance.stored[-1] == {}

    def test_needs_no_right_that_nobody_had_before_there_were_changes(
        self, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node.cluster.applied.clear()
        monkeypatch.setattr(node.cluster, "may", lambda right: right.kind != lease.KIND)
        node("stop")
        node("delete")
        assert node.cluster.applied == []
        assert node.runtime == {}

    @pytest.mark.parametrize("error", [Absent("no such namespace"), NotPermitted("it is being terminated")])
    def test_goes_on_in_a_namespace_that_is_gone(
        self, error: Exception, node: Node, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def apply(manifest: Any, *_: Any, **__: Any) -> Any:
            assert manifest["kind"] == "Lease"
            raise error

        monkeypatch.setattr(node.cluster, "apply", apply)
        node("stop")
        node("delete")
        assert node.runtime == {}
