"""However a router ends, its nodes are left without a route, or the sentence says where they may be."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Event, Manifest, Observation, Reference, Right
from cloudify_quagga.errors import Failed, NotPermitted, QuaggaError, Unavailable, Waiting
from cloudify_quagga.lifecycle import ending, lease, parting, removal, unremembered
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Earlier, Journal, Record
from cloudify_quagga.model import Router, Secrets
from cloudify_quagga.model.given import Given
from cloudify_quagga.names import Identity
from tests.unit import small_routers
from tests.unit.small_cluster import Kubelet, SmallCluster

US = Identity("router", "quagga", "quagga_abc123")
ROUTER = Router.parse({"node_selector": {"role": "router"}})
CLEAN = "stopped: 0 routes left (2 withdrawn in 0.10 s)"
SWEPT = "swept: 0 routes left (2 removed)"


class Notes:
    """What the journal was told."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.said: list[str] = []
        self.journal = Journal(self.records.append, self.said.append)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    small_routers.hasten(monkeypatch)


def kubelet(last_word: str | None, sweeper_says: str | None = SWEPT) -> Kubelet:
    """Ends a pod that is deleted with these last words, and a sweeper with those."""

    def run(cluster: SmallCluster, pod: Manifest) -> None:
        if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "quagga-sweeper":
            if sweeper_says:
                cluster.update(pod, **ended(sweeper_says), phase="Succeeded")
        elif pod["metadata"].get("deletionTimestamp") and last_word:
            cluster.update(pod, **ended(last_word))
            cluster.gone(pod)

    return run


def ended(message: str) -> dict[str, Any]:
    state = {"terminated": {"message": message, "exitCode": 0}}
    return {"containerStatuses": [{"state": state}]}


def running(cluster: SmallCluster, *node_names: str, ready: bool = True, identity: Identity = US) -> Record:
    """A router that runs on these nodes, and its record."""
    manifests = render.objects(ROUTER, identity)
    for manifest in manifests:
        cluster.put(manifest)
    for name in node_names:
        cluster.put(node(name))
        pod = render.probe_pod(ROUTER, identity)
        pod["metadata"]["name"] += f"-{name}"
        pod["spec"]["nodeName"] = name
        pod["status"] = {"containerStatuses": [{"state": {"running": {}}}]}
        cluster.put(pod)
    references = tuple(Reference.of(manifest) for manifest in manifests)
    return Record(ROUTER, "", references, nodes=node_names if ready else ())


def node(name: str, ready: bool = True) -> Manifest:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"conditions": conditions},
    }


def sweepers(cluster: SmallCluster) -> list[str]:
    return [pod["spec"]["nodeName"] for pod in cluster.applied if pod["kind"] == "Pod"]


def stop(cluster: SmallCluster, record: Record, notes: Notes) -> Record:
    return ending.stop(cluster, US, record, notes.journal)  # type: ignore[arg-type]


