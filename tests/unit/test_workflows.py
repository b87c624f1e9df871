"""Which routers a workflow is about, and what it runs on them."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError, RecoverableError
from cloudify.workflows.workflow_api import ExecutionCancelled

from cloudify_quagga import workflows

ROUTER = ["cloudify.nodes.Root", "cloudify.nodes.quagga.Router", "my.own.Router"]
LIVE = {"at": "2026-11-26T08:00:00+00:00", "routers": []}


class Instance:
    """A node instance, as a workflow sees it."""

    def __init__(self, name: str, run: list[tuple[str, str, Any]]) -> None:
        self.id, self.node_id = f"{name}_1", name
        self.runtime_properties: dict[str, Any] = {}
        self._run = run

    def execute_operation(
        self, operation: str, kwargs: Any = None, allow_kwargs_override: bool = False
    ) -> Any:
        assert allow_kwargs_override is (kwargs is not None)
        return SimpleNamespace(get=lambda: self._run.append((self.id, operation, kwargs)))


class Context:
    """A deployment of two routers and something else."""

    def __init__(self) -> None:
        self.run: list[tuple[str, str, Any]] = []
        types = {"one": ROUTER, "two": ROUTER, "proxy": ["cloudify.nodes.Root"]}
        self.instances = {name: Instance(name, self.run) for name in types}
        self.nodes = [
            SimpleNamespace(type_hierarchy=hierarchy, instances=[self.instances[name]])
            for name, hierarchy in types.items()
        ]
        self.logger = logging.getLogger("workflow")

    def refresh_node_instances(self) -> None:
        for name in ("one", "two"):
            self.instances[name].runtime_properties["live"] = LIVE

    def get_node_instance(self, instance_id: str) -> Instance:
        return self.instances[instance_id.removesuffix("_1")]


def run(name: str, **parameters: Any) -> list[tuple[str, str, Any]]:
    ctx = Context()
    getattr(workflows, name)(ctx, **parameters)
    return ctx.run


def test_every_router_is_updated_one_after_the_other() -> None:
    changes = {"check_seconds": 5}
    assert run("quagga_update", properties=changes) == [
        ("one_1", workflows.UPDATE, {"properties": changes}),
        ("two_1", workflows.UPDATE, {"properties": changes}),
    ]


@pytest.mark.parametrize(
    ("narrowed", "instances"),
    [
        ({}, ["one_1", "two_1"]),
        ({"node_ids": ["two"]}, ["two_1"]),
        ({"node_instance_ids": ["one_1"]}, ["one_1"]),
        ({"node_ids": "two"}, ["two_1"]),
        ({"node_instance_ids": "one_1"}, ["one_1"]),
        ({"node_ids": "", "node_instance_ids": ""}, ["one_1", "two_1"]),
        ({"node_ids": None, "node_instance_ids": None}, ["one_1", "two_1"]),
        ({"node_ids": ["two"], "node_instance_ids": ["one_1"]}, []),
    ],
)
@pytest.mark.parametrize("name", ["quagga_update", "quagga_show"])
def test_only_those_that_are_named(name: str, narrowed: dict[str, Any], instances: list[str]) -> None:
    assert [instance for instance, _, _ in run(name, **narrowed)] == instances


@pytest.mark.parametrize(
    ("narrowed", "said"),
    [
        ({"node_ids": 5}, "node_ids: 5 is neither a name nor a list of names"),
        (
            {"node_instance_ids": {"one_1": 1}},
            "node_instance_ids: {'one_1': 1} is neither a name nor a list of names",
        ),
        ({"node_ids": [5]}, "node_ids: 5 is no router of this deployment, which has one, two"),
        ({"node_ids": ["proxy"]}, "node_ids: proxy is no router of this deployment, which has one, two"),
        (
            {"node_instance_ids": ["x"]},
            "node_instance_ids: x is no router of this deployment, which has one_1, two_1",
        ),
    ],
)
def test_what_is_no_router_is_refused(narrowed: dict[str, Any], said: str) -> None:
    with pytest.raises(NonRecoverableError) as refused:
        run("quagga_show", **narrowed)
    assert str(refused.value) == said


def test_what_is_shown_was_pulled_just_now(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert run("quagga_show", node_ids=["one"]) == [("one_1", workflows.PULL, None)]
    assert caplog.messages[0].startswith("one_1\nNODE  READY  DAEMONS")
    run("quagga_show", node_ids=["one"], json=True)
    assert json.loads(caplog.messages[1].removeprefix("one_1\n")) == LIVE


def test_one_that_cannot_be_pulled_is_named_and_nothing_old_of_it_is_shown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    ctx = Context()

    def fails(*_: Any, **__: Any) -> Any:
        def get() -> None:
            raise RecoverableError("the API server is away")

        return SimpleNamespace(get=get)

    monkeypatch.setattr(ctx.instances["one"], "execute_operation", fails)
    with pytest.raises(NonRecoverableError) as failed:
        workflows.quagga_show(ctx)
    assert str(failed.value) == "could not be shown: one_1; the reason of each is printed in its place"
    assert caplog.messages[0] == "one_1\ncannot be shown: the API server is away"
    assert caplog.messages[1].startswith("two_1\nNODE  READY  DAEMONS")


def test_a_workflow_that_is_cancelled_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = Context()

    def cancelled(*_: Any, **__: Any) -> Any:
        raise ExecutionCancelled

    monkeypatch.setattr(ctx.instances["one"], "execute_operation", cancelled)
    with pytest.raises(ExecutionCancelled):
        workflows.quagga_show(ctx)
    assert ctx.run == []


@pytest.mark.parametrize("name", ["quagga_update", "quagga_show"])
def test_it_may_be_resumed(name: str) -> None:
    assert getattr(workflows, name).resumable is True
