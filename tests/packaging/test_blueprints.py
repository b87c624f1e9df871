"""The blueprints, read by Cloudify's own parser as the local profile and as a manager would."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dsl_parser import parser, tasks
from dsl_parser.import_resolver.default_import_resolver import DefaultImportResolver

PROJECT = Path(__file__).resolve().parents[2]
BLUEPRINTS = PROJECT / "blueprints"
NAMES = ("cluster", "router", "post-2017-cluster", "post-2017-router")
INPUTS: dict[str, dict[str, Any]] = {
    "cluster": {"kubeconfig": "/root/.kube/config", "node": "node1"},
    "router": {"cluster_deployment": "cluster"},
    "post-2017-cluster": {"node": "node1"},
    "post-2017-router": {"cluster_deployment": "cluster"},
}


class ManagerResolver(DefaultImportResolver):  # type: ignore[misc]
    """Finds the plugin as a manager does: by its name."""

    def resolve(self, import_url: str) -> str:
        if import_url == "plugin:cloudify-quagga-plugin":
            return (PROJECT / "plugin.yaml").read_text()
        text: str = super().resolve(import_url)
        return text


@pytest.fixture
def manager_resources(tmp_path: Path) -> Path:
    """A manager's resources, as far as a blueprint imports them."""
    types = tmp_path / "cloudify" / "types"
    types.mkdir(parents=True)
    shutil.copy(BLUEPRINTS / "local_types.yaml", types / "types.yaml")
    return tmp_path


def parsed(name: str) -> Any:
    return parser.parse_from_path(str(BLUEPRINTS / name / "local.yaml"))


@cache
def local(name: str) -> Any:
    """What nobody changes need not be parsed again, which takes 0.3 s."""
    return parsed(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_local_entry_becomes_a_deployment(name: str) -> None:
    plan = tasks.prepare_deployment_plan(local(name), inputs=dict(INPUTS[name]))
    assert {"install", "uninstall", "execute_operation"} <= set(plan["workflows"])
    assert plan["outputs"]


@pytest.mark.parametrize("name", NAMES)
def test_the_managers_entry_is_the_same_topology(name: str, manager_resources: Path) -> None:
    managed = parser.parse_from_path(
        str(BLUEPRINTS / name / "blueprint.yaml"),
        resources_base_path=str(manager_resources),
        resolver=ManagerResolver(),
    )
    assert [node["name"] for node in managed["nodes"]] == [node["name"] for node in local(name)["nodes"]]
    assert managed["inputs"] == local(name)["inputs"]
    assert managed["outputs"] == local(name)["outputs"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_right_topology_wherever_one_stands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The parser looks for imports in the working directory first.
    expected = [node["name"] for node in local(name)["nodes"]]
    for other in NAMES:
        monkeypatch.chdir(BLUEPRINTS / other)
        assert [node["name"] for node in parsed(name)["nodes"]] == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_input_and_output_is_explained(name: str) -> None:
    plan = local(name)
    for key, one in plan["inputs"].items():
        assert one.get("type"), key
        assert one.get("display_label"), key
        assert one.get("description"), key
    assert all(one.get("description") for one in plan["outputs"].values())
    required = {key for key, one in plan["inputs"].items() if "default" not in one}
    assert required == set(INPUTS[name])


def test_the_routers_defaults_are_the_addresses_of_2017() -> None:
    (router,) = (node for node in local("router")["nodes"] if node["name"] == "quagga")
    inputs = local("router")["inputs"]
    assert inputs["interfaces"]["default"] == ["eth0", "eth1"]
    assert inputs["routes"]["default"] == [
        {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"},
        {"prefix": "10.10.0.0/24", "next_hop": "172.16.0.1"},
    ]
    assert "cloudify.nodes.quagga.Router" in router["type_hierarchy"]
    assert [one["target_id"] for one in router["relationships"]] == ["kubernetes_proxy"]


def test_an_unknown_property_is_refused_by_the_parser(tmp_path: Path) -> None:
    shutil.copytree(BLUEPRINTS, tmp_path / "blueprints")
    shutil.copy(PROJECT / "plugin.yaml", tmp_path)
    topology = tmp_path / "blueprints" / "router" / "router-topology.yaml"
    text = topology.read_text().replace("security: {get_input: security}", "securety: {get_input: security}")
    topology.write_text(text)
    with pytest.raises(Exception, match="securety"):
        parser.parse_from_path(str(tmp_path / "blueprints" / "router" / "local.yaml"))


def test_no_dsl_version_in_what_is_imported() -> None:
    for path in (BLUEPRINTS / "local_types.yaml", *BLUEPRINTS.glob("*/*-topology.yaml")):
        assert "tosca_definitions_version" not in yaml.safe_load(path.read_text())
