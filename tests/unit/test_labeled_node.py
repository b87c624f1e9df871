"""A labelled node compared with its record: pure, but for the kubelet's file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Manifest
from cloudify_quagga.errors import NotPermitted
from cloudify_quagga.lifecycle import kubelet, labels
from cloudify_quagga.lifecycle import labeled_node as life
from cloudify_quagga.lifecycle.kubelet import Kept
from cloudify_quagga.lifecycle.labeled_node import Record
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.names import Identity

OWNER = Owner(Identity("cluster", "node", "node_1"), "here", frozenset({"node_1"}), "cfy uninstall -b")
US = OWNER.identity.field_manager
WANTED = LabeledNode.parse({"node": "10.0.0.11", "labels": {"role": "router"}})
ACCESS = {"file": "/kubeconfig"}
RECORD = Record(WANTED, "node1", "u1", US, ACCESS)
KEPT = Kept("10.0.0.11", {"role": "router"}, (), "/etc/default/kubelet")
ACCOUNT = Ssh("10.0.0.11", "ubuntu", key_file="/key")


def node(uid: str = "u1", ready: str = "True", role: str | None = "router", **ours: str) -> Manifest:
    """A node with the label, and whatever else is ours."""
    carried = {"kubernetes.io/hostname": "node1", **({"role": role} if role else {}), **ours}
    held: dict[str, Any] = {f"f:{key}": {} for key in carried if "/" not in key}
    fields = [{"manager": US, "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": held}}}]
    metadata = {"name": "node1", "uid": uid, "labels": carried, "managedFields": fields}
    metadata["annotations"] = labels.Holder.of(OWNER).annotation
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletReady", "message": "m" * 1000}]
    addresses = [{"type": "InternalIP", "address": "10.0.0.11"}]
    status = {"conditions": conditions, "addresses": addresses}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}


def test_the_record_is_kept_whole() -> None:
    for record in (RECORD, replace(RECORD, kubelet=KEPT)):
        assert Record.from_json(record.to_json()) == record


def test_as_it_was_left() -> None:
    assert life.drift(RECORD, OWNER, node()) == {}
    assert life.ailments(RECORD, {}, node(), "https://there") == []


def test_a_label_of_ours_that_is_not_wanted_is_drift() -> None:
    found = life.drift(RECORD, OWNER, node(extra="x"))
    assert found == {"labels.extra": {"wanted": None, "found": "x", "owners": [US]}}
    (said,) = life.ailments(RECORD, found, node(), "https://there")
    assert said == f"labels.extra should be absent and ours, and is 'x', held by {US}"


def test_a_label_that_only_somebody_else_holds_is_drift() -> None:
    there = node()
    there["metadata"]["managedFields"][0]["manager"] = "kubelet"
    assert life.drift(RECORD, OWNER, there) == {
        "labels.role": {"wanted": "router", "found": "router", "owners": ["kubelet"]}
    }


def test_every_name_of_the_node_is_the_same_node() -> None:
    there = node()
    for name in ("node1", "10.0.0.11"):
        assert life.is_same(RECORD, replace(WANTED, node=name), there)
        assert life.is_same(RECORD, replace(WANTED, node=name), None)
    assert not life.is_same(RECORD, replace(WANTED, node="node2"), there)


@pytest.mark.parametrize(
    ("wanted", "access", "account", "what"),
    [
        (WANTED, ACCESS, None, set()),
        (LabeledNode.parse({"node": "node2", "labels": {"role": "router"}}), ACCESS, None, {"node"}),
        (LabeledNode.parse({"node": "node1", "labels": {"role": "spare"}}), ACCESS, None, {"labels"}),
        (WANTED, {"file": "/another"}, None, {"client_config"}),
        (WANTED, ACCESS, ACCOUNT, {"ssh"}),
    ],
)
def test_properties_that_ask_for_something_else(
    wanted: LabeledNode, access: dict[str, str], account: Ssh | None, what: set[str]
) -> None:
    found = life.property_drift(RECORD, wanted, access, account, node())
    assert set(found.get("properties", {})) == what


class TestItsKubeletsFile:
    record = replace(RECORD, kubelet=KEPT)

    @pytest.fixture
    def file(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """What stands in the file."""
        told: dict[str, str] = {}

        def read(settings: Ssh) -> dict[str, str]:
            assert (settings.host, settings.kubelet.file) == ("10.0.0.11", "/etc/default/kubelet")
            return told

        monkeypatch.setattr(ssh, "written_node_labels", read)
        return told

    def test_says_what_it_should(self, file: dict[str, str]) -> None:
        file.update(role="router", of="another instance of ours")
        assert life.kubelet_drift(self.record, ACCOUNT) == {}

    def test_says_nothing_any_more(self, file: dict[str, str]) -> None:
        found = life.kubelet_drift(self.record, ACCOUNT)
        assert found == {"kubelet": {"wanted": {"role": "router"}, "found": {}}}
        (said,) = life.ailments(self.record, found, node(), "https://there")
        assert said == "its kubelet's file on 10.0.0.11 does not say what it should: {}"

    def test_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def read(_: Ssh) -> Any:
            raise NotPermitted("ssh.key_file: not this key")

        monkeypatch.setattr(ssh, "written_node_labels", read)
        found = life.kubelet_drift(self.record, ACCOUNT)
        assert found["kubelet"]["found"] == "cannot be read: ssh.key_file: not this key"

    def test_is_not_looked_for_where_nothing_was_written(self) -> None:
        assert life.kubelet_drift(RECORD, ACCOUNT) == {}
        assert life.kubelet_drift(self.record, None) == {}


def test_what_a_kubelet_is_not_to_say_any_more() -> None:
    kept = replace(KEPT, labels={"role": "spare"})
    earlier = replace(KEPT, labels={"role": "router", "rack": "7"})
    assert kubelet.dropped(earlier, kept).labels == {"rack": "7"}


def test_the_picture_is_bounded() -> None:
    many = node(**{f"label-{number}": "x" for number in range(200)})
    seen = life.picture(many, RECORD)
    assert len(seen["labels"]) == 100
    assert len(seen["conditions"]["Ready"]) == 300
    assert (seen["uid"], seen["registered_anew"], seen["schedulable"]) == ("u1", False, True)
