"""A router is ended and removed in a cluster, with nothing left on its nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace

from cloudify_quagga import render
from cloudify_quagga.cluster import Absent, Cluster, Event, Manifest, Reference, Right
from cloudify_quagga.errors import Failed, NotPermitted, Unavailable, Waiting
from cloudify_quagga.lifecycle import lease, nodes, pods
from cloudify_quagga.lifecycle.ownership import ROUTERS, Found, Marks, Owner, forgotten, of_instance
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.story import story, told_events
from cloudify_quagga.model import Labels, Router
from cloudify_quagga.names import DOMAIN, NAME, Identity

# The pods' grace period, and a kubelet's next look at a pod whose end it has missed: 60 to 90 s.
STOP_SECONDS = render.GRACE_SECONDS + 90.0
SWEEP_SECONDS = 60.0
# A registry that does not answer at once may be starting.
PULL_SECONDS = 20.0
# A kubelet that is away ends nothing; one that comes back just now does.
LOST_SECONDS = 10.0
STEP_SECONDS = 2.0
_POLL_SECONDS = 0.25
_HOLDS_CONFIGURATION = ("ConfigMap", "Secret")
# What is left to do for a router that nobody else remembers.
_TO_DO = f"{DOMAIN}/to-do"
Step = Callable[[], None]
Recorded = Callable[[], Record | None]


def _stand_still() -> None:
    """Nothing has to be done from time to time."""


class Lost(Waiting):
    """Pods cannot be heard, for their nodes are away.

    :param record: what is known when all others have been heard.
    :param nodes: those that are away.
    """

    def __init__(self, message: str, record: Record, nodes: frozenset[str | None]) -> None:
        self.record = record
        self.nodes = nodes
        super().__init__(message)


def end(cluster: Cluster, owner: Owner, recorded: Recorded, journal: Journal) -> None:
    """End it in one's turn: a change that is under way would make it anew.

    :param recorded: what is remembered of it when one's turn has come; nothing where it is gone by then.
    """
    with _turn(cluster, owner, recorded) as step:
        record = recorded()
        if record is not None:
            stop(cluster, owner.identity, record, journal, step)


def remove(cluster: Cluster, owner: Owner, recorded: Recorded, journal: Journal, forget: Step) -> None:
    """Remove it in one's turn; what a change has run again since it was ended is ended first.

    :param recorded: as with ``end``.
    :param forget: has nobody remember it, which ends the changes that wait for their turn.
    """
    with _turn(cluster, owner, recorded) as step:
        record = recorded()
        if record is not None:
            if cluster.get(record.workload) is not None:
                record = stop(cluster, owner.identity, record, journal, step)
            removed = delete(cluster, owner.identity, record.objects, step)
            journal.say(f"Removed: {', '.join(map(str, removed)) or 'nothing was left'}")
        forget()


def stop(
    cluster: Cluster, identity: Identity, record: Record, journal: Journal, step: Step = _stand_still
) -> Record:
    """End it, and make sure that no node keeps a route of it.

    :param step: called from time to time.
    """
    try:
        record = _halt(cluster, identity, record, journal, step)
    except Lost as error:
        _sweep_beside(error, cluster, identity, journal, step)
        # Whoever tries again within seconds learns the same, each time after having waited.
        raise Failed(str(error)) from error
    return sweep_left(cluster, identity, record, _left(record), journal, step)


def delete(
    cluster: Cluster, identity: Identity, recorded: Iterable[Reference] = (), step: Step = _stand_still
) -> list[Reference]:
    """Remove all that is recorded or bears the instance's marks; tells what that was."""
    recorded = list(recorded)
    marked = [Reference.of(manifest) for manifest in of_instance(cluster, identity)]
    removed = [reference for reference in _last_made_first(recorded, marked) if cluster.delete(reference)]
    _until_gone(cluster, removed, STOP_SECONDS, step)
    return removed


