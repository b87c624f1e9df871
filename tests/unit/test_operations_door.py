"""Where our errors become Cloudify's, and how an operation's context is read."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError
from cloudify.workflows.local import FileStorage, StorageConflictError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_quagga.errors import (
    Conflict,
    Failed,
    NotPermitted,
    PermanentError,
    Refused,
    TemporaryError,
    Unavailable,
    Waiting,
)
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.door import comparing, judging, mapped


def raised(error: Exception) -> Exception:
    @mapped
    def operation(ctx: object, **_: object) -> None:
        raise error

    with pytest.raises(
        type(error) if not isinstance(error, PermanentError | TemporaryError) else Exception
    ) as said:
        operation(ctx=None, some="input")
    return said.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused("routes[0].prefix", "10.0.0.5/24", "has host bits set"), NonRecoverableError),
        (Conflict("..."), NonRecoverableError),
        (NotPermitted("..."), NonRecoverableError),
        (Failed("..."), NonRecoverableError),
        (PermanentError("..."), NonRecoverableError),
        (Unavailable("..."), RecoverableError),
        (Waiting("..."), OperationRetry),
    ],
)
def test_every_error_has_its_counterpart(error: Exception, kind: type[Exception]) -> None:
    said = raised(error)
    assert type(said) is kind
    assert str(said) == str(error)
    assert said.__cause__ is error


@pytest.mark.parametrize(
    "error", [Failed("..."), Refused("a", "b", "c"), Unavailable("...", 5), Waiting("...")]
)
def test_a_status_check_is_bad_at_once_whatever_is_wrong(error: Exception) -> None:
    @judging
    def check_status(ctx: object, **_: object) -> None:
        raise error

    assert check_status.resumable is True  # type: ignore[attr-defined]
    with pytest.raises(NonRecoverableError) as said:
        check_status(ctx=None)
    assert type(said.value) is NonRecoverableError
    assert str(said.value) == str(error)


@pytest.mark.parametrize("error", [Failed("..."), Unavailable("...", 5), Waiting("...")])
def test_what_cannot_be_compared_is_a_difference(error: Exception) -> None:
    @comparing
    def check_drift(ctx: object, **_: object) -> dict[str, Any]:
        raise error

    assert check_drift.resumable is True  # type: ignore[attr-defined]
    assert check_drift(ctx=None) == {"comparison": {"wanted": "possible", "found": "..."}}


def test_the_time_to_come_back_is_handed_on() -> None:
    assert getattr(raised(Unavailable("...", 17)), "retry_after") == 17  # noqa: B009


def test_a_defect_stays_what_it_is() -> None:
    assert type(raised(KeyError("a defect"))) is KeyError


class Profile:
    """A local profile's storage, as an operation's context holds it."""

    def __init__(self, root: Path, *instances: str) -> None:
        self._root = root
        self._instances = instances
        self.env = SimpleNamespace(evaluate_functions=self._evaluated)

    def get_workdir(self) -> str:
        return str(self._root / "deployments" / "router" / "workdir")

    def get_node_instances(self) -> list[dict[str, str]]:
        return [{"id": instance} for instance in self._instances]

    @staticmethod
    def _evaluated(payload: dict[str, Any], context: dict[str, str]) -> dict[str, Any]:
        return {
            key: "evaluated" if value == {"get_attribute": []} else value for key, value in payload.items()
        }


class Runtime(dict[str, Any]):
    """Runtime properties."""


class Instance:
    def __init__(self, *relationships: object, **runtime: Any) -> None:
        self.id = "quagga_abc123"
        self.relationships = relationships
        self.runtime_properties = Runtime(runtime)
        self.stored: list[dict[str, Any]] = []
        self.meanwhile: dict[str, Any] | None = None
        """What another operation stores before the next update does."""

    def update(self) -> None:
        if self.meanwhile is not None:
            self.stored.append(self.meanwhile)
            self.meanwhile = None
            raise StorageConflictError("version 1 does not match current version 2")
        self.stored.append(dict(self.runtime_properties))

    def refresh(self, force: bool = False) -> None:
        assert force
        if self.stored:
            self.runtime_properties = Runtime(self.stored[-1])


def operation_context(
    tmp_path: Path, instance: Instance | None = None, properties: dict[str, Any] | None = None
) -> Any:
    storage = Profile(tmp_path, "quagga_abc123", "quagga_def456")
    return SimpleNamespace(
        _endpoint=SimpleNamespace(storage=storage),
        deployment=SimpleNamespace(id="router"),
        node=SimpleNamespace(id="quagga", properties=properties or {}),
        instance=instance or Instance(),
        logger=logging.getLogger("test"),
        get_resource=lambda name: b"",
    )


def related(type_hierarchy: list[str], **runtime: Any) -> Any:
    target = SimpleNamespace(instance=SimpleNamespace(runtime_properties=runtime))
    return SimpleNamespace(type_hierarchy=type_hierarchy, target=target)


def test_the_owner_is_known_by_profile_and_instances(tmp_path: Path) -> None:
    owner = context.owner(operation_context(tmp_path))
    assert owner.known == {"quagga_abc123", "quagga_def456"}
    assert owner.removal() == "cfy uninstall -b router"
    assert str(tmp_path) in owner.origin


def test_an_instance_that_is_just_being_written_is_read_again(tmp_path: Path) -> None:
    """By Cloudify's own storage, which writes in place and reads all of them without a lock."""
    storage = FileStorage(str(tmp_path))
    file = Path(storage._instance_path("router", "quagga_abc123"))
    file.parent.mkdir(parents=True)
    text = json.dumps({"id": "quagga_abc123", "node_id": "quagga", "runtime_properties": {}})
    file.write_text("")
    ctx = operation_context(tmp_path)
    ctx._endpoint.storage.get_node_instances = lambda: storage.get_node_instances("router")
    writer = threading.Timer(0.1, file.write_text, [text])
    writer.start()
    assert context.owner(ctx).known == {"quagga_abc123"}
    writer.join()
    file.write_text("")
    with pytest.raises(ValueError, match="Expecting value"):
        context.owner(ctx)


