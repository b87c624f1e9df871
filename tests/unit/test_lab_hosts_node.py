from pathlib import Path

import tomllib

from lab import control, node, pause, pki

ETC = Path("/etc/of/the/node")
KUBELET = control.Kubelet(Path("kubeconfig"), Path("ca.crt"), pki.Pair(Path("node.crt"), Path("node.key")))


def test_two_kubelets_do_not_share_a_cgroup() -> None:
    roots = {node.kubelet_configuration(name, KUBELET, ETC)["cgroupRoot"] for name in ("node1", "node2")}
    assert len(roots) == 2


def test_a_kubelet_asks_who_is_there() -> None:
    configuration = node.kubelet_configuration("node1", KUBELET, ETC)
    assert configuration["authentication"]["anonymous"] == {"enabled": False}
    assert configuration["authentication"]["x509"] == {"clientCAFile": "ca.crt"}
    assert configuration["authorization"] == {"mode": "Webhook"}


def test_containerd_takes_docker_io_from_the_lab_and_nothing_from_elsewhere() -> None:
    configuration = tomllib.loads(node.containerd_configuration(Path("/unpacked"), ETC))
    plugin = configuration["plugins"]["io.containerd.grpc.v1.cri"]
    assert plugin["registry"]["mirrors"] == {"docker.io": {"endpoint": ["http://10.200.0.1:5000"]}}
    assert plugin["sandbox_image"] == f"docker.io/library/{pause.NAME}"
    assert plugin["cni"] == {"bin_dir": "/unpacked/usr/lib/cni", "conf_dir": f"{ETC}/cni"}


def test_the_network_of_pods_neither_routes_nor_overlaps_between_nodes() -> None:
    plugins = [node.pod_network(name)["plugins"][0] for name in ("node1", "node2")]
    assert all(plugin["isGateway"] is False for plugin in plugins)
    assert all("ipMasq" not in plugin for plugin in plugins)
    subnets = [plugin["ipam"]["ranges"][0][0]["subnet"] for plugin in plugins]
    assert subnets == ["10.244.1.0/24", "10.244.2.0/24"]
