"""What other processes tell PID 1: to end in order, that a child has ended, and to look at once."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType

from router.ending import StopAsked

_STOP = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """The handlers of this process; there is one of it."""

    def __init__(self) -> None:
        self._asked: str | None = None
        self._bell, rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        self._hangup = False
        signal.signal(signal.SIGHUP, self._note_hangup)
        for number in _STOP:
            signal.signal(number, self._stop)

    def hear(self) -> None:
        """Let in what start.sh blocked, so that no signal was lost while nobody could hear it."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)

    def wait(self, seconds: float) -> None:
        """Sleep until a child ends or the time is over."""
        # Python drops what a handler raises in a destructor, and a Popen has one: it is asked for again here.
        if self._asked is not None:
            raise StopAsked(self._asked)
        if select.select([self._bell], [], [], max(0.0, seconds))[0]:
            os.read(self._bell, 4096)

    def take_hangup(self) -> bool:
        """Somebody sent SIGHUP since this was asked last."""
        asked, self._hangup = self._hangup, False
        return asked

    def ignore_stop(self) -> None:
        """From now on the end is under way, and asking for it again changes nothing."""
        for number in _STOP:
            signal.signal(number, signal.SIG_IGN)

    def _note_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._hangup = True

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.ignore_stop()
        self._asked = signal.Signals(number).name
        raise StopAsked(self._asked)
