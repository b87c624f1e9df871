"""plugin.yaml says what is there, and is read by Cloudify's own parser."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dsl_parser import parser, tasks

from cloudify_quagga.model import Router
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.model.ssh import OLD_NAMES, Ssh

PROJECT = Path(__file__).resolve().parents[2]
PLUGIN: dict[str, Any] = yaml.safe_load((PROJECT / "plugin.yaml").read_text())
TYPES: dict[str, Any] = PLUGIN["node_types"]
NAMES_OF_2017 = ("cloudify.kubernetes.Microservice", "cloudify.nodes.DeploymentProxy")


def mappings() -> Iterator[tuple[str, dict[str, Any]]]:
    for type_name, one in {**TYPES, **PLUGIN["relationships"]}.items():
        for key in ("interfaces", "source_interfaces", "target_interfaces"):
            for interface, operations in one.get(key, {}).items():
                for name, operation in operations.items():
                    yield f"{type_name} {interface}.{name}", operation


@pytest.mark.parametrize(("place", "operation"), list(mappings()), ids=[place for place, _ in mappings()])
def test_every_mapping_resolves_to_a_resumable_operation_that_takes_its_inputs(
    place: str, operation: dict[str, Any]
) -> None:
    alias, _, path = operation["implementation"].partition(".")
    assert alias in PLUGIN["plugins"]
    module, _, name = path.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert function.resumable is True
    named = inspect.signature(function).parameters
    assert set(operation.get("inputs", {})) <= set(named)


@pytest.mark.parametrize("name", PLUGIN["workflows"])
def test_every_workflow_resolves_to_one_that_takes_its_parameters(name: str) -> None:
    said = PLUGIN["workflows"][name]
    alias, _, path = said["mapping"].partition(".")
    assert alias in PLUGIN["plugins"]
    module, _, function = path.rpartition(".")
    entry = getattr(importlib.import_module(module), function)
    named = inspect.signature(entry).parameters
    assert set(said["parameters"]) <= set(named)
    assert all(one.get("description", "").strip() for one in said["parameters"].values())


@pytest.mark.parametrize("type_name", ["LabeledNode", "Router", "Microservice", "DeploymentProxy"])
def test_the_parser_takes_the_defaults_of_operations_as_they_are_said(type_name: str, tmp_path: Path) -> None:
    full = f"cloudify.nodes.quagga.{type_name}"
    required = {name: "x" for name, one in TYPES[full]["properties"].items() if "default" not in one}
    imports = [str(PROJECT / "blueprints" / "local_types.yaml"), str(PROJECT / "plugin.yaml")]
    node = {"type": full, "properties": {key: required[key] for key in required if key in ("node", "name")}}
    blueprint = {"tosca_definitions_version": "cloudify_dsl_1_4", "imports": imports}
    path = tmp_path / "blueprint.yaml"
    path.write_text(yaml.safe_dump({**blueprint, "node_templates": {"one": node}}))
    [planned] = tasks.prepare_deployment_plan(parser.parse_from_path(str(path)))["nodes"]
    for interface, operations in TYPES[full]["interfaces"].items():
        for name, operation in operations.items():
            said = {key: one["default"] for key, one in operation.get("inputs", {}).items()}
            assert planned["operations"][f"{interface}.{name}"]["inputs"] == said


def test_there_are_mappings_at_all() -> None:
    assert len(list(mappings())) > 10


@pytest.mark.parametrize("type_name", TYPES)
def test_every_property_is_described(type_name: str) -> None:
    for name, one in TYPES[type_name].get("properties", {}).items():
        assert one.get("description", "").strip(), name
        # Anything else is refused by the parser of one version or another.
        assert set(one) <= {"type", "default", "required", "description"}, name


def test_the_routers_properties_are_those_of_the_model() -> None:
    defaults = Router.parse({}).to_json()
    properties = TYPES["cloudify.nodes.quagga.Router"]["properties"]
    ways = ways_to_the_cluster(properties)
    assert set(properties) - ways == set(defaults)
    said = {
        name: properties[name]["default"] for name in set(properties) - ways if "default" in properties[name]
    }
    assert {**defaults, **said} == defaults


def ways_to_the_cluster(properties: dict[str, Any]) -> set[str]:
    return {name for name in properties if name.startswith("ssh") or name == "client_config"}


@pytest.mark.parametrize("type_name", ["LabeledNode", "Router", "Microservice"])
def test_what_says_nothing_of_ssh_does_not_speak_of_it(type_name: str) -> None:
    properties = TYPES[f"cloudify.nodes.quagga.{type_name}"]["properties"]
    ways = {name: properties[name]["default"] for name in ways_to_the_cluster(properties)}
    assert set(ways) == {"client_config", "ssh", *OLD_NAMES}
    assert not Ssh.spoken_of(ways)
    assert Ssh.spoken_of({**ways, "ssh_username": "ubuntu"})


def test_the_microservices_properties_are_those_of_the_model_and_the_ways_to_its_cluster() -> None:
    defaults = Microservice(name="nginx").to_json()
    properties = TYPES["cloudify.nodes.quagga.Microservice"]["properties"]
    ways = ways_to_the_cluster(properties)
    assert set(properties) - ways == set(defaults)
    said = {name: one["default"] for name, one in properties.items() if "default" in one}
    assert set(properties) - set(said) == {"name"}
    # As in 2017: the port's own value where nothing else is said.
    assert said.pop("target_port") == {"get_property": ["SELF", "port"]}
    assert {**defaults, **{name: said[name] for name in set(said) - ways}} == {**defaults, "env": {}}


@pytest.mark.parametrize("name", NAMES_OF_2017)
def test_a_name_of_2017_adds_nothing_to_the_type_that_it_is_another_name_of(name: str) -> None:
    assert set(TYPES[name]) == {"derived_from"}
    assert TYPES[name]["derived_from"] in TYPES


def test_the_version_stands_here_and_the_packages_name_is_one() -> None:
    assert "tosca_definitions_version" not in PLUGIN
    (plugin,) = PLUGIN["plugins"].values()
    assert re.fullmatch(r"\d+\.\d+\.\d+", plugin["package_version"])
    assert plugin["package_name"] == "cloudify-quagga-plugin"
    assert "distribution" not in plugin


def test_types_have_names_that_lint_accepts() -> None:
    assert all(name.startswith("cloudify.nodes.") for name in {*TYPES} - {*NAMES_OF_2017})
    relationships = {*PLUGIN["relationships"]} - {"cloudify.kubernetes.relationships.connected_to_master"}
    assert all(name.startswith("cloudify.relationships.") for name in relationships)