def remove_forgotten(
    cluster: Cluster, owner: Owner, say: Callable[[str], None], note: Found = lambda _: None
) -> list[Reference]:
    """Stop and remove the routers of this deployment that nobody knows any more; tells what was removed."""
    removed: list[Reference] = []
    found = forgotten(cluster, owner)
    note([Reference.of(manifest) for manifest in found])
    for identity in dict.fromkeys(Marks.of(manifest).identity for manifest in found):
        its = [manifest for manifest in found if Marks.of(manifest).identity == identity]
        secrets = [one for workload in filter(_runs, its) for one in _mounted_secrets(workload, identity)]
        held = [*secrets, *(Reference.of(one) for one in its if one["kind"] in _HOLDS_CONFIGURATION)]
        with _turn_in(cluster, replace(owner, identity=identity), its[0]["metadata"]["namespace"]) as step:
            for record in _recollected(cluster, its, held):
                stop(cluster, identity, record, _reminder(cluster, held, say), step)
            removed += [Reference.of(workload) for workload in filter(_runs, its)]
            removed += delete(cluster, identity, [*secrets, *map(Reference.of, its)], step)
    if owner.namespace and cluster.may(Right("get", lease.API_VERSION, lease.KIND, owner.namespace)):
        lease.clear(cluster, owner.identity, owner.namespace)
    return removed


