"""Checks on a manager whose REST service does not answer as it should: told, and never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cloudify.exceptions import HttpException, NonRecoverableError, RecoverableError
from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_quagga.cluster import Reference
from cloudify_quagga.lifecycle.record import Record
from cloudify_quagga.model import Router
from cloudify_quagga.operations import context, router
from cloudify_quagga.operations.door import comparing, mapped
from tests.unit.stub_manager import Manager, serving
from tests.unit.test_operations_door import Instance

# Of a cluster that is not spoken to: whose the router is, is asked of the manager first.
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}
PROPERTIES = {
    "node_selector": {"role": "router"},
    "client_config": {"configuration": {"file_content": yaml.safe_dump(KUBECONFIG)}},
}


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager()
    with serving(made) as client:
        monkeypatch.setattr(context, "get_rest_client", lambda: client)
        yield made


@pytest.fixture
def ctx() -> Any:
    """Of an operation of a router that is installed."""
    runs = Reference("apps/v1", "DaemonSet", "quagga", "default")
    record = Record(Router.parse({"node_selector": {"role": "router"}}), "hash", (runs,))
    return SimpleNamespace(
        _endpoint=SimpleNamespace(),
        deployment=SimpleNamespace(id="router"),
        node=SimpleNamespace(id="quagga", properties=PROPERTIES),
        instance=Instance(router=record.to_json()),
        logger=logging.getLogger("test"),
        get_resource=lambda _: b"",
    )


@pytest.mark.parametrize("status", [403, 500])
class TestARestServiceThatSaysNo:
    def test_is_told_as_drift(self, status: int, ctx: Any, manager: Manager) -> None:
        manager.fails_with = status
        said = router.check_drift(ctx)["comparison"]["found"]
        assert (
            said == f"the manager does not give what this operation needs: {status}: because the stub says so"
        )
        assert manager.asked

    def test_is_no_good_news_and_known_at_once(self, status: int, ctx: Any, manager: Manager) -> None:
        manager.fails_with = status
        with pytest.raises(NonRecoverableError, match=f"the manager does not give .*: {status}: because"):
            router.check_status(ctx)
        assert manager.asked


def test_one_that_nobody_reaches(ctx: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = CloudifyClient(host="127.0.0.1", port=9, tenant="default_tenant")
    monkeypatch.setattr(context, "get_rest_client", lambda: nobody)
    said = router.check_drift(ctx)["comparison"]["found"]
    assert said.startswith("the manager, or this machine, does not give what this operation needs: ")
    with pytest.raises(NonRecoverableError, match="the manager, or this machine, does not give"):
        router.check_status(ctx)


def failing(error: Exception) -> Any:
    def operation(ctx: object, **_: object) -> None:
        raise error

    return operation


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, NonRecoverableError),
        (403, NonRecoverableError),
        (404, NonRecoverableError),
        # Somebody else has stored something just then, or too much is asked.
        (409, RecoverableError),
        (429, RecoverableError),
        (500, RecoverableError),
        (502, RecoverableError),
        (-1, RecoverableError),
    ],
)
def test_another_operation_is_tried_again_where_that_may_help(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="the manager does not give what this operation needs") as said:
        mapped(failing(CloudifyClientError("no", status_code=status)))(ctx=None)
    assert type(said.value) is kind


def test_a_file_that_cannot_be_fetched_is_told_as_drift() -> None:
    found = comparing(failing(HttpException("http://manager/a.yaml", 404, "not there")))(ctx=None)
    assert "not there" in found["comparison"]["found"]
