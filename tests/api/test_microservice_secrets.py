"""A value that reaches a microservice by a function is in nothing that is said of it: the real cfy, -vvv."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.blueprints import blueprint, microservice
from tests.api.test_microservice import config_map
from tests.lab.cfy import Cfy

SECRET = "tomato-7c1f"
Say = Callable[..., str]


def given(text: str) -> dict[str, Any]:
    """A text with the secret in the place of `*`, as functions hand it over."""
    before, after = text.split("*")
    return {"concat": [before, {"get_input": "word"}, after]}


@pytest.fixture
def say(kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy) -> Say:
    """Installs a microservice with these properties, and uninstalls it: what is printed and logged of it."""

    def call(settings: Any = None, **properties: Any) -> str:
        template = microservice(kubeconfig, namespace=namespace, **properties)
        path = blueprint(tmp_path / "micro", {"a.yaml": settings or config_map("settings")}, quagga=template)
        said = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**said, "inputs": {"word": {"type": "string"}}}))
        inputs = tmp_path / "inputs.yaml"
        inputs.write_text(yaml.safe_dump({"word": SECRET}))
        cfy.expect("micro")
        options = ("-i", str(inputs), "--task-retries", "0", "-vvv")
        done = cfy("install", str(path), "-b", "micro", *options, check=False)
        assert done.returncode != 0
        logged = [one.read_text() for one in (tmp_path / "cfy").rglob("*.log")]
        assert any("Refused" in one or "quagga" in one for one in logged)
        gone = cfy("uninstall", "-b", "micro", "-vvv").stdout
        cfy.forget("micro")
        return "\n".join([done.stdout, gone, *logged])

    return call


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("['data']['word'] = *", "overrides[0]: ['data']['word'] is refused at column 20: "),
        ("['data']['word'] '*'", "overrides[0]: what is given is refused at column 18: "),
        ("['data']['x'] = '* @{nobody, x}'", "overrides[0]: ['data']['x'] is refused at column 30: "),
        (
            "['data']['x'] = '* %{instance.runtime_properties[\"x\"]}'",
            "only when they are applied: config_files[0].overrides[0]: ['data']['x'] is refused",
        ),
    ],
)
def test_an_override(override: str, sentence: str, say: Say) -> None:
    said = say(config_files=[{"file": "a.yaml", "overrides": [given(override)]}])
    assert sentence in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"config_files": [{"file": "a.yaml", "overrides": {"x": given("*")}}]}, "config_files[0].overrides"),
        ({"image": "nginx", "expose_overrides": given("{'a': *")}, "expose_overrides: what is given is no"),
        ({"image": "x", "name": "x", "expose_overrides": {"a": given("*")}}, "which only a port makes"),
        ({"template_variables": {"word": given("[*")}}, "is no YAML"),
        ({"template_variables": {"word": given("!*")}}, "could not determine a constructor for the tag ..."),
        ({"template_variables": {"word": given("!!int *")}}, "a value that is not what it is said to be"),
    ],
)
def test_another_property(properties: dict[str, Any], sentence: str, say: Say) -> None:
    settings = "data: {{ word }}" if "template_variables" in properties else None
    more = {"config_files": ["a.yaml"]} if settings else {}
    said = say(settings, **properties, **more)
    assert sentence in said
    assert SECRET not in said