def farewell(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    journal: Journal,
    send: Callable[[], object],
    goes: Callable[[Manifest], bool],
    step: Step = _stand_still,
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
        told = _still_there(cluster, present.values(), waited)
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
        """Wait until they have gone, or as long as there is hope; tells how long that is, in seconds."""
        if self.is_in_vain() or self._listen(changes(STOP_SECONDS), self.is_in_vain):
            self._listen(changes(LOST_SECONDS), lambda: False)
            return LOST_SECONDS
        return STOP_SECONDS

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


def sweep_left(
    cluster: Cluster,
    identity: Identity,
    record: Record,
    left: Iterable[str],
    journal: Journal,
    step: Step = _stand_still,
) -> Record:
    """Make sure that nodes which the router has left keep no route of it.

    One on which that fails keeps no other from it.
    """
    failures: list[Failed | Waiting] = []
    for node in left:
        try:
            journal.say(f"{node}: {_sweep(cluster, identity, record, node, step)}")
        except lease.TakenOver:
            raise
        except (Failed, Waiting) as error:
            failures.append(error)
        else:
            record = record.swept(node)
            journal.save(record)
    if failures:
        raise _together(failures) from failures[0]
    return record


def _sweep_beside(error: Lost, cluster: Cluster, identity: Identity, journal: Journal, step: Step) -> None:
    """Sweep the nodes that are not away; Failed, beside what is known of those, where one is not swept."""
    left = [node for node in _left(error.record) if node not in error.nodes]
    try:
        sweep_left(cluster, identity, error.record, left, journal, step)
    except (Failed, Waiting) as another:
        raise Failed(f"{error}; {another}") from another


def _left(record: Record) -> list[str]:
    """The nodes on which routes may be left."""
    return list(dict.fromkeys((*record.unswept, *record.nodes)))


def _together(failures: Sequence[Failed | Waiting]) -> Failed | Waiting:
    """One error of several; what waiting does not mend decides."""
    said = "; ".join(map(str, failures))
    return Failed(said) if any(isinstance(one, Failed) for one in failures) else Waiting(said)


@contextmanager
def _turn(cluster: Cluster, owner: Owner, recorded: Recorded) -> Iterator[Step]:
    """One's turn where the recorded router is; nobody's turn where none is recorded."""
    record = recorded()
    if record is None:
        yield _stand_still
        return
    with _turn_in(cluster, owner, record.wanted.namespace) as step:
        yield step


@contextmanager
def _turn_in(cluster: Cluster, owner: Owner, namespace: str) -> Iterator[Step]:
    """One's turn, and what keeps it; who may not take one could not have changed the router either."""
    with ExitStack() as stack:
        step = _stand_still
        # The namespace may be gone, or on its way: nothing is changed there any more.
        with suppress(Absent, NotPermitted):
            if cluster.may(Right("create", lease.API_VERSION, lease.KIND, namespace)):
                step = stack.enter_context(lease.turn(cluster, owner, namespace)).renew
        yield step


def _halt(cluster: Cluster, identity: Identity, record: Record, journal: Journal, step: Step) -> Record:
    """Delete what runs and hear every pod's last word."""
    record = farewell(
        cluster,
        identity,
        record,
        journal,
        send=lambda: cluster.delete(record.workload, dependents_first=True),
        goes=lambda _: True,
        step=step,
    )
    _until_gone(cluster, [record.workload], STOP_SECONDS, step)
    return record


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
    if node is None:
        return record
    if why:
        journal.say(f"{node}: routes may be left, since {pod['metadata']['name']} ended otherwise: {why}")
        return replace(record, unswept={**record.unswept, node: f"{pod['metadata']['name']}: {why}"})
    if words.startswith(pods.CLEAN):
        journal.say(f"{node}: {words}")
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
        remedy = f"; {_bring_back(nodes.name(node))}" if node and lost else ""
        told = remedy or told_events(cluster, pod)
        sentences.append(f"{pods.name(pod)} has not ended after {seconds:.0f} s{told}")
    return "; ".join(sentences)


def _sweep(cluster: Cluster, identity: Identity, record: Record, node_name: str, step: Step) -> str:
    """Remove from a node what a router that was killed left there; tells what came of it."""
    node = cluster.get(Reference("v1", "Node", node_name))
    if node is None:
        return "is no node of the cluster any more"
    if _is_anothers(cluster, identity, node_name):
        return "another router minds its routes now"
    if not nodes.is_ready(node):
        why = record.unswept.get(node_name, "its router was not seen to end")
        raise Failed(f"routes may be left on {node_name} ({why}); {_bring_back(node_name)}")
    pod = render.sweeper(record.wanted, identity, node_name)
    reference = Reference.of(pod)
    if cluster.delete(reference):
        _until_gone(cluster, [reference], SWEEP_SECONDS, step)
    try:
        cluster.apply(pod, identity.field_manager)
    except Absent as error:
        namespace = record.wanted.namespace
        raise Failed(
            f"routes may be left on {node_name}: namespace {namespace} is gone, and with it what its pods "
            f"said at the end; `kubectl create namespace {namespace}` and uninstall again, to make sure"
        ) from error
    try:
        swept = _await_swept(cluster, reference, pod["metadata"]["labels"], node_name, step)
        words = _checked(swept, record, node_name)
    finally:
        cluster.delete(reference)
    _until_gone(cluster, [reference], SWEEP_SECONDS, step)
    return words


def _await_swept(
    cluster: Cluster, reference: Reference, selector: Mapping[str, str], node_name: str, step: Step
) -> Manifest:
    began = time.monotonic()
    while True:
        there = cluster.observe("v1", "Pod", str(reference.namespace), selector)
        pod = next((one for one in there.found if one["metadata"]["name"] == reference.name), None)
        if pod is None:
            raise Waiting(f"the pod that was to sweep {node_name} has been taken away")
        if pods.has_ended(pod):
            return pod
        waited = time.monotonic() - began
        if pods.lacks_image(pod) and waited > PULL_SECONDS:
            image = pod["spec"]["containers"][0]["image"]
            raise Failed(
                f"routes may be left on {node_name}, and the pod that was to remove them has no image: "
                f"{pods.obstacle(pod)}; let {node_name} have {image} again and uninstall again"
            )
        left = SWEEP_SECONDS - waited
        if left <= 0:
            raise Waiting(f"{node_name} is not swept after {SWEEP_SECONDS:.0f} s: {story(cluster, pod)}")
        step()
        with closing(there.changes(min(left, STEP_SECONDS))) as changes:
            next(changes, None)


def _checked(pod: Manifest, record: Record, node_name: str) -> str:
    words = pods.last_words(pod) or pods.obstacle(pod) or "it gave no reason"
    if words.startswith(pods.CLEAN):
        return words
    has_refused_so = words.startswith(pods.REFUSED) and words in record.unswept.get(node_name, "")
    if has_refused_so and node_name not in record.nodes:
        # What kept the router from running keeps it from being swept, and is somebody else's affair.
        return f"the router was never seen to route there, and nothing can be swept: {words}"
    raise Failed(
        f"routes may be left on {node_name}, and the pod that was to remove them says: {words}; look at "
        f"`ip route` there, mend what it names, and uninstall again"
    )


def _is_anothers(cluster: Cluster, identity: Identity, node_name: str) -> bool:
    return any(
        pods.node_of(pod) == node_name and not pods.has_ended(pod)
        for pod in cluster.find("v1", "Pod", selector=ROUTERS)
        if Marks.of(pod).instance != identity.instance
    )


def _bring_back(node_name: str) -> str:
    return (
        f"{node_name} is not Ready: bring it back and uninstall again, or, where it is gone for good, "
        f"`kubectl delete node {node_name}` first"
    )


def _until_gone(
    cluster: Cluster, references: Iterable[Reference], seconds: float, step: Step = _stand_still
) -> None:
    deadline = time.monotonic() + seconds
    left = list(references)
    while found := [there for one in left if (there := cluster.get(one)) is not None]:
        left = [Reference.of(one) for one in found]
        if time.monotonic() > deadline:
            raise Waiting(f"{', '.join(map(str, left))}: still there {seconds:.0f} s after being deleted")
        for one in found:
            # A sweeper that has no image, or has swept: its kubelet would keep it for a minute and more.
            if one["kind"] == "Pod" and (pods.is_held_in_vain(one) or pods.has_stopped(one)):
                cluster.delete(Reference.of(one), at_once=True)
        step()
        time.sleep(_POLL_SECONDS)


def _last_made_first(*groups: Iterable[Reference]) -> list[Reference]:
    return list(reversed(list(dict.fromkeys(one for group in groups for one in group))))


def _runs(manifest: Manifest) -> bool:
    """Whether it is what runs a router: neither its configuration nor its sweeper."""
    labels: Mapping[str, str] = manifest["metadata"]["labels"]
    return manifest["kind"] not in _HOLDS_CONFIGURATION and labels.get(NAME) == ROUTERS[NAME]


def _mounted_secrets(workload: Manifest, identity: Identity) -> Iterator[Reference]:
    """The configuration of a router of which there is no record; not everybody may look for Secrets."""
    for volume in _pod_spec(workload).get("volumes") or []:
        if (volume.get("secret") or {}).get("secretName") == identity.object_name:
            yield Reference("v1", "Secret", identity.object_name, workload["metadata"]["namespace"])


def _pod_spec(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return spec


def _recollected(cluster: Cluster, its: Iterable[Manifest], held: Iterable[Reference]) -> Iterator[Record]:
    """What there is to stop, or at least to sweep, and what an earlier try has found out about it."""
    objects = filter(None, map(cluster.get, dict.fromkeys(held)))
    known = next((record for one in objects if (record := _remembered(one))), None)
    workloads = list(filter(_runs, its))
    for workload in workloads:
        record = _reconstructed(workload)
        yield replace(record, nodes=known.nodes, unswept=known.unswept) if known else record
    if known and not workloads:
        yield known


def _remembered(configuration: Manifest) -> Record | None:
    stored = (configuration["metadata"].get("annotations") or {}).get(_TO_DO)
    return Record.from_json(json.loads(stored)) if stored else None


def _reminder(cluster: Cluster, held: Iterable[Reference], say: Callable[[str], None]) -> Journal:
    """Writes on the configuration, which goes last, what is left to do: there is no other place for it."""
    references = list(dict.fromkeys(held))
    path = f"/metadata/annotations/{_TO_DO.replace('/', '~1')}"

    def save(record: Record) -> None:
        operation = {"op": "add", "path": path, "value": json.dumps(record.to_json())}
        for reference in references:
            with suppress(Absent):
                cluster.patch(reference, [operation])

    return Journal(save, say)


def _reconstructed(workload: Manifest) -> Record:
    """What is needed to stop a router of which there is no record."""
    metadata = workload["metadata"]
    spec = _pod_spec(workload)
    container = spec["containers"][0]
    secrets = spec.get("imagePullSecrets") or [{}]
    selector = spec.get("nodeSelector")
    privileged = container.get("securityContext", {}).get("privileged", False)
    router = Router(
        image=container["image"],
        pull_secret=secrets[0].get("name"),
        pull_policy=container.get("imagePullPolicy"),
        node_selector=Labels.parse(selector, "node_selector") if selector else None,
        kind=workload["kind"],
        security="privileged" if privileged else "capabilities",
        namespace=metadata["namespace"],
    )
    return Record(router, "", (Reference.of(workload),))
