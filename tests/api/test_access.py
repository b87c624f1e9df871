"""Ways to a cluster that are no way: each is refused in one sentence, and uninstalling afterwards works."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudify_quagga.cluster import Cluster
from tests.api.conftest import FakeNode, with_token
from tests.lab.cfy import Cfy

READ_NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}
WRITE_NODES = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}


def refused(cfy: Cfy, **inputs: Any) -> str:
    """What the install of the cluster blueprint says when it fails at once, and can be uninstalled."""
    said = cfy.install("cluster", check=False, **inputs)
    assert said.returncode != 0
    assert "[retry" not in said.stdout
    cfy.uninstall("cluster")
    return said.stdout


def test_no_such_file(cfy: Cfy) -> None:
    said = refused(cfy, kubeconfig="/no/such/kubeconfig", node="node1")
    assert "manager_file_path: /no/such/kubeconfig does not exist" in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [b", "does not parse as YAML (line 1)"),
        ("Just words.", "is no kubeconfig"),
        ("contexts: []\n", "has no usable current-context"),
    ],
)
def test_no_kubeconfig(text: str, sentence: str, tmp_path: Path, cfy: Cfy) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    assert f"manager_file_path: {path} {sentence}" in refused(cfy, kubeconfig=str(path), node="node1")


def test_a_certificate_that_is_none(kubeconfig: Path, tmp_path: Path, cfy: Cfy) -> None:
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["certificate-authority-data"] = "not base64!"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    said = refused(cfy, kubeconfig=str(path), node="node1")
    assert f"{path} cannot be used as a kubeconfig" in said


def test_another_clusters_authority(kubeconfig: Path, tmp_path: Path, cfy: Cfy) -> None:
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"].pop("certificate-authority-data", None)
    document["clusters"][0]["cluster"].pop("certificate-authority", None)
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    assert "client_config: no TLS connection" in refused(cfy, kubeconfig=str(path), node="node1")


def test_an_unknown_context(kubeconfig: Path, cfy: Cfy) -> None:
    said = refused(cfy, kubeconfig=str(kubeconfig), node="node1", context="nowhere")
    assert f"client_config.context: nowhere is no context of {kubeconfig}" in said


def test_unknown_credentials(kubeconfig: Path, tmp_path: Path, cfy: Cfy) -> None:
    path = with_token(kubeconfig, tmp_path / "kubeconfig", "nobodys")
    assert "401" in refused(cfy, kubeconfig=str(path), node="node1")


def test_a_node_that_is_none(kubeconfig: Path, node: FakeNode, cfy: Cfy) -> None:
    said = refused(cfy, kubeconfig=str(kubeconfig), node="node0")
    assert "node: node0 is neither a node's name nor its InternalIP" in said
    assert f"{node.name} ({node.address})" in said


def test_a_service_account_that_may_only_read(
    restricted: Callable[..., Path], node: FakeNode, cfy: Cfy
) -> None:
    said = refused(cfy, kubeconfig=str(restricted(READ_NODES)), node=node.name)
    assert "may not patch nodes at https://" in said


def test_a_service_account_that_may_do_what_is_needed(
    restricted: Callable[..., Path], node: FakeNode, cfy: Cfy
) -> None:
    path = str(restricted(WRITE_NODES))
    cfy.install("cluster", kubeconfig=path, node=node.name)
    said = cfy.install("router", cluster_deployment="cluster", check=False)
    assert said.returncode != 0
    assert "may not list configmaps, list daemonsets.apps" in said.stdout
    assert "[retry" not in said.stdout


def test_an_api_server_that_is_away_is_tried_again(kubeconfig: Path, tmp_path: Path, cfy: Cfy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    inputs = f"kubeconfig={path};node=node1"
    said = cfy(
        "install", "blueprints/cluster/local.yaml", "-b", "cluster", "-i", inputs, "--task-retries", "1",
        check=False,
    )  # fmt: skip
    assert said.returncode != 0
    assert f"the API server at https://127.0.0.1:{port} cannot be reached" in said.stdout
    assert "[retry 1/1]" in said.stdout
    assert "was not looked for" in cfy("uninstall", "-b", "cluster").stdout


def test_no_more_is_listed_than_was_asked_for(cluster: Cluster) -> None:
    assert len(cluster.find("v1", "Namespace")) > 2
    assert len(cluster.find("v1", "Namespace", at_most=2)) == 2
