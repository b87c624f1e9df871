"""Whose something is, and how it is removed."""

from __future__ import annotations

import pytest

from cloudify_quagga.lifecycle.ownership import Marks, Owner
from cloudify_quagga.names import Identity


def owner(deployment: str) -> Owner:
    return Owner(Identity(deployment, "quagga", "quagga_1"), "here", frozenset(), "cfy uninstall -b")


@pytest.mark.parametrize(
    ("ours", "theirs", "command"),
    [
        ("b", "router", "cfy uninstall -b router"),
        ("all", "router", "cfy uninstall -b router"),
        ("router", "my router", "cfy uninstall -b 'my router'"),
    ],
)
def test_the_command_is_one_that_can_be_typed(ours: str, theirs: str, command: str) -> None:
    marks = Marks(theirs, "quagga", "quagga_2", "here")

    assert owner(ours).remedy(marks) == f"`{command}` removes it"


def test_without_another_deployment_it_is_about_our_own() -> None:
    assert owner("router").removal() == "cfy uninstall -b router"


def test_what_was_made_elsewhere_is_removed_elsewhere() -> None:
    marks = Marks("router", "quagga", "quagga_2", "there")

    assert owner("router").remedy(marks) == "it was made from there, where uninstalling 'router' removes it"