@pytest.mark.parametrize(
    ("said", "namespace"), [("edge", "edge"), ("", None), (None, None), ({"get_input": "ns"}, None)]
)
def test_the_owner_is_where_its_node_says(tmp_path: Path, said: object, namespace: str | None) -> None:
    ctx = operation_context(tmp_path, properties={"namespace": said})
    assert context.owner(ctx).namespace == namespace


class Rest:
    """A manager's REST client, as far as an owner asks it."""

    def __init__(self) -> None:
        self.node_instances = self
        self.secrets = self

    def list(self, deployment_id: str, **_: object) -> list[dict[str, str]]:
        return [{"id": f"{deployment_id}_1"}, {"id": f"{deployment_id}_2"}]

    def get(self, name: str) -> Any:
        if name.isdigit():
            raise CloudifyClientError("not so", status_code=int(name))
        return SimpleNamespace(value=f"the value of {name}")


def managed_context() -> Any:
    return SimpleNamespace(
        _endpoint=SimpleNamespace(),
        deployment=SimpleNamespace(id="router"),
        node=SimpleNamespace(id="quagga", properties={}),
        instance=Instance(),
        rest_host=["10.0.0.2", "10.0.0.1"],
        tenant_name="blue",
    )


def test_a_manager_knows_its_instances_and_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "get_rest_client", Rest)
    owner = context.owner(managed_context())
    assert owner.known == {"router_1", "router_2"}
    assert owner.removal() == "cfy uninstall router"
    assert owner.origin == "the manager 10.0.0.1, 10.0.0.2, tenant blue"
    assert context._secret(managed_context(), "token") == "the value of token"


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (404, Refused, "kubernetes_info.token_secret: 404 is no secret that the manager gives: 404: not so"),
        (403, Refused, "kubernetes_info.token_secret: 403 is no secret that the manager gives: 403: not so"),
        (502, Unavailable, "the manager cannot be asked for the secret '502': 502: not so"),
    ],
)
def test_a_secret_that_is_not_to_be_had(
    status: int, kind: type[Exception], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "get_rest_client", Rest)
    with pytest.raises(kind) as refused:
        context._secret(managed_context(), str(status))
    assert str(refused.value) == sentence


