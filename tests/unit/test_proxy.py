"""Other deployments: in a real local storage, and at a stub of a manager that the real REST client asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloudify.workflows import local

from cloudify_quagga.errors import NotPermitted, PermanentError, QuaggaError, Refused, Unavailable, Waiting
from cloudify_quagga.proxy import (
    Inheritance,
    LocalDeployments,
    ManagerDeployments,
    await_installed,
    check,
    drift,
    inherited,
    standing,
)
from tests.unit.stub_manager import Manager, serving

BLUEPRINT = """
tosca_definitions_version: cloudify_dsl_1_4
plugins:
  default_workflows: {executor: central_deployment_agent, install: false, package_name: cloudify-common}
workflows:
  install: default_workflows.cloudify.plugins.workflows.install
  uninstall: default_workflows.cloudify.plugins.workflows.uninstall
node_types:
  cloudify.nodes.Root: {}
inputs:
  town: {type: string, default: Dublin}
node_templates:
  node: {type: cloudify.nodes.Root}
outputs:
  town: {value: {get_input: town}}
  later: {value: {get_attribute: [node, later]}}
capabilities:
  county: {value: {concat: [County of, " ", {get_input: town}]}}
"""


@pytest.fixture
def kept(tmp_path: Path) -> Any:
    """A local profile's storage with one deployment."""
    directory = tmp_path / "blueprint"
    directory.mkdir()
    blueprint = directory / "blueprint.yaml"
    blueprint.write_text(BLUEPRINT)
    storage = local.FileStorage(storage_dir=str(tmp_path / "storage"))
    local.init_env(str(blueprint), name="other", storage=storage)
    return storage


@pytest.fixture
def here(kept: Any) -> LocalDeployments:
    """As an operation of that storage sees it."""
    return LocalDeployments(kept.load("other"))


def wanted(*outputs: str, deployment: str = "other", **more: Any) -> Inheritance:
    return Inheritance.parse({"deployment_id": deployment, "inherit_outputs": list(outputs), **more})


