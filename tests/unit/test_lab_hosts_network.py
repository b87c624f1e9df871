import ipaddress
from collections import Counter

import pytest

from lab import LabError, network


def addresses(nodes: int) -> list[str]:
    wires = [wire for host in network.hosts(nodes) for wire in host.wires]
    return [address for wire in wires for address in wire.addresses]


def test_hosts_have_the_addresses_of_2017() -> None:
    lines = {host.name: network.host_script(host) for host in network.hosts(2)}
    assert "address add 10.200.0.11/24 dev eth0" in lines["node1"]
    assert "address add 172.16.0.254/24 dev eth1" in lines["node1"]
    assert "address add 10.200.0.12/24 dev eth0" in lines["node2"]
    assert "address add 172.16.0.253/24 dev eth1" in lines["node2"]
    assert "address add 10.200.0.100/24 dev eth0" in lines["client"]
    assert "route add default via 10.200.0.11" in lines["client"]
    assert "address add 172.16.0.1/24 dev eth1" in lines["server"]
    assert {"address add 10.0.0.1/24 dev lan0", "address add 10.10.0.1/24 dev lan1"} < set(lines["server"])


@pytest.mark.parametrize("nodes", [1, 2, network.MAX_NODES])
def test_no_address_is_given_twice_however_many_nodes(nodes: int) -> None:
    given = addresses(nodes)
    assert [address for address, count in Counter(given).items() if count > 1] == []
    assert all(ipaddress.ip_interface(address) for address in given)


def test_every_wire_has_a_port_whose_name_the_kernel_takes() -> None:
    lines = network.control_script(network.MAX_NODES)
    ports = [line.split()[2] for line in lines if " type veth " in line]
    assert len(set(ports)) == 2 * network.MAX_NODES + 2
    assert max(map(len, ports)) <= 15


@pytest.mark.parametrize("nodes", [0, -1, network.MAX_NODES + 1])
def test_a_lab_has_at_least_one_node_and_not_too_many(nodes: int) -> None:
    with pytest.raises(LabError, match=f"{nodes} nodes"):
        network.node_names(nodes)