def test_a_local_profile_has_no_secrets(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^kubernetes_info.token_secret: token cannot be read"):
        context._secret(operation_context(tmp_path), "token")


def test_functions_in_properties_are_evaluated(tmp_path: Path) -> None:
    ctx = operation_context(tmp_path, properties={"image": {"get_attribute": []}, "kind": "Pod"})
    assert context.properties(ctx) == {"image": "evaluated", "kind": "Pod"}


CONNECTED = ["cloudify.relationships.connected_to", context.CONNECTED_TO_CLUSTER]


@pytest.mark.parametrize(
    "told",
    [
        {"kubernetes_info": {"kubeconfig": "/there"}},
        {"outputs": {"kubernetes_info": {"kubeconfig": "/there"}}},
        {"capabilities": {"kubernetes_info": {"kubeconfig": "/there"}}},
    ],
)
def test_the_cluster_is_what_a_target_tells(told: dict[str, Any], tmp_path: Path) -> None:
    unrelated = related(["cloudify.relationships.depends_on"], kubernetes_info={"kubeconfig": "/elsewhere"})
    derived = related([*CONNECTED, "my.own"], **told)
    ctx = operation_context(tmp_path, Instance(unrelated, related(CONNECTED), derived))
    assert context.access(ctx).file == "/there"


def test_a_node_that_one_is_placed_on_tells_it_too(tmp_path: Path) -> None:
    node = related([context.PLACED_ON], kubernetes_info={"kubeconfig": "/nodes"})
    ctx = operation_context(tmp_path, Instance(node))
    assert context.access(ctx).file == "/nodes"
    cluster = related(CONNECTED, kubernetes_info={"kubeconfig": "/clusters"})
    ctx = operation_context(tmp_path, Instance(node, cluster))
    assert context.access(ctx).file == "/clusters"


def test_the_nodes_own_way_comes_first(tmp_path: Path) -> None:
    ctx = operation_context(
        tmp_path,
        Instance(related(CONNECTED, kubernetes_info={"kubeconfig": "/there"})),
        {"client_config": {"configuration": {"manager_file_path": "/here"}}},
    )
    assert context.access(ctx).file == "/here"


def test_what_is_replaced_is_stored_at_once(tmp_path: Path) -> None:
    ctx = operation_context(tmp_path)
    context.replace(ctx, router={"hash": "1"}, name="node1")
    assert ctx.instance.stored == [{"router": {"hash": "1"}, "name": "node1"}]
    context.clear(ctx)
    assert ctx.instance.runtime_properties == {}


class TestUninstallingWithoutAWayToTheCluster:
    def test_works_where_nothing_was_made(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        forgotten.remove(operation_context(tmp_path))
        assert "was not looked for: client_config: null says no way" in caplog.text

    def test_fails_where_something_is_recorded(self, tmp_path: Path) -> None:
        with pytest.raises(Refused):
            forgotten.remove(operation_context(tmp_path, Instance(router={"hash": "1"})))

    def test_fails_where_something_forgotten_was_seen(self, tmp_path: Path) -> None:
        ctx = operation_context(tmp_path)
        forgotten.remember(ctx, Forgotten("it still lives"))
        with pytest.raises(Refused):
            forgotten.remove(ctx)


def test_what_another_operation_has_stored_meanwhile_stays(tmp_path: Path) -> None:
    instance = Instance(router="old", live="old")
    instance.meanwhile = {"router": "old", "live": "new", "further": "one"}
    context.replace(operation_context(tmp_path, instance), router="new")
    assert instance.stored[-1] == {"router": "new", "live": "new", "further": "one"}
    instance.meanwhile = {"router": "new", "live": "newer"}
    context.forget(operation_context(tmp_path, instance), "router")
    assert instance.stored[-1] == {"live": "newer"}
