"""What install saw of an earlier install, and uninstall may not look for any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Manifest, Reference, Right
from cloudify_quagga.errors import Failed
from cloudify_quagga.lifecycle import labels
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model import Router
from cloudify_quagga.operations import context, forgotten
from tests.unit import test_labeled_node as known
from tests.unit.small_cluster import SmallCluster
from tests.unit.test_operations_door import operation_context

NEWER = replace(known.OWNER, known=frozenset({"node_2"}))


class Unlistable(SmallCluster):
    """Lets everything be read by its name, and nothing be listed."""

    def may(self, right: object) -> bool:
        assert isinstance(right, Right)
        return right.verb != "list"

    def kinds(self) -> Iterator[tuple[str, str]]:
        yield from ()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Unlistable:
    made = Unlistable()

    @contextmanager
    def connection(_: object) -> Iterator[Unlistable]:
        yield made

    monkeypatch.setattr(context, "connection", connection)
    monkeypatch.setattr(context, "owner", lambda _: NEWER)
    return made


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


def test_labels_are_given_back(
    cluster: Unlistable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released: list[tuple[str, str]] = []
    monkeypatch.setattr(labels, "release", lambda _, *which: released.append(which))
    caplog.set_level("INFO")
    forgotten.remove(remembering(tmp_path, cluster.put(known.node())))
    assert released == [("node1", known.US)]
    assert "had left: labels of node_1 on node1" in caplog.text
