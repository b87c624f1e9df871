"""How long pods are waited for, by what is seen of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from cloudify_quagga.cluster import Manifest
from cloudify_quagga.lifecycle import pods

# One wait occupies a worker of the orchestrator, which asks again afterwards.
START_SECONDS = 60.0
# A pod that cannot start is given this long to think better of it, from the beginning, or since one was
# turned away.
STUCK_SECONDS = 20.0
# A kubelet that lost its API server some times in a row looks at its node anew after up to 60 s, and a
# DaemonSet's controller tries a node that keeps turning pods away after up to 32 s.
TURNED_AWAY_SECONDS = 100.0
# A pod that nobody else makes again is made again so much later.
AGAIN_SECONDS = 5.0


class Patience:
    """What one wait has left, in seconds."""

    def __init__(self) -> None:
        self._began = self._hoped = time.monotonic()
        self._is_longer = False

    def left(self, late: Iterable[Manifest]) -> float:
        """How much longer to wait for these pods; where one was turned away, for its successors too."""
        late = list(late)
        if any(map(pods.is_turned_away, late)):
            # Between two that are turned away there is none.
            self._is_longer = True
            self._hoped = time.monotonic()
        ends = self._began + (TURNED_AWAY_SECONDS if self._is_longer else START_SECONDS)
        if any(pods.obstacle(pod) and not pods.is_turned_away(pod) for pod in late):
            ends = min(ends, self._hoped + STUCK_SECONDS)
        return ends - time.monotonic()
