"""What rules of Kubernetes' authorization grant: a SelfSubjectRulesReview tells all of a namespace's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_ANY = "*"


def grant(rules: Iterable[Mapping[str, Any]], verb: str, group: str, resource: str) -> bool:
    """Whether any of these rules permits a verb on all objects of a resource.

    :param rules: a review's ``status.resourceRules``.
    :param resource: its plural, with its subresource if one is meant: ``pods/exec``.
    """
    names = {_ANY, resource}
    if "/" in resource:
        names.add(f"{_ANY}/{resource.partition('/')[2]}")
    wanted = {"verbs": {_ANY, verb}, "apiGroups": {_ANY, group}, "resources": names}
    return any(
        # Who may touch some objects by their names may not touch each.
        not rule.get("resourceNames") and all(said & _words(rule.get(key)) for key, said in wanted.items())
        for rule in rules
    )


def _words(value: object) -> set[str]:
    """Those of a list; what is none is no API server's."""
    return {word for word in value if isinstance(word, str)} if isinstance(value, list) else set()
