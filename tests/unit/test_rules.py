"""What rules of Kubernetes' authorization grant, as Kubernetes itself reads them."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga import rules

PODS = {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}


def rule(**other: Any) -> dict[str, Any]:
    return {**PODS, **other}


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ([PODS], ("get", "", "pods")),
        ([rule(verbs=["*"])], ("delete", "", "pods")),
        ([rule(apiGroups=["*"])], ("get", "apps", "pods")),
        ([rule(resources=["*"])], ("get", "", "pods/log")),
        ([rule(resources=["*/log"])], ("get", "", "pods/log")),
        ([rule(resources=["nodes", "pods/log"])], ("get", "", "pods/log")),
        ([rule(verbs=["watch"]), PODS], ("list", "", "pods")),
        ([rule(resourceNames=[])], ("get", "", "pods")),
        ([rule(resourceNames=None)], ("get", "", "pods")),
    ],
)
def test_granted(known: list[dict[str, Any]], asked: tuple[str, str, str]) -> None:
    assert rules.grant(known, *asked)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ([], ("get", "", "pods")),
        ([PODS], ("watch", "", "pods")),
        ([PODS], ("get", "apps", "pods")),
        ([PODS], ("get", "", "pods/log")),
        ([rule(resources=["pods/log"])], ("get", "", "pods")),
        ([rule(resources=["*/log"])], ("get", "", "pods/exec")),
        ([rule(resources=["pods/*"])], ("get", "", "pods/exec")),
        ([rule(resourceNames=["router"])], ("get", "", "pods")),
        ([rule(verbs=["get"], resources=["nodes"]), rule(verbs=["watch"])], ("get", "", "pods")),
        # So Kubernetes' own words leave out what a rule does not say: it is about URLs.
        ([{"verbs": ["get"]}], ("get", "", "pods")),
        # Nor is anything granted by what no API server would say.
        ([rule(apiGroups=5)], ("get", "", "pods")),
        ([rule(resources="*")], ("get", "", "pods")),
        ([rule(verbs=[{}])], ("get", "", "pods")),
    ],
)
def test_not_granted(known: list[dict[str, Any]], asked: tuple[str, str, str]) -> None:
    assert not rules.grant(known, *asked)
