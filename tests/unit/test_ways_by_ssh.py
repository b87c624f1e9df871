"""By which account a cluster or a node is reached, from what a node and its targets say."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Secret
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.operations import context
from cloudify_quagga.ssh import Kubeconfig

OF_2017 = {"ssh_username": "ubuntu", "ssh_keyfilename": "/key", "ssh_password": "", "ssh_port": 22, "ssh": {}}
NONE = {**OF_2017, "ssh_username": "", "ssh_keyfilename": ""}
FILE = {"configuration": {"manager_file_path": "/here"}}


def operation(properties: dict[str, Any], info: dict[str, Any] | None = None, **runtime: Any) -> Any:
    """An operation's context on a manager, connected to what tells `info`."""
    told = {"kubernetes_info": info} if info else {}
    target = SimpleNamespace(instance=SimpleNamespace(runtime_properties=told))
    related = SimpleNamespace(type_hierarchy=[context.CONNECTED_TO_CLUSTER], target=target)
    return SimpleNamespace(
        _endpoint=SimpleNamespace(),
        node=SimpleNamespace(id="quagga", properties=properties),
        instance=SimpleNamespace(relationships=[related], runtime_properties=runtime),
        logger=logging.getLogger("test"),
    )


def master(properties: dict[str, Any], info: dict[str, Any] | None = None, **runtime: Any) -> str | None:
    found = context.access(operation(properties, info, **runtime)).ssh
    return found.address if found else None


URL = {"url": "https://10.0.0.1:6443"}


class TestTheMaster:
    def test_is_where_the_url_is(self) -> None:
        assert master(OF_2017, URL) == "ubuntu@10.0.0.1:22"
        assert master(OF_2017, {"url": "https://[fd00::1]"}) == "ubuntu@[fd00::1]:22"

    def test_is_where_connected_to_master_says(self) -> None:
        assert master(OF_2017, master_ip="10.0.0.2") == "ubuntu@10.0.0.2:22"

    def test_is_where_the_author_says(self) -> None:
        ssh = {**OF_2017, "ssh": {"host": "bastion"}}
        assert master(ssh, URL, master_ip="10.0.0.2") == "ubuntu@bastion:22"

    def test_its_own_kubeconfig_goes_before_the_url_and_another_ones(self) -> None:
        assert master(OF_2017, {**URL, "kubeconfig": "/there"}) == "ubuntu@10.0.0.1:22"

    def test_is_not_asked_where_client_config_says_the_way(self) -> None:
        assert master({**OF_2017, "client_config": FILE}, URL) is None

    def test_is_not_asked_where_nobody_speaks_of_ssh(self) -> None:
        assert master(NONE, URL) is None

    def test_is_not_asked_where_a_kubeconfig_is_all_that_is_known(self) -> None:
        found = context.access(operation(OF_2017, {"kubeconfig": "/there"}))
        assert (found.file, found.ssh) == ("/there", None)

    def test_is_missed_where_nobody_tells(self) -> None:
        with pytest.raises(Refused, match=r"^ssh.host: null is no address of a host; 10.0.0.1 would be one"):
            master(OF_2017)

    def test_what_is_recorded_of_the_way_holds_no_secret(self) -> None:
        found = context.access(operation({**OF_2017, "ssh_password": "sesame"}, URL))
        assert found.to_json()["ssh"]["host"] == "10.0.0.1"
        assert "sesame" not in repr(found)
        assert "sesame" not in str(found.to_json())


def at_node(properties: dict[str, Any], address: str | None = "10.0.0.11") -> Ssh | None:
    return context.node_account(operation(properties, URL), address)


class TestTheNode:
    def test_is_at_its_own_address_with_the_masters_account(self) -> None:
        found = at_node({**OF_2017, "ssh": {"host": "10.0.0.1"}})
        assert found is not None
        assert found.address == "ubuntu@10.0.0.11:22"

    def test_is_where_ssh_says_if_the_cluster_is_reached_otherwise(self) -> None:
        found = at_node({**OF_2017, "client_config": FILE, "ssh": {"host": "192.0.2.7"}})
        assert found is not None
        assert found.address == "ubuntu@192.0.2.7:22"

    def test_is_where_its_kubelet_is_said_to_be(self) -> None:
        found = at_node({**OF_2017, "ssh": {"host": "10.0.0.1", "kubelet": {"host": "192.0.2.7"}}})
        assert found is not None
        assert found.address == "ubuntu@192.0.2.7:22"

    def test_may_be_left_alone(self) -> None:
        found = at_node({**OF_2017, "ssh": {"kubelet": {"write_labels": False}}})
        assert found is not None
        assert not found.kubelet.write_labels

    def test_is_not_asked_where_nobody_speaks_of_ssh(self) -> None:
        assert at_node(NONE) is None


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
        ("https://api.example/prefix", "https://api.example/prefix"),
        # As k3s has it, which is true only on the master.
        ("https://127.0.0.1:6443", "https://192.0.2.1:6443"),
        ("https://localhost/prefix", "https://192.0.2.1:443/prefix"),
        ("https://[::1]:6443", "https://192.0.2.1:6443"),
    ],
)
def test_the_server_is_named_as_others_reach_it(server: str, address: str) -> None:
    assert Kubeconfig("/there", Secret("{}"), server).address("192.0.2.1") == address


class TestWhatATargetTells:
    """Whatever its type keeps in its runtime properties."""

    def told(self, runtime: dict[str, Any]) -> Any:
        return context.info_of(SimpleNamespace(instance=SimpleNamespace(runtime_properties=runtime)))

    @pytest.mark.parametrize("place", ["outputs", "capabilities"])
    def test_is_found_in_either_place(self, place: str) -> None:
        assert self.told({place: {"kubernetes_info": URL}}) == URL

    @pytest.mark.parametrize("other", [["kubernetes_info"], "kubernetes_info", 5])
    def test_is_not_looked_for_in_what_is_no_map(self, other: object) -> None:
        assert self.told({"outputs": other, "capabilities": {"kubernetes_info": URL}}) == URL
        assert self.told({"outputs": other, "capabilities": other}) == {}

    def test_is_a_map(self) -> None:
        with pytest.raises(Refused, match="kubernetes_info: what is given is no map"):
            self.told({"outputs": {"kubernetes_info": "https://10.0.0.1"}})
