"""Tests that run beside the lab's do so in groups: those of one lab would take each other's nodes."""

from collections import defaultdict
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def test_those_that_share_something_are_in_one_group(request: pytest.FixtureRequest) -> None:
    groups: dict[str, set[str | None]] = defaultdict(set)
    for item in request.session.items:
        mark = item.get_closest_marker("xdist_group")
        groups[item.path.relative_to(TESTS).parts[0]].add(mark.args[0] if mark else None)

    assert groups["unit"] == {None}
    # Where there are none of the lab, each goes to whoever has time.
    beside = "lab" in groups
    assert groups.get("lab", set()) <= {"lab", "second"}
    for name in groups.keys() & {"api", "packaging", "ssh"}:
        assert groups[name] == {name if beside else None}
