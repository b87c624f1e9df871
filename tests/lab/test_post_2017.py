"""The post's own blueprint as printed: the user `ubuntu`, and the key where it says that the key is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import hosts, ssh
from tests.lab import routing
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.conftest import nothing_left, until
from tests.lab.test_router import NODE1, PREFIXES, SERVERS, reaches
from tests.post_2017 import AS_A_PROPERTY, AS_AN_INPUT, ROUTER

KEY = "/root/.ssh/agent_key.pem"
# /root as it is, but for its .ssh, in a mount namespace that ends with the command.
AS_ROOT_OF_2017 = """
mount -t overlay overlay -o "lowerdir=/root,upperdir=$1/upper,workdir=$1/work" /root
mkdir -p /root/.ssh
mount --bind "$1/ssh" /root/.ssh
shift
HOME=/root exec "$@"
"""


class CfyOf2017(Cfy):
    """A `cfy` on a machine in the cluster's network whose root has the post's key, and knows the master."""

    def __init__(self, directory: Path) -> None:
        self._machine = directory / "machine"
        for part in ("upper", "work", "ssh"):
            (self._machine / part).mkdir(parents=True)
        shutil.copy(ssh.key(), self._machine / "ssh" / "agent_key.pem")
        shutil.copy(ssh.known_hosts(), self._machine / "ssh" / "known_hosts")
        super().__init__(directory / "cfy")

    def command(self, *arguments: str) -> list[str]:
        enter = ["unshare", "--mount", "sh", "-ec", AS_ROOT_OF_2017, "sh", str(self._machine)]
        return hosts.command("control", [*enter, *super().command(*arguments)])


@pytest.fixture(scope="module")
def cluster(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CfyOf2017]:
    """The post's cluster, for the routers of all tests; that it leaves no trace is shown at their end."""
    cfy = CfyOf2017(tmp_path_factory.mktemp("post"))
    blueprint = PROJECT / "blueprints" / "post-2017-cluster" / "local.yaml"
    inputs: dict[str, Any] = {"node": "node1", "master": "10.200.0.1"}
    inputs |= {"ssh_username": "ubuntu", "ssh_keyfilename": KEY}
    with nothing_left():
        try:
            cfy.install_file(blueprint, "cluster", **inputs)
            yield cfy
        finally:
            cfy.uninstall_the_rest()


@pytest.fixture(autouse=True)
def no_router_left(cluster: CfyOf2017, untouched: None) -> Iterator[None]:
    """Whatever becomes of a test, the next one has the cluster for itself."""
    yield
    cluster.uninstall_the_rest(but="cluster")


def check_that_it_routes_until_uninstalled(cfy: CfyOf2017, kubectl: Callable[..., str]) -> None:
    assert kubectl("get", "pod", "nginx", "-o", "jsonpath={.spec.nodeName}") == "node1"
    # This pod is ready as soon as its container runs.
    until("the servers answer", lambda: all(reaches(server) for server in SERVERS), 20)
    hops = hosts.run("client", ["traceroute", "-n", "-q", "1", "-m", "3", SERVERS[0]]).stdout.splitlines()
    assert hops[1].split()[:2] == ["1", NODE1]
    assert routing.kernel_routes("node1") == PREFIXES
    cfy.uninstall("router")
    assert routing.kernel_routes("node1") == set()
    assert not any(reaches(server) for server in SERVERS)


@pytest.mark.parametrize("elided", [AS_A_PROPERTY, AS_AN_INPUT], ids=["property", "input"])
def test_the_router_as_printed(
    elided: str, cluster: CfyOf2017, kubectl: Callable[..., str], tmp_path: Path
) -> None:
    blueprint = tmp_path / "post" / "blueprint.yaml"
    shutil.copytree(PROJECT / "blueprints" / "post-2017-router" / "resources", blueprint.parent / "resources")
    imports = [str(PROJECT / "blueprints" / "local_types.yaml"), str(PROJECT / "plugin.yaml")]
    header = yaml.safe_dump({"tosca_definitions_version": "cloudify_dsl_1_3", "imports": imports})
    blueprint.write_text(header + ROUTER.format(elided=elided))
    cluster.install_file(blueprint, "router")
    check_that_it_routes_until_uninstalled(cluster, kubectl)


def test_the_companion_blueprint_needs_only_to_be_told_of_the_cluster(
    cluster: CfyOf2017, kubectl: Callable[..., str]
) -> None:
    router = PROJECT / "blueprints" / "post-2017-router" / "local.yaml"
    cluster.install_file(router, "router", cluster_deployment="cluster")
    check_that_it_routes_until_uninstalled(cluster, kubectl)
