"""The image, built once, and what is thrown away after every test."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import image
from tests.image.container import Container, Neighbour, Node

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The image's root file system; nothing writes to it."""
    return image.build(PROJECT / "docker" / "quagga", "quagga")


@pytest.fixture
def turn(root: Path) -> Iterator[None]:
    """One of three at a time, of all processes: daemons of more would keep each other from the processor.

    While both labs have tests, two workers have others.
    """
    slots = [os.open(folder, os.O_RDONLY) for folder in (root, root.parent, PROJECT)]
    deadline = time.monotonic() + 600
    try:
        while not any(map(_taken, slots)):
            assert time.monotonic() < deadline, "three other tests do not end"
            time.sleep(0.05)
        yield
    finally:
        for slot in slots:
            os.close(slot)


def _taken(slot: int) -> bool:
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def node(root: Path, turn: None) -> Iterator[Node]:
    """A node that no router has touched."""
    made = Node(root)
    yield made
    made.close()


@pytest.fixture
def start(root: Path, node: Node, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Starts containers of the image on the node."""
    made: list[Container] = []

    def call(
        environment: Mapping[str, str] | None = None, on: Node | Neighbour = node, **how: Any
    ) -> Container:
        folder = tmp_path / f"container{len(made)}"
        folder.mkdir()
        made.append(Container(root, folder, on, environment, **how))
        return made[-1]

    yield call
    for container in made:
        container.close()
