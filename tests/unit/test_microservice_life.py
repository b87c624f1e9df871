"""What a real API server cannot be brought to do on demand: custom resources, and others who come in between.

(The lab's API server dies of custom resources: it is 1.20, built by a Go that its libraries do not know.)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from cloudify_quagga.cluster import Manifest, Reference, UnknownKind
from cloudify_quagga.errors import Conflict, Failed, NotPermitted, Waiting
from cloudify_quagga.lifecycle import awaiting, holding, patience
from cloudify_quagga.lifecycle import microservice as life
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.manifests import in_order
from cloudify_quagga.names import Identity
from tests.unit.small_cluster import SmallCluster

CLUSTER_WIDE = ("Namespace", "CustomResourceDefinition", "APIService")
KNOWN = {
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
}


def owner(instance: str = "quagga_1", *known: str) -> Owner:
    identity = Identity("micro", "quagga", instance)
    return Owner(identity, "here", frozenset({instance, *known}), "cfy uninstall -b micro")


class SharedCluster(SmallCluster):
    """Merges what is applied, learns kinds from definitions, and lets others come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self.before_delete: Callable[[], None] = lambda: None
        self.admits: Callable[[Manifest], None] = lambda _: None
        self._known = set(KNOWN)
        self._changes_made = 0

    def get(self, reference: Reference) -> Manifest | None:
        self.is_namespaced(reference.api_version, reference.kind)
        return copy.deepcopy(super().get(reference))

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        if (api_version, kind) not in self._known:
            raise UnknownKind(f"knows no {kind} of {api_version}")
        return kind not in CLUSTER_WIDE

    def kinds(self) -> Iterator[tuple[str, str]]:
        yield from sorted(self._known)

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False, force: bool = False) -> Manifest:
        self.is_namespaced(manifest["apiVersion"], manifest["kind"])
        self.admits(manifest)
        reference = Reference.of(manifest)
        there = self._objects.get(reference)
        if there is None:
            self.order.append(f"+{reference.kind}")
            there = self.put({**copy.deepcopy(manifest), "managedBy": {}})
        self._own(there, manager, manifest["metadata"].get("annotations") or {})
        self._learn(there)
        self._touch(there)
        return copy.deepcopy(there)

    def delete(
        self,
        reference: Reference,
        dependents_first: bool = False,
        at_once: bool = False,
        as_seen: Manifest | None = None,
    ) -> bool:
        self.before_delete()
        there = self._objects[reference]
        if as_seen and as_seen["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise Conflict("it has changed")
        self.order.append(f"-{reference.kind}")
        del self._objects[reference]
        return True

    def _own(self, there: Manifest, manager: str, annotations: Mapping[str, str]) -> None:
        there["managedBy"][manager] = dict(annotations)
        every = [one for owned in there["managedBy"].values() for one in owned.items()]
        there["metadata"]["annotations"] = dict(every)

    def _learn(self, there: Manifest) -> None:
        spec = there.get("spec") or {}
        if there["kind"] == "CustomResourceDefinition":
            there["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
            self._known.add((f"{spec['group']}/v1", spec["names"]["kind"]))
        if there["kind"] == "APIService":
            there["status"] = {"conditions": [{"type": "Available", "status": "True"}]}
            self._known.add((f"{spec['group']}/v1", "Reading"))

    def _touch(self, there: Manifest) -> None:
        self._changes_made += 1
        there["metadata"]["resourceVersion"] = str(self._changes_made)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_SECONDS", "STEP_SECONDS", "STEADY_SECONDS", "_POLL_SECONDS"):
        monkeypatch.setattr(awaiting, name, 0.02)
    for name, seconds in (("START_SECONDS", 0.02), ("AGAIN_SECONDS", 0.02), ("TURNED_AWAY_SECONDS", 0.1)):
        monkeypatch.setattr(patience, name, seconds)


@pytest.fixture
def cluster() -> SharedCluster:
    return SharedCluster()


def manifest(kind: str, api_version: str = "v1", name: str = "x", **spec: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


DEFINITION = manifest(
    "CustomResourceDefinition",
    "apiextensions.k8s.io/v1",
    "lamps.shop.example",
    group="shop.example",
    names={"kind": "Lamp"},
    scope="Namespaced",
)
LAMP = manifest("Lamp", "shop.example/v1", "lamp")
# Without pods: what is not waited for here has tests of its own.
MINDER = manifest("Deployment", "apps/v1", "minder", replicas=0, paused=True)


def start(
    cluster: SharedCluster, *manifests: Manifest, by: Owner | None = None, ended: Sequence[Manifest] = ()
) -> tuple[life.Record, list[str]]:
    by = by or owner()
    said: list[str] = []
    saved: list[life.Record] = []
    placed = life.placed(cluster, in_order(manifests), "default")  # type: ignore[arg-type]
    record = life.Record((), "", {})
    life.start(cluster, by, placed, record, saved.append, said.append, ended)  # type: ignore[arg-type]
    return saved[-1], said


def stop(cluster: SharedCluster, record: life.Record, by: Owner | None = None) -> list[str]:
    said: list[str] = []
    life.stop(cluster, by or owner(), record, said.append)  # type: ignore[arg-type]
    return said


def test_custom_resources_come_after_their_kind_and_go_while_their_minder_still_runs(
    cluster: SharedCluster,
) -> None:
    record, _ = start(cluster, LAMP, MINDER, DEFINITION)
    assert cluster.order == ["+CustomResourceDefinition", "+Lamp", "+Deployment"]
    assert [one.namespace for one in record.objects] == [None, "default", "default"]
    cluster.order.clear()
    stop(cluster, record)
    assert cluster.order == ["-Lamp", "-Deployment", "-CustomResourceDefinition"]


def test_kinds_of_another_server_come_when_that_one_runs(cluster: SharedCluster) -> None:
    service = manifest("APIService", "apiregistration.k8s.io/v1", "v1.meter.example", group="meter.example")
    reading = manifest("Reading", "meter.example/v1", "reading")
    record, _ = start(cluster, reading, service, MINDER)
    assert cluster.order == ["+Deployment", "+APIService", "+Reading"]
    stop(cluster, record)
    assert cluster.order[3:] == ["-APIService", "-Deployment", "-Reading"]


def test_a_kind_that_nobody_brings_is_refused(cluster: SharedCluster) -> None:
    with pytest.raises(UnknownKind, match="knows no Lamp"):
        start(cluster, LAMP)
    assert cluster.order == []


def test_the_record_comes_before_what_it_names(cluster: SharedCluster) -> None:
    def save(record: life.Record) -> None:
        if not cluster.order:
            assert [one.kind for one in record.objects] == ["ConfigMap"]
            assert life.Record.from_json(record.to_json()) == record

    placed = life.placed(cluster, [manifest("ConfigMap")], "default")  # type: ignore[arg-type]
    life.start(cluster, owner(), placed, life.Record((), "", {}), save, print)  # type: ignore[arg-type]
    assert cluster.order == ["+ConfigMap"]


def test_what_is_no_longer_wanted_goes_when_the_rest_runs(cluster: SharedCluster) -> None:
    record, _ = start(cluster, manifest("ConfigMap", name="old"), MINDER)
    saved: list[life.Record] = []
    placed = life.placed(cluster, [manifest("ConfigMap", name="new")], "default")  # type: ignore[arg-type]
    life.start(cluster, owner(), placed, record, saved.append, print)  # type: ignore[arg-type]
    assert {one.name for one in saved[0].objects} == {"old", "new", "minder"}
    assert [one.name for one in saved[-1].objects] == ["new"]
    assert [one.name for one in cluster._objects] == ["new"]


def test_a_sibling_that_takes_hold_just_then_keeps_the_object(cluster: SharedCluster) -> None:
    first, second = owner("quagga_1", "quagga_2"), owner("quagga_2", "quagga_1")
    record, _ = start(cluster, manifest("ConfigMap"), by=first)

    def sibling() -> None:
        cluster.before_delete = lambda: None
        start(cluster, manifest("ConfigMap"), by=second)

    cluster.before_delete = sibling
    said = stop(cluster, record, first)
    assert said == ["ConfigMap x in namespace default stays: quagga_2 needs it"]
    assert stop(cluster, record, second) == []
    assert cluster._objects == {}


def test_one_who_is_unknown_to_the_orchestrator_keeps_nothing(cluster: SharedCluster) -> None:
    record, _ = start(cluster, manifest("ConfigMap"), by=owner("quagga_1", "quagga_2"))
    start(cluster, manifest("ConfigMap"), by=owner("quagga_2", "quagga_1"))
    # quagga_2 was scaled in while the cluster could not be reached.
    assert stop(cluster, record, owner("quagga_1")) == []
    assert cluster._objects == {}


def test_what_changes_all_the_time_is_left_for_later(cluster: SharedCluster) -> None:
    record, _ = start(cluster, manifest("ConfigMap"))
    (there,) = cluster._objects.values()
    cluster.before_delete = lambda: cluster._touch(there)
    with pytest.raises(Waiting, match="changes faster than it can be deleted"):
        stop(cluster, record)


def test_an_object_that_is_still_being_deleted_is_waited_for(cluster: SharedCluster) -> None:
    start(cluster, manifest("ConfigMap"))
    (there,) = cluster._objects.values()
    there["metadata"]["deletionTimestamp"] = "now"
    with pytest.raises(Waiting, match="still being deleted"):
        start(cluster, manifest("ConfigMap"))


def test_what_does_not_go_is_told_with_what_keeps_it(cluster: SharedCluster) -> None:
    record, _ = start(cluster, manifest("ConfigMap"))
    (there,) = cluster._objects.values()
    there["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["shop.example/minder"]}
    with pytest.raises(Waiting, match=r"kept by shop\.example/minder"):
        stop(cluster, record)


TURNED_AWAY = {"phase": "Failed", "reason": "NodeAffinity", "message": "Pod Predicate NodeAffinity failed"}


def test_a_pod_that_is_made_again_is_held_by_whoever_held_it(cluster: SharedCluster) -> None:
    def admits(one: Manifest) -> None:
        if one["kind"] == "Pod":
            one["status"] = status

    cluster.admits = admits
    first, second = owner("quagga_1", "quagga_2"), owner("quagga_2", "quagga_1")
    status: dict[str, Any] = {"phase": "Succeeded"}
    start(cluster, manifest("Pod"), by=first)
    (there,) = cluster._objects.values()
    there["status"] = TURNED_AWAY
    record, said = start(cluster, manifest("Pod"), by=second)
    assert (
        said[0] == "Pod x in namespace default was not taken by its kubelet (NodeAffinity) and is made anew"
    )
    assert stop(cluster, record, second) == ["Pod x in namespace default stays: quagga_1 needs it"]
    assert stop(cluster, record, first) == []
    assert cluster._objects == {}


def test_a_pod_that_is_turned_away_again_and_again_is_told_about_in_the_end(cluster: SharedCluster) -> None:
    def admits(one: Manifest) -> None:
        if one["kind"] == "Pod":
            one["status"] = TURNED_AWAY

    cluster.admits = admits
    with pytest.raises(Waiting, match="NodeAffinity: Pod Predicate NodeAffinity failed"):
        start(cluster, manifest("Pod"))
    assert cluster.order.count("+Pod") > 1


def test_a_pod_that_its_author_has_given_to_a_node_that_does_not_fit_has_failed(
    cluster: SharedCluster,
) -> None:
    with pytest.raises(Failed, match="has failed: NodeAffinity"):
        start(cluster, {**manifest("Pod", nodeName="node1"), "status": TURNED_AWAY})
    assert cluster.order == ["+Pod"]


def test_a_pod_waits_for_its_new_namespace_to_be_furnished(cluster: SharedCluster) -> None:
    def admits(one: Manifest) -> None:
        if one["kind"] == "Pod":
            raise NotPermitted("no service account default")

    cluster.admits = admits
    pod = manifest("Pod")
    pod["metadata"]["namespace"] = "own"
    with pytest.raises(NotPermitted):
        start(cluster, pod)
    with pytest.raises(Waiting, match="namespace own has no service account yet"):
        start(cluster, pod, manifest("Namespace", name="own"))


def test_marks_that_somebody_has_written_over_are_nobodys() -> None:
    wrong = ('{"deployment": "micro"}', '{"deployment": 1, "node": 2, "origin": 3}', "[" * 100_000)
    for text in ("", "no json", "[]", *wrong):
        broken = {**manifest("ConfigMap"), "metadata": {"name": "x", "annotations": {holding.MADE_FOR: text}}}
        assert holding.Maker.of(broken) is None
        with pytest.raises(Conflict):
            holding.check_ours(owner(), broken)


def test_what_an_earlier_install_left_is_found_among_all_kinds(cluster: SharedCluster) -> None:
    start(cluster, LAMP, DEFINITION, MINDER, by=owner("quagga_0"))
    start(cluster, manifest("ConfigMap", name="ours"))
    left = life.forgotten(cluster, owner(), [], print)  # type: ignore[arg-type]
    removed = life.remove_forgotten(cluster, left)  # type: ignore[arg-type]
    assert [one.kind for one in removed] == ["Lamp", "Deployment", "CustomResourceDefinition"]
    assert [one.name for one in cluster._objects] == ["ours"]
