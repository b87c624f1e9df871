"""A router becomes what is wanted of it: while it runs where that will do, else from node to node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudify_quagga import render
from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference
from cloudify_quagga.errors import Unavailable, Waiting
from cloudify_quagga.lifecycle import asking, drift, nodes, parting, pods, routing
from cloudify_quagga.lifecycle.lease import Turn
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.patience import Patience
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.routing import Declined
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION

APPLY_SECONDS = 45.0
POLL_SECONDS = 0.1
# A kubelet and a router are not quicker than this.
SETTLE_SECONDS = 0.3
# What has not come soon comes when a neighbour does.
SLOW_POLL_SECONDS = 0.5
# A kubelet that was told before it could know the new file is told again.
TOUCH_SECONDS = 3.0
_SHORT_HASH = 16


@dataclass(frozen=True)
class Convergence:
    """The way to what is wanted, for as long as it is one's turn."""

    cluster: Cluster
    owner: Owner
    journal: Journal
    turn: Turn

    def to_manifests(self, record: Record, manifests: Sequence[Manifest]) -> Record:
        """Apply them, and wait until every router is as they want it; Declined where one will not be."""
        *others, workload = manifests
        before = self.cluster.get(record.workload)
        found = self.its_pods(record)
        for manifest in others:
            self.put(manifest)
        record = self._run(record, workload, found)
        kept = self._kept(record, found)
        away = self.away(kept)
        staying = [pod for pod in kept if pod not in away]
        self._leave_alone(away, len(found) > len(away))
        self._touch(record, staying)
        record, awake = self.wake(record, staying)
        self._await_taken(record, awake)
        after = self.cluster.get(record.workload)
        all_stayed = len(awake) == len(staying) and len(kept) == len(found) >= routing.expected(after)
        if not all_stayed or _generation(before) != _generation(after):
            record = self._until_all(record, workload)
        routes_on = sorted({node for pod in self.its_pods(record) if (node := pods.node_of(pod))})
        return replace(record, nodes=tuple(sorted({*record.nodes, *routes_on})))

    def put(self, manifest: Manifest) -> Manifest:
        """Have the object be as the manifest says."""
        return drift.put(self.cluster, self.owner, manifest)

    def wake(self, record: Record, running: list[Manifest]) -> tuple[Record, list[Manifest]]:
        """What running pods need beside being told of the file; tells which of them go on."""
        return record, running

    def has_to_go(self, record: Record, pod: Manifest) -> bool:
        """Whether a pod has to make place for another one."""
        # One that refuses is restarted later and later; its successor reads its file at once.
        goes = self._is_outdated(record, pod) or bool(pods.refusal(pod))
        # Of what has ended for good a controller makes another one; a bare pod has none.
        ended = record.wanted.kind == "Pod" and pods.has_ended(pod)
        return not pods.is_leaving(pod) and (goes or ended)

    def its_pods(self, record: Record) -> list[Manifest]:
        """Its pods as they are now."""
        return self.cluster.find("v1", "Pod", record.wanted.namespace, self.owner.identity.selector)

    def chosen(self, record: Record) -> set[str]:
        """The nodes that the router is for, as far as labels say."""
        selector: Mapping[str, str] = record.wanted.node_selector or {}
        return {nodes.name(node) for node in self.cluster.find("v1", "Node") if nodes.matches(node, selector)}

    def away(self, found: Sequence[Manifest]) -> list[Manifest]:
        """Those whose node does not answer just now."""
        if not found:
            return []
        ready = routing.ready_nodes(self.cluster)
        return [pod for pod in found if pods.node_of(pod) not in (None, *ready)]

    def _near(self, found: Sequence[Manifest]) -> list[Manifest]:
        away = self.away(found)
        return [pod for pod in found if pod not in away]

    def _until_all(self, record: Record, workload: Manifest) -> Record:
        """Wait until all of them route; a bare pod that its kubelet turns away is made again meanwhile."""
        wait = Patience()
        while True:
            try:
                routing.until_all(self.cluster, self.owner.identity, record, self.turn.renew, wait)
            except routing.TurnedAway as error:
                self.journal.say(str(error))
                record = self._run(record, workload, self.its_pods(record))
            else:
                return record

    def _kept(self, record: Record, found: Sequence[Manifest]) -> list[Manifest]:
        """Those that run, and go on running."""
        before = {_uid(pod) for pod in found}
        running = [pod for pod in self.its_pods(record) if _uid(pod) in before and pods.is_running(pod)]
        return [pod for pod in running if not self.has_to_go(record, pod)]

    def _run(self, record: Record, workload: Manifest, found: Sequence[Manifest]) -> Record:
        """Apply what runs the pods, and make anew those that have to be."""
        going = [pod for pod in found if self.has_to_go(record, pod)]
        if going:
            places = ", ".join(pods.name(pod) for pod in going)
            self.journal.say(f"this needs new pods, one after the other in place of {places}")
        if record.wanted.kind == "DaemonSet":
            return self._run_on_every_node(record, workload, found, going)
        if record.wanted.kind == "Deployment":
            uids = {_uid(pod) for pod in going}
            return self._sent(record, lambda: self._apply_and_dismiss(workload, record, going), uids)
        # What is applied to a pod that is on its way out goes with it.
        uids = {_uid(pod) for pod in found if pod in going or pods.is_leaving(pod)}
        if uids:
            record = self._sent(record, lambda: self.cluster.delete(record.workload), uids)
        self.put(workload)
        return record

    def _apply_and_dismiss(self, workload: Manifest, record: Record, going: Sequence[Manifest]) -> None:
        """A Deployment that has become another sends pods of its earlier making away by itself."""
        before = self.cluster.get(record.workload)
        has_changed = _generation(self.put(workload)) != _generation(before)
        for pod in going:
            if not (has_changed and self._is_outdated(record, pod)):
                self.cluster.delete(Reference.of(pod))

    def _run_on_every_node(
        self, record: Record, workload: Manifest, found: Sequence[Manifest], going: Sequence[Manifest]
    ) -> Record:
        chosen = self.chosen(record)
        left = {_uid(pod) for pod in self.its_pods(record) if pods.node_of(pod) not in (None, *chosen)}
        record = self._sent(record, lambda: self.put(workload), left)
        going = [pod for pod in going if _uid(pod) not in left]
        # What routes nothing is nothing to be careful with.
        idle = [pod for pod in self._near(going) if not self._may_route(record, pod)]
        record = self.made_anew(record, idle)
        others = [pod for pod in going if pod not in idle]
        if others:
            self.steady(record, self._near(self._kept(record, found)))
        return self.made_anew(record, others)

    def steady(self, record: Record, staying: list[Manifest]) -> None:
        """Those that stay are as they should be before the first one goes: they are what routes meanwhile."""
        self._touch(record, staying)
        self._await_taken(record, staying)

    def made_anew(self, record: Record, going: Sequence[Manifest]) -> Record:
        """Have other pods in place of these, one after the other, and never two away at a time."""
        uids = {_uid(pod) for pod in going}
        for pod in self._most_useless_first(going):
            if record.wanted.kind == "DaemonSet" and self._may_route(record, pod):
                routing.until_others(self.cluster, self.owner.identity, record, uids, self.turn.renew)
            record = self._replaced(record, pod)
        return record

    def _most_useless_first(self, going: Sequence[Manifest]) -> list[Manifest]:
        """What does not route costs nothing; what is on a node that is away may keep everybody waiting."""
        away = self.away(going)
        return sorted(going, key=lambda pod: (pod in away, pods.is_ready(pod), pods.is_running(pod)))

    def _may_route(self, record: Record, pod: Manifest) -> bool:
        """Whether it takes away a router that works to have another pod in place of this one."""
        return pods.is_ready(pod) or (pods.is_running(pod) and self._is_outdated(record, pod))

    def _replaced(self, record: Record, pod: Manifest) -> Record:
        self.turn.renew()
        self.journal.say(f"{pods.name(pod)} goes, and another one comes")
        record = self._sent(record, lambda: self.cluster.delete(Reference.of(pod)), {_uid(pod)})
        if record.wanted.kind == "Pod":
            # Nobody else makes another one.
            self.put(render.workload(record.wanted, self.owner.identity))
        if pods.node_of(pod) is not None:
            routing.until_successor(self.cluster, self.owner.identity, record, pod, self.turn.renew)
        return record

    def _sent(self, record: Record, send: Callable[[], object], uids: set[str]) -> Record:
        """Have some pods go, their last words heard."""
        if not uids:
            send()
            return record
        identity = self.owner.identity
        return parting.farewell(
            self.cluster, identity, record, self.journal, send, goes=lambda pod: _uid(pod) in uids
        )

    def _is_outdated(self, record: Record, pod: Manifest) -> bool:
        """Whether it is another pod than would be made now; its image may have been edited elsewhere."""
        images = [one["image"] for one in pod["spec"]["containers"] if one["name"] == render.CONTAINER]
        template = render.template_hash(record.wanted, self.owner.identity)
        return pods.template_of(pod) != template or images != [record.wanted.image]

    def _await_taken(self, record: Record, running: Iterable[Manifest]) -> None:
        """Until every router has applied the file, and all is as it wants it."""
        late = {_uid(pod): pod for pod in running}
        began = touched = time.monotonic()
        if late:
            # Who asks earlier takes the processor from kubelet and router, and hears that it is too early.
            time.sleep(SETTLE_SECONDS)
        while late:
            again = time.monotonic() > touched + TOUCH_SECONDS
            if again:
                touched = time.monotonic()
                self._touch(record, late.values(), shown=int(touched))
            why = {uid: lack for uid, pod in late.items() if (lack := self._told_lack(record, pod, again))}
            late = {uid: pod for uid, pod in late.items() if uid in why}
            if late and time.monotonic() > began + APPLY_SECONDS:
                raise Waiting("; ".join(f"{pods.name(pod)}: {why[uid]}" for uid, pod in late.items()))
            self.turn.renew()
            if late:
                time.sleep(POLL_SECONDS if time.monotonic() < began + TOUCH_SECONDS else SLOW_POLL_SECONDS)

    def _leave_alone(self, away: Sequence[Manifest], others: bool) -> None:
        """A node that is away does not keep others from their change; it reads the file when it is back."""
        names = ", ".join(map(pods.name, away))
        if away and not others:
            raise Waiting(f"no router can be reached: {names}, which is not Ready; bring it back")
        if away:
            self.journal.say(f"{names}: the node is not Ready, and takes the change when it is back")

    def _told_lack(self, record: Record, pod: Manifest, surely: bool) -> str | None:
        try:
            return self._lack(record, pod, surely)
        except Unavailable as error:
            # A router that is busy with many routes, on a node that is busy too, may not answer in time.
            return str(error)

    def _lack(self, record: Record, pod: Manifest, surely: bool) -> str | None:
        """What a router still lacks; Declined where it does not take the file.

        :param surely: ask also where it has not written down yet that it has done something.
        """
        outstanding = f"it has not applied the configuration {record.hash[:_SHORT_HASH]} yet"
        if not surely and not asking.has_decided(self.cluster, pod, record.hash):
            return outstanding
        told = asking.report(self.cluster, pod, record.wanted.secrets)
        refusal = told.refusal_of(record.hash)
        if refusal:
            raise Declined(f"{pods.name(pod)} refused the configuration: {refusal}")
        if told.applied_hash != record.hash:
            return outstanding
        return None if told.ready else told.reason

    def _touch(self, record: Record, running: Iterable[Manifest], shown: int = 0) -> None:
        """Have the kubelet look at the pod, and so at its file, at once instead of within a minute.

        :param shown: only what changes the pod is noticed, so another number makes it another touch.
        """
        value = record.hash[: len(record.hash) - shown % 16]
        key = CONFIG_HASH_ANNOTATION.replace("/", "~1")
        operation = {"op": "add", "path": f"/metadata/annotations/{key}", "value": value}
        for pod in running:
            try:
                self.cluster.patch(Reference.of(pod), [operation])
            except Absent as error:
                raise Waiting(f"{pods.name(pod)} has been taken away while it was changed") from error


def _generation(workload: Manifest | None) -> object:
    return workload and (workload["metadata"].get("uid"), workload["metadata"].get("generation"))


def _uid(pod: Manifest) -> str:
    return str(pod["metadata"]["uid"])
