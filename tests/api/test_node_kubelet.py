"""A labelled node whose kubelet has the labels too: a real API server, and a kubelet's file in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.exceptions import NonRecoverableError
from kubernetes import client

from cloudify_quagga import ssh
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.operations import labeled_node
from cloudify_quagga.ssh import Written
from cloudify_quagga.ssh.environment_file import Content
from tests.api.conftest import FakeNode, carried
from tests.unit.test_operations_door import Instance, Profile

FILE = "/etc/default/kubelet"


class Hosts:
    """Hosts with a kubelet's file each, as the plugin's ssh room changes them."""

    def __init__(self) -> None:
        self.files: dict[str, str | None] = {}

    def write(self, settings: Ssh, labels: Mapping[str, str]) -> Written:
        return self._changed(settings, self._content(settings).with_labels(labels, FILE))

    def remove(self, settings: Ssh, labels: Mapping[str, str]) -> Written:
        return self._changed(settings, self._content(settings).without_labels(labels))

    def check(self, settings: Ssh, labels: Mapping[str, str]) -> None:
        self._content(settings).with_labels(labels, FILE)

    def read(self, settings: Ssh) -> dict[str, str]:
        return self._content(settings).labels

    def labels(self, host: str) -> dict[str, str]:
        return Content.parse(self.files.get(host), FILE).labels

    def _content(self, settings: Ssh) -> Content:
        return Content.parse(self.files.get(settings.host), FILE)

    def _changed(self, settings: Ssh, content: Content) -> Written:
        before, self.files[settings.host] = self.files.get(settings.host), content.text()
        return Written(FILE, changed=before != content.text())


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    made = Hosts()
    for name in ("write", "remove", "check"):
        monkeypatch.setattr(ssh, f"{name}_node_labels", getattr(made, name))
    monkeypatch.setattr(ssh, "written_node_labels", made.read)
    return made


@pytest.fixture
def ctx(
    kubeconfig: Path, node: FakeNode, tmp_path: Path, core: client.CoreV1Api, hosts: Hosts
) -> Iterator[Any]:
    """Of an operation on a node that is Ready and reached by ssh; what was started is deleted in the end."""
    ready = {"type": "Ready", "status": "True"}
    core.patch_node_status(node.name, {"status": {"conditions": [ready]}})
    instance = Instance()
    storage = Profile(tmp_path, instance.id)
    properties = {
        "node": node.name,
        "labels": {"role": "router", "rack": "7"},
        "client_config": {"configuration": {"manager_file_path": str(kubeconfig)}},
        "ssh": {"username": "ubuntu", "key_file": "/key"},
    }
    made = SimpleNamespace(
        _endpoint=SimpleNamespace(
            storage=storage, get_node=lambda _: {"operations": {}}, evaluate_functions=lambda given: given
        ),
        deployment=SimpleNamespace(id="cluster"),
        node=SimpleNamespace(id="node", properties=properties),
        instance=instance,
        logger=logging.getLogger("test"),
        get_resource=lambda _: b"",
    )
    labeled_node.start(made)
    yield made
    labeled_node.delete(made)
    assert carried(core, node) == node.labels
    assert not any(hosts.files.values())


def test_what_its_file_should_say_is_watched_and_healed(ctx: Any, hosts: Hosts, node: FakeNode) -> None:
    assert labeled_node.check_drift(ctx) == {}
    labeled_node.check_status(ctx)
    hosts.files[node.address] = "KUBELET_EXTRA_ARGS=\n"
    assert labeled_node.check_drift(ctx) == {
        "kubelet": {"wanted": {"rack": "7", "role": "router"}, "found": {}}
    }
    with pytest.raises(NonRecoverableError, match=r"its kubelet's file on 192\.0\.2\.11 does not say"):
        labeled_node.check_status(ctx)
    labeled_node.heal(ctx)
    assert hosts.labels(node.address) == {"rack": "7", "role": "router"}
    assert labeled_node.check_drift(ctx) == {}
    hosts.files[node.address] = None
    labeled_node.heal(ctx)
    assert hosts.labels(node.address) == {"rack": "7", "role": "router"}


def test_an_update_reaches_the_file(ctx: Any, hosts: Hosts, node: FakeNode, core: client.CoreV1Api) -> None:
    ctx.node.properties["labels"] = {"rack": "8", "zone": "blue"}
    assert set(labeled_node.check_drift(ctx)["properties"]) == {"labels"}
    labeled_node.update(ctx)
    assert hosts.labels(node.address) == {"rack": "8", "zone": "blue"}
    assert carried(core, node) == {**node.labels, "rack": "8", "zone": "blue"}
    assert labeled_node.check_drift(ctx) == {}


def test_a_node_that_its_kubelet_registers_anew_with_its_labels(
    ctx: Any, node: FakeNode, core: client.CoreV1Api
) -> None:
    core.delete_node(node.name)
    hostname = {"kubernetes.io/hostname": node.name}
    labels = {**node.labels, **hostname, "role": "router", "rack": "7"}
    core.create_node({"metadata": {"name": node.name, "labels": labels}}, field_manager="kubelet")
    address = {"type": "InternalIP", "address": node.address}
    core.patch_node_status(node.name, {"status": {"addresses": [address]}})
    # They are there, but not in our name: whoever removes the file's line would take them with it.
    assert set(labeled_node.check_drift(ctx)) == {"uid", "annotation", "labels.role", "labels.rack"}
    labeled_node.heal(ctx)
    assert labeled_node.check_drift(ctx) == {}
    ctx.node.properties["labels"] = {"role": "router"}
    labeled_node.update(ctx)
    # The kubelet's own hold of it is taken off as well.
    assert carried(core, node) == {**node.labels, "role": "router"}


def test_a_file_that_could_not_be_found_again_is_not_left_behind(
    ctx: Any, hosts: Hosts, node: FakeNode
) -> None:
    before = dict(ctx.instance.runtime_properties)
    account = ctx.node.properties.pop("ssh")
    assert set(labeled_node.check_drift(ctx)["properties"]) == {"ssh"}
    for ssh_by_now in ({}, {**account, "kubelet": {"host": "192.0.2.99"}}):
        ctx.node.properties["ssh"] = ssh_by_now
        with pytest.raises(NonRecoverableError, match=r"leads no more to the kubelet on 192\.0\.2\.11"):
            labeled_node.update(ctx)
    assert ctx.instance.runtime_properties == before
    assert hosts.labels(node.address) == {"rack": "7", "role": "router"}
    ctx.node.properties["ssh"] = account


def test_another_cluster_at_the_end_of_the_way(ctx: Any, kubeconfig: Path, tmp_path: Path) -> None:
    same = tmp_path / "the-same"
    same.write_text(kubeconfig.read_text())
    ctx.node.properties["client_config"] = {"configuration": {"manager_file_path": str(same)}}
    stored = ctx.instance.runtime_properties["labeled_node"]
    # As if the node of that name there were another.
    ctx.instance.runtime_properties["labeled_node"] = {**stored, "uid": "of another cluster"}
    for one in (labeled_node.heal, labeled_node.update):
        with pytest.raises(NonRecoverableError, match="is another node there than the one that was labelled"):
            one(ctx)
    ctx.instance.runtime_properties["labeled_node"] = stored
    labeled_node.update(ctx)
    assert labeled_node.check_drift(ctx) == {}
