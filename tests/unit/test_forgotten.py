"""What install saw of an earlier install, and uninstall may not look for any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Manifest, Reference, Right
from cloudify_quagga.errors import Failed, NotPermitted
from cloudify_quagga.lifecycle import labels
from cloudify_quagga.lifecycle.ownership import Forgotten, Owner
from cloudify_quagga.model import Router
from cloudify_quagga.operations import context, forgotten
from tests.unit import small_routers, test_ending
from tests.unit import test_labeled_node as known
from tests.unit.small_cluster import SmallCluster
from tests.unit.test_operations_door import operation_context

NEWER = replace(known.OWNER, known=frozenset({"node_2"}))


class Kinds(SmallCluster):
    """Has nothing that a microservice could be made of."""

    def kinds(self) -> Iterator[tuple[str, str]]:
        yield from ()


class Unlistable(Kinds):
    """Lets everything be read by its name, and nothing be listed."""

    def may(self, right: object) -> bool:
        assert isinstance(right, Right)
        return right.verb != "list"


C = TypeVar("C", bound=SmallCluster)


def reached(monkeypatch: pytest.MonkeyPatch, cluster: C, owner: Owner = NEWER) -> C:
    """The cluster, which operations of this owner are led to."""

    @contextmanager
    def connection(_: object) -> Iterator[C]:
        yield cluster

    monkeypatch.setattr(context, "connection", connection)
    monkeypatch.setattr(context, "owner", lambda _: owner)
    return cluster


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Unlistable:
    return reached(monkeypatch, Unlistable())


def remembering(tmp_path: Path, seen: Manifest) -> Any:
    ctx = operation_context(tmp_path)
    forgotten.remember(ctx, Forgotten("it still lives", [Reference.of(seen)]))
    return ctx


def test_a_router_is_not_taken_for_gone(cluster: Unlistable, tmp_path: Path) -> None:
    router = Router.parse({"node_selector": {"role": "router"}})
    seen = cluster.put(known.OWNER.stamped(render.configuration(router, known.OWNER.identity)))
    ctx = remembering(tmp_path, seen)
    with pytest.raises(Failed, match=rf"is left at https://small.example:6443 \({Reference.of(seen)}\)"):
        forgotten.remove(ctx)
    cluster.delete(Reference.of(seen))
    forgotten.remove(ctx)
    assert ctx.instance.runtime_properties == {}


def test_a_router_that_is_found_and_cannot_be_swept_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_routers.hasten(monkeypatch)
    cluster = reached(
        monkeypatch, Kinds(test_ending.kubelet("Error (exit code 137)")), test_ending.owner(set())
    )
    test_ending.living(cluster, "node1")
    cluster.put(test_ending.node("node1", ready=False))
    # Nothing was remembered: the install was refused for another reason.
    ctx = operation_context(tmp_path)
    for _ in range(2):
        with pytest.raises(Failed, match="node1 is not Ready: bring it back"):
            forgotten.remove(ctx)
    cluster.put(test_ending.node("node1"))
    forgotten.remove(ctx)
    assert cluster.find("v1", "ConfigMap") == []
    assert ctx.instance.runtime_properties == {}


def test_labels_that_are_found_and_cannot_be_given_back_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = reached(monkeypatch, Kinds())
    cluster.put(known.node())

    def forbidden(*_: object) -> None:
        raise NotPermitted("may not patch nodes")

    monkeypatch.setattr(labels, "release", forbidden)
    with pytest.raises(NotPermitted):
        forgotten.remove(operation_context(tmp_path))


def test_labels_are_given_back(
    cluster: Unlistable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released: list[tuple[str, str]] = []
    monkeypatch.setattr(labels, "release", lambda _, *which: released.append(which))
    caplog.set_level("INFO")
    forgotten.remove(remembering(tmp_path, cluster.put(known.node())))
    assert released == [("node1", known.US)]
    assert "had left: labels of node_1 on node1" in caplog.text


@pytest.mark.parametrize("stored", [5, ["x"], [{"kind": "Pod"}], [None]])
def test_what_somebody_has_made_of_it_is_told(stored: object, tmp_path: Path) -> None:
    ctx = operation_context(tmp_path)
    ctx.instance.runtime_properties[forgotten.FOUND] = stored
    with pytest.raises(Failed, match=r"the runtime property 'forgotten' of .* is not as it was left"):
        forgotten._known(ctx)
