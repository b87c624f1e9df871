"""A router is brought to what is wanted of it: while it runs where that will do, else from node to node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloudify_quagga import render
from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference
from cloudify_quagga.errors import Conflict, Failed, QuaggaError, Refused, Unavailable, Waiting
from cloudify_quagga.lifecycle import asking, drift, ending, lease, nodes, pods, preflight, routing
from cloudify_quagga.lifecycle.lease import Turn
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Earlier, Journal, Record
from cloudify_quagga.lifecycle.routing import Declined
from cloudify_quagga.model import Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION

APPLY_SECONDS = 45.0
POLL_SECONDS = 0.1
# A kubelet that was told before it could know the new file is told again.
TOUCH_SECONDS = 3.0
_SHORT_HASH = 16


def start(cluster: Cluster, owner: Owner, record: Record, journal: Journal) -> Record:
    """Run what is recorded, and wait until it routes; a change that was cut off is finished."""
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        return _Change(cluster, owner, journal, turn).carried_out(record)


def update(cluster: Cluster, owner: Owner, record: Record, wanted: Router, journal: Journal) -> Record:
    """Have it be another router than it was; what would be refused is refused before anything is changed."""
    _check_same_object(record.wanted, wanted)
    preflight.check_change(cluster, owner, record.wanted, wanted)
    with lease.turn(cluster, owner, wanted.namespace) as turn:
        change = _Change(cluster, owner, journal, turn)
        begun = _begun(owner, record, wanted)
        if begun.hash != record.hash or record.earlier:
            change.check_accepted(record, wanted)
        journal.save(begun)
        return change.carried_out(begun)


def heal(cluster: Cluster, owner: Owner, record: Record, journal: Journal) -> Record:
    """Bring back exactly what drifted, and make a pod anew only where nothing less helps."""
    with lease.turn(cluster, owner, record.wanted.namespace) as turn:
        return _Healing(cluster, owner, journal, turn).carried_out(record)


def _check_same_object(before: Router, wanted: Router) -> None:
    for name in ("namespace", "kind"):
        was, now = getattr(before, name), getattr(wanted, name)
        if was != now:
            right = f"cannot take the place of {was} in a router that lives; uninstall and install it"
            raise Refused(name, now, right)


def _begun(owner: Owner, record: Record, wanted: Router) -> Record:
    """The record of a change that is about to begin: it knows the objects of both ends."""
    manifests = render.objects(wanted, owner.identity)
    hash_ = render.config_hash(render.frr_conf(wanted))
    references = [Reference.of(manifest) for manifest in manifests]
    known = [one for one in record.objects if one not in references]
    is_new = (record.wanted.to_json(), record.hash) != (wanted.to_json(), hash_)
    earlier = record.earlier or (Earlier(record.wanted, record.hash) if is_new else None)
    return replace(record, wanted=wanted, hash=hash_, objects=(*known, *references), earlier=earlier)


@dataclass(frozen=True)
class _Change:
    """One change while it is one's turn."""

    cluster: Cluster
    owner: Owner
    journal: Journal
    turn: Turn

    def check_accepted(self, record: Record, wanted: Router) -> None:
        """Ask a router on each node whether it would take the configuration."""
        text = render.frr_conf(wanted)
        template = render.template_hash(wanted, self.owner.identity)
        for node, pod in {
            pods.node_of(one): one for one in self._pods(record) if pods.is_running(one)
        }.items():
            try:
                reason = asking.check(self.cluster, pod, text, wanted.secrets)
            except asking.Unanswered as error:
                if pods.template_of(pod) == template:
                    raise
                # It is to be made anew, from another image perhaps, which judges when it starts.
                self.journal.say(f"{node}: the configuration is not judged beforehand: {error}")
                continue
            if reason:
                raise Failed(f"the router on {node} would refuse this: {reason}; nothing was changed")

    def carried_out(self, record: Record) -> Record:
        """To its end; where a router declines, back to what was before."""
        held = self._held(record)
        manifests = render.objects(record.wanted, self.owner.identity)
        try:
            record = self._converged(record, manifests)
        except Declined as error:
            if record.earlier is None:
                raise
            raise self._undone(record, record.earlier, held, error) from error
        return self._finished(record)

    def put(self, manifest: Manifest) -> Manifest:
        """Have the object be as the manifest says."""
        try:
            return self.cluster.apply(self.owner.stamped(manifest), self.owner.identity.field_manager)
        except Conflict as error:
            raise Conflict(f"{error}; the operation `heal` takes back what was edited by hand") from error

    def wake(self, record: Record, running: list[Manifest]) -> tuple[Record, list[Manifest]]:
        """What running pods need beside being told of the file; tells which of them go on."""
        return record, running

    def _converged(self, record: Record, manifests: Sequence[Manifest]) -> Record:
        *others, workload = manifests
        before = self.cluster.get(record.workload)
        found = self._pods(record)
        for manifest in others:
            self.put(manifest)
        record = self._run(record, workload, found)
        staying = [pod for pod in found if pods.is_running(pod) and not self._has_to_go(record, pod)]
        self._touch(record, staying)
        record, staying = self.wake(record, staying)
        self._await_taken(record, staying)
        after = self.cluster.get(record.workload)
        if not found or len(staying) != len(found) or _generation(before) != _generation(after):
            routing.until_all(self.cluster, self.owner.identity, record, self.turn.renew)
        routes_on = sorted({node for pod in self._pods(record) if (node := pods.node_of(pod))})
        return replace(record, nodes=tuple(sorted({*record.nodes, *routes_on})))

    def _run(self, record: Record, workload: Manifest, found: Sequence[Manifest]) -> Record:
        """Apply what runs the pods, and make anew those that have to be."""
        going = [pod for pod in found if self._has_to_go(record, pod)]
        if going:
            places = ", ".join(pods.name(pod) for pod in going)
            self.journal.say(f"this needs new pods, one after the other in place of {places}")
        if record.wanted.kind == "DaemonSet":
            return self._run_on_every_node(record, workload, going)
        uids = {_uid(pod) for pod in going}
        if record.wanted.kind == "Deployment":
            return self._sent(record, lambda: self._apply_and_dismiss(workload, record, going), uids)
        if going:
            record = self._sent(record, lambda: self.cluster.delete(record.workload), uids)
        self.put(workload)
        return record

    def _apply_and_dismiss(self, workload: Manifest, record: Record, going: Sequence[Manifest]) -> None:
        """A Deployment sends pods of an earlier making away by itself, and no others."""
        self.put(workload)
        for pod in going:
            if not self._is_outdated(record, pod):
                self.cluster.delete(Reference.of(pod))

    def _run_on_every_node(self, record: Record, workload: Manifest, going: Sequence[Manifest]) -> Record:
        chosen = self._chosen(record)
        left = {_uid(pod) for pod in self._pods(record) if pods.node_of(pod) not in (None, *chosen)}
        record = self._sent(record, lambda: self.put(workload), left)
        for pod in going:
            if _uid(pod) not in left:
                record = self._made_anew(record, pod)
        return record

    def _made_anew(self, record: Record, pod: Manifest) -> Record:
        self.turn.renew()
        self.journal.say(f"{pods.name(pod)} goes, and another one comes")
        record = self._sent(record, lambda: self.cluster.delete(Reference.of(pod)), {_uid(pod)})
        if pods.node_of(pod) is not None:
            routing.until_successor(self.cluster, self.owner.identity, record, pod, self.turn.renew)
        return record

    def _sent(self, record: Record, send: Callable[[], object], uids: set[str]) -> Record:
        """Have some pods go, their last words heard."""
        if not uids:
            send()
            return record
        identity = self.owner.identity
        return ending.farewell(
            self.cluster, identity, record, self.journal, send, goes=lambda pod: _uid(pod) in uids
        )

    def _has_to_go(self, record: Record, pod: Manifest) -> bool:
        # One that refuses is restarted later and later; its successor reads its file at once.
        return not pods.is_leaving(pod) and (self._is_outdated(record, pod) or bool(pods.refusal(pod)))

    def _is_outdated(self, record: Record, pod: Manifest) -> bool:
        """Whether it is another pod than would be made now; its image may have been edited elsewhere."""
        images = [one["image"] for one in pod["spec"]["containers"] if one["name"] == render.CONTAINER]
        template = render.template_hash(record.wanted, self.owner.identity)
        return pods.template_of(pod) != template or images != [record.wanted.image]

    def _await_taken(self, record: Record, running: Iterable[Manifest]) -> None:
        """Until every router has applied the file, and all is as it wants it."""
        late = {_uid(pod): pod for pod in running}
        began = touched = time.monotonic()
        while late:
            why = {uid: lack for uid, pod in late.items() if (lack := self._lack(record, pod))}
            late = {uid: pod for uid, pod in late.items() if uid in why}
            now = time.monotonic()
            if late and now > began + APPLY_SECONDS:
                raise Waiting("; ".join(f"{pods.name(pod)}: {why[uid]}" for uid, pod in late.items()))
            if late and now > touched + TOUCH_SECONDS:
                self._touch(record, late.values(), shown=int(now))
                touched = now
            self.turn.renew()
            time.sleep(POLL_SECONDS if late else 0)

    def _lack(self, record: Record, pod: Manifest) -> str | None:
        """What a router still lacks; Declined where it does not take the file."""
        told = asking.report(self.cluster, pod, record.wanted.secrets)
        refusal = told.refusal_of(record.hash)
        if refusal:
            raise Declined(f"{pods.name(pod)} refused the configuration: {refusal}")
        if told.applied_hash != record.hash:
            return f"it has not applied the configuration {record.hash[:_SHORT_HASH]} yet"
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

    def _finished(self, record: Record) -> Record:
        """Nothing of the change is left to do, and nothing of what was before is left behind."""
        current = [Reference.of(one) for one in render.objects(record.wanted, self.owner.identity)]
        for reference in record.objects:
            if reference not in current:
                self.cluster.delete(reference)
        where = {node for pod in self._pods(record) if (node := pods.node_of(pod))}
        minded = {node: why for node, why in record.unswept.items() if node not in where}
        record = replace(record, objects=tuple(current), earlier=None, unswept=minded)
        self.journal.save(record)
        chosen = self._chosen(record)
        left = [node for node in record.nodes if node not in (*where, *chosen)]
        left = [node for node in dict.fromkeys((*record.unswept, *left)) if node not in where]
        record = ending.sweep_left(self.cluster, self.owner.identity, record, left, self.journal)
        self.journal.say(f"the router routes on {', '.join(record.nodes)}")
        return record

    def _undone(
        self, record: Record, earlier: Earlier, held: Manifest | None, error: Declined
    ) -> QuaggaError:
        """Go back to what was before; tells how that went."""
        self.journal.say(f"{error}; going back to what was before")
        wanted = earlier.wanted.with_secrets(record.wanted.secrets)
        back = replace(record, wanted=wanted, hash=earlier.hash)
        try:
            configuration = self._configuration(back, held)
            back = self._converged(back, [configuration, render.workload(wanted, self.owner.identity)])
            self._finished_back(back)
        except QuaggaError as second:
            return Failed(f"{error}; going back to what was before did not end well: {second}")
        return Failed(f"{error}; what was before is in force again")

    def _finished_back(self, record: Record) -> None:
        kept = [one for one in record.objects if one.kind == _configuration_kind(record.wanted)]
        for reference in record.objects:
            if reference.kind in ("ConfigMap", "Secret") and reference not in kept:
                self.cluster.delete(reference)
        self.journal.save(replace(record, objects=(*kept, record.workload), earlier=None))

    def _configuration(self, record: Record, held: Manifest | None) -> Manifest:
        """The object as it was: its own content where that is still known, since secrets may have changed."""
        if held is not None and _hash_of(held) == record.hash:
            metadata = {
                key: held["metadata"].get(key) for key in ("name", "namespace", "labels", "annotations")
            }
            content: Manifest = {key: held[key] for key in ("type", "data") if key in held}
            return {"apiVersion": "v1", "kind": held["kind"], "metadata": metadata, **content}
        made = render.configuration(record.wanted, self.owner.identity)
        if _hash_of(made) != record.hash:
            raise Failed("the secrets of that time are not known any more; update it to what is right")
        return made

    def _held(self, record: Record) -> Manifest | None:
        """The configuration that the cluster holds before the change."""
        earlier = record.earlier
        if earlier is None:
            return None
        name, namespace = self.owner.identity.object_name, record.wanted.namespace
        return self.cluster.get(Reference("v1", _configuration_kind(earlier.wanted), name, namespace))

    def _chosen(self, record: Record) -> set[str]:
        """The nodes that the router is for, as far as labels say."""
        selector: Mapping[str, str] = record.wanted.node_selector or {}
        return {nodes.name(node) for node in self.cluster.find("v1", "Node") if nodes.matches(node, selector)}

    def _pods(self, record: Record) -> list[Manifest]:
        return self.cluster.find("v1", "Pod", record.wanted.namespace, self.owner.identity.selector)


