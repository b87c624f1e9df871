"""The 2017 post's own words: its two excerpts as printed, only what it left out filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from dsl_parser import parser, tasks

from cloudify_quagga import manifests
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.operations.context import CONNECTED_TO_CLUSTER
from tests.post_2017 import AS_A_PROPERTY, AS_AN_INPUT, CLUSTER, ROUTER

PROJECT = Path(__file__).resolve().parents[2]
RESOURCES = PROJECT / "blueprints" / "post-2017-router"
DSL = ("cloudify_dsl_1_3", "cloudify_dsl_1_4", "cloudify_dsl_1_5")


def parsed(excerpt: str, dsl: str, directory: Path) -> Any:
    imports = [str(PROJECT / "blueprints" / "local_types.yaml"), str(PROJECT / "plugin.yaml")]
    path = directory / "blueprint.yaml"
    path.write_text(yaml.safe_dump({"tosca_definitions_version": dsl, "imports": imports}) + excerpt)
    return tasks.prepare_deployment_plan(parser.parse_from_path(str(path)))


@pytest.mark.parametrize("dsl", DSL)
@pytest.mark.parametrize("elided", [AS_A_PROPERTY, AS_AN_INPUT])
def test_the_router_as_printed(elided: str, dsl: str, tmp_path: Path) -> None:
    plan = parsed(ROUTER.format(elided=elided), dsl, tmp_path)
    nodes = {node["name"]: node for node in plan["nodes"]}
    quagga = nodes["quagga"]
    assert "cloudify.nodes.quagga.Microservice" in quagga["type_hierarchy"]
    assert "cloudify.nodes.quagga.DeploymentProxy" in nodes["kubernetes_proxy"]["type_hierarchy"]
    (relationship,) = quagga["relationships"]
    assert CONNECTED_TO_CLUSTER in relationship["type_hierarchy"]
    postconfigure = "cloudify.interfaces.relationship_lifecycle.postconfigure"
    assert relationship["source_operations"][postconfigure]["operation"].endswith("postconfigure")
    wanted = Microservice.parse(quagga["properties"])
    assert (wanted.name, wanted.source, wanted.port) == ("nginx", "config_files", -1)
    assert quagga["properties"]["ssh_port"] == 22


@pytest.mark.parametrize("dsl", DSL)
def test_the_cluster_as_printed(dsl: str, tmp_path: Path) -> None:
    (node,) = parsed(CLUSTER, dsl, tmp_path)["nodes"]
    start = node["operations"]["cloudify.interfaces.lifecycle.start"]
    assert start["inputs"] == {"labels": [{"role": "router"}]}
    wanted = LabeledNode.parse({**node["properties"], **start["inputs"]})
    assert wanted.labels.to_json() == {"role": "router"}


def test_the_pod_of_the_companion_blueprint_is_the_posts() -> None:
    text = (RESOURCES / "resources" / "kubernetes" / "pod.yaml").read_text()
    tried_by_hand = PROJECT / "tests" / "lab" / "pod-2017.yaml"
    assert yaml.safe_load(text) == yaml.safe_load(tried_by_hand.read_text())


def test_nothing_is_added_to_the_posts_pod() -> None:
    file = "resources/kubernetes/pod.yaml"
    text = (RESOURCES / file).read_text()
    wanted = Microservice.parse({"name": "nginx", "config_files": [{"file": file}]})
    (pod,) = manifests.objects(wanted, {file: text}, lookups=None)  # type: ignore[arg-type]
    assert pod == yaml.safe_load(text)
