"""A labelled node's operations as Cloudify calls them, where its kubelet has the labels too."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError

from cloudify_quagga import ssh
from cloudify_quagga.lifecycle import kubelet
from cloudify_quagga.lifecycle import labels as on_node
from cloudify_quagga.operations import context
from cloudify_quagga.operations import labeled_node as operations
from tests.unit import test_labeled_node as known
from tests.unit.small_cluster import SmallCluster
from tests.unit.test_operations_door import Instance

FILE = "/etc/default/kubelet"
SSH = {"username": "ubuntu", "key_file": "/key"}


class Node:
    """One node instance, its cluster, and what its kubelet's file says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster = SmallCluster()
        self.cluster.put(known.node())
        self.file: dict[str, str] = {}
        self.properties: dict[str, Any] = {
            "node": "node1",
            "labels": {"role": "router"},
            "client_config": {"configuration": {"manager_file_path": "/kubeconfig"}},
            "ssh": SSH,
        }
        self.instance = Instance()
        self.ctx = SimpleNamespace(
            node=SimpleNamespace(id="node"), instance=self.instance, logger=logging.getLogger("node")
        )
        monkeypatch.setattr(context, "properties", lambda _: self.properties)
        monkeypatch.setattr(context, "inputs_of", lambda *_: {})
        monkeypatch.setattr(context, "owner", lambda _: known.OWNER)
        monkeypatch.setattr(context, "connection", self._connection)
        monkeypatch.setattr(context, "targets", lambda *_: iter(()))
        # What the API server does with labels is the API server's to show.
        monkeypatch.setattr(on_node, "take", lambda *_, **__: None)
        monkeypatch.setattr(on_node, "release", lambda *_: {})
        monkeypatch.setattr(kubelet, "take_off", lambda *_: [])
        monkeypatch.setattr(ssh, "write_node_labels", self._write)
        monkeypatch.setattr(ssh, "remove_node_labels", self._remove)
        monkeypatch.setattr(ssh, "check_node_labels", lambda *_: None)

    @contextmanager
    def _connection(self, _: object) -> Iterator[SmallCluster]:
        yield self.cluster

    def _write(self, _: object, labels: Mapping[str, str]) -> ssh.Written:
        self.file |= labels
        return ssh.Written(FILE, True)

    def _remove(self, _: object, labels: Mapping[str, str]) -> ssh.Written:
        for key in labels:
            self.file.pop(key, None)
        return ssh.Written(FILE, True)

    @property
    def kept(self) -> Any:
        return self.instance.runtime_properties["labeled_node"]["kubelet"]

    def __call__(self, name: str) -> Any:
        return getattr(operations, name)(self.ctx)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node that was labelled, its kubelet told of it."""
    made = Node(monkeypatch)
    made("start")
    assert made.file == {"role": "router"}
    return made


def test_its_kubelet_forgets_with_it(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node("delete")
    assert node.file == {}
    assert caplog.messages == []
    assert node.instance.runtime_properties == {}


def test_an_account_that_was_dropped_leaves_no_label_unsaid(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    del node.properties["ssh"]
    node("delete")
    assert caplog.messages == [
        "ssh: no account leads to 10.0.0.11 any more: its kubelet still gives itself role=router when it "
        "registers anew; take that out of /etc/default/kubelet there by hand"
    ]
    assert node.instance.runtime_properties == {}


@pytest.mark.parametrize("name", ["heal", "start"])
def test_what_a_kubelet_was_told_is_known_without_an_account(name: str, node: Node) -> None:
    before = node.kept
    del node.properties["ssh"]
    node(name)
    assert node.kept == before
    # Given again, it is used again.
    node.properties["ssh"] = SSH
    node("delete")
    assert node.file == {}


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({}, "ssh: null leads no more to the kubelet on 10.0.0.11, .*; say it again, and leave it out after"),
        ({**SSH, "kubelet": {"write_labels": False}}, "uninstalling and installing .* takes them out there"),
        ({**SSH, "host": "10.0.0.99"}, "ssh: 10.0.0.99 leads no more to the kubelet on 10.0.0.11, .* takes"),
    ],
)
def test_an_update_that_would_lose_the_way_to_a_kubelet_says_what_helps(
    account: dict[str, Any], said: str, node: Node
) -> None:
    node.properties["ssh"] = account
    with pytest.raises(NonRecoverableError, match=said):
        node("update")
    assert node.file == {"role": "router"}
