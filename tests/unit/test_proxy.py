"""Outputs of other deployments, from a real local storage and from a manager's client as it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloudify.workflows import local
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_quagga.errors import NotPermitted, QuaggaError, Refused, Unavailable, Waiting
from cloudify_quagga.proxy import Deployments, Inheritance, LocalDeployments, ManagerDeployments, inherited

BLUEPRINT = """
tosca_definitions_version: cloudify_dsl_1_4
node_types:
  cloudify.nodes.Root: {}
inputs:
  town: {type: string, default: Dublin}
node_templates:
  node: {type: cloudify.nodes.Root}
outputs:
  town: {value: {get_input: town}}
  later: {value: {get_attribute: [node, later]}}
"""


@pytest.fixture
def storage(tmp_path: Path) -> Any:
    """A local profile's storage with one deployment, as one of its operations sees it."""
    directory = tmp_path / "blueprint"
    directory.mkdir()
    blueprint = directory / "blueprint.yaml"
    blueprint.write_text(BLUEPRINT)
    kept = local.FileStorage(storage_dir=str(tmp_path / "storage"))
    local.init_env(str(blueprint), name="other", storage=kept)
    return kept.load("other")


def wanted(*outputs: str, deployment: str = "other") -> Inheritance:
    return Inheritance.parse({"deployment_id": deployment, "inherit_outputs": list(outputs)})


def test_outputs_of_the_same_local_storage(storage: Any) -> None:
    assert inherited(LocalDeployments(storage), wanted("town")) == {"town": "Dublin"}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            wanted("county"),
            "inherit_outputs[0]: county is no output of deployment 'other', which has later, town",
        ),
        (
            wanted("town", "later"),
            "inherit_outputs[1]: later has no value in deployment 'other'; install that one first",
        ),
        (
            wanted("town", deployment="moon"),
            "deployment_id: moon is no deployment of this local profile, which has other",
        ),
    ],
)
def test_what_is_not_there_locally(storage: Any, asked: Inheritance, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        inherited(LocalDeployments(storage), asked)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"deployment_id": ""}, "deployment_id: '' names no deployment"),
        ({"deployment_id": "other", "inherit_outputs": "town"}, "inherit_outputs: town is no list"),
        ({"deployment_id": "other", "inherit_outputs": [7]}, "inherit_outputs[0]: 7 is no string"),
    ],
)
def test_properties_that_mean_nothing(properties: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        Inheritance.parse(properties)
    assert str(refused.value).startswith(sentence)


class Manager:
    """A manager's REST client, as far as it is asked: deployments with outputs, and what is done to them."""

    def __init__(
        self, outputs: dict[str, Any], status: str = "terminated", fails_with: int | None = None
    ) -> None:
        self._outputs = outputs
        self._status = status
        self._fails_with = fails_with
        self.deployments = self
        self.outputs = self
        self.executions = Executions(status)

    def get(self, deployment: str) -> Manager:
        if self._fails_with:
            raise CloudifyClientError("no", status_code=self._fails_with)
        if deployment != "other":
            raise CloudifyClientError("not found", status_code=404)
        answer = Manager(self._outputs)
        answer.outputs = self._outputs  # type: ignore[assignment]
        return answer

    def list(self, **_: object) -> list[dict[str, str]]:
        return [{"id": "other"}]


class Executions:
    def __init__(self, status: str) -> None:
        self._status = status

    def list(self, **_: object) -> list[dict[str, str]]:
        return [{"status": "terminated"}, {"status": self._status}]


def managed(**how: Any) -> Deployments:
    return ManagerDeployments(Manager({"town": "Dublin", "later": None}, **how))


def test_outputs_of_a_manager() -> None:
    assert inherited(managed(), wanted("town")) == {"town": "Dublin"}


@pytest.mark.parametrize(
    ("deployments", "asked", "error", "sentence"),
    [
        (managed, wanted("later"), Refused, "has no value in deployment 'other'; install that one first"),
        # One failed execution of the past is no reason to wait for ever.
        (lambda: managed(status="failed"), wanted("later"), Refused, "install that one first"),
        (lambda: managed(status="started"), wanted("later"), Waiting, "has no value yet"),
        (
            managed,
            wanted("town", deployment="moon"),
            Refused,
            "no deployment of this manager, which has other",
        ),
        (lambda: managed(fails_with=403), wanted("town"), NotPermitted, "does not tell the outputs"),
        (lambda: managed(fails_with=502), wanted("town"), Unavailable, "does not tell the outputs"),
    ],
)
def test_what_a_manager_does_not_give(
    deployments: Callable[[], Deployments], asked: Inheritance, error: type[QuaggaError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        inherited(deployments(), asked)
