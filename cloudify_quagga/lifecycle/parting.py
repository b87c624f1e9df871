"""Pods that go are waited for, and each one's last word is heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Event, Manifest, Reference
from cloudify_quagga.errors import Unavailable, Waiting
from cloudify_quagga.lifecycle import nodes, pods
from cloudify_quagga.lifecycle.lease import Step, stand_still
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.story import told_events
from cloudify_quagga.names import Identity

# The pods' grace period, and a kubelet's next look at a pod whose end it has missed: 60 to 90 s.
STOP_SECONDS = render.GRACE_SECONDS + 90.0
# A kubelet that is away ends nothing; one that comes back just now does.
LOST_SECONDS = 10.0


class Lost(Waiting):
    """Pods cannot be heard, for their nodes are away.

    :param record: what is known when all others have been heard.
    :param nodes: those that are away.
    """

    def __init__(self, message: str, record: Record, nodes: frozenset[str | None]) -> None:
        self.record = record
        self.nodes = nodes
        super().__init__(message)


def farewell(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    journal: Journal,
    send: Callable[[], object],
    goes: Callable[[Manifest], bool],
    step: Step = stand_still,
) -> Record:
    """Send pods away and hear the last word of each.

    :param send: what makes them go.
    :param goes: tells which pods that concerns.
    :param step: called from time to time.
    """
    there = cluster.observe("v1", "Pod", record.wanted.namespace, identity.selector)
    present = {pod["metadata"]["uid"]: pod for pod in filter(goes, there.found)}
    record = _expecting(record, present.values(), journal)
    send()
    for pod in present.values():
        _let_go(cluster, pod)
    parting = _Parting(cluster, record, journal, goes, step, present)
    try:
        waited = parting.hear(there.changes)
    finally:
        journal.save(parting.record)
    if present:
        told = record.wanted.secrets.masked(_still_there(cluster, present.values(), waited))
        if not parting.is_in_vain():
            raise Waiting(told)
        raise Lost(told, parting.record, frozenset(map(pods.node_of, present.values())))
    return parting.record


@dataclass
class _Parting:
    """Pods that go, and what is known by their last words.

    :param present: those that have not gone yet, by their uid.
    """

    cluster: Cluster
    record: Record
    journal: Journal
    goes: Callable[[Manifest], bool]
    step: Step
    present: dict[str, Manifest]
    gone: set[str] = field(default_factory=set)

    def hear(self, changes: Callable[[float], Generator[Event, None, None]]) -> float:
        """Wait until they have gone, or as long as there is hope; tells how long that was, in seconds."""
        began = time.monotonic()
        if self.is_in_vain() or self._listen(changes(STOP_SECONDS), self.is_in_vain):
            self._listen(changes(LOST_SECONDS), lambda: False)
        return time.monotonic() - began

    def is_in_vain(self) -> bool:
        """Whether all that have not gone are on nodes whose kubelets are known to be away."""
        try:
            return bool(self.present) and all(_is_lost(self.cluster, pod) for pod in self.present.values())
        except Unavailable:
            # Words that are spoken meanwhile are spoken once.
            return False

    def _listen(self, changes: Generator[Event, None, None], is_enough: Callable[[], bool]) -> bool:
        """Take what happens until it is enough; tells whether it came to that."""
        with closing(changes):
            while self.present and (event := next(changes, None)):
                self.step()
                # Who listens again hears again of those that have gone.
                if self.goes(event.manifest) and event.manifest["metadata"]["uid"] not in self.gone:
                    self._take(event)
                    if is_enough():
                        return True
        return False

    def _take(self, event: Event) -> None:
        uid = event.manifest["metadata"]["uid"]
        self.present[uid] = event.manifest
        if event.type == "DELETED":
            self.gone.add(uid)
            self.record = _farewell(self.record, self.present.pop(uid), self.journal)
        else:
            _let_go(self.cluster, event.manifest)


def _let_go(cluster: Cluster, pod: Manifest) -> None:
    """Do not wait for the kubelet, which keeps such a pod for ten seconds and more."""
    if pods.is_over(pod):
        cluster.delete(Reference.of(pod), at_once=True)


def _expecting(record: Record, going: Iterable[Manifest], journal: Journal) -> Record:
    """Remember where routes may be left, before it is done: whoever is cut off sees these pods no more."""
    unswept = {
        node: _unseen(pod) for pod in going if (node := pods.node_of(pod)) and pods.left_something(pod)
    }
    if unswept.keys() <= record.unswept.keys():
        return record
    record = replace(record, unswept={**unswept, **record.unswept})
    journal.save(record)
    return record


def _unseen(pod: Manifest) -> str:
    return f"{pod['metadata']['name']} was not seen to end"


def _farewell(record: Record, pod: Manifest, journal: Journal) -> Record:
    """Remember what a pod that is gone leaves to do."""
    node, why, words = pods.node_of(pod), pods.left_something(pod), pods.last_words(pod) or ""
    masked = record.wanted.secrets.masked
    if node is None:
        return record
    if why:
        why = masked(why)
        journal.say(f"{node}: routes may be left, since {pod['metadata']['name']} ended otherwise: {why}")
        return replace(record, unswept={**record.unswept, node: f"{pod['metadata']['name']}: {why}"})
    if words.startswith(pods.CLEAN):
        journal.say(f"{node}: {masked(words)}")
        return record.swept(node)
    if record.unswept.get(node) == _unseen(pod):
        return replace(record, unswept={name: one for name, one in record.unswept.items() if name != node})
    return record


def _is_lost(cluster: Cluster, pod: Manifest) -> bool:
    """Whether it is on a node whose kubelet is away."""
    node = _home(cluster, pod)
    return node is not None and not nodes.is_ready(node)


def _home(cluster: Cluster, pod: Manifest) -> Manifest | None:
    return cluster.get(Reference("v1", "Node", pods.node_of(pod) or "-"))


def _still_there(cluster: Cluster, found: Iterable[Manifest], seconds: float) -> str:
    sentences = []
    for pod in found:
        node = _home(cluster, pod)
        lost = node is not None and not nodes.is_ready(node)
        remedy = f"; {nodes.bring_back(nodes.name(node))}" if node and lost else ""
        told = remedy or told_events(cluster, pod)
        sentences.append(f"{pods.name(pod)} has not ended after {seconds:.0f} s{told}")
    return "; ".join(sentences)
