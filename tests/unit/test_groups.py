"""Tests that run beside the lab's do so in groups: the lab's would take each other's nodes."""

import os
from pathlib import Path

import pytest


def test_with_several_workers_every_group_has_one(request: pytest.FixtureRequest) -> None:
    lab = Path(__file__).parents[1] / "lab"
    beside = any(lab in item.path.parents for item in request.session.items)

    assert request.node.nodeid.endswith("@beside") is (beside and "PYTEST_XDIST_WORKER" in os.environ)