@dataclass(frozen=True)
class _Healing(_Change):
    """A change to what is wanted already: others' edits are taken back, and routers mend themselves."""

    def put(self, manifest: Manifest) -> Manifest:
        """Also where somebody edited it by hand."""
        return drift.put_back(self.cluster, self.owner, manifest, self.journal.say)

    def wake(self, record: Record, running: list[Manifest]) -> tuple[Record, list[Manifest]]:
        """Have each router mend what it can; one that does not answer is made anew."""
        awake = [pod for pod in running if self._mended(record, pod)]
        for pod in running:
            if pod not in awake:
                record = self._made_anew(record, pod)
        return record, awake

    def _has_to_go(self, record: Record, pod: Manifest) -> bool:
        """Also one that is restarted later and later, whatever for."""
        return super()._has_to_go(record, pod) or (pods.backs_off(pod) and not pods.is_leaving(pod))

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


def _configuration_kind(router: Router) -> str:
    return "Secret" if router.is_secret else "ConfigMap"


def _hash_of(configuration: Manifest) -> str | None:
    annotations = configuration["metadata"].get("annotations") or {}
    return annotations.get(CONFIG_HASH_ANNOTATION)


def _generation(workload: Manifest | None) -> object:
    return workload and (workload["metadata"].get("uid"), workload["metadata"].get("generation"))


def _uid(pod: Manifest) -> str:
    return str(pod["metadata"]["uid"])
