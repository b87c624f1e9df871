"""A cluster in memory whose nodes run routers: controllers make pods, and pods answer as the image does."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudify_quagga.channel import Ended
from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Conflict, Unavailable
from cloudify_quagga.lifecycle import nodes, parting, pods, sweeping
from tests.unit.small_cluster import Kubelet, SmallCluster

CLEAN = "stopped: 0 routes left (2 withdrawn in 0.10 s)"
Judge = Callable[[str], str | None]


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long until pods have gone and nodes are swept."""
    monkeypatch.setattr(parting, "STOP_SECONDS", 0.05)
    monkeypatch.setattr(parting, "LOST_SECONDS", 0.05)
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.05)


@dataclass
class SmallRouter:
    """What runs in one pod.

    :param judge: why a configuration is refused, None where it is not.
    """

    text: str
    judge: Judge
    missing: list[str] = field(default_factory=list)
    refused: dict[str, str] | None = None
    mendable: bool = True
    silent: bool = False
    down: tuple[str, ...] = ()
    switched: tuple[str, ...] = ()

    @property
    def applied(self) -> str:
        return hashed(self.text)

    def take(self, text: str) -> None:
        """The file has changed."""
        reason = self.judge(text)
        self.refused = {"hash": hashed(text), "reason": reason} if reason else None
        if not reason:
            self.text = text

    def answer(self, words: Sequence[str], stdin: bytes) -> tuple[int, dict[str, Any]]:
        verb, *rest = words
        if verb == "check":
            assert rest == [str(len(stdin))]
            reason = self.judge(stdin.decode())
            told = {"accepted": False, "reason": reason} if reason else {"accepted": True, "hash": "..."}
            return (64 if reason else 0), told
        if verb == "mend" and self.mendable:
            self.missing.clear()
        ready = not self.missing and not self.refused and not self.down
        return (0 if ready or verb == "report" else 1), self.report(ready)

    def report(self, ready: bool) -> dict[str, Any]:
        daemons = {
            name: {"pid": 7, "since": "2026-11-26T07:00:00Z", "restarts": 0} for name in ("zebra", "staticd")
        }
        daemons |= {name: {"pid": None, "since": None, "restarts": 1} for name in self.down}
        return {
            "ready": ready,
            "reason": None if ready else "some routes are missing",
            "applied_hash": self.applied,
            "daemons": daemons,
            "routes": {
                "wanted": 2,
                "installed": 2 - len(self.missing),
                "missing": self.missing,
                "unexpected": [],
                "missing_count": len(self.missing),
                "unexpected_count": 0,
            },
            "forwarding_differs": [],
            "forwarding_switched": [*self.switched],
            "refused": self.refused,
            "last_change": None,
            "last_error": None,
        }


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class OwnedCluster(SmallCluster):
    """Remembers which fields somebody else wrote, and minds it as server-side apply does."""

    def __init__(self, kubelet: Kubelet | None = None) -> None:
        super().__init__(kubelet)
        self._edits: dict[tuple[Reference, str], tuple[str, str]] = {}

    def edit(self, reference: Reference, path: str, value: Any, by: str, operation: str = "Update") -> None:
        """Have somebody else write a field, and own it from then on; a path's steps are joined by '/'."""
        *steps, last = path.split("/")
        there: Any = self._objects[reference]
        for step in steps:
            there = there.setdefault(step, {})
        there[last] = value
        self._edits[reference, path] = (by, operation)
        self._own(reference)

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False, force: bool = False) -> Manifest:
        """Server-side apply, as far as it matters here: others' fields conflict, the rest is laid over."""
        reference = Reference.of(manifest)
        live = self._objects.get(reference)
        lost = self._lost(reference, manifest)
        if lost and not force:
            owners = sorted({by for by, _ in lost.values()})
            raise Conflict(f"patch: Apply failed with 1 conflict: conflict with {owners} (409)")
        merged = _merged(live, manifest) if live else copy.deepcopy(manifest)
        if dry_run:
            kept = {path: who for (at, path), who in self._edits.items() if at == reference}
            return _owned(merged, {path: who for path, who in kept.items() if path not in lost})
        for path in lost:
            del self._edits[reference, path]
        self.applied.append(manifest)
        if live is None:
            return self.put(merged)
        # Whoever has read it before keeps what was read.
        self._objects[reference] = merged
        self._own(reference)
        return merged

    def _lost(self, reference: Reference, manifest: Manifest) -> dict[str, tuple[str, str]]:
        """Fields that others own and the manifest wants otherwise, and who they are."""
        return {
            path: who
            for (at, path), who in self._edits.items()
            if at == reference and _at(manifest, path) not in (None, _at(self._objects[reference], path))
        }

    def _own(self, reference: Reference) -> None:
        mine = {path: who for (at, path), who in self._edits.items() if at == reference}
        _owned(self._objects[reference], mine)


