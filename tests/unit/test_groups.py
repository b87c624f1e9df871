"""Tests that run side by side do so in groups: the lab's would take each other's nodes."""

import os

import pytest


def test_with_several_workers_every_group_has_one(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith("@beside") is ("PYTEST_XDIST_WORKER" in os.environ)
