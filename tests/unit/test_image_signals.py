"""What PID 1 is told reaches it, wherever in its code it is at that moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from router.ending import StopAsked
from router.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield Signals()
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)


class Dying:
    """Is asked to end in the worst moment: in a destructor, whose exceptions Python drops."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_being_asked_to_end_interrupts_what_is_done(signals: Signals) -> None:
    with pytest.raises(StopAsked, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_python_dropped_is_asked_again(signals: Signals) -> None:
    Dying()
    with pytest.raises(StopAsked, match="SIGTERM"):
        signals.wait(0)


def test_without_being_asked_one_sleeps(signals: Signals) -> None:
    signals.wait(0)
