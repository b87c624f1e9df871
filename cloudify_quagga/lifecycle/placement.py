"""Which nodes a router is for: what it says, else what it is placed on, else what its cluster suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Labels, Router


def placed(router: Router, targets: Mapping[str, object], info: Mapping[str, Any]) -> Router:
    """The router with its node_selector settled.

    :param targets: what the router is placed on, by name, and what each says are its labels.
    :param info: the kubernetes_info of its cluster.
    """
    common = _common(targets)
    if router.node_selector is not None:
        return router
    if common:
        return replace(router, node_selector=Labels.parse(common, "placed_on"))
    if info.get("node_selector"):
        selector = Labels.parse(info["node_selector"], "kubernetes_info.node_selector")
        return replace(router, node_selector=selector)
    raise Refused(
        "node_selector",
        None,
        "names no nodes; say labels as {role: router}, place the router on a LabeledNode, "
        "or connect it to a cluster whose kubernetes_info has a node_selector",
    )


def _common(targets: Mapping[str, object]) -> object:
    """The labels of every target, refused where they differ: one nodeSelector cannot mean both."""
    if not targets:
        return {}
    (first, labels), *others = targets.items()
    for name, its in others:
        if its == labels:
            continue
        here, there = _parsed(first, labels), _parsed(name, its)
        if here != there:
            raise Refused(
                "relationships",
                f"{first} and {name}",
                f"are both placed_on targets, with unequal labels ({_shown(here)} and {_shown(there)}); "
                "give them the same labels",
            )
    return labels


def _parsed(target: str, labels: object) -> Mapping[str, str]:
    return Labels.parse(labels, f"labels of {target}") if labels else {}


def _shown(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