class TestALocalProfile:
    def test_tells_outputs_capabilities_and_inputs(self, here: LocalDeployments) -> None:
        asked = wanted("town", inherit_capabilities=["county"], inherit_inputs=True)
        assert inherited(here, asked) == {
            "town": "Dublin",
            "capabilities": {"county": "County of Dublin"},
            "proxy_deployment_inputs": {"town": "Dublin"},
        }

    @pytest.mark.parametrize("name", ["deployment.json", "node-instances/node_*.json"])
    def test_reads_again_what_is_just_being_written(
        self, name: str, here: LocalDeployments, tmp_path: Path
    ) -> None:
        [file] = (tmp_path / "storage/deployments/other").glob(name)
        text = file.read_text()
        file.write_text("")
        writer = threading.Timer(0.1, file.write_text, [text])
        writer.start()
        assert here.outputs("other")["town"] == "Dublin"
        writer.join()

    def test_knows_when_a_deployment_is_installed(self, here: LocalDeployments, kept: Any) -> None:
        assert here.standing("other").story == "was never installed"
        environment = local.load_env("other", kept)
        environment.execute("install")
        assert here.standing("other").installed
        environment.execute("uninstall")
        assert not here.standing("other").installed
        assert here.standing("other").story == "is uninstalled"

    def test_keeps_what_an_install_failed_of(self, here: LocalDeployments, kept: Any) -> None:
        other = kept.load("other")
        call = {"workflow_id": "install", "deployment_id": "other", "blueprint_id": "other"}
        other.store_execution("e1", call, {})
        assert here.standing("other").story == "is not installed yet: its install (e1) is pending"
        other.execution_ended("e1", RuntimeError("no such host"))
        is_what = here.standing("other")
        assert is_what.failed
        assert is_what.story.startswith("is not installed: its install (e1) failed: ")
        assert "no such host" in is_what.story

    @pytest.mark.parametrize(
        ("asked", "sentence"),
        [
            (
                wanted("county"),
                "inherit_outputs[0]: county is no output of deployment 'other', which has later, town",
            ),
            (
                wanted(inherit_capabilities=["town"]),
                "inherit_capabilities[0]: town is no capability of deployment 'other', which has county",
            ),
            (
                wanted("town", deployment="moon"),
                "deployment_id: moon is no deployment of this local profile, which has other",
            ),
        ],
    )
    def test_what_will_never_be_there_is_refused_at_once(
        self, here: LocalDeployments, asked: Inheritance, sentence: str
    ) -> None:
        for look in (check, inherited):
            with pytest.raises(Refused) as refused:
                look(here, asked)
            assert str(refused.value) == sentence

    def test_what_only_a_manager_evaluates(self, tmp_path: Path) -> None:
        blueprint = tmp_path / "blueprint.yaml"
        blueprint.write_text(
            BLUEPRINT.replace("{get_attribute: [node, later]}", "{get_capability: [moon, x]}")
        )
        storage = local.FileStorage(storage_dir=str(tmp_path / "storage"))
        local.init_env(str(blueprint), name="other", storage=storage)
        with pytest.raises(PermanentError) as raised:
            inherited(LocalDeployments(storage.load("other")), wanted("town"))
        assert str(raised.value).startswith(
            "deployment_id: this local profile cannot evaluate all outputs of 'other': "
        )

    def test_an_output_without_a_value(self, here: LocalDeployments) -> None:
        check(here, wanted("town", "later"))
        with pytest.raises(Refused, match=r"^inherit_outputs\[1\]: later has no value in deployment 'other'"):
            inherited(here, wanted("town", "later"))


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"inherit_outputs": "town"}, "inherit_outputs: town is no list"),
        ({"inherit_outputs": [7]}, "inherit_outputs[0]: 7 is no string"),
        ({"inherit_outputs": ["capabilities"]}, "inherit_outputs[0]: capabilities is a runtime property of"),
        ({"inherit_capabilities": 7}, "inherit_capabilities: 7 is no list"),
        ({"inherit_inputs": "yes"}, "inherit_inputs: yes is a string; true or false is meant"),
        ({"timeout": "30"}, "timeout: '30' is a string"),
        ({"timeout": -1}, "timeout: -1 is out of range"),
        ({"deployment_id": 7}, "deployment_id: 7 is no string"),
    ],
)
def test_properties_that_mean_nothing(properties: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        Inheritance.parse(properties)
    assert str(refused.value).startswith(sentence.replace("'30'", "30"))


def test_the_operations_input_goes_before_the_property() -> None:
    assert Inheritance.parse({"deployment_id": "one"}, "two").deployment == "two"
    assert Inheritance.parse({"deployment_id": "one"}, "").deployment == "one"
    with pytest.raises(Refused, match="names no deployment"):
        Inheritance.parse({}, "").named()


class TestStanding:
    """What counts is the latest that was installed or uninstalled."""

    @staticmethod
    def after(*done: tuple[str, str], active: bool = False, **more: Any) -> str:
        executions = [
            {"id": f"e{number}", "workflow_id": workflow, "status": status, "error": "E", **more}
            for number, (workflow, status) in enumerate(done)
        ]
        return standing(executions, active).story

    def test_a_past_failure_is_past(self) -> None:
        assert self.after(("install", "failed"), ("uninstall", "terminated"), ("install", "terminated")) == (
            "is installed"
        )

    def test_it_may_have_been_uninstalled_since(self) -> None:
        assert self.after(("install", "terminated"), ("uninstall", "terminated")) == "is uninstalled"

    def test_other_workflows_do_not_count(self) -> None:
        assert (
            self.after(("install", "terminated"), ("heal", "failed"), ("update", "started")) == "is installed"
        )

    def test_a_dry_run_does_not_count(self) -> None:
        assert self.after(("install", "terminated"), is_dry_run=True) == "was never installed"

    @pytest.mark.parametrize("status", ["pending", "started", "queued", "scheduled", "cancelling"])
    def test_it_is_on_its_way(self, status: str) -> None:
        assert self.after(("install", status)) == f"is not installed yet: its install (e0) is {status}"

    def test_cancelled(self) -> None:
        assert self.after(("install", "cancelled")) == "is not installed: its install (e0) was cancelled"

    def test_an_uninstall_that_failed(self) -> None:
        assert self.after(("install", "terminated"), ("uninstall", "failed")) == (
            "is not installed: its uninstall (e1) failed: E"
        )

    def test_where_executions_were_deleted_the_manager_remembers(self) -> None:
        assert self.after(active=True) == "is installed"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.at_each_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.at_each_sleep()


@pytest.fixture
def manager() -> Manager:
    made = Manager()
    made.add("other", inputs={"town": "Dublin"}, town="Dublin", later=None)
    made.offer("other", county="Fingal")
    return made


@pytest.fixture
def there(manager: Manager) -> Iterator[ManagerDeployments]:
    with serving(manager) as client:
        yield ManagerDeployments(client)


class TestWaiting:
    def test_ends_when_it_is_installed(self, manager: Manager, there: ManagerDeployments) -> None:
        clock = Clock()
        manager.ran("other", "install", "started")

        def finish() -> None:
            manager.executions[0]["status"] = "terminated"

        clock.at_each_sleep = finish
        await_installed(there, wanted(), 1000.0, clock, clock.sleep)
        assert clock.now == 1002.0

    def test_ends_with_its_time(self, manager: Manager, there: ManagerDeployments) -> None:
        clock = Clock()
        manager.ran("other", "install", "started")
        with pytest.raises(PermanentError) as raised:
            await_installed(there, wanted(timeout=7), 1000.0, clock, clock.sleep)
        assert clock.now == 1007.0
        assert str(raised.value) == (
            "deployment_id: deployment 'other' is not installed yet: its install (execution-0) is started, "
            "and timeout: 7 seconds are over"
        )

    def test_counts_from_when_it_began(self, there: ManagerDeployments) -> None:
        clock = Clock()
        with pytest.raises(PermanentError, match="was never installed, and timeout: 30 seconds are over"):
            await_installed(there, wanted(), 969.0, clock, clock.sleep)
        assert clock.now == 1000.0

    def test_gives_the_worker_back_now_and_then(self, there: ManagerDeployments) -> None:
        clock = Clock()
        with pytest.raises(Waiting):
            await_installed(there, wanted(timeout=3600), 1000.0, clock, clock.sleep)
        assert clock.now == 1046.0

    def test_a_failure_is_not_waited_for(self, manager: Manager, there: ManagerDeployments) -> None:
        clock = Clock()
        manager.ran("other", "install", "failed", error="Traceback ...\n  no such host")
        with pytest.raises(PermanentError, match=r"its install \(execution-0\) failed: .*no such host$"):
            await_installed(there, wanted(), 1000.0, clock, clock.sleep)
        assert clock.now == 1000.0


ASKED = [
    lambda there: there.standing("other"),
    lambda there: there.declared("other"),
    lambda there: there.outputs("other"),
    lambda there: there.capabilities("other"),
    lambda there: there.inputs("other"),
]
ODD = [
    None,
    [],
    ["tomato"],
    7,
    {},
    {"outputs": ["tomato"], "capabilities": [["tomato"]], "inputs": "tomato"},
    {"outputs": None, "capabilities": None, "inputs": None, "items": None, "metadata": None},
    {"items": ["tomato"], "metadata": {}},
    {"items": [{"workflow_id": "install"}], "metadata": {}},
    {"scaling_groups": ["tomato"]},
    {"labels": 7, "workflows": 7},
]


class TestAManager:
    def test_tells_outputs_capabilities_and_inputs(self, there: ManagerDeployments) -> None:
        asked = wanted("town", inherit_capabilities=["county"], inherit_inputs=True)
        assert inherited(there, asked) == {
            "town": "Dublin",
            "capabilities": {"county": "Fingal"},
            "proxy_deployment_inputs": {"town": "Dublin"},
        }

    def test_the_latest_execution_is_the_last(self, manager: Manager, there: ManagerDeployments) -> None:
        for workflow in ("install", "uninstall", "install"):
            manager.ran("other", workflow, "terminated")
        assert there.standing("other").installed

    @pytest.mark.parametrize(
        ("code", "kind"),
        [(401, NotPermitted), (403, NotPermitted), (400, PermanentError), (502, Unavailable)],
    )
    def test_every_code_has_its_remedy(
        self, manager: Manager, there: ManagerDeployments, code: int, kind: type[QuaggaError]
    ) -> None:
        manager.fails_with = code
        with pytest.raises(kind, match="the manager does not tell the outputs of 'other'") as raised:
            inherited(there, wanted("town"))
        assert type(raised.value) is kind

    def test_one_that_is_not_there(self, there: ManagerDeployments) -> None:
        with pytest.raises(Refused) as refused:
            check(there, wanted(deployment="moon"))
        assert str(refused.value) == "deployment_id: moon is no deployment of this manager, which has other"

    def test_its_list_of_what_is_there_is_bounded(self, manager: Manager, there: ManagerDeployments) -> None:
        for number in range(100, 200):
            manager.add(f"d{number}")
        with pytest.raises(Refused, match=r"which has d100, .*, d149 and 51 more$"):
            check(there, wanted(deployment="moon"))

    @pytest.mark.parametrize("fails", [403, 404, 502])
    def test_one_that_is_not_there_where_nobody_may_list_the_others(
        self, manager: Manager, there: ManagerDeployments, monkeypatch: pytest.MonkeyPatch, fails: int
    ) -> None:
        answer = manager.answer

        def refuse_lists(method: str, path: str, *rest: Any) -> tuple[int, Any]:
            if path == "deployments":
                return fails, {"message": "no", "error_code": "x", "server_traceback": None}
            return answer(method, path, *rest)

        monkeypatch.setattr(manager, "answer", refuse_lists)
        with pytest.raises(Refused, match=r"moon is no .* which has those that it does not tell$"):
            check(there, wanted(deployment="moon"))

    @pytest.mark.parametrize("answer", ODD)
    @pytest.mark.parametrize("ask", ASKED)
    def test_what_has_another_shape_is_told_in_a_sentence(
        self,
        manager: Manager,
        there: ManagerDeployments,
        monkeypatch: pytest.MonkeyPatch,
        ask: Callable[[ManagerDeployments], Any],
        answer: Any,
    ) -> None:
        monkeypatch.setattr(manager, "answer", lambda *_: (200, answer))
        try:
            assert ask(there) is not None
        except QuaggaError as error:
            told = str(error)
            assert "'other'" in told
            assert "tomato" not in told

    def test_a_shape_that_is_no_managers_is_no_manager(
        self, manager: Manager, there: ManagerDeployments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(manager, "answer", lambda *_: (200, {"deployment_id": "other", "outputs": [1]}))
        with pytest.raises(PermanentError) as raised:
            inherited(there, wanted("town"))
        assert str(raised.value) == (
            "deployment_id: the manager does not tell the outputs of 'other': "
            "what it answers is of another shape than expected"
        )

    def test_outputs_that_are_null_are_none(
        self, manager: Manager, there: ManagerDeployments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(manager, "answer", lambda *_: (200, {"deployment_id": "other", "outputs": None}))
        with pytest.raises(Refused, match="town is no output of deployment 'other', which has none"):
            inherited(there, wanted("town"))

    def test_nobody_answers(self, manager: Manager) -> None:
        with serving(manager) as client:
            gone = ManagerDeployments(client)
        with pytest.raises(Unavailable, match="the manager cannot be asked to tell the outputs of 'other'"):
            inherited(gone, wanted("town"))

    def test_what_is_depended_on_is_not_uninstalled(
        self, manager: Manager, there: ManagerDeployments
    ) -> None:
        for _ in range(2):
            there.depend("router", "kubernetes_proxy_1", "other")
        assert [one.source_deployment_id for one in manager.dependencies] == ["router"]
        assert not manager.may_uninstall("other")
        for _ in range(2):
            there.depend_no_more("router", "kubernetes_proxy_1", "other")
        assert manager.may_uninstall("other")


def test_drift_is_what_is_not_as_it_was() -> None:
    assert drift({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}) == {}
    assert drift({"a": 1, "b": 2}, {"a": 3, "c": 4}) == {
        "a": {"inherited": 1, "now": 3},
        "b": {"inherited": 2, "now": None},
        "c": {"inherited": None, "now": 4},
    }
