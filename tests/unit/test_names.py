"""What the names guarantee, shown by a table and by arbitrary ids."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudify_quagga.names import INSTANCE, NAME, Identity, label_value

IDS = st.text(max_size=200)
IDENTITIES = st.builds(Identity, IDS, IDS, IDS)
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@pytest.mark.parametrize(
    ("identity", "object_name", "field_manager"),
    [
        (
            Identity("router", "quagga", "quagga_abc123"),
            "router-quagga-abc123-9396d9ead0",
            "cloudify-quagga:router:quagga:quagga_abc123",
        ),
        (
            Identity("Zürich Nord", "r", "r_1"),
            "z-rich-nord-r-1-d264b36e4d",
            "cloudify-quagga:Z-rich-Nord:r:r_1-d264b36e4d",
        ),
        (
            Identity("a" * 40 + "-b", "r", "r_1"),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-c79d8e2c89",
            "cloudify-quagga:" + "a" * 40 + "-b:r:r_1",
        ),
        (
            Identity("0" * 120, "r", "r_1"),
            "quagga-0000000000000000000000000000000000-3610116f9a",
            "cloudify-quagga:" + "0" * 101 + "-3610116f9a",
        ),
    ],
)
def test_names_are_readable_and_stable(identity: Identity, object_name: str, field_manager: str) -> None:
    assert identity.object_name == object_name
    assert identity.field_manager == field_manager


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Identity("a-b", "n", "c"), Identity("a", "n", "b-c")),
        (Identity("a", "n", "i"), Identity("a", "m", "i")),
        (Identity("a_b", "n", "i"), Identity("a-b", "n", "i")),
        (Identity("A", "n", "i"), Identity("a", "n", "i")),
        (Identity("a" * 80, "n", "i_1"), Identity("a" * 80, "n", "i_2")),
        (Identity("a:b", "n", "i"), Identity("a", "b:n", "i")),
        (Identity("ä", "n", "i"), Identity("ö", "n", "i")),
    ],
)
def test_instances_that_look_alike_keep_apart(one: Identity, other: Identity) -> None:
    assert one.object_name != other.object_name
    assert one.field_manager != other.field_manager


@settings(deadline=None)
@given(IDENTITIES)
def test_kubernetes_accepts_every_name(identity: Identity) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", identity.object_name)
    assert len(identity.object_name) <= 52
    assert all(LABEL_VALUE.fullmatch(value) for value in identity.labels.values())
    assert len(identity.field_manager.encode()) <= 128
    assert identity.field_manager.isprintable()


@settings(deadline=None)
@given(IDENTITIES)
def test_the_selector_is_part_of_the_labels(identity: Identity) -> None:
    assert identity.selector.items() <= identity.labels.items()
    assert {NAME, INSTANCE} <= identity.selector.keys()
    assert identity.annotations[INSTANCE] == identity.instance


@settings(deadline=None)
@given(st.text(max_size=100), st.text(max_size=100))
def test_different_ids_have_different_label_values(one: str, other: str) -> None:
    assert (label_value(one) == label_value(other)) == (one == other)


def test_an_id_that_is_a_label_value_stays_as_it_is() -> None:
    assert label_value("router_abc123") == "router_abc123"
    assert label_value("-router") != "-router"
