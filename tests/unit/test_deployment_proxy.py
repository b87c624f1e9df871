"""The operations of a DeploymentProxy: what they leave in its runtime properties, and with a manager."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError

from cloudify_quagga import proxy
from cloudify_quagga.operations import deployment_proxy
from tests.unit.stub_manager import Manager, serving

INFO = {"url": "https://10.0.0.1:6443"}


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """A stub, which get_rest_client() of an operation leads to."""
    made = Manager()
    made.add("cluster", kubernetes_info=INFO, node="node1")
    made.add("other", kubernetes_info={"url": "https://10.0.0.2:6443"})
    made.ran("cluster", "install", "terminated")
    made.ran("other", "install", "terminated")
    with serving(made) as client:
        monkeypatch.setattr(deployment_proxy, "get_rest_client", lambda: client)
        yield made


class Instance:
    id = "kubernetes_proxy_1"

    def __init__(self) -> None:
        self.runtime_properties: dict[str, Any] = {}

    def update(self) -> None:
        """Stored."""


@pytest.fixture
def ctx() -> Any:
    """Of an operation on a manager: it has no local storage."""
    properties = {"deployment_id": "cluster", "inherit_outputs": ["kubernetes_info"], "timeout": 0}
    return SimpleNamespace(
        _endpoint=SimpleNamespace(),
        deployment=SimpleNamespace(id="router"),
        node=SimpleNamespace(id="kubernetes_proxy", properties=properties),
        instance=Instance(),
        execution_id="execution-1",
        logger=logging.getLogger("test"),
    )


def test_a_life(ctx: Any, manager: Manager) -> None:
    told = ctx.instance.runtime_properties
    deployment_proxy.validate_creation(ctx)
    assert told == {}
    deployment_proxy.create(ctx, deployment_id="")
    assert not manager.may_uninstall("cluster")
    deployment_proxy.start(ctx, deployment_id="")
    record = {"deployment": "cluster", "inherited": ["kubernetes_info"]}
    assert told == {"kubernetes_info": INFO, "deployment_proxy": record}
    deployment_proxy.stop(ctx)
    assert told == {"deployment_proxy": {"deployment": "cluster"}}
    assert not manager.may_uninstall("cluster")
    deployment_proxy.delete(ctx)
    assert told == {}
    assert manager.may_uninstall("cluster")


def test_every_operation_may_run_twice(ctx: Any, manager: Manager) -> None:
    for one in (deployment_proxy.create, deployment_proxy.start, deployment_proxy.refresh):
        one(ctx)
        one(ctx)
    assert len(manager.dependencies) == 1
    for one in (deployment_proxy.stop, deployment_proxy.delete):
        one(ctx)
        one(ctx)
    assert (ctx.instance.runtime_properties, manager.dependencies) == ({}, [])


def test_the_deployment_may_come_only_as_the_operations_input(ctx: Any, manager: Manager) -> None:
    ctx.node.properties["deployment_id"] = ""
    deployment_proxy.validate_creation(ctx)
    with pytest.raises(NonRecoverableError, match="names no deployment"):
        deployment_proxy.create(ctx, deployment_id="")
    deployment_proxy.create(ctx, deployment_id="cluster")
    deployment_proxy.start(ctx, deployment_id="cluster")
    assert ctx.instance.runtime_properties["kubernetes_info"] == INFO
    # These get no such input.
    assert deployment_proxy.check_drift(ctx) == {}
    deployment_proxy.refresh(ctx)
    deployment_proxy.delete(ctx)
    assert manager.may_uninstall("cluster")


def test_what_is_not_there_is_refused_before_anything_is_done(ctx: Any, manager: Manager) -> None:
    ctx.node.properties["inherit_outputs"] = ["kubernetes_infos"]
    for one in (deployment_proxy.validate_creation, deployment_proxy.create):
        with pytest.raises(NonRecoverableError, match=r"which has kubernetes_info, node$"):
            one(ctx)
    assert manager.dependencies == []


def test_waiting_is_taken_up_where_it_was_left(
    ctx: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "WAIT_SECONDS", 0.0)
    ctx.node.properties["timeout"] = 3600
    manager.ran("cluster", "uninstall", "terminated")
    deployment_proxy.create(ctx)
    with pytest.raises(OperationRetry, match="deployment 'cluster' is uninstalled"):
        deployment_proxy.start(ctx)
    since = ctx.instance.runtime_properties["deployment_proxy"]["waiting_since"]
    with pytest.raises(OperationRetry):
        deployment_proxy.start(ctx)
    record = ctx.instance.runtime_properties["deployment_proxy"]
    assert record == {
        "deployment": "cluster",
        "waiting_since": since,
        "waiting_execution": "execution-1",
    }
    ctx.node.properties["timeout"] = 0
    with pytest.raises(NonRecoverableError, match="timeout: 0 seconds are over"):
        deployment_proxy.start(ctx)
    assert ctx.instance.runtime_properties["deployment_proxy"] == {"deployment": "cluster"}
    manager.ran("cluster", "install", "terminated")
    deployment_proxy.start(ctx)
    assert ctx.instance.runtime_properties["kubernetes_info"] == INFO


def test_another_execution_has_all_the_time_again(
    ctx: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "WAIT_SECONDS", 0.0)
    ctx.node.properties["timeout"] = 30
    manager.ran("cluster", "uninstall", "terminated")
    deployment_proxy.create(ctx)
    with pytest.raises(OperationRetry):
        deployment_proxy.start(ctx)
    # It was cancelled, or its tries were used up, a while ago.
    ctx.instance.runtime_properties["deployment_proxy"]["waiting_since"] -= 3600
    ctx.execution_id = "execution-2"
    with pytest.raises(OperationRetry, match="deployment 'cluster' is uninstalled"):
        deployment_proxy.start(ctx)
    # The same one goes on counting.
    ctx.instance.runtime_properties["deployment_proxy"]["waiting_since"] -= 3600
    with pytest.raises(NonRecoverableError, match="timeout: 30 seconds are over"):
        deployment_proxy.start(ctx)


def test_drift_and_what_refreshes_it(ctx: Any, manager: Manager) -> None:
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    assert deployment_proxy.check_drift(ctx) == {}
    changed = {"url": "https://10.0.0.9:6443"}
    manager.outputs["cluster"]["kubernetes_info"] = changed
    assert deployment_proxy.check_drift(ctx) == {"kubernetes_info": {"inherited": INFO, "now": changed}}
    deployment_proxy.refresh(ctx)
    assert ctx.instance.runtime_properties["kubernetes_info"] == changed
    assert deployment_proxy.check_drift(ctx) == {}
    manager.ran("cluster", "uninstall", "terminated")
    assert deployment_proxy.check_drift(ctx) == {
        "deployment": {"inherited": "installed", "now": "is uninstalled"}
    }


LONG = "tomato-7c1f" * 1000


def test_what_it_sees_is_one_bounded_property_without_a_value(ctx: Any, manager: Manager) -> None:
    names = [f"{'n' * 300}{index}" for index in range(100)]
    outputs: dict[str, Any] = {"number": 1, "map": {"word": LONG}, "text": LONG, "empty": []}
    manager.add("many", inputs={"word": LONG}, **outputs)
    manager.offer("many", word=LONG, **dict.fromkeys(names, LONG))
    manager.ran("many", "install", "terminated")
    wanted = {"inherit_outputs": list(outputs), "inherit_capabilities": ["word", *names]}
    ctx.node.properties.update(wanted, deployment_id="many", inherit_inputs=True)
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    told = dict(ctx.instance.runtime_properties)
    manager.outputs["many"]["text"] = f"{LONG}."
    manager.asked.clear()
    for _ in range(2):
        deployment_proxy.pull(ctx)
    assert all(one.startswith("GET ") for one in manager.asked)
    live = ctx.instance.runtime_properties.pop("live")
    assert ctx.instance.runtime_properties == told
    assert live["values"]["text"] == {"is": "a text", "as_inherited": False}
    assert live["values"]["map"] == {"is": "a map of 1", "as_inherited": True}
    assert live["values"]["number"] == {"is": "a number", "as_inherited": True}
    assert live["values"]["empty"] == {"is": "a list of 0", "as_inherited": True}
    assert live["values"]["capabilities.word"] == {"is": "a text", "as_inherited": True}
    assert live["values"]["proxy_deployment_inputs"] == {"is": "a map of 1", "as_inherited": True}
    assert len(live["values"]) + live["more"] == 106
    assert "tomato" not in str(live)
    assert len(str(live)) < 20_000


def test_what_it_sees_goes_with_what_it_inherited(ctx: Any, manager: Manager) -> None:
    with pytest.raises(NonRecoverableError, match="the start operation has to run first"):
        deployment_proxy.pull(ctx)
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    deployment_proxy.pull(ctx)
    deployment_proxy.stop(ctx)
    assert ctx.instance.runtime_properties == {"deployment_proxy": {"deployment": "cluster"}}


def test_an_output_cannot_have_the_name_of_what_it_sees(ctx: Any, manager: Manager) -> None:
    ctx.node.properties["inherit_outputs"] = ["live"]
    with pytest.raises(NonRecoverableError, match="live is a runtime property of the proxy itself"):
        deployment_proxy.validate_creation(ctx)


def test_properties_that_were_updated(ctx: Any, manager: Manager) -> None:
    ctx.node.properties["inherit_outputs"] = ["kubernetes_info", "node"]
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    ctx.node.properties.update(deployment_id="other", inherit_outputs=["kubernetes_info"])
    assert set(deployment_proxy.check_drift(ctx)) == {"deployment_id", "kubernetes_info", "node"}
    deployment_proxy.refresh(ctx)
    assert ctx.instance.runtime_properties["kubernetes_info"] == {"url": "https://10.0.0.2:6443"}
    assert "node" not in ctx.instance.runtime_properties
    assert manager.may_uninstall("cluster")
    assert not manager.may_uninstall("other")


def test_an_instance_that_never_came_to_anything_is_deleted(ctx: Any, manager: Manager) -> None:
    for one in (deployment_proxy.stop, deployment_proxy.delete):
        one(ctx)
    assert manager.asked == []


class TestItsStatus:
    @pytest.fixture(autouse=True)
    def started(self, ctx: Any, manager: Manager) -> None:
        ctx.node.properties["inherit_outputs"] = ["kubernetes_info", "node"]
        deployment_proxy.create(ctx)
        deployment_proxy.start(ctx)

    def ailment(self, ctx: Any) -> str:
        with pytest.raises(NonRecoverableError) as raised:
            deployment_proxy.check_status(ctx)
        return str(raised.value)

    def test_is_good(self, ctx: Any) -> None:
        deployment_proxy.check_status(ctx)

    def test_is_good_where_only_a_value_has_changed(self, ctx: Any, manager: Manager) -> None:
        manager.outputs["cluster"]["node"] = "node9"
        deployment_proxy.check_status(ctx)
        assert set(deployment_proxy.check_drift(ctx)) == {"node"}

    def test_the_deployment_is_uninstalled(self, ctx: Any, manager: Manager) -> None:
        manager.ran("cluster", "uninstall", "terminated")
        assert self.ailment(ctx) == "deployment_id: deployment 'cluster' is uninstalled"

    def test_its_install_failed_since(self, ctx: Any, manager: Manager) -> None:
        manager.ran("cluster", "uninstall", "terminated")
        manager.ran("cluster", "install", "failed", error="no such host")
        failed = manager.executions[-1].id
        failure = f"its install ({failed}) failed: no such host"
        assert self.ailment(ctx) == f"deployment_id: deployment 'cluster' is not installed: {failure}"
        # And is not waited for when it is healed: it will not become installed by itself.
        ctx.node.properties["timeout"] = 3600
        with pytest.raises(NonRecoverableError, match=rf"its install \({failed}\) failed: no such host"):
            deployment_proxy.refresh(ctx)

    def test_the_deployment_is_gone(self, ctx: Any, manager: Manager) -> None:
        del manager.deployments["cluster"]
        gone = "deployment_id: cluster is no deployment of this manager, which has other"
        assert self.ailment(ctx) == gone
        assert deployment_proxy.check_drift(ctx) == {
            "deployment_id": {"inherited": ["kubernetes_info", "node"], "now": gone}
        }

    def test_an_output_is_gone(self, ctx: Any, manager: Manager) -> None:
        del manager.outputs["cluster"]["node"]
        gone = "inherit_outputs[1]: node is no output of deployment 'cluster', which has kubernetes_info"
        assert self.ailment(ctx) == gone
        assert deployment_proxy.check_drift(ctx)["inherit_outputs[1]"]["now"] == gone

    def test_an_output_has_no_value_any_more(self, ctx: Any, manager: Manager) -> None:
        manager.outputs["cluster"]["node"] = None
        assert "node has no value in deployment 'cluster'" in self.ailment(ctx)

    def test_what_was_inherited_is_lost_and_healed(self, ctx: Any, manager: Manager) -> None:
        del ctx.instance.runtime_properties["node"]
        assert self.ailment(ctx) == "the runtime properties lack what was inherited: node"
        deployment_proxy.refresh(ctx)
        deployment_proxy.check_status(ctx)
        assert ctx.instance.runtime_properties["node"] == "node1"

    def test_nothing_was_inherited_yet(self, ctx: Any) -> None:
        deployment_proxy.stop(ctx)
        assert "the start operation has to run first" in self.ailment(ctx)

    def test_a_manager_that_does_not_answer_is_no_good_news(self, ctx: Any, manager: Manager) -> None:
        manager.fails_with = 502
        assert "the manager does not tell the state of 'cluster'" in self.ailment(ctx)


def test_healing_finds_again_that_the_deployment_is_needed(ctx: Any, manager: Manager) -> None:
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    (record,) = manager.dependencies
    assert (record.source_deployment_id, record.target_deployment_id) == ("router", "cluster")
    assert record.dependency_creator == "node_instances.kubernetes_proxy_1"
    manager.dependencies.clear()
    deployment_proxy.refresh(ctx)
    assert not manager.may_uninstall("cluster")
    assert [one.dependency_creator for one in manager.dependencies] == [record.dependency_creator]


def test_a_refresh_that_waits_keeps_what_was_inherited(
    ctx: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_proxy.create(ctx)
    deployment_proxy.start(ctx)
    monkeypatch.setattr(proxy, "WAIT_SECONDS", 0.0)
    ctx.node.properties["timeout"] = 3600
    manager.ran("cluster", "install", "started")
    with pytest.raises(OperationRetry, match="deployment 'cluster' is not installed yet"):
        deployment_proxy.refresh(ctx)
    assert ctx.instance.runtime_properties["kubernetes_info"] == INFO
    manager.executions[-1]["status"] = "terminated"
    deployment_proxy.refresh(ctx)
    assert deployment_proxy.check_drift(ctx) == {}
    deployment_proxy.delete(ctx)
    assert ctx.instance.runtime_properties == {}


def test_a_dependency_whose_answer_was_lost_is_taken_up_again_and_taken_back(
    ctx: Any, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    depend = manager._depend

    def lost(method: str, data: dict[str, Any]) -> tuple[int, Any]:
        depend(method, data)
        return 502, {"message": "the proxy before it went away", "error_code": "unknown_error"}

    with monkeypatch.context() as patched:
        patched.setattr(manager, "_depend", lost)
        with pytest.raises(RecoverableError):
            deployment_proxy.create(ctx)
    assert not manager.may_uninstall("cluster")
    # Taken back by what is remembered, whether it is taken up again or not.
    remembered = dict(ctx.instance.runtime_properties)
    deployment_proxy.delete(ctx)
    assert manager.may_uninstall("cluster")
    ctx.instance.runtime_properties = remembered
    deployment_proxy.create(ctx)
    deployment_proxy.create(ctx)
    assert len(manager.dependencies) == 1
