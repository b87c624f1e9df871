"""What overrides may ask of an operation's context, what they get, and what they never get."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError

from cloudify_quagga.errors import Refused
from cloudify_quagga.operations import connected_to_master
from cloudify_quagga.operations.substitutions import Substitutions
from cloudify_quagga.overrides import NotFound
from tests.unit.test_operations_door import Instance, operation_context


class Homeless(Instance):
    index = 2

    @property
    def host_ip(self) -> str:
        raise NonRecoverableError("it is contained in no host")


@pytest.fixture
def ctx(tmp_path: Path) -> Any:
    """An operation of `quagga`, which is connected to `kubernetes_proxy`."""
    node = SimpleNamespace(
        id="kubernetes_proxy", name="kubernetes_proxy", type="my.Proxy", properties={"a": 1}
    )
    instance = SimpleNamespace(id="kubernetes_proxy_1", runtime_properties={"kubernetes_info": {"url": "u"}})
    target = SimpleNamespace(node=node, instance=instance)
    related = SimpleNamespace(type="my.relationship", type_hierarchy=[], target=target)
    made = operation_context(tmp_path, Homeless(related, kinds="Pod:nginx"), {"name": "nginx", "list": ["a"]})
    made.node.name, made.node.type = "quagga", "cloudify.kubernetes.Microservice"
    made.deployment.display_name = "The router"
    made.blueprint = SimpleNamespace(id="blueprint")
    made.operation = SimpleNamespace(name="start", retry_number=0, retry=lambda: "never")
    made.execution_id, made.workflow_id, made.tenant_name = "e1", "install", "default_tenant"
    made.execution_token = made.rest_token = "sesame"
    return made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("node", "id"), "quagga"),
        (("node", "properties", "name"), "nginx"),
        (("node", "properties", "list", 0), "a"),
        (("instance", "id"), "quagga_abc123"),
        (("instance", "runtime_properties", "kinds"), "Pod:nginx"),
        (("instance", "index"), 2),
        (("instance", "relationships", 0, "target", "node", "properties", "a"), 1),
        (
            ("instance", "relationships", 0, "target", "instance", "runtime_properties", "kubernetes_info"),
            {"url": "u"},
        ),
        (("deployment", "display_name"), "The router"),
        (("blueprint", "id"), "blueprint"),
        (("operation", "name"), "start"),
        (("workflow_id",), "install"),
    ],
)
def test_data_of_the_context(path: tuple[str | int, ...], value: object, ctx: Any) -> None:
    assert Substitutions(ctx).context(path) == value


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (("execution_token",), "ctx has no 'execution_token'; it has blueprint, "),
        (("rest_token",), "ctx has no 'rest_token'"),
        (("_endpoint", "storage"), "ctx has no '_endpoint'"),
        (("operation", "retry"), "ctx.operation has no 'retry'; it has name, retry_number"),
        (("instance", "update"), "ctx.instance has no 'update'"),
        (("node", "properties", "nothing"), "ctx.node.properties has no 'nothing'; it has list, name"),
        (("node", "properties", "list", 1), "ctx.node.properties.list has no 1"),
        (("node", "properties", "list", "append"), "ctx.node.properties.list has no 'append'"),
        (("node", "id", "upper"), "ctx.node.id has no 'upper'"),
        (("node", "id", 0), "ctx.node.id has no 0"),
        (("instance", "host_ip"), "ctx.instance cannot tell its host_ip: it is contained in no host"),
        (("instance", "relationships", -1), "ctx.instance.relationships has no -1"),
    ],
)
def test_what_is_no_data_is_not_there(path: tuple[str | int, ...], why: str, ctx: Any) -> None:
    with pytest.raises(NotFound) as refused:
        Substitutions(ctx).context(path)
    assert str(refused.value).startswith(why)


def test_other_nodes_and_the_manager(ctx: Any) -> None:
    instances = [
        {"id": "proxy_b", "runtime_properties": {"a": 2}},
        {"id": "proxy_a", "runtime_properties": {"a": 1}},
    ]
    ctx._endpoint.storage.get_node_instances = lambda node: instances if node == "proxy" else []
    lookups = Substitutions(ctx)
    assert lookups.runtime_properties("proxy") == {"a": 1}
    with pytest.raises(NotFound, match="has no node 'nobody'"):
        lookups.runtime_properties("nobody")
    with pytest.raises(NotFound, match="there is no manager here"):
        lookups.management_ip()


class TestConnectedToMaster:
    """What postconfigure tells its source."""

    @staticmethod
    def told(tmp_path: Path, **runtime: Any) -> dict[str, Any]:
        ctx = operation_context(tmp_path)
        target = SimpleNamespace(node=SimpleNamespace(id="proxy"), instance=Instance(**runtime))
        source = SimpleNamespace(instance=Instance(mine="stays"))
        ctx.source, ctx.target = source, target
        connected_to_master.postconfigure(ctx=ctx)
        return dict(source.instance.runtime_properties)

    @pytest.mark.parametrize(
        "runtime",
        [
            pytest.param(
                {"kubernetes_info": {"url": "http://10.0.0.1:8080"}}, id="DeploymentProxy, LabeledNode"
            ),
            pytest.param({"outputs": {"kubernetes_info": {"url": "http://10.0.0.1:8080"}}}, id="outputs"),
            pytest.param(
                {"capabilities": {"kubernetes_info": {"url": "http://10.0.0.1:8080"}}},
                id="Component, SharedResource, ServiceComponent",
            ),
        ],
    )
    def test_by_whatever_tells_it(self, runtime: dict[str, Any], tmp_path: Path) -> None:
        told = self.told(tmp_path, **runtime)
        assert told == {"mine": "stays", "master_ip": "10.0.0.1", "master_port": 8080}

    def test_by_a_kubeconfig(self, tmp_path: Path) -> None:
        cluster = {"name": "c", "cluster": {"server": "https://[2001:db8::1]:6443"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "u", "user": {}}]}
        path = tmp_path / "kubeconfig"
        path.write_text(str({**config, "current-context": "c"}))
        told = self.told(tmp_path, kubernetes_info={"kubeconfig": str(path)})
        assert (told["master_ip"], told["master_port"]) == ("2001:db8::1", 6443)

    def test_by_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(NonRecoverableError) as refused:
            self.told(tmp_path, other="things")
        assert isinstance(refused.value.__cause__, Refused)
        assert "relationships: proxy tells no kubernetes_info" in str(refused.value)
        assert "of its runtime properties there are: other" in str(refused.value)
