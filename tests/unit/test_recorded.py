"""Records in runtime properties, which anybody may edit: what is not as it was left is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cloudify_quagga.cluster import Reference
from cloudify_quagga.errors import Failed
from cloudify_quagga.lifecycle import labeled_node as node_life
from cloudify_quagga.lifecycle import microservice as service_life
from cloudify_quagga.lifecycle.kubelet import Kept
from cloudify_quagga.lifecycle.record import Earlier, Record
from cloudify_quagga.model import LabeledNode, Router
from cloudify_quagga.operations import labeled_node, microservice, router

WANTED = Router.parse({"node_selector": {"role": "router"}})
OBJECTS = (Reference("v1", "ConfigMap", "quagga", "default"), Reference("apps/v1", "DaemonSet", "quagga"))
ROUTER = Record(
    WANTED, "hash", OBJECTS, {"file": "/k"}, ("node1",), {"node2": "it was killed"}, Earlier(WANTED, "before")
)
LABELED = node_life.Record(
    LabeledNode.parse({"node": "node1", "labels": {"role": "router"}}),
    "node1",
    "uid",
    "manager",
    {"file": "/k"},
    Kept("10.0.0.1", {"role": "router"}, (), "/etc/default/kubelet"),
)
SERVICE = service_life.Record(OBJECTS, "hash", {"file": "/k"})
KINDS: list[Any] = [
    pytest.param(router, ROUTER, id="router"),
    pytest.param(labeled_node, LABELED, id="labeled node"),
    pytest.param(microservice, SERVICE, id="microservice"),
]


def read(operations: Any, stored: object) -> Any:
    runtime = {operations.RECORD: stored}
    return operations._recorded(
        SimpleNamespace(instance=SimpleNamespace(id="quagga_1", runtime_properties=runtime))
    )


@pytest.mark.parametrize(("operations", "record"), KINDS)
class TestARecord:
    def test_is_read_as_it_was_left(self, operations: Any, record: Any) -> None:
        assert read(operations, record.to_json()) == record

    @pytest.mark.parametrize("stored", ["x", 5, ["x"], {"wanted": {}}, {"objects": 5}, {"kubelet": "x"}])
    def test_that_is_something_else_is_told(self, operations: Any, record: Any, stored: object) -> None:
        with pytest.raises(Failed) as told:
            read(operations, stored)
        start = f"the runtime property {operations.RECORD!r} of quagga_1 is not as it was left ("
        assert str(told.value).startswith(start)
        assert str(told.value).endswith("); put back what stood there, or take it out and install again")

    @pytest.mark.parametrize("value", ["x", 5, ["x"]])
    def test_is_told_of_where_a_part_is_something_else(
        self, operations: Any, record: Any, value: object
    ) -> None:
        stored = record.to_json()
        for field in stored.keys() & {"objects", "access", "wanted", "kubelet"}:
            with pytest.raises(Failed, match="is not as it was left"):
                read(operations, stored | {field: value})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"hash": 5}, "record.hash: what is given is no string"),
        ({"hash": None}, "record.hash: what is given is no string"),
        ({"objects": []}, "record.objects: what is given names no object"),
        ({"objects": [{"kind": "Pod", "name": "p"}]}, "record.objects[0].apiVersion: null is no string"),
        ({"nodes": "node1"}, "record.nodes: what is given is no list"),
        ({"unswept": ["node1"]}, "record.unswept: what is given is no map"),
        ({"unswept": {"node1": 5}}, "record.unswept.node1: what is given is no string"),
        ({"earlier": {"wanted": {}}}, "record.earlier.hash: null is no string"),
        ({"wanted": {"routes": 5}}, "routes: 5 is no list"),
    ],
)
def test_a_routers_tells_the_place(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Failed) as told:
        read(router, ROUTER.to_json() | changed)
    assert sentence in str(told.value)


def test_a_routers_of_0_1_0_has_no_earlier() -> None:
    stored = ROUTER.to_json()
    del stored["earlier"]
    assert read(router, stored).earlier is None