class RoutingCluster(OwnedCluster):
    """Pods come, take changes of their file when they are touched, and go with their last words.

    :param judge: what every router thinks of a configuration; may be replaced at any time.
    """

    def __init__(self, *node_names: str) -> None:
        super().__init__()
        self.absent_images: set[str] = set()
        self.judge: Judge = lambda text: None
        self.last_word = CLEAN
        self.asked: list[tuple[str, str]] = []
        self.routers: dict[str, SmallRouter] = {}
        self._count = 0
        for name in node_names:
            self.add_node(name, role="router")

    def add_node(self, name: str, ready: bool = True, **labels: str) -> Manifest:
        conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
        metadata = {"name": name, "labels": labels}
        status = {"conditions": conditions}
        return self.put(
            {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}
        )

    def find(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        fields: str | None = None,
        at_most: int | None = None,
    ) -> list[Manifest]:
        """Copies: what somebody has read does not change any more."""
        return copy.deepcopy(super().find(api_version, kind, namespace, selector, fields, at_most))

    def get(self, reference: Reference) -> Manifest | None:
        return copy.deepcopy(super().get(reference))

    def _there(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> list[Manifest]:
        return super().find(api_version, kind, namespace, selector)

    def _run_kubelet(self) -> bool:
        for pod in self._there("v1", "Pod"):
            _end(self, pod)
        return bool(self._events)

    def _delete_pods_of(self, workload: Manifest) -> None:
        for pod in self._there("v1", "Pod", selector=workload["spec"]["selector"]["matchLabels"]):
            self.delete(Reference.of(pod))

    def nodes(self) -> list[Manifest]:
        return self._there("v1", "Node")

    def lets_go(self, pod: Manifest) -> bool:
        """Whether a pod that is deleted has a kubelet that ends it, and nobody else who holds it."""
        return not pod["metadata"].get("finalizers") and self._answers(str(pods.node_of(pod)))

    def _answers(self, name: str) -> bool:
        node = self.get(Reference("v1", "Node", name))
        return node is None or nodes.is_ready(node)

    def router_on(self, node: str) -> SmallRouter:
        (pod,) = [one for one in self.pods() if pods.node_of(one) == node]
        return self.routers[pod["metadata"]["uid"]]

    def pods(self) -> list[Manifest]:
        return self._there("v1", "Pod")

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False, force: bool = False) -> Manifest:
        before = self.get(Reference.of(manifest))
        spec = json.dumps((before or {}).get("spec"))
        kept = super().apply(manifest, manager, dry_run, force)
        if dry_run or "spec" not in kept:
            return kept
        metadata = kept["metadata"]
        if kept["kind"] in ("DaemonSet", "Deployment") and json.dumps(kept["spec"]) != spec:
            metadata["generation"] = metadata.get("generation", 0) + 1
        if kept["kind"] == "Pod" and before is None and "nodeName" not in kept["spec"]:
            self._begin(kept, self._matching(kept["spec"])[0])
        self._reconcile()
        return kept

    def patch(self, reference: Reference, operations: list[dict[str, Any]]) -> Manifest:
        pod = super().patch(reference, operations)
        if reference.kind == "Pod" and (router := self.routers.get(pod["metadata"]["uid"])):
            router.take(self._file(pod))
        return pod

    def exec(
        self,
        pod: Reference,
        command: Sequence[str],
        stdin: bytes = b"",
        container: str | None = None,
        seconds: float = 30,
    ) -> Ended:
        assert container == "quagga"
        there = self.get(pod)
        router = self.routers.get(there["metadata"]["uid"]) if there else None
        if command == ("cat", "/run/quagga/status.json") and router and not router.silent:
            return Ended(0, json.dumps(router.report(ready=True)), "")
        assert command[:7] == ("env", "-C", "/root", "python3", "-E", "-m", "router")
        self.asked.append((str(pods.node_of(there or {"spec": {}})), command[7]))
        if router is None or router.silent:
            raise Unavailable(f"nothing runs in {pod}")
        code, told = router.answer(command[7:], stdin)
        return Ended(code, json.dumps(told), "")

    def log(
        self, namespace: str, pod: str, lines: int, previous: bool = False, container: str | None = None
    ) -> list[str]:
        there = self.get(Reference("v1", "Pod", pod, namespace))
        if there is None or not self._answers(str(pods.node_of(there))):
            raise Unavailable(f"the kubelet that has the log of {pod} does not answer")
        return super().log(namespace, pod, lines, previous, container)

    def gone(self, pod: Manifest) -> None:
        self.routers.pop(pod["metadata"]["uid"], None)
        super().gone(pod)
        self._reconcile()

    def delete(
        self,
        reference: Reference,
        dependents_first: bool = False,
        at_once: bool = False,
        as_seen: Manifest | None = None,
    ) -> bool:
        done = super().delete(reference, dependents_first, at_once, as_seen)
        self._reconcile()
        return done

    def _reconcile(self) -> None:
        """What controllers do."""
        for workload in self._there("apps/v1", "DaemonSet"):
            self._spread(workload)
        for workload in self._there("apps/v1", "Deployment"):
            self._replace(workload)

    def _spread(self, workload: Manifest) -> None:
        template = workload["spec"]["template"]
        chosen = self._matching(template["spec"])
        mine = self._there("v1", "Pod", selector=workload["spec"]["selector"]["matchLabels"])
        for pod in mine:
            if pods.node_of(pod) not in chosen:
                pod["metadata"]["deletionTimestamp"] = "now"
        taken = {pods.node_of(pod) for pod in mine}
        for name in chosen:
            if name not in taken:
                self._make(workload, name)
        self._tell(workload, len(chosen))

    def _replace(self, workload: Manifest) -> None:
        mine = self._there("v1", "Pod", selector=workload["spec"]["selector"]["matchLabels"])
        wanted = pods.template_of(workload["spec"]["template"])
        for pod in mine:
            if pods.template_of(pod) != wanted:
                pod["metadata"]["deletionTimestamp"] = "now"
        # Others than its own are waited for; what is lost of its own is replaced where a kubelet answers.
        if all(
            pods.template_of(pod) == wanted and not self.lets_go(pod) for pod in mine if pods.is_leaving(pod)
        ):
            places = [
                name for name in self._matching(workload["spec"]["template"]["spec"]) if self._answers(name)
            ]
            # What has ended for good stays, and there is another one for it.
            if places and all(pods.is_leaving(pod) or pods.has_ended(pod) for pod in mine):
                self._make(workload, places[0])
        self._tell(workload, 1)

    def _tell(self, workload: Manifest, wanted: int) -> None:
        mine = self._there("v1", "Pod", selector=workload["spec"]["selector"]["matchLabels"])
        ready = sum(map(pods.is_ready, mine))
        active = len([pod for pod in mine if not pods.is_leaving(pod) and not pods.has_ended(pod)])
        workload["status"] = {
            "observedGeneration": workload["metadata"]["generation"],
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": len(mine),
            "numberReady": ready,
            "replicas": active,
            "updatedReplicas": active,
            "readyReplicas": ready,
        }

    def _make(self, workload: Manifest, node: str) -> None:
        self._count += 1
        template = json.loads(json.dumps(workload["spec"]["template"]))
        metadata = {
            **template["metadata"],
            "name": f"router-{self._count}",
            "uid": f"pod-{self._count}",
            "namespace": workload["metadata"]["namespace"],
        }
        pod = self.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        self._begin(pod, node)

    def _begin(self, pod: Manifest, node: str) -> None:
        pod["spec"]["nodeName"] = node
        if pod["spec"]["containers"][0]["image"] in self.absent_images:
            waiting = {"reason": "ErrImagePull", "message": "not found"}
            pod["status"] = {"containerStatuses": [{"name": "quagga", "state": {"waiting": waiting}}]}
            return
        text = self._file(pod)
        reason = self.judge(text)
        if reason:
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
            last = {"terminated": {"message": f"refused: {reason}", "exitCode": 64}}
            pod["status"] = {"containerStatuses": [{"state": state, "lastState": last}]}
            return
        self.routers[pod["metadata"]["uid"]] = SmallRouter(text, self._judged)
        ready = [{"type": "Ready", "status": "True"}]
        pod["status"] = {
            "containerStatuses": [{"ready": True, "state": {"running": {}}}],
            "conditions": ready,
        }

    def _judged(self, text: str) -> str | None:
        return self.judge(text)

    def _file(self, pod: Manifest) -> str:
        volume, *_ = pod["spec"]["volumes"]
        name = volume["configMap"]["name"] if "configMap" in volume else volume["secret"]["secretName"]
        kind = "ConfigMap" if "configMap" in volume else "Secret"
        held = self.get(Reference("v1", kind, name, pod["metadata"]["namespace"]))
        assert held is not None, f"no {kind} for {pod['metadata']['name']}"
        text: str = held["data"]["frr.conf"]
        return text if kind == "ConfigMap" else base64.b64decode(text).decode()

    def _matching(self, spec: dict[str, Any]) -> list[str]:
        selector = spec.get("nodeSelector") or {}
        return [nodes.name(node) for node in self._there("v1", "Node") if nodes.matches(node, selector)]


