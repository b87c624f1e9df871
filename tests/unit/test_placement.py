"""Whose word counts for a router's node_selector."""

from __future__ import annotations

import pytest

from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle.placement import placed
from cloudify_quagga.model import Router

OWN = Router.parse({"node_selector": {"own": "yes"}})
NONE = Router.parse({})
TARGETS = {"node_a": {"role": "router"}, "node_b": {"role": "router"}}
INFO = {"node_selector": {"info": "yes"}}


@pytest.mark.parametrize(
    ("router", "targets", "info", "expected"),
    [
        (OWN, TARGETS, INFO, {"own": "yes"}),
        (NONE, TARGETS, INFO, {"role": "router"}),
        (NONE, {}, INFO, {"info": "yes"}),
        (NONE, {"not_labelled_yet": {}}, INFO, {"info": "yes"}),
        (NONE, {}, {"node_selector": [{"info": "yes"}]}, {"info": "yes"}),
    ],
)
def test_the_first_that_says_something(router: Router, targets: dict, info: dict, expected: dict) -> None:  # type: ignore[type-arg]
    selector = placed(router, targets, info).node_selector
    assert selector is not None
    assert dict(selector) == expected


@pytest.mark.parametrize("router", [OWN, NONE])
def test_targets_that_disagree_are_refused_whatever_else_is_said(router: Router) -> None:
    targets = {"node_a": {"role": "router"}, "node_b": {"role": "spare"}}
    with pytest.raises(Refused, match=r"^relationships: node_a and node_b .*role=router and role=spare"):
        placed(router, targets, INFO)


@pytest.mark.parametrize("labels", [[{"role": "router"}], [{"role": "router"}, {"role": "router"}]])
def test_targets_may_say_the_same_in_the_form_of_2017(labels: object) -> None:
    selector = placed(NONE, {"node_a": labels, "node_b": {"role": "router"}}, {}).node_selector
    assert selector is not None
    assert dict(selector) == {"role": "router"}


@pytest.mark.parametrize("labels", ["role=router", 5, [["role"]]])
def test_labels_that_are_none_are_refused(labels: object) -> None:
    with pytest.raises(Refused, match=r"^labels of node_b"):
        placed(NONE, {"node_a": {"role": "router"}, "node_b": labels}, {})


def test_labels_that_count_for_nothing_are_nobodys_affair() -> None:
    odd = {"a": 1}
    assert placed(OWN, {"node_a": odd, "node_b": odd}, INFO).node_selector == OWN.node_selector


def test_nobody_said_anything() -> None:
    with pytest.raises(Refused, match=r"^node_selector: null names no nodes"):
        placed(NONE, {}, {})
