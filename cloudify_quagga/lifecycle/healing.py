"""A router is brought back to what is wanted: edits are taken back, routers mend themselves, few pods go."""

from __future__ import annotations

from dataclasses import dataclass

from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Unavailable
from cloudify_quagga.lifecycle import asking, drift, nodes, pods
from cloudify_quagga.lifecycle.converging import Convergence
from cloudify_quagga.lifecycle.record import Record


@dataclass(frozen=True)
class Healing(Convergence):
    """The way back to what is wanted already."""

    def put(self, manifest: Manifest) -> Manifest:
        """Also where somebody edited it by hand."""
        return drift.put_back(self.cluster, self.owner, manifest, self.journal.say)

    def steady(self, record: Record, staying: list[Manifest]) -> None:
        """As far as they can mend themselves; what they lack is waited for when one that works would go."""
        self._touch(record, staying)
        for pod in staying:
            self._mended(record, pod)

    def wake(self, record: Record, running: list[Manifest]) -> tuple[Record, list[Manifest]]:
        """Have each router mend what it can; one that does not answer is made anew."""
        awake = [pod for pod in running if self._mended(record, pod)]
        return self.made_anew(record, [pod for pod in running if pod not in awake]), awake

    def has_to_go(self, record: Record, pod: Manifest) -> bool:
        """Also one that is restarted later and later, whatever for."""
        return super().has_to_go(record, pod) or (pods.backs_off(pod) and not pods.is_leaving(pod))

    def _mended(self, record: Record, pod: Manifest) -> bool:
        try:
            asking.mend(self.cluster, pod, record.wanted.secrets)
        except (asking.Unanswered, Unavailable) as error:
            # An API server or a node that is away is no fault of the pod's.
            self.cluster.version()
            node = self.cluster.get(Reference("v1", "Node", pods.node_of(pod) or "-"))
            if node is None or not nodes.is_ready(node):
                raise
            self.journal.say(f"{error}")
            return False
        return True