def test_an_orderly_end_needs_no_sweeper(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    record = stop(cluster, running(cluster, "node1", "node2"), notes)
    assert sweepers(cluster) == []
    assert record.nodes == ()
    assert notes.said == [f"node1: {CLEAN}", f"node2: {CLEAN}"]
    assert cluster.find("v1", "Pod") == []


@pytest.mark.parametrize("words", ["Error (exit code 137)", "failed: 3 routes left: ..."])
def test_an_end_without_the_right_words_is_swept(words: str, notes: Notes) -> None:
    cluster = SmallCluster(kubelet(words))
    record = stop(cluster, running(cluster, "node1"), notes)
    assert sweepers(cluster) == ["node1"]
    assert record == replace(record, nodes=(), unswept={})
    assert notes.said[-1] == f"node1: {SWEPT}"
    # Remembered before it was done.
    assert any("node1" in one.unswept for one in notes.records)
    assert cluster.find("v1", "Pod") == []


def test_a_node_where_it_routed_and_has_no_pod_is_swept(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    record = replace(running(cluster), nodes=("node1",))
    cluster.put(node("node1"))
    stop(cluster, record, notes)
    assert sweepers(cluster) == ["node1"]


def test_while_a_change_is_not_finished_the_image_of_before_sweeps(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    before = running(cluster, "node1")
    other = replace(ROUTER, image="nosuch")
    stop(cluster, replace(before, wanted=other, earlier=Earlier(ROUTER, "")), notes)
    (sweeper,) = [pod for pod in cluster.applied if pod["kind"] == "Pod"]
    assert sweeper["spec"]["containers"][0]["image"] == ROUTER.image


def test_a_router_that_refused_its_input_touched_nothing(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("refused: interfaces[1]: 'eth9' is not an interface of node1"))
    stop(cluster, running(cluster, "node1", ready=False), notes)
    assert sweepers(cluster) == []


def refusing(words: str, sweeper_says: str = SWEPT) -> Kubelet:
    """Ends what is deleted with a refusal, after a restart."""
    end = kubelet(words, sweeper_says)

    def run(cluster: SmallCluster, pod: Manifest) -> None:
        end(cluster, pod)
        for event in cluster._events:
            event.manifest["status"]["containerStatuses"][0]["restartCount"] = 1

    return run


STRANGER = "refused: another routing suite is running in this network namespace"


def test_a_refusal_after_a_life_that_routed_is_swept(notes: Notes) -> None:
    cluster = SmallCluster(refusing("refused: interfaces[1]: 'eth9' is not an interface of node1"))
    record = stop(cluster, running(cluster, "node1", ready=False), notes)
    assert sweepers(cluster) == ["node1"]
    assert record.unswept == {}


def test_what_kept_a_router_from_ever_running_does_not_keep_it_from_going(notes: Notes) -> None:
    cluster = SmallCluster(refusing(STRANGER, STRANGER))
    record = stop(cluster, running(cluster, "node1", ready=False), notes)
    assert record.unswept == {}
    assert notes.said[-1].startswith("node1: the router was never seen to route there, and nothing can be")


def test_but_where_it_routed_somebody_has_to_look(notes: Notes) -> None:
    cluster = SmallCluster(refusing(STRANGER, STRANGER))
    with pytest.raises(Failed, match="routes may be left on node1"):
        stop(cluster, running(cluster, "node1"), notes)


def test_a_pod_that_was_seen_once_is_not_forgotten_by_who_is_cut_off(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(None))
    record = running(cluster, "node1", ready=False)
    with pytest.raises(Waiting):
        stop(cluster, record, notes)
    for pod in cluster.find("v1", "Pod"):
        cluster.gone(pod)
    cluster._kubelet = kubelet(None)
    record = stop(cluster, notes.records[-1], notes)
    assert sweepers(cluster) == ["node1"]
    assert record.unswept == {}


def test_a_sweeper_that_finds_something_else_fails_with_its_words(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)", "refused: a foreign zebra runs here"))
    with pytest.raises(Failed, match=r"on node1, and the pod .* says: refused: a foreign zebra runs here"):
        stop(cluster, running(cluster, "node1"), notes)
    assert notes.records[-1].unswept
    # Uninstalling again takes up where it ended.
    cluster = SmallCluster(kubelet(CLEAN))
    cluster.put(node("node1"))
    assert stop(cluster, notes.records[-1], notes).unswept == {}
    assert sweepers(cluster) == ["node1"]


def test_a_node_that_does_not_answer_is_named_with_what_to_do(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    record = running(cluster, "node1")
    cluster.put(node("node1", ready=False))
    with pytest.raises(
        Failed, match=r"node1 .*is not Ready: bring it back .*`kubectl delete node node1` first"
    ):
        stop(cluster, record, notes)


def test_a_node_that_is_gone_keeps_no_routes(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    record = stop(cluster, replace(running(cluster), nodes=("node9",)), notes)
    assert record.nodes == ()
    assert notes.said == ["node9: is no node of the cluster any more"]


def test_a_node_with_another_router_is_left_to_it(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    other = Identity("other", "quagga", "quagga_xyz789")
    running(cluster, "node1", identity=other)
    for pod in cluster.find("v1", "Pod"):
        pod["metadata"]["annotations"] = other.annotations
    stop(cluster, replace(running(cluster), nodes=("node1",)), notes)
    assert sweepers(cluster) == []
    assert len(cluster.find("v1", "Pod")) == 1


def test_pods_that_stay_are_waited_for_again(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(None))
    record = running(cluster, "node1")
    with pytest.raises(Waiting, match="on node1 has not ended after"):
        stop(cluster, record, notes)
    cluster.put(node("node1", ready=False))
    with pytest.raises(Failed, match="node1 is not Ready: bring it back"):
        stop(cluster, record, notes)


class Enduring(SmallCluster):
    """A watch of it lasts as long as was asked, and a second one tells all of the first anew."""

    def __init__(self, kubelet: Kubelet) -> None:
        super().__init__(kubelet)
        self._told: list[Event] = []

    def observe(self, *what: Any) -> Observation:
        self._told.clear()
        return super().observe(*what)

    def _changes(self, seconds: float) -> Generator[Event, None, None]:
        yield from list(self._told)
        for event in super()._changes(seconds):
            self._told.append(event)
            yield event
        time.sleep(seconds)


def kubelets(*away: str, last_word: str = CLEAN, sweeper_says: str = SWEPT) -> Kubelet:
    """Those of all nodes but these."""
    end = kubelet(last_word, sweeper_says)

    def run(cluster: SmallCluster, pod: Manifest) -> None:
        if pod["spec"]["nodeName"] not in away:
            end(cluster, pod)

    return run


def two_nodes(cluster: SmallCluster) -> Record:
    """A router on node1, which is away, and on node2."""
    record = running(cluster, "node1", "node2")
    cluster.put(node("node1", ready=False))
    return record


def test_when_only_a_lost_pod_is_left_nobody_waits_for_long(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "STOP_SECONDS", 2.0)
    cluster = Enduring(kubelets("node1"))
    record = two_nodes(cluster)
    began = time.monotonic()
    with pytest.raises(Failed, match=r"on node1 has not ended after 0 s; node1 is not Ready: bring it back"):
        stop(cluster, record, notes)
    assert time.monotonic() - began < 1
    assert notes.said == [f"node2: {CLEAN}"]
    assert notes.records[-1].nodes == ("node1",)
    # Once the node is back, uninstalling again takes up where it ended.
    cluster._kubelet = kubelet(CLEAN)
    cluster.put(node("node1"))
    assert stop(cluster, notes.records[-1], notes).unswept == {}
    assert notes.said == [f"node2: {CLEAN}", f"node1: {CLEAN}"]


class Failing(SmallCluster):
    """Answers nobody who asks for a node."""

    def get(self, reference: Reference) -> Manifest | None:
        if reference.kind == "Node":
            raise Unavailable("could not get nodes just now")
        return super().get(reference)


def test_last_words_are_heard_though_nobody_tells_whether_the_node_is_away(notes: Notes) -> None:
    cluster = Failing(kubelet(CLEAN))
    assert stop(cluster, running(cluster, "node1", "node2"), notes).unswept == {}
    assert notes.said == [f"node1: {CLEAN}", f"node2: {CLEAN}"]


def test_what_can_be_swept_is_swept_beside_a_lost_pod(notes: Notes) -> None:
    cluster = SmallCluster(kubelets("node1", last_word="Error (exit code 137)"))
    record = two_nodes(cluster)
    # Of one more pod nothing is known but that it was there.
    cluster.put(node("node3"))
    record = replace(record, nodes=(*record.nodes, "node3"))
    with pytest.raises(Failed, match=r"on node1 has not ended after .*`kubectl delete node node1` first$"):
        stop(cluster, record, notes)
    assert sweepers(cluster) == ["node2", "node3"]
    assert notes.records[-1].unswept.keys() == {"node1"}
    assert notes.records[-1].nodes == ("node1",)


def test_every_node_that_is_not_swept_is_named(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    record = running(cluster, "node1", "node2", "node3")
    for name in ("node1", "node3"):
        cluster.put(node(name, ready=False))
    for pod in cluster.find("v1", "Pod"):
        cluster.gone(pod)
    with pytest.raises(Failed) as failure:
        stop(cluster, record, notes)
    for name in ("node1", "node3"):
        assert f"routes may be left on {name}" in str(failure.value)
        assert f"`kubectl delete node {name}` first" in str(failure.value)
    assert sweepers(cluster) == ["node2"]
    assert notes.records[-1].nodes == ("node1", "node3")


def test_a_node_that_is_slow_to_be_swept_keeps_no_other_from_it(notes: Notes) -> None:
    cluster = SmallCluster(kubelets("node1"))
    record = replace(running(cluster), nodes=("node1", "node2"))
    cluster.put(node("node1"))
    cluster.put(node("node2"))
    with pytest.raises(Waiting, match="node1 is not swept after"):
        stop(cluster, record, notes)
    assert notes.said == [f"node2: {SWEPT}"]


def test_who_has_lost_the_turn_sweeps_no_other_node(notes: Notes) -> None:
    cluster = SmallCluster(kubelets())
    record = replace(running(cluster), nodes=("node1", "node2"))
    cluster.put(node("node1"))
    cluster.put(node("node2"))

    def step() -> None:
        if sweepers(cluster):
            raise lease.TakenOver("Lease router was taken over by somebody else")

    with pytest.raises(Waiting, match="taken over"):
        ending.stop(cluster, US, record, notes.journal, step)  # type: ignore[arg-type]
    assert sweepers(cluster) == ["node1"]


def test_who_has_lost_the_turn_beside_a_lost_pod_says_so_too(notes: Notes) -> None:
    cluster = SmallCluster(kubelets("node1", last_word="Error (exit code 137)"))
    record = two_nodes(cluster)

    def step() -> None:
        if sweepers(cluster):
            raise lease.TakenOver("Lease router was taken over by somebody else")

    with pytest.raises(lease.TakenOver):
        ending.stop(cluster, US, record, notes.journal, step)  # type: ignore[arg-type]


class Refusing(SmallCluster):
    """Takes no sweeper for these nodes."""

    def __init__(self, kubelet: Kubelet, error: QuaggaError, *nodes: str) -> None:
        super().__init__(kubelet)
        self._error, self._nodes = error, nodes

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False) -> Manifest:
        if manifest["kind"] == "Pod" and manifest["spec"]["nodeName"] in self._nodes:
            raise self._error
        return super().apply(manifest, manager, dry_run)


NO = NotPermitted("patch: exceeded quota (403)")


def unswept(cluster: SmallCluster, *names: str) -> Record:
    """A router of which nothing is known but where it was."""
    record = replace(running(cluster), nodes=names)
    for name in names:
        cluster.put(node(name))
    return record


def test_a_node_to_which_no_sweeper_may_go_keeps_no_other_from_it(notes: Notes) -> None:
    cluster = Refusing(kubelets(), NO, "node1")
    record = unswept(cluster, "node1", "node2", "node3")
    cluster.put(node("node3", ready=False))
    with pytest.raises(Failed, match=r"^patch: exceeded quota \(403\); routes may be left on node3 "):
        stop(cluster, record, notes)
    assert notes.said == [f"node2: {SWEPT}"]
    assert notes.records[-1].nodes == ("node1", "node3")


def test_the_only_error_is_told_as_it_is(notes: Notes) -> None:
    cluster = Refusing(kubelets(), NO, "node1")
    with pytest.raises(NotPermitted):
        stop(cluster, unswept(cluster, "node1", "node2"), notes)
    assert notes.said == [f"node2: {SWEPT}"]


def test_an_api_server_that_goes_away_is_not_asked_for_every_node(notes: Notes) -> None:
    cluster = Refusing(kubelets(), Unavailable("could not patch just now"), "node2", "node3")
    record = unswept(cluster, "node1", "node2", "node3")
    cluster.put(node("node1", ready=False))
    with pytest.raises(Unavailable, match=r"^routes may be left on node1 .*; could not patch just now$"):
        stop(cluster, record, notes)


def test_a_lost_pod_is_told_of_whatever_goes_wrong_beside_it(notes: Notes) -> None:
    cluster = Refusing(kubelets("node1", last_word="Error (exit code 137)"), NO, "node2")
    with pytest.raises(Failed, match=r"`kubectl delete node node1` first; patch: exceeded quota"):
        stop(cluster, two_nodes(cluster), notes)


def test_an_api_server_that_goes_away_beside_a_lost_pod_is_asked_again(notes: Notes) -> None:
    away = Unavailable("could not patch just now", 7)
    cluster = Refusing(kubelets("node1", last_word="Error (exit code 137)"), away, "node2")
    with pytest.raises(Unavailable, match=r"`kubectl delete node node1` first; could not patch") as error:
        stop(cluster, two_nodes(cluster), notes)
    assert error.value.retry_after == 7


def test_how_long_was_waited_is_what_is_told(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SmallCluster(kubelets("node1"))
    record = two_nodes(cluster)
    passing = itertools.count(1000.0, 70.0)
    monkeypatch.setattr(parting, "time", SimpleNamespace(monotonic=lambda: next(passing)))
    with pytest.raises(Failed, match="on node1 has not ended after 70 s"):
        stop(cluster, record, notes)


def test_another_of_the_same_name_is_not_waited_for() -> None:
    cluster = SmallCluster()
    pod = cluster.put(render.sweeper(ROUTER, US, "node1"))

    def step() -> None:
        cluster.gone(pod)
        cluster.put(render.sweeper(ROUTER, US, "node1"))

    removal.until_gone(cluster, [Reference.of(pod)], 5, step)  # type: ignore[arg-type]
    assert cluster.get(Reference.of(pod))
    assert cluster.deleted == []


def test_a_sweeper_that_does_not_run_is_waited_for_again(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)", sweeper_says=None))
    with pytest.raises(Waiting, match="node1 is not swept after"):
        stop(cluster, running(cluster, "node1"), notes)


def test_deleting_twice_finds_nothing_the_second_time(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    record = stop(cluster, running(cluster, "node1"), notes)
    first = ending.delete(cluster, US, record.objects)  # type: ignore[arg-type]
    assert [one.kind for one in first] == ["ConfigMap"]
    assert ending.delete(cluster, US, record.objects) == []  # type: ignore[arg-type]


def owner(known: set[str], origin: str = "here") -> Owner:
    mine = Identity("router", "quagga", "quagga_new456")
    return Owner(mine, origin, frozenset({mine.instance, *known}), "cfy uninstall -b")


def living(cluster: SmallCluster, *node_names: str) -> None:
    """A router as an earlier install made it, on these nodes."""
    maker = Owner(US, "here", frozenset({US.instance}), "")
    running(cluster, *node_names)
    for manifest in [*cluster.find("v1", "ConfigMap"), *cluster.find("apps/v1", "DaemonSet")]:
        cluster.put(maker.stamped(manifest))
    for pod in cluster.find("v1", "Pod"):
        pod["metadata"]["ownerReferences"] = [{"kind": "DaemonSet"}]


@pytest.mark.parametrize(
    ("who", "removed"),
    [
        pytest.param(owner(set()), True, id="nobody knows it any more"),
        pytest.param(owner({US.instance}), False, id="a sibling"),
        pytest.param(owner(set(), origin="elsewhere"), False, id="of another profile"),
    ],
)
def test_only_what_nobody_knows_any_more_is_removed(who: Owner, removed: bool, notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    living(cluster, "node1")
    gone = unremembered.remove(cluster, who, notes.said.append)  # type: ignore[arg-type]
    assert bool(gone) is removed
    assert bool(cluster.find("v1", "ConfigMap")) is not removed
    assert sweepers(cluster) == (["node1"] if removed else [])


def test_what_is_left_to_do_for_a_forgotten_router_is_remembered(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    living(cluster, "node1", "node2")
    cluster.put(node("node2", ready=False))
    for _ in range(2):
        with pytest.raises(Failed, match=r"node2 .*is not Ready: bring it back"):
            unremembered.remove(cluster, owner(set()), notes.said.append)  # type: ignore[arg-type]
    assert cluster.find("apps/v1", "DaemonSet") == []
    assert sweepers(cluster) == ["node1"]
    cluster.put(node("node2"))
    gone = unremembered.remove(cluster, owner(set()), notes.said.append)  # type: ignore[arg-type]
    assert [one.kind for one in gone] == ["ConfigMap"]
    assert sweepers(cluster) == ["node1", "node2"]
    assert unremembered.remove(cluster, owner(set()), notes.said.append) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        pytest.param("[" * 100_000, id="deep"),
        '{"wanted": {}}',
        '{"wanted": {"raw": {}}, "hash": ""}',
    ],
)
def test_what_somebody_else_wrote_there_keeps_no_router_from_going(text: str, notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    living(cluster, "node1")
    for configuration in cluster.find("v1", "ConfigMap"):
        configuration["metadata"].setdefault("annotations", {})[unremembered._TO_DO] = text
    gone = unremembered.remove(cluster, owner(set()), notes.said.append)  # type: ignore[arg-type]
    assert [one.kind for one in gone] == ["DaemonSet", "ConfigMap"]
    assert sweepers(cluster) == ["node1"]
    assert "does not tell any more on which nodes routes may be left" in notes.said[0]


def with_secret(record: Record, value: str) -> Record:
    secrets = Secrets.parse(Given("secrets", {"p": value}, hidden=True))
    return replace(record, wanted=record.wanted.with_secrets(secrets))


def test_an_orderly_end_is_known_whatever_is_secret(notes: Notes) -> None:
    cluster = SmallCluster(kubelet(CLEAN))
    assert stop(cluster, with_secret(running(cluster, "node1"), "0 routes"), notes).nodes == ()
    assert sweepers(cluster) == []


def test_last_words_show_no_secret(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("failed: the daemons said: password tomato"))
    stop(cluster, with_secret(running(cluster, "node1"), "tomato"), notes)
    assert "ended otherwise: its last word was: failed: the daemons said: password ${p}" in notes.said[0]
    stored = [one.to_json() for one in notes.records]
    assert any("password ${p}" in str(one["unswept"]) for one in stored)
    assert "tomato" not in f"{notes.said}{stored}"


class Narrow(SmallCluster):
    """Lets Secrets be listed in some namespaces only, as rbac/ does."""

    def __init__(self, *namespaces: str | None) -> None:
        super().__init__(kubelet(CLEAN))
        self._namespaces = namespaces

    def may(self, right: object) -> bool:
        assert isinstance(right, Right)
        return right.kind != "Secret" or right.namespace in self._namespaces

    def find(
        self, api_version: str, kind: str, namespace: str | None = None, *more: Any, **others: Any
    ) -> Any:
        assert kind != "Secret" or namespace in self._namespaces
        return super().find(api_version, kind, namespace, *more, **others)


@pytest.mark.parametrize(
    ("cluster", "found"),
    [
        pytest.param(Narrow(None), True, id="everywhere"),
        pytest.param(Narrow("default"), True, id="where the router is"),
        pytest.param(Narrow(), False, id="nowhere"),
    ],
)
def test_a_secret_is_found_that_was_made_before_anything_else(cluster: Narrow, found: bool) -> None:
    router = Router.parse({**ROUTER.to_json(), "raw": ["password ${p}"], "secrets": {"p": "tomato"}})
    maker = Owner(US, "here", frozenset({US.instance}), "")
    secret = cluster.put(maker.stamped(render.configuration(router, US)))
    assert secret["kind"] == "Secret"
    searcher = replace(owner(set()), namespace="default")
    gone = unremembered.remove(cluster, searcher, print)  # type: ignore[arg-type]
    assert [one.kind for one in gone] == (["Secret"] if found else [])
    assert (cluster.get(Reference.of(secret)) is None) is found


def test_secrets_are_looked_for_where_other_objects_are() -> None:
    cluster = Narrow("default")
    for manifest in render.objects(ROUTER, US):
        cluster.put(manifest)
    secret = Reference("v1", "Secret", US.object_name, "default")
    metadata = {"name": secret.name, "namespace": "default", "labels": US.labels}
    cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    assert secret in ending.delete(cluster, US)  # type: ignore[arg-type]


def test_a_forgotten_router_goes_when_whoever_changes_it_is_done(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.01)
    cluster = SmallCluster(kubelet(CLEAN))
    living(cluster, "node1")
    changing = Owner(US, "here", frozenset({US.instance}), "")
    with lease.turn(cluster, changing, "default"):  # type: ignore[arg-type]
        with pytest.raises(Waiting, match="another change of this router is under way"):
            unremembered.remove(cluster, owner(set()), notes.said.append)  # type: ignore[arg-type]
        assert cluster.find("apps/v1", "DaemonSet")
    gone = unremembered.remove(cluster, owner(set()), notes.said.append)  # type: ignore[arg-type]
    assert [one.kind for one in gone] == ["DaemonSet", "ConfigMap"]
    assert cluster.find("coordination.k8s.io/v1", "Lease") == []


def test_a_turn_is_kept_while_a_router_ends(notes: Notes) -> None:
    cluster = SmallCluster(kubelet("Error (exit code 137)"))
    kept: list[str] = []
    record = running(cluster, "node1")
    ending.stop(cluster, US, record, notes.journal, lambda: kept.append("here"))  # type: ignore[arg-type]
    assert kept
