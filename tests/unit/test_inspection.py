"""A microservice looked at: what a real API server cannot be brought to show in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Conflict, Refused
from cloudify_quagga.lifecycle import awaiting, holding, inspection, patience
from cloudify_quagga.lifecycle import microservice as life
from tests.unit.test_microservice_life import SharedCluster, manifest, owner, start, stop


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_SECONDS", "STEP_SECONDS", "STEADY_SECONDS", "_POLL_SECONDS"):
        monkeypatch.setattr(awaiting, name, 0.02)
    for name in ("START_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(patience, name, 0.02)


@pytest.fixture
def cluster() -> SharedCluster:
    return SharedCluster()


def placed(cluster: SharedCluster, *manifests: Manifest) -> list[Manifest]:
    return life.placed(cluster, manifests, "default")  # type: ignore[arg-type]


def ailments(cluster: SharedCluster, record: life.Record) -> list[str]:
    return inspection.ailments(cluster, owner(), record)  # type: ignore[arg-type]


def job_that_failed(cluster: SharedCluster) -> tuple[Manifest, life.Record]:
    job = manifest("Job", "batch/v1", suspend=True)
    record, _ = start(cluster, job)
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    (there,) = cluster._objects.values()
    there["status"] = {"conditions": [failed]}
    return job, record


def test_what_has_failed_is_ill_and_is_made_anew(cluster: SharedCluster) -> None:
    job, record = job_that_failed(cluster)
    assert ailments(cluster, record) == ["Job x in namespace default: BackoffLimitExceeded"]
    cluster.order.clear()
    said: list[str] = []
    inspection.remove_ended(cluster, owner(), placed(cluster, job), said.append)  # type: ignore[arg-type]
    assert said == ["Job x in namespace default has ended for good (BackoffLimitExceeded) and is made anew"]
    record, _ = start(cluster, job)
    assert cluster.order == ["-Job", "+Job"]
    assert ailments(cluster, record) == []


def test_what_is_made_anew_is_held_by_whoever_held_what_has_failed(cluster: SharedCluster) -> None:
    first, second = owner("quagga_1", "quagga_2"), owner("quagga_2", "quagga_1")
    job, _ = job_that_failed(cluster)
    ended = inspection.remove_ended(cluster, second, placed(cluster, job), print)  # type: ignore[arg-type]
    record, _ = start(cluster, job, by=second, ended=ended)
    assert stop(cluster, record, second) == ["Job x in namespace default stays: quagga_1 needs it"]
    assert stop(cluster, record, first) == []
    assert cluster._objects == {}


def test_what_has_failed_in_anothers_hands_is_left(cluster: SharedCluster) -> None:
    job, _ = job_that_failed(cluster)
    (there,) = cluster._objects.values()
    del there["metadata"]["annotations"][holding.MADE_FOR]
    cluster.order.clear()
    inspection.remove_ended(cluster, owner(), placed(cluster, job), print)  # type: ignore[arg-type]
    assert cluster.order == []


def test_what_lacks_something_is_ill_with_what_the_cluster_tells(cluster: SharedCluster) -> None:
    pod = manifest("Pod")
    placed_pod = placed(cluster, pod)[0]
    cluster.apply(holding.marked(owner(), placed_pod), holding.manager(owner()))
    record = life.Record((Reference.of(placed_pod),), "", {})
    (said,) = ailments(cluster, record)
    assert said.startswith("Pod x in namespace default: it is not ready")


def test_an_object_on_its_way_out_is_ill_and_drifted(cluster: SharedCluster) -> None:
    settings = manifest("ConfigMap")
    record, _ = start(cluster, settings)
    (there,) = cluster._objects.values()
    there["metadata"]["deletionTimestamp"] = "now"
    what = "ConfigMap x in namespace default"
    assert ailments(cluster, record) == [f"{what} is being deleted"]
    assert drift(cluster, record, settings) == {
        what: {"object": {"wanted": "there", "found": "is being deleted"}}
    }


def drift(cluster: SharedCluster, record: life.Record, *manifests: Manifest) -> dict[str, Any]:
    wanted = placed(cluster, *manifests)
    return inspection.drift(cluster, owner(), wanted, record.access, record)  # type: ignore[arg-type]


def test_a_hold_that_somebody_has_taken_off_is_drift(cluster: SharedCluster) -> None:
    settings = manifest("ConfigMap")
    record, _ = start(cluster, settings)
    assert drift(cluster, record, settings) == {}
    # The same manifests, applied otherwise.
    stale = replace(record, hash="another")
    assert drift(cluster, stale, settings)["ConfigMap x in namespace default"] == {
        "hold": {"wanted": "quagga_1", "found": None}
    }


def check_same_cluster(cluster: SharedCluster, record: life.Record, access: Mapping[str, Any]) -> None:
    inspection.check_same_cluster(cluster, owner(), record, access)  # type: ignore[arg-type]


def test_a_way_that_leads_to_another_cluster_is_refused(cluster: SharedCluster) -> None:
    record, _ = start(cluster, manifest("ConfigMap"))
    check_same_cluster(cluster, record, {"file": "moved"})
    elsewhere = SharedCluster()
    check_same_cluster(elsewhere, record, record.access)
    with pytest.raises(Refused, match=r"client_config: .* leads to a cluster that has nothing of this"):
        check_same_cluster(elsewhere, record, {"file": "moved"})
    # Somebody else's of the same name is not ours either.
    elsewhere.put(placed(elsewhere, manifest("ConfigMap"))[0])
    with pytest.raises(Refused):
        check_same_cluster(elsewhere, record, {"file": "moved"})


def test_the_picture_is_bounded(cluster: SharedCluster) -> None:
    several = [manifest("ConfigMap", name=f"x{number}") for number in range(60)]
    record, _ = start(cluster, *several)
    seen = inspection.picture(cluster, owner(), record)  # type: ignore[arg-type]
    assert (len(seen["objects"]), seen["more"]) == (50, 10)
    assert all(one["lacks"] is None and one["uid"] for one in seen["objects"])


def test_a_secrets_texts_are_applied_where_they_are_kept(cluster: SharedCluster) -> None:
    secret = {**manifest("Secret"), "data": {"old": "b2xk", "word": "b2xk"}, "stringData": {"word": "new"}}
    (sent,) = placed(cluster, secret)
    assert sent["data"] == {"old": "b2xk", "word": "bmV3"}
    assert "stringData" not in sent
    # What the API server will refuse is left for it to refuse.
    broken = {**secret, "stringData": {"word": 7}}
    assert placed(cluster, broken)[0]["stringData"] == {"word": 7}


class Written(SharedCluster):
    """Says who would lose what by a forced apply, as its test wants it."""

    def __init__(self, *owners: dict[str, Any]) -> None:
        super().__init__()
        self.owners = list(owners)
        self.forced: list[str] = []

    def get(self, reference: Reference) -> Manifest | None:
        found = super().get(reference)
        if found:
            found["metadata"]["managedFields"] = self.owners
            found["data"] = {"colour": "teal", "count": 5}
        return found

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False, force: bool = False) -> Manifest:
        if force and not dry_run:
            self.forced.append(manager)
        applied = super().apply(manifest, manager)
        return applied if not dry_run else {**applied, "data": {"colour": "magenta", "count": 3}}

    def _touch(self, there: Manifest) -> None:
        there["metadata"]["resourceVersion"] = "1"


def colour(manager: str, operation: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:data": {"f:colour": {}}}}


def test_what_hands_wrote_is_taken_back_and_told_without_its_texts() -> None:
    cluster = Written(colour("kubectl-edit", "Update"))
    settings = manifest("ConfigMap")
    record, _ = start(cluster, settings)
    assert drift(cluster, record, settings)["ConfigMap x in namespace default"] == {
        "data.colour": {"wanted": "(hidden)", "found": "(hidden)"},
        "data.count": {"wanted": 3, "found": 5},
        "changed_by": ["kubectl-edit"],
    }
    edits = inspection.edited(cluster, owner(), placed(cluster, settings))  # type: ignore[arg-type]
    said: list[str] = []
    inspection.put_back(cluster, owner(), edits, said.append)  # type: ignore[arg-type]
    assert cluster.forced == [holding.manager(owner())]
    assert said == [
        "ConfigMap x in namespace default: data.colour, data.count are taken back from kubectl-edit"
    ]


def test_what_another_applies_is_never_taken() -> None:
    cluster = Written(colour("kubectl-edit", "Update"), colour("argocd", "Apply"))
    start(cluster, manifest("ConfigMap"))
    with pytest.raises(Conflict, match=r"data\.colour, data\.count are applied by argocd too"):
        inspection.edited(cluster, owner(), placed(cluster, manifest("ConfigMap")))  # type: ignore[arg-type]
    assert cluster.forced == []


def test_of_many_fields_as_many_are_told_as_one_reads() -> None:
    fields = {f"data.{number}": {"wanted": number, "found": None} for number in range(80)}
    told = inspection._bounded(fields)
    assert len(told) == 51
    assert told["not_shown"] == 30
