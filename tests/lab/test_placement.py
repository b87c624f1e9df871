"""Nodes and router in one deployment: the router goes where its LabeledNodes are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import faults, routing
from tests.lab.cfy import PROJECT, Cfy
from tests.lab.faults import Request
from tests.lab.living import clean
from tests.lab.warm import Command

pytestmark = pytest.mark.usefixtures("untouched")

BLUEPRINT = "tests/lab/blueprints/placed.yaml"
PREFIXES = {"10.0.0.0/24"}


class Placed:
    """The deployment `placed`."""

    def __init__(self, cfy: Cfy, kubeconfig: Path) -> None:
        self._cfy = cfy
        self._inputs = {"kubeconfig": str(kubeconfig)}
        self.may_be_there = False

    def install(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        self.may_be_there = True
        said = json.dumps({**self._inputs, **inputs})
        return self._cfy("install", BLUEPRINT, "-b", "placed", "-i", said, check=False)

    def update(self, **properties: Any) -> subprocess.CompletedProcess[str]:
        return self._cfy(*self._update(properties), check=False)

    def updating(self, **properties: Any) -> subprocess.Popen[str] | Command:
        return self._cfy.started(*self._update(properties))

    def _update(self, properties: dict[str, Any]) -> list[str]:
        said = json.dumps({"properties": properties})
        return ["executions", "start", "quagga_update", "-b", "placed", "-p", said]

    def heal(self) -> str:
        return self._operation("lifecycle.heal").stdout

    def ailment(self) -> str:
        """What check_status of the router says against it."""
        told = self._operation("validation.check_status", check=False).stdout
        return told if "Task failed" in told else ""

    def _operation(self, name: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        asked = json.dumps({"operation": f"cloudify.interfaces.{name}", "node_ids": ["router"]})
        arguments = ("executions", "start", "execute_operation", "-b", "placed", "-p", asked)
        return self._cfy(*arguments, check=check)

    def uninstall(self) -> subprocess.CompletedProcess[str]:
        done = self._cfy("uninstall", "-b", "placed", check=False)
        self.may_be_there = done.returncode != 0
        return done


@pytest.fixture
def placed(least: Path, cfy: Cfy) -> Iterator[Placed]:
    made = Placed(cfy, least)
    yield made
    if made.may_be_there:
        done = made.uninstall()
        if made.may_be_there:
            # What one test leaves is not to fail all that come after it.
            made.uninstall()
        assert done.returncode == 0, done.stdout


def test_a_router_on_every_node_it_is_placed_on(placed: Placed, cfy: Cfy) -> None:
    assert placed.install().returncode == 0
    assert json.loads(cfy("deployments", "outputs", "-b", "placed").stdout) == {"nodes": ["node1", "node2"]}
    assert routing.kernel_routes("node1") == routing.kernel_routes("node2") == PREFIXES
    said = placed.uninstall().stdout
    assert clean("node1", said)
    assert clean("node2", said)


def images(kubectl: Callable[..., str]) -> list[str]:
    of_all = "jsonpath={.items[*].spec.containers[*].image}"
    return kubectl("get", "pods", "-l", "app.kubernetes.io/name=quagga", "-o", of_all).split()


def test_another_image_goes_from_node_to_node(placed: Placed, kubectl: Callable[..., str]) -> None:
    publish = [sys.executable, "-m", "lab", "image", "docker/quagga", "quagga:next"]
    subprocess.run(publish, cwd=PROJECT, check=True)
    assert placed.install().returncode == 0
    with Fewest() as fewest:
        said = placed.update(image="quagga:next")
    assert said.returncode == 0, said.stdout
    assert "this needs new pods" in said.stdout
    assert fewest.nodes == 1
    # One that is cut off is finished by the next operation.
    with Fewest() as fewest:
        with (
            placed.updating(image="quagga") as command,
            faults.strike(Request("delete", "pods"), command.kill),
        ):
            command.communicate(timeout=60)
        assert command.returncode == -signal.SIGKILL
        assert "Task failed" not in placed.heal()
    assert fewest.nodes == 1
    assert images(kubectl) == ["quagga", "quagga"]
    # One that does not come stops at the first node, and the other routes on.
    with Fewest() as fewest:
        said = placed.update(image="nosuch")
    assert said.returncode != 0
    assert "ImagePull" in said.stdout
    assert fewest.nodes == 1
    # What ran there sweeps the node, for nobody has the other image.
    (left,) = (name for name in ("node1", "node2") if routing.kernel_routes(name) == PREFIXES)
    with faults.killed_at_its_end(left):
        done = placed.uninstall()
    assert done.returncode == 0, done.stdout
    assert f"{left}: swept: 0 routes left" in done.stdout, done.stdout


class Fewest:
    """On how few of the two nodes there were routes at once, while a `with` block ran."""

    def __init__(self) -> None:
        self.nodes = 2
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)

    def __enter__(self) -> Fewest:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            now = sum(routing.kernel_routes(name) == PREFIXES for name in ("node1", "node2"))
            self.nodes = min(self.nodes, now)


def test_unequal_labels_are_refused(placed: Placed) -> None:
    said = placed.install(second_label="spare")
    assert said.returncode != 0
    assert "are both placed_on targets, with unequal labels" in said.stdout
    assert placed.uninstall().returncode == 0


def test_a_second_install_forgets_nothing_for_good(placed: Placed) -> None:
    assert placed.install().returncode == 0
    again = placed.install()
    assert again.returncode != 0
    assert "deployment 'placed' has been installed before and still lives" in again.stdout
    assert routing.kernel_routes("node1") == routing.kernel_routes("node2") == PREFIXES
    done = placed.uninstall()
    assert done.returncode == 0
    assert clean("node1", done.stdout)
    assert clean("node2", done.stdout)
