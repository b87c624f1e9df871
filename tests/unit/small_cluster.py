"""A cluster in memory, as small as the lifecycle's view of one: objects, and what a kubelet does to pods."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from cloudify_quagga.channel import Ended
from cloudify_quagga.cluster import Absent, Event, Manifest, Observation, Reference
from cloudify_quagga.errors import Unavailable

Kubelet = Callable[["SmallCluster", Manifest], None]


class SmallCluster:
    """Behaves like Cluster towards the lifecycle.

    :param kubelet: called for every pod whenever somebody waits; changes it by `update` and `gone`.
    """

    address = "https://small.example:6443"

    def __init__(self, kubelet: Kubelet | None = None) -> None:
        self._objects: dict[Reference, Manifest] = {}
        self._made = 0
        self._kubelet = kubelet
        self._events: list[Event] = []
        self.applied: list[Manifest] = []
        self.patched: list[Reference] = []
        self.deleted: list[Reference] = []

    def put(self, manifest: Manifest) -> Manifest:
        """Have an object there."""
        kept = copy.deepcopy(manifest)
        self._made += 1
        kept["metadata"].setdefault("uid", f"uid-{self._made}-{manifest['metadata']['name']}")
        self._objects[Reference.of(kept)] = kept
        return kept

    def update(self, pod: Manifest, **status: Any) -> None:
        """Have a pod's status become this."""
        pod.setdefault("status", {}).update(status)
        self._events.append(Event("MODIFIED", copy.deepcopy(pod)))

    def gone(self, pod: Manifest) -> None:
        """Have a pod go."""
        del self._objects[Reference.of(pod)]
        self._events.append(Event("DELETED", copy.deepcopy(pod)))

    def get(self, reference: Reference) -> Manifest | None:
        return self._objects.get(reference)

    def find(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        fields: str | None = None,
        at_most: int | None = None,
    ) -> list[Manifest]:
        found = [
            one
            for reference, one in self._objects.items()
            if (reference.api_version, reference.kind) == (api_version, kind)
            and namespace in (None, reference.namespace)
            and (selector or {}).items() <= one["metadata"].get("labels", {}).items()
        ]
        return found[:at_most]

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False) -> Manifest:
        self.applied.append(manifest)
        return self.put(manifest)

    def patch(self, reference: Reference, operations: list[dict[str, Any]]) -> Manifest:
        there = self._objects.get(reference)
        if there is None:
            raise Absent(f"patch: {reference} not found (404)")
        for operation in operations:
            *steps, last = [step.replace("~1", "/") for step in operation["path"].split("/")[1:]]
            inside: Any = there
            for step in steps:
                inside = inside[step]
            inside[last] = operation["value"]
        self.patched.append(reference)
        return there

    def exec(
        self,
        pod: Reference,
        command: Sequence[str],
        stdin: bytes = b"",
        container: str | None = None,
        seconds: float = 30,
    ) -> Ended:
        raise Unavailable(f"nothing runs in {pod}")

    def version(self) -> str:
        return "v1.20.5"

    def delete(
        self,
        reference: Reference,
        dependents_first: bool = False,
        at_once: bool = False,
        as_seen: Manifest | None = None,
    ) -> bool:
        self.deleted.append(reference)
        there = self._objects.get(reference)
        if there is None:
            return False
        if reference.kind != "Pod":
            del self._objects[reference]
            if dependents_first:
                self._delete_pods_of(there)
        elif at_once or there.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            self.gone(there)
        else:
            there["metadata"]["deletionTimestamp"] = "now"
        return True

    def observe(
        self, api_version: str, kind: str, namespace: str, selector: Mapping[str, str]
    ) -> Observation:
        self._events.clear()
        return Observation(copy.deepcopy(self.find(api_version, kind, namespace, selector)), self._changes)

    def may(self, right: object) -> bool:
        return True

    def missing(self, rights: Iterable[object]) -> list[object]:
        return [right for right in rights if not self.may(right)]

    def log(
        self, namespace: str, pod: str, lines: int, previous: bool = False, container: str | None = None
    ) -> list[str]:
        return ["the previous log" if previous else "the log"]

    def _delete_pods_of(self, workload: Manifest) -> None:
        for pod in self.find("v1", "Pod", selector=workload["spec"]["selector"]["matchLabels"]):
            self.delete(Reference.of(pod))

    def _changes(self, seconds: float) -> Generator[Event, None, None]:
        while self._events or self._run_kubelet():
            yield self._events.pop(0)

    def _run_kubelet(self) -> bool:
        for pod in self.find("v1", "Pod"):
            if self._kubelet:
                self._kubelet(self, pod)
        return bool(self._events)
