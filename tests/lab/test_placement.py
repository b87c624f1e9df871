"""Nodes and router in one deployment: the router goes where its LabeledNodes are."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import routing
from tests.lab.cfy import PROJECT, Cfy

pytestmark = pytest.mark.usefixtures("untouched")

BLUEPRINT = "tests/lab/blueprints/placed.yaml"
PREFIXES = {"10.0.0.0/24"}


class Placed:
    """The deployment `placed`."""

    def __init__(self, cfy: Cfy, kubeconfig: Path) -> None:
        self._cfy = cfy
        self._inputs = {"kubeconfig": str(kubeconfig)}

    def install(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        said = json.dumps({**self._inputs, **inputs})
        return self._cfy("install", BLUEPRINT, "-b", "placed", "-i", said, check=False)

    def update(self, **properties: str) -> subprocess.CompletedProcess[str]:
        said = json.dumps({"properties": properties})
        return self._cfy("executions", "start", "quagga_update", "-b", "placed", "-p", said, check=False)

    def uninstall(self) -> subprocess.CompletedProcess[str]:
        return self._cfy("uninstall", "-b", "placed", check=False)


@pytest.fixture
def placed(least: Path, cfy: Cfy) -> Iterator[Placed]:
    made = Placed(cfy, least)
    yield made
    made.uninstall()


def test_a_router_on_every_node_it_is_placed_on(placed: Placed, cfy: Cfy) -> None:
    assert placed.install().returncode == 0
    assert json.loads(cfy("deployments", "outputs", "-b", "placed").stdout) == {"nodes": ["node1", "node2"]}
    assert routing.kernel_routes("node1") == routing.kernel_routes("node2") == PREFIXES
    said = placed.uninstall().stdout
    assert "node1: stopped: 0 routes left" in said
    assert "node2: stopped: 0 routes left" in said


def test_another_image_goes_from_node_to_node(placed: Placed) -> None:
    publish = [sys.executable, "-m", "lab", "image", "docker/quagga", "quagga:next"]
    subprocess.run(publish, cwd=PROJECT, check=True)
    assert placed.install().returncode == 0
    with Fewest() as fewest:
        said = placed.update(image="quagga:next")
    assert said.returncode == 0, said.stdout
    assert "this needs new pods" in said.stdout
    assert fewest.nodes == 1
    # One that does not come stops at the first node, and the other routes on.
    with Fewest() as fewest:
        said = placed.update(image="nosuch")
    assert said.returncode != 0
    assert "ImagePull" in said.stdout
    assert fewest.nodes == 1
    assert placed.update(image="quagga:next").returncode == 0
    assert routing.kernel_routes("node1") == routing.kernel_routes("node2") == PREFIXES


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
    assert "node1: stopped: 0 routes left" in done.stdout
    assert "node2: stopped: 0 routes left" in done.stdout
