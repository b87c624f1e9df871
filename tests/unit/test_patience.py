"""How long pods are waited for, on a clock that a test moves."""

from __future__ import annotations

import pytest

from cloudify_quagga.cluster import Manifest
from cloudify_quagga.lifecycle import patience
from cloudify_quagga.lifecycle.patience import Patience

COMING: Manifest = {"metadata": {"name": "coming"}, "spec": {}}
TURNED_AWAY: Manifest = {**COMING, "status": {"phase": "Failed", "reason": "NodeAffinity"}}
WITHOUT_IMAGE: Manifest = {
    **COMING,
    "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
}


class Clock:
    """Stands for the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "time", made)
    return made


def test_what_has_an_obstacle_is_waited_for_less(clock: Clock) -> None:
    wait = Patience()
    clock.now += 5
    assert [wait.left([one]) for one in (COMING, WITHOUT_IMAGE)] == [55, 15]


def test_one_that_was_turned_away_leaves_more_time_for_all_that_follow(clock: Clock) -> None:
    wait = Patience()
    clock.now += 30
    assert wait.left([TURNED_AWAY]) == 70
    clock.now += 1
    # Its successor may find an obstacle of its own, and is given as long as any other.
    assert [wait.left(late) for late in ([], [COMING], [WITHOUT_IMAGE])] == [69, 69, 19]
    clock.now += 60
    assert wait.left([TURNED_AWAY, WITHOUT_IMAGE]) == 9
