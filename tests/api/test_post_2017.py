"""The post's cluster blueprint: labels that only the start operation is given, as it prints them."""

from __future__ import annotations

import json
from pathlib import Path

from kubernetes import client

from tests.api.conftest import FakeNode, carried
from tests.lab.cfy import Cfy


def test_the_input_of_start_labels_the_node(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    cfy.install("post-2017-cluster", kubeconfig=str(kubeconfig), node=node.name)
    assert carried(core, node) == {**node.labels, "role": "router"}
    info = json.loads(cfy("deployments", "outputs", "-b", "post-2017-cluster").stdout)["kubernetes_info"]
    assert info["node_selector"] == {"role": "router"}
    cfy.uninstall("post-2017-cluster")
    assert carried(core, node) == node.labels


def test_it_is_judged_before_anything_is_changed(
    core: client.CoreV1Api, kubeconfig: Path, node: FakeNode, cfy: Cfy
) -> None:
    core.patch_node(node.name, {"metadata": {"labels": {"role": "spare"}}}, field_manager="the-neighbours")
    said = cfy.install("post-2017-cluster", kubeconfig=str(kubeconfig), node=node.name, check=False)
    assert said.returncode != 0
    assert "labels.role: node" in said.stdout
    assert "owned by the-neighbours" in said.stdout
    assert "labeled_node.start" not in said.stdout
    cfy.uninstall("post-2017-cluster")
    assert carried(core, node)["role"] == "spare"
