"""Labels and labelled nodes, as Kubernetes would have them."""

from __future__ import annotations

import pytest

from cloudify_quagga.model import LabeledNode, Labels
from tests.unit.refusals import sentence

RULE = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"role": "router"}, {"role": "router"}),
        ([{"role": "router"}], {"role": "router"}),
        ([{"role": "router"}, {"zone": "a", "role": "router"}], {"role": "router", "zone": "a"}),
        ({"node-role.kubernetes.io/router": ""}, {"node-role.kubernetes.io/router": ""}),
        ({"example.org/" + "a" * 63: "b" * 63}, {"example.org/" + "a" * 63: "b" * 63}),
    ],
)
def test_labels_are_a_map_or_a_list_of_maps(value: object, meant: dict[str, str]) -> None:
    labels = Labels.parse(value)
    assert labels == meant
    assert labels.to_json() == meant
    assert Labels.parse(labels.to_json()) == labels


def test_the_order_of_labels_means_nothing() -> None:
    one, other = Labels.parse({"a": "1", "b": "2"}), Labels.parse([{"b": "2"}, {"a": "1"}])
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ({"ro le": "x"}, f"labels: ro le is no label key; its name is {RULE}"),
        ({"": "x"}, f"labels: '' is no label key; its name is {RULE}"),
        ({"a" * 64: "x"}, f"labels: {'a' * 64} is no label key; its name is {RULE}"),
        ({"role-": "x"}, f"labels: role- is no label key; its name is {RULE}"),
        ({"role\n": "x"}, rf"labels: 'role\n' is no label key; its name is {RULE}"),
        ({"a/b/c": "x"}, "labels: a/b/c is no label key; a DNS name in lower case stands before the slash"),
        (
            {"Example.org/a": "x"},
            "labels: Example.org/a is no label key; a DNS name in lower case stands before",
        ),
        ({"/a": "x"}, "labels: /a is no label key; a DNS name in lower case stands before the slash"),
        ({"role": "a b"}, f"labels.role: a b is no label's value; that is empty, or {RULE}"),
        ({"role": "b" * 64}, f"labels.role: {'b' * 64} is no label's value; that is empty, or {RULE}"),
        ({"role": "-"}, f"labels.role: - is no label's value; that is empty, or {RULE}"),
        ({"role": "rüter"}, f"labels.role: rüter is no label's value; that is empty, or {RULE}"),
        ({"role": True}, "labels.role: true is no string; a label's value is meant: put it in quotes"),
        ({"role": 1}, "labels.role: 1 is no string; a label's value is meant: put it in quotes"),
        ({"role": None}, "labels.role: null is no string; a label's value is meant"),
        ({"role": ["a"]}, "labels.role: ['a'] is no string; a label's value is meant"),
        ({1: "a"}, "labels: 1 is a key that is no string; put it in quotes"),
        (
            [{"role": "a"}, {"role": "b"}],
            "labels[1].role: b is a second value of this label, which already is 'a'",
        ),
        (["role"], "labels[0]: role is no map; a map of label keys to values is meant"),
        ("role=router", "labels: role=router is no map; a map of label keys to values is meant"),
        ({}, "labels: {} holds no label; at least one is needed, as in {role: router}"),
        ([], "labels: [] holds no label; at least one is needed, as in {role: router}"),
        (None, "labels: null is no map; a map of label keys to values is meant"),
    ],
)
def test_labels_are_refused(value: object, refusal: str) -> None:
    assert sentence(lambda: Labels.parse(value)).startswith(refusal)


@pytest.mark.parametrize(
    ("node", "meant"),
    [
        ("node1", "node1"),
        ("n.example.org", "n.example.org"),
        ("10.200.0.11", "10.200.0.11"),
        ("FD00::0:1", "fd00::1"),
    ],
)
def test_a_node_has_a_name_or_an_address(node: str, meant: str) -> None:
    labeled = LabeledNode.parse({"node": node, "labels": {"role": "router"}, "client_config": {}})
    assert labeled == LabeledNode(meant, Labels.parse({"role": "router"}))
    assert LabeledNode.parse(labeled.to_json()) == labeled


@pytest.mark.parametrize(
    ("properties", "refusal"),
    [
        ({"node": "Node1"}, "node: Node1 is no Kubernetes node's name or InternalIP; node1 would be one"),
        ({"node": ""}, "node: '' is no Kubernetes node's name or InternalIP; node1 would be one"),
        ({"node": "a" * 254}, "is no Kubernetes node's name or InternalIP"),
        (
            {"node": 1},
            "node: 1 is no string; a Kubernetes node's name or InternalIP is meant: put it in quotes",
        ),
        ({"node": None}, "node: null is no string; a Kubernetes node's name or InternalIP is meant"),
        ({}, "node: null is no string; a Kubernetes node's name or InternalIP is meant"),
        ({"node": "node1"}, "labels: null is no map"),
    ],
)
def test_a_labeled_node_is_refused(properties: dict[str, object], refusal: str) -> None:
    assert refusal in sentence(lambda: LabeledNode.parse(properties))
