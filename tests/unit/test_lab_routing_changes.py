"""On what all rests that says: nothing is left."""

from __future__ import annotations

from tests.lab import routing

STATE = {"node1: ip route": ["10.0.0.0/24 dev eth0", "10.1.0.0/24 dev eth1"], "node1: ip rule": ["0: all"]}


def test_a_state_that_is_what_it_was() -> None:
    assert routing.changes(STATE, {name: [*lines] for name, lines in STATE.items()}) == []


def test_what_came_what_went_and_what_is_there_twice() -> None:
    after = {"node1: ip route": ["10.0.0.0/24 dev eth0"], "node1: ip rule": ["0: all", "0: all", "1: all"]}
    assert routing.changes(STATE, after) == [
        "- node1: ip route: 10.1.0.0/24 dev eth1",
        "+ node1: ip rule: 0: all",
        "+ node1: ip rule: 1: all",
    ]
    assert len(routing.changes(STATE, {})) == 3
