"""What differs from what we want, asked of a real API server; and whose turn it is, settled by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference, connect
from cloudify_quagga.errors import Conflict, Waiting
from cloudify_quagga.lifecycle import drift, lease
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.model import Access, Router
from cloudify_quagga.names import Identity

US = Owner(Identity("router", "quagga", "quagga_drift1"), "here", frozenset(), "cfy uninstall -b")
EDITED = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "edited"}
RELABELLED = {"op": "replace", "path": "/metadata/labels/app.kubernetes.io~1name", "value": "other"}


def router(namespace: str, **properties: Any) -> Router:
    # No node has this label: nothing runs.
    said = {"node_selector": {"quagga-test-nowhere": "x"}, "metrics": {"enabled": True}}
    return Router.parse({**said, "namespace": namespace, **properties})


@pytest.fixture(params=["DaemonSet", "Deployment", "Pod"])
def applied(request: pytest.FixtureRequest, cluster: Cluster, namespace: str) -> Iterator[list[Manifest]]:
    """A router's objects, as they are applied."""
    manifests = render.objects(router(namespace, kind=request.param), US.identity)
    for manifest in manifests:
        cluster.apply(US.stamped(manifest), US.identity.field_manager)
    yield manifests
    for manifest in manifests:
        cluster.delete(Reference.of(manifest), at_once=True)


def settled(cluster: Cluster, manifest: Manifest) -> drift.Drift | None:
    """The drift, once controllers have had their say."""
    time.sleep(0.5)
    return drift.of(cluster, US, manifest)


def test_what_was_just_applied_does_not_differ(cluster: Cluster, applied: list[Manifest]) -> None:
    assert [settled(cluster, manifest) for manifest in applied] == [None, None]


def test_what_others_add_is_no_drift(cluster: Cluster, applied: list[Manifest]) -> None:
    for manifest in applied:
        added = {"op": "add", "path": "/metadata/labels/team", "value": "blue"}
        cluster.patch(Reference.of(manifest), [added])
    assert [settled(cluster, manifest) for manifest in applied] == [None, None]


def test_fields_that_a_hand_changed_are_told_and_taken_back(
    cluster: Cluster, applied: list[Manifest]
) -> None:
    _, workload = applied
    is_pod = workload["kind"] == "Pod"
    image = {**EDITED, "path": EDITED["path"].replace("/template/spec", "")} if is_pod else EDITED
    cluster.patch(Reference.of(workload), [image, RELABELLED])
    found = settled(cluster, workload)
    assert found is not None
    image_path = f"spec.{'' if is_pod else 'template.spec.'}containers[quagga].image"
    assert {one.path: (one.wanted, one.found) for one in found.differences} == {
        image_path: ("quagga", "edited"),
        "metadata.labels.app.kubernetes.io/name": ("quagga", "other"),
    }
    assert (found.hands, found.masters) == (("cloudify-quagga-plugin",), ())
    with pytest.raises(Conflict):
        cluster.apply(US.stamped(workload), US.identity.field_manager)
    said: list[str] = []
    drift.put_back(cluster, US, workload, said.append)
    assert "containers[quagga].image are taken back from cloudify-quagga-plugin" in said[0]
    assert settled(cluster, workload) is None


def test_a_configuration_that_a_hand_changed(cluster: Cluster, applied: list[Manifest]) -> None:
    config, _ = applied
    text = config["data"]["frr.conf"].replace("ip forwarding", "no ip forwarding")
    cluster.patch(Reference.of(config), [{"op": "replace", "path": "/data/frr.conf", "value": text}])
    found = drift.of(cluster, US, config)
    assert found is not None
    assert found.to_json()["data.frr.conf"] == {"wanted": ["ip forwarding"], "found": ["no ip forwarding"]}
    drift.put_back(cluster, US, config, print)
    assert drift.of(cluster, US, config) is None


def test_what_another_applies_is_left_to_be_settled(cluster: Cluster, applied: list[Manifest]) -> None:
    config, _ = applied
    metadata = {key: config["metadata"][key] for key in ("name", "namespace")}
    theirs = {**config, "metadata": metadata, "data": {"frr.conf": "theirs\n"}}
    cluster.apply(theirs, "argocd", force=True)
    found = drift.of(cluster, US, config)
    assert found is not None
    assert (found.hands, found.masters) == ((), ("argocd",))
    with pytest.raises(Conflict, match=r"data.frr.conf is applied by argocd too"):
        drift.put_back(cluster, US, config, print)


def test_a_secret_is_compared_unseen(cluster: Cluster, namespace: str) -> None:
    made = router(namespace, raw=["password ${p}"], secrets={"p": "tomato"})
    config = render.configuration(made, US.identity)
    cluster.apply(US.stamped(config), US.identity.field_manager)
    assert drift.of(cluster, US, config) is None
    cluster.patch(Reference.of(config), [{"op": "replace", "path": "/data/frr.conf", "value": "eA=="}])
    found = drift.of(cluster, US, config)
    assert found is not None
    assert found.to_json()["data.frr.conf"] == {"wanted": "(hidden)", "found": "(hidden)"}


def test_a_missing_object(cluster: Cluster, namespace: str) -> None:
    config = render.configuration(router(namespace), US.identity)
    assert drift.of(cluster, US, config) == drift.Drift(missing=True)


class TestTurns:
    def test_of_many_at_once_one_has_it(
        self, kubeconfig: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lease, "WAIT_SECONDS", 0.2)
        came: list[str] = []
        all_came = threading.Event()

        def come() -> None:
            own = connect(Access(file=str(kubeconfig)), lambda _: b"", str)
            try:
                with lease.turn(own, US, namespace):
                    came.append("had it")
                    all_came.wait(10)
            except Waiting:
                came.append("waits")

        threads = [threading.Thread(target=come) for _ in range(6)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while len(came) < len(threads) and time.monotonic() < deadline:
            time.sleep(0.05)
        all_came.set()
        for thread in threads:
            thread.join()
        assert sorted(came) == ["had it", *["waits"] * 5]

    def test_is_renewed_and_given_back(self, cluster: Cluster, namespace: str) -> None:
        reference = lease.reference(US.identity, namespace)
        with lease.turn(cluster, US, namespace) as turn:
            before = cluster.get(reference)
            turn.renewed -= 60
            turn.renew()
            after = cluster.get(reference)
        assert before is not None
        assert after is not None
        assert before["spec"]["renewTime"] < after["spec"]["renewTime"]
        assert cluster.get(reference) is None

    def test_that_was_lost_is_noticed(self, cluster: Cluster, namespace: str) -> None:
        reference = lease.reference(US.identity, namespace)
        with lease.turn(cluster, US, namespace) as turn:
            cluster.delete(reference)
            with lease.turn(cluster, US, namespace):
                turn.renewed -= 60
                with pytest.raises(Waiting, match="was taken over by somebody else"):
                    turn.renew()
