"""Other deployments, as one deployment sees them: through the REST client, or in the same local storage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from cloudify.workflows.local import load_env
from cloudify_rest_client.exceptions import CloudifyClientError
from cloudify_rest_client.executions import Execution
from dsl_parser.exceptions import (
    EvaluationRecursionLimitReached,
    FunctionEvaluationError,
    InputEvaluationError,
)

from cloudify_quagga.errors import (
    Conflict,
    NotPermitted,
    PermanentError,
    QuaggaError,
    Refused,
    Unavailable,
    Waiting,
)
from cloudify_quagga.local_profile import undisturbed
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.sentence import legible

INPUTS = "proxy_deployment_inputs"
CAPABILITIES = "capabilities"
# One wait occupies a worker of the orchestrator, which asks again afterwards.
WAIT_SECONDS = 45.0
POLL_SECONDS = 2.0
TIMEOUT_SECONDS = 30
_LONGEST = 24 * 3600
_NOT_PERMITTED = (401, 403)
_NOT_FOUND = 404
_CONFLICT = 409
_REFUSING = range(400, 500)
_INSTALLED = "active"
_RETRY_SECONDS = 5.0
_ERROR_LENGTH = 400
_PROPERTIES = {"output": "inherit_outputs", "capability": "inherit_capabilities"}
# Where the proxy itself keeps what it remembers and sees; outputs land beside it, under their own names.
_TAKEN = (INPUTS, CAPABILITIES, "deployment_proxy", "live")
# A runtime property must be bounded, and what is inherited is not.
_MOST_VALUES = 50
_MOST_NAMES = 50
# What the client's own classes, and we, raise of an answer that has another shape than a manager gives.
_OF_ANOTHER_SHAPE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
# What comes of a function that only a manager knows, or whose value is not there.
_NOT_EVALUATED = (
    *_OF_ANOTHER_SHAPE,
    EvaluationRecursionLimitReached,
    FunctionEvaluationError,
    InputEvaluationError,
)


@dataclass(frozen=True)
class Inheritance:
    """What of which deployment is wanted, and for how long it is waited for.

    :param deployment: empty where only the inputs of operations name one.
    """

    deployment: str
    outputs: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    inputs: bool = False
    timeout: int = TIMEOUT_SECONDS

    @classmethod
    def parse(cls, properties: Mapping[str, Any], deployment: object = None) -> Inheritance:
        """From the properties of a DeploymentProxy.

        :param deployment: as it was given to an operation; wins over the property.
        """
        given = Given("inputs.deployment_id", deployment)
        if given.empty:
            given = Given("deployment_id", properties.get("deployment_id"))
        inputs = Given("inherit_inputs", properties.get("inherit_inputs"))
        timeout = Given("timeout", properties.get("timeout"))
        return cls(
            "" if given.empty else given.text("a deployment's id"),
            _names(properties, "inherit_outputs", _TAKEN),
            _names(properties, "inherit_capabilities"),
            not inputs.empty and inputs.flag(),
            TIMEOUT_SECONDS if timeout.empty else timeout.whole_number(0, _LONGEST),
        )

    def named(self) -> Inheritance:
        """The same, refused if it names no deployment."""
        if not self.deployment:
            raise Refused(
                "deployment_id", "", "names no deployment; the id of one is needed, here or in the operation"
            )
        return self


@dataclass(frozen=True)
class Standing:
    """Whether a deployment is installed, and what the last thing done to it came to.

    :param story: what is the case, as the end of "deployment ID ...".
    :param failed: it will not become installed by itself.
    """

    installed: bool
    story: str
    failed: bool = False


class Deployments(Protocol):
    """Where deployments are kept; each of these raises Refused where there is no such deployment."""

    def standing(self, deployment: str) -> Standing:
        """Whether it is installed."""

    def declared(self, deployment: str) -> Declared:
        """The names of its outputs and capabilities, whatever their values."""

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """Its outputs as they are now."""

    def capabilities(self, deployment: str) -> Mapping[str, Any]:
        """Its capabilities as they are now."""

    def inputs(self, deployment: str) -> Mapping[str, Any]:
        """Its inputs."""


@dataclass(frozen=True)
class Declared:
    """What a deployment offers."""

    outputs: frozenset[str]
    capabilities: frozenset[str]


class LocalDeployments:
    """The deployments of a local profile; ``storage`` is the one that the running deployment is kept in."""

    def __init__(self, storage: Any) -> None:  # noqa: ANN401
        self._storage = storage

    def standing(self, deployment: str) -> Standing:
        """As the executions tell that the profile keeps."""
        return standing(undisturbed(self._environment(deployment).storage.get_executions), active=False)

    def declared(self, deployment: str) -> Declared:
        """As its blueprint says."""
        plan = self._environment(deployment).plan
        return Declared(frozenset(plan.get("outputs") or {}), frozenset(plan.get("capabilities") or {}))

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated as `cfy deployments outputs -b` does."""
        environment = self._environment(deployment)
        with _evaluated("outputs", deployment):
            return _map(undisturbed(environment.outputs))

    def capabilities(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated like outputs."""
        environment = self._environment(deployment)
        defined = environment.plan.get("capabilities") or {}
        values = {name: one.get("value") for name, one in defined.items()}
        with _evaluated("capabilities", deployment):
            return _map(undisturbed(lambda: environment.evaluate_functions(values, {})))

    def inputs(self, deployment: str) -> Mapping[str, Any]:
        """With the defaults of its blueprint."""
        inputs: Mapping[str, Any] = self._environment(deployment).plan.get("inputs") or {}
        return inputs

    def _environment(self, deployment: str) -> Any:  # noqa: ANN401
        environment = undisturbed(lambda: load_env(deployment, self._storage))
        if environment is None:
            raise _unknown(deployment, self._storage.blueprint_ids(), "this local profile")
        return environment


@contextmanager
def _evaluated(what: str, deployment: str) -> Iterator[None]:
    """Cloudify's own evaluation in a local profile, as one sentence where it fails."""
    try:
        yield
    except _NOT_EVALUATED as error:
        sentence = f"deployment_id: this local profile cannot evaluate all {what} of {deployment!r}"
        raise PermanentError(f"{sentence}: {legible(error)}") from error


class ManagerDeployments:
    """The deployments of a manager, as the user who started the execution sees them."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self._client = client

    def standing(self, deployment: str) -> Standing:
        """As its executions tell; where they were deleted, as the manager remembers."""
        with self._asked("tell the state of", deployment):
            one = self._client.deployments.get(deployment)
            listed = self._client.executions.list(
                deployment_id=deployment, sort="created_at", is_descending=True
            )
            return standing(reversed(list(listed)), active=one.installation_status == _INSTALLED)

    def declared(self, deployment: str) -> Declared:
        """As its blueprint says."""
        with self._asked("tell the definition of", deployment):
            one = self._client.deployments.get(deployment)
            return Declared(frozenset(_map(one.outputs)), frozenset(_map(one.capabilities)))

    def outputs(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated by the manager."""
        with self._asked("tell the outputs of", deployment):
            return _map(self._client.deployments.outputs.get(deployment).outputs)

    def capabilities(self, deployment: str) -> Mapping[str, Any]:
        """Evaluated by the manager."""
        with self._asked("tell the capabilities of", deployment):
            return _map(self._client.deployments.capabilities.get(deployment).capabilities)

    def inputs(self, deployment: str) -> Mapping[str, Any]:
        """As they were given, or defaulted."""
        with self._asked("tell the inputs of", deployment):
            return _map(self._client.deployments.get(deployment).inputs)

    def depend(self, dependent: str, instance: str, deployment: str) -> None:
        """Have the manager know that a node instance needs the deployment, so that it is not uninstalled."""
        with suppress(Conflict), self._asked("note that somebody needs", deployment):
            self._client.inter_deployment_dependencies.create(_creator(instance), dependent, deployment)

    def depend_no_more(self, dependent: str, instance: str, deployment: str) -> None:
        """Take that back."""
        with suppress(Unknown), self._asked("forget that somebody needs", deployment):
            self._client.inter_deployment_dependencies.delete(_creator(instance), dependent, deployment)

    @contextmanager
    def _asked(self, what: str, deployment: str) -> Iterator[None]:
        """Every failure of the manager to answer, named by its remedy."""
        try:
            yield
        except CloudifyClientError as error:
            raise self._named(error, what, deployment) from error
        except OSError as error:
            # The client's own library raises such where nobody answers.
            sentence = f"the manager cannot be asked to {what} {deployment!r}: {legible(error)}"
            raise Unavailable(sentence) from error
        except _OF_ANOTHER_SHAPE as error:
            # Whose words are about our code, not about the manager.
            raise PermanentError(
                f"deployment_id: the manager does not {what} {deployment!r}: "
                "what it answers is of another shape than expected"
            ) from error

    def _named(self, error: CloudifyClientError, what: str, deployment: str) -> QuaggaError:
        sentence = f"deployment_id: the manager does not {what} {deployment!r}: {legible(error)}"
        if error.status_code == _NOT_FOUND:
            return _unknown(deployment, self._known(), "this manager")
        if error.status_code == _CONFLICT:
            return Conflict(sentence)
        if error.status_code in _NOT_PERMITTED:
            return NotPermitted(sentence)
        return PermanentError(sentence) if error.status_code in _REFUSING else Unavailable(sentence)

    def _known(self) -> list[str]:
        """The deployments that there are; that one is not there is known whether these are told or not."""
        try:
            return [str(one["id"]) for one in self._client.deployments.list(_include=["id"])]
        except (CloudifyClientError, OSError, *_OF_ANOTHER_SHAPE):
            return ["those that it does not tell"]


class Unknown(Refused):
    """There is no such deployment."""


def _map(told: object) -> Mapping[str, Any]:
    """What a manager tells as a map, where it tells anything."""
    if told is None:
        return {}
    if not isinstance(told, Mapping):
        raise TypeError("no map")
    return told


def standing(executions: Iterable[Mapping[str, Any]], active: bool) -> Standing:
    """What a deployment's executions, oldest first, have made of it.

    Only installing and uninstalling count: what was healed or updated in vain is installed all the same.

    :param active: whether it is installed as far as is known otherwise; counts where no execution tells.
    """
    is_what = Standing(True, "is installed") if active else Standing(False, "was never installed")
    for execution in executions:
        if execution.get("is_dry_run") or execution["workflow_id"] not in ("install", "uninstall"):
            continue
        is_what = _after(execution)
    return is_what


def _after(execution: Mapping[str, Any]) -> Standing:
    workflow, status = execution["workflow_id"], execution["status"]
    named = f"its {workflow} ({execution['id']})"
    if status == Execution.TERMINATED:
        return Standing(workflow == "install", f"is {workflow}ed")
    if status == Execution.FAILED:
        return Standing(False, f"is not installed: {named} failed: {_told(execution.get('error'))}", True)
    if status == Execution.CANCELLED:
        return Standing(False, f"is not installed: {named} was cancelled", True)
    return Standing(False, f"is not installed yet: {named} is {status}")


def _told(error: object) -> str:
    """The end of an error, which may be a traceback, on one line."""
    line = " ".join(str(error or "no reason given").split())
    return line if len(line) <= _ERROR_LENGTH else f"...{line[-_ERROR_LENGTH:]}"


def check(deployments: Deployments, wanted: Inheritance) -> None:
    """Refuse a deployment that is not there, and what it will never have; nothing is waited for."""
    declared = deployments.declared(wanted.deployment)
    _check_names(wanted, "output", wanted.outputs, declared.outputs)
    _check_names(wanted, "capability", wanted.capabilities, declared.capabilities)


def await_installed(
    deployments: Deployments,
    wanted: Inheritance,
    since: float,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once it is installed; raise Waiting now and then, and at last what has kept it from being so.

    :param since: when the waiting began, in seconds of the epoch; the orchestrator may have us begin anew.
    """
    turn = now() + WAIT_SECONDS
    while True:
        is_what = deployments.standing(wanted.deployment)
        if is_what.installed:
            return
        sentence = f"deployment_id: deployment {wanted.deployment!r} {is_what.story}"
        if is_what.failed:
            raise PermanentError(sentence)
        left = since + wanted.timeout - now()
        if left <= 0:
            raise PermanentError(f"{sentence}, and timeout: {wanted.timeout} seconds are over")
        if now() >= turn:
            raise Waiting(sentence, _RETRY_SECONDS)
        sleep(min(POLL_SECONDS, left))


def inherited(deployments: Deployments, wanted: Inheritance) -> dict[str, Any]:
    """The runtime properties that were asked for; each output and capability has a value."""
    told: dict[str, Any] = {}
    if wanted.outputs:
        told |= _valued(wanted, "output", wanted.outputs, deployments.outputs(wanted.deployment))
    if wanted.capabilities:
        capabilities = deployments.capabilities(wanted.deployment)
        told[CAPABILITIES] = _valued(wanted, "capability", wanted.capabilities, capabilities)
    if wanted.inputs:
        told[INPUTS] = dict(deployments.inputs(wanted.deployment))
    return told


def picture(deployments: Deployments, wanted: Inheritance, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """How the deployment stands and what would be inherited of it now, bounded in size.

    No value is told: any may have come from a secret. Drift tells those that differ, to whoever asks for it.

    :param recorded: the runtime properties that were inherited, as they were.
    """
    is_what, there, lacks = Standing(False, "is not known"), {}, None
    try:
        is_what = deployments.standing(wanted.deployment)
        there = _one_by_one(inherited(deployments, wanted)) if is_what.installed else {}
    except Refused as error:
        lacks = _told(error)
    before = _one_by_one(recorded)
    values = {
        name: {"is": _kind(value), "as_inherited": name in before and before[name] == value}
        for name, value in list(there.items())[:_MOST_VALUES]
    }
    return {
        "deployment": wanted.deployment,
        "installed": is_what.installed,
        "standing": is_what.story,
        "lacks": lacks,
        "values": values,
        "more": len(there) - len(values),
    }


def _one_by_one(inheritance: Mapping[str, Any]) -> dict[str, Any]:
    """With each capability beside the outputs."""
    rest = {name: value for name, value in inheritance.items() if name != CAPABILITIES}
    found = inheritance.get(CAPABILITIES)
    # What was inherited stands in a runtime property, which anybody may have written to.
    capabilities = found if isinstance(found, Mapping) else {}
    return rest | {f"{CAPABILITIES}.{name}": value for name, value in capabilities.items()}


def _kind(value: object) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return f"a {'map' if isinstance(value, Mapping) else 'list'} of {len(value)}"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, (int, float)) else "a text"


def drift(recorded: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """Which of the inherited runtime properties are not what they would be now, and both values."""
    changed = {}
    for name in sorted({*recorded, *live}):
        if name not in recorded or name not in live or recorded[name] != live[name]:
            changed[name] = {"inherited": recorded.get(name), "now": live.get(name)}
    return changed


def _valued(
    wanted: Inheritance, kind: str, names: tuple[str, ...], there: Mapping[str, Any]
) -> dict[str, Any]:
    _check_names(wanted, kind, names, there)
    for index, name in enumerate(names):
        if there[name] is None:
            right = f"has no value in deployment {wanted.deployment!r}, although that is installed"
            raise Refused(f"{_PROPERTIES[kind]}[{index}]", name, right)
    return {name: there[name] for name in names}


def _check_names(wanted: Inheritance, kind: str, names: tuple[str, ...], there: Iterable[str]) -> None:
    known = sorted(there)
    for index, name in enumerate(names):
        if name not in known:
            right = f"is no {kind} of deployment {wanted.deployment!r}, which has {_listed(known)}"
            raise Refused(f"{_PROPERTIES[kind]}[{index}]", name, right)


def _names(properties: Mapping[str, Any], name: str, taken: Iterable[str] = ()) -> tuple[str, ...]:
    given = Given(name, properties.get(name) or []).elements("names")
    for one in given:
        if one.text("a name") in taken:
            raise one.refused("is a runtime property of the proxy itself; no output can have that name")
    return tuple(one.text("a name") for one in given)


def _creator(instance: str) -> str:
    return f"node_instances.{instance}"


def _unknown(deployment: str, known: Iterable[str], where: str) -> Unknown:
    right = f"is no deployment of {where}, which has {_listed(sorted(known))}"
    return Unknown("deployment_id", deployment, right)


def _listed(names: Sequence[str]) -> str:
    """As many as one reads."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "none") + more
