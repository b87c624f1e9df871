"""Ending daemons that do nothing about the configuration that they are being given.

Back after it died in the middle of a commit, FRR 10.3's mgmtd at times waits for an answer of staticd that
does not come: for ten minutes, in which nothing can be changed. Meanwhile it asks whether it can go on,
which is next to no work; a large configuration, or little of a processor, keeps it busy all the time.
"""

from __future__ import annotations

import time
from typing import Final

from router import holding
from router.daemons import Daemons
from router.ending import Failed
from router.suite import Suite

_SECONDS: Final = 5.0
_LOOKS: Final = 20
"""Fewer looks in that time tell nothing: the supervisor itself was not given a processor."""
_BUSY: Final = 0.25
"""Daemons that get on are at work at 83 of 100 looks or more, those that do not at a few."""


class Standstill:
    """One configuration on its way to the daemons.

    All of them count as long as they are at work, for they are told at once, and some wait for others; those
    that are ended are the one that takes it and the one that makes routes of it.
    """

    def __init__(self, suite: Suite, daemons: Daemons) -> None:
        self._suite = suite
        self._names = {suite.configurer, suite.statics}
        self._daemons = daemons
        self._begin()

    def end(self) -> None:
        """Called again and again until it has been taken: end daemons that have stopped working on it.

        :raises Failed: if they had, or if one died; their deaths are noted like any other's.
        """
        if self._daemons.one_died():
            raise Failed("a daemon died while it was given its configuration")
        self._looks += 1
        self._busy += self._daemons.busy
        if time.monotonic() - self._since < _SECONDS:
            return
        if self._looks < _LOOKS or self._busy >= _BUSY * self._looks:
            self._begin()
            return
        # What staticd has put into the kernel goes with it.
        holding.stand_by(self._suite)
        told = f"did nothing for {_SECONDS:g} s about its configuration and was killed"
        self._daemons.end_idle(self._names, told)
        raise Failed(f"{' and '.join(sorted(self._names))} did nothing about the configuration")

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._looks = self._busy = 0
