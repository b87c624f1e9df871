"""A proxy after its install, with the real cfy: its deployment is uninstalled, changed, installed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.aftercare import ailment, change, drift, heal, instance, operate, pull
from tests.api.blueprints import blueprint
from tests.lab.cfy import Cfy


def other(directory: Path, **outputs: Any) -> Path:
    """A blueprint that has outputs, and nothing else."""
    path = blueprint(directory, nothing={"type": "cloudify.nodes.Root"})
    said = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump({**said, "outputs": {key: {"value": one} for key, one in outputs.items()}})
    )
    return path


@pytest.fixture
def proxied(tmp_path: Path, cfy: Cfy) -> Cfy:
    """A `cfy` that has installed `other` and, in `mine`, its proxy."""
    cfy.install_file(other(tmp_path / "other", town="Dublin"), "other")
    properties = {"deployment_id": "other", "inherit_outputs": ["town"], "timeout": 1}
    proxy = {"type": "cloudify.nodes.DeploymentProxy", "properties": properties}
    cfy.install_file(blueprint(tmp_path / "mine", proxy=proxy), "mine")
    return cfy


def test_as_it_was_inherited(proxied: Cfy) -> None:
    assert ailment(proxied, "mine") is None
    assert drift(proxied, "mine") == {}
    assert "deployment_proxy.refresh" not in heal(proxied, "mine")


def test_inputs_and_capabilities_are_inherited_too(tmp_path: Path, cfy: Cfy) -> None:
    path = other(tmp_path / "other", town="Dublin")
    said = yaml.safe_load(path.read_text())
    said["inputs"] = {"county": {"type": "string", "default": "Fingal"}}
    said["capabilities"] = {"river": {"value": "Liffey"}}
    path.write_text(yaml.safe_dump(said))
    cfy.install_file(path, "other")
    wanted = {"inherit_outputs": ["town"], "inherit_inputs": True, "inherit_capabilities": ["river"]}
    proxy = {"type": "cloudify.nodes.DeploymentProxy", "properties": {"deployment_id": "other", **wanted}}
    cfy.install_file(blueprint(tmp_path / "mine", proxy=proxy), "mine")
    told = instance(cfy, "mine")["runtime_properties"]
    assert (told["town"], told["capabilities"]) == ("Dublin", {"river": "Liffey"})
    assert told["proxy_deployment_inputs"] == {"county": "Fingal"}
    cfy("executions", "start", "rollback", "-b", "mine")
    assert ailment(cfy, "mine") is None


def test_an_install_in_vain_is_rolled_back(tmp_path: Path, cfy: Cfy) -> None:
    properties = {"deployment_id": "nowhere", "inherit_outputs": ["town"], "timeout": 0}
    proxy = {"type": "cloudify.nodes.DeploymentProxy", "properties": properties}
    path = blueprint(tmp_path / "mine", proxy=proxy)
    assert cfy.install_file(path, "mine", retries=0, check=False).returncode != 0
    cfy("executions", "start", "rollback", "-b", "mine")
    assert instance(cfy, "mine")["runtime_properties"] == {}


def test_uninstalled_changed_and_installed_again(proxied: Cfy, tmp_path: Path) -> None:
    proxied("executions", "start", "uninstall", "-b", "other")
    assert ailment(proxied, "mine") == "deployment_id: deployment 'other' is uninstalled"
    live = pull(proxied, "mine")
    assert (live["installed"], live["standing"], live["values"]) == (False, "is uninstalled", {})
    assert drift(proxied, "mine") == {"deployment": {"inherited": "installed", "now": "is uninstalled"}}
    assert "is uninstalled, and timeout: 1 seconds are over" in heal(proxied, "mine", check=False)
    # What was inherited stays until there is something else.
    assert instance(proxied, "mine")["runtime_properties"]["town"] == "Dublin"
    proxied.uninstall("other")
    said = ailment(proxied, "mine")
    assert said == "deployment_id: other is no deployment of this local profile, which has mine"
    assert drift(proxied, "mine")["deployment_id"]["now"] == said
    live = pull(proxied, "mine")
    assert (live["installed"], live["lacks"]) == (False, said)
    proxied.install_file(other(tmp_path / "other", town="Galway"), "other")
    assert ailment(proxied, "mine") is None
    assert drift(proxied, "mine") == {"town": {"inherited": "Dublin", "now": "Galway"}}
    before = instance(proxied, "mine")["runtime_properties"]
    live = pull(proxied, "mine")
    assert live == {
        "deployment": "other",
        "installed": True,
        "standing": "is installed",
        "lacks": None,
        "values": {"town": {"is": "a text", "as_inherited": False}},
        "more": 0,
    }
    # It has looked, and nothing else.
    assert instance(proxied, "mine")["runtime_properties"] == {**before, "live": live}
    assert drift(proxied, "mine") == {"town": {"inherited": "Dublin", "now": "Galway"}}
    operate(proxied, "mine", "update")
    assert instance(proxied, "mine")["runtime_properties"]["town"] == "Galway"
    assert drift(proxied, "mine") == {}
    assert pull(proxied, "mine")["values"]["town"]["as_inherited"]


def test_an_output_that_is_gone_and_properties_that_follow(proxied: Cfy, tmp_path: Path) -> None:
    proxied.uninstall("other")
    proxied.install_file(other(tmp_path / "other", county="Fingal"), "other")
    gone = "inherit_outputs[0]: town is no output of deployment 'other', which has county"
    assert ailment(proxied, "mine") == gone
    assert pull(proxied, "mine")["lacks"] == gone
    assert drift(proxied, "mine") == {"inherit_outputs[0]": {"inherited": ["town"], "now": gone}}
    assert gone in operate(proxied, "mine", "update", check=False)
    change(proxied, "mine", "proxy", inherit_outputs=["county"])
    operate(proxied, "mine", "update")
    told = instance(proxied, "mine")["runtime_properties"]
    assert (told["county"], "town" in told) == ("Fingal", False)
    assert ailment(proxied, "mine") is None