def _merged(live: Any, wanted: Any) -> Any:
    """Maps laid over each other, everything else replaced."""
    if not isinstance(live, dict) or not isinstance(wanted, dict):
        return copy.deepcopy(wanted)
    return {**live, **{key: _merged(live.get(key), one) for key, one in wanted.items()}}


def _at(manifest: Manifest, path: str) -> Any:
    there: Any = manifest
    for step in path.split("/"):
        there = there.get(step) if isinstance(there, dict) else None
    return there


def _owned(manifest: Manifest, edits: Mapping[str, tuple[str, str]]) -> Manifest:
    """With the bookkeeping of who owns what."""
    entries = [
        {"manager": by, "operation": operation, "fieldsV1": {f"f:{path}": {}}}
        for path, (by, operation) in sorted(edits.items())
    ]
    manifest["metadata"]["managedFields"] = entries
    return manifest


def _end(cluster: SmallCluster, pod: Manifest) -> None:
    """A kubelet ends a pod that is deleted, and sweeps where a sweeper is wanted."""
    assert isinstance(cluster, RoutingCluster)
    if pod["metadata"]["labels"]["app.kubernetes.io/name"] == "quagga-sweeper":
        state = {"terminated": {"message": "swept: 0 routes left (2 removed)", "exitCode": 0}}
        cluster.update(pod, containerStatuses=[{"state": state}], phase="Succeeded")
    elif pod["metadata"].get("deletionTimestamp") and cluster.lets_go(pod):
        if pod["metadata"]["uid"] in cluster.routers:
            state = {"terminated": {"message": cluster.last_word, "exitCode": 0}}
            cluster.update(pod, containerStatuses=[{"state": state}])
        cluster.gone(pod)
