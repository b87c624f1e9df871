"""Nodes and router in one deployment: the router goes where its LabeledNodes are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import routing
from tests.lab.conftest import Cfy

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

    def uninstall(self) -> subprocess.CompletedProcess[str]:
        return self._cfy("uninstall", "-b", "placed", check=False)


@pytest.fixture
def placed(kubeconfig: Path, cfy: Cfy) -> Iterator[Placed]:
    made = Placed(cfy, kubeconfig)
    yield made
    made.uninstall()


def test_a_router_on_every_node_it_is_placed_on(placed: Placed, cfy: Cfy) -> None:
    assert placed.install().returncode == 0
    assert json.loads(cfy("deployments", "outputs", "-b", "placed").stdout) == {"nodes": ["node1", "node2"]}
    assert routing.kernel_routes("node1") == routing.kernel_routes("node2") == PREFIXES
    said = placed.uninstall().stdout
    assert "node1: stopped: 0 routes left" in said
    assert "node2: stopped: 0 routes left" in said


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
