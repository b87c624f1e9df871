"""Other deployments, as one deployment sees them: through the REST client, or in the same local storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cloudify.workflows.local import load_env
from cloudify_rest_client.exceptions import CloudifyClientError
from cloudify_rest_client.executions import Execution

from cloudify_quagga.errors import NotPermitted, QuaggaError, Refused, Unavailable, Waiting
from cloudify_quagga.model.given import Given

_NOT_PERMITTED = (401, 403)
_NOT_FOUND = 404
_RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Inheritance:
    """Which outputs of which deployment are wanted."""

    deployment: str
    outputs: tuple[str, ...]

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> Inheritance:
        """From the properties of a DeploymentProxy."""
        deployment = Given("deployment_id", properties.get("deployment_id"))
        if deployment.empty:
            raise deployment.refused("names no deployment; the id of one is needed")
        names = Given("inherit_outputs", properties.get("inherit_outputs") or [])
        outputs = tuple(one.text("an output's name") for one in names.elements("output names"))
        return cls(deployment.text("a deployment's id"), outputs)


class Deployments(Protocol):
    """Where deployments are kept."""

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """The deployment's outputs as they are now; raises Refused where there is no such deployment."""

    def is_busy(self, deployment: str) -> bool:
        """Whether something is being done to it just now, so that an output may still come."""


class LocalDeployments:
    """The deployments of a local profile; ``storage`` is the one that the running deployment is kept in."""

    def __init__(self, storage: Any) -> None:  # noqa: ANN401
        self._storage = storage

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated as `cfy deployments outputs -b` does."""
        environment = load_env(deployment, self._storage)
        if environment is None:
            raise _unknown(deployment, self._storage.blueprint_ids(), "this local profile")
        outputs: Mapping[str, Any] = environment.outputs()
        return outputs

    def is_busy(self, deployment: str) -> bool:
        """Nobody else works in a local profile."""
        return False


class ManagerDeployments:
    """The deployments of a manager, as the user who started the execution sees them."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self._client = client

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated by the manager."""
        try:
            outputs: Mapping[str, Any] = self._client.deployments.outputs.get(deployment).outputs
        except CloudifyClientError as error:
            raise self._named(error, deployment) from error
        return outputs

    def is_busy(self, deployment: str) -> bool:
        """Whether an execution of it has not ended yet."""
        executions = self._client.executions.list(deployment_id=deployment, _include=["status"])
        return any(one["status"] not in Execution.END_STATES for one in executions)

    def _named(self, error: CloudifyClientError, deployment: str) -> QuaggaError:
        if error.status_code == _NOT_FOUND:
            known = (one["id"] for one in self._client.deployments.list(_include=["id"]))
            return _unknown(deployment, known, "this manager")
        sentence = f"deployment_id: the manager does not tell the outputs of {deployment!r}: {error}"
        return NotPermitted(sentence) if error.status_code in _NOT_PERMITTED else Unavailable(sentence)


def inherited(deployments: Deployments, wanted: Inheritance) -> dict[str, Any]:
    """The outputs that were asked for; each of them has a value."""
    outputs = deployments.outputs(wanted.deployment)
    for index, name in enumerate(wanted.outputs):
        _check_output(deployments, wanted.deployment, outputs, f"inherit_outputs[{index}]", name)
    return {name: outputs[name] for name in wanted.outputs}


def _check_output(
    deployments: Deployments, deployment: str, outputs: Mapping[str, Any], path: str, name: str
) -> None:
    if name not in outputs:
        known = ", ".join(sorted(outputs)) or "none"
        raise Refused(path, name, f"is no output of deployment {deployment!r}, which has {known}")
    if outputs[name] is not None:
        return
    if deployments.is_busy(deployment):
        raise Waiting(f"output {name!r} of deployment {deployment!r} has no value yet", _RETRY_SECONDS)
    raise Refused(path, name, f"has no value in deployment {deployment!r}; install that one first")


def _unknown(deployment: str, known: Iterable[str], where: str) -> Refused:
    others = ", ".join(sorted(known)) or "none"
    return Refused("deployment_id", deployment, f"is no deployment of {where}, which has {others}")
