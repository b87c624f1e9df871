"""Whether an object has become what it was applied for; pure functions of the object.

What has no status to wait for is settled when it is there: a claim is bound when a pod needs it, a load
balancer is somebody else's to give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cloudify_quagga.cluster import Manifest

_Lacks = Callable[[Manifest, Mapping[str, Any]], str | None]


def lacks(manifest: Manifest) -> str | None:
    """What it still lacks, as the rest of a sentence; None when it is as it should be."""
    judge = _JUDGES.get(_kind(manifest))
    if judge is None:
        return None
    status = manifest.get("status") or {}
    if "observedGeneration" in status and status["observedGeneration"] < manifest["metadata"]["generation"]:
        return "its controller has not seen its latest generation yet"
    return judge(manifest, status)


def failure(manifest: Manifest) -> str | None:
    """Why it will never be as it should be, where that is certain."""
    status = manifest.get("status") or {}
    if _kind(manifest) == ("batch", "Job"):
        return _reason(manifest, "Failed", "True")
    if _kind(manifest) == ("apps", "Deployment"):
        condition = _condition(manifest, "Progressing") or {}
        if condition.get("reason") == "ProgressDeadlineExceeded" and not _is_outdated(manifest):
            return _said(condition)
    if _kind(manifest) == ("", "Pod") and status.get("phase") == "Failed":
        return ": ".join(part for part in (status.get("reason"), status.get("message")) if part) or "Failed"
    return None


def complaint(manifest: Manifest) -> str | None:
    """What its controller says that it cannot do, pods that a quota forbids for one."""
    return _reason(manifest, "ReplicaFailure", "True")


def is_awaited(api_version: str, kind: str) -> bool:
    """Whether there is something to wait for."""
    return (_group(api_version), kind) in _JUDGES


def is_workload(api_version: str, kind: str) -> bool:
    """Whether it is a pod, or something that makes pods and says how they are."""
    return is_awaited(api_version, kind) and _group(api_version) in ("", "apps", "batch")


def _deployment(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    if manifest["spec"].get("paused"):
        return None
    return _counts(manifest, status, "updatedReplicas", "availableReplicas", "replicas")


def _replicas(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    return _counts(manifest, status, "replicas", "availableReplicas")


def _stateful_set(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    strategy = manifest["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return _counts(manifest, status, "readyReplicas")
    held_back = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    updated, wanted = status.get("updatedReplicas", 0), manifest["spec"].get("replicas", 1) - held_back
    if held_back and updated < wanted:
        return f"{updated} of {wanted} pods are updated"
    if not held_back and status.get("currentRevision") != status.get("updateRevision"):
        return "its pods are not all of one revision yet"
    return _counts(manifest, status, "readyReplicas")


def _daemon_set(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    if "desiredNumberScheduled" not in status:
        return "no node has been chosen yet"
    wanted = status["desiredNumberScheduled"]
    keys = ["numberAvailable"]
    if (manifest["spec"].get("updateStrategy") or {}).get("type") != "OnDelete":
        keys.append("updatedNumberScheduled")
    return _first_short(status, wanted, keys)


def _job(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    if manifest["spec"].get("suspend") or _is(manifest, "Complete"):
        return None
    return f"it is not complete: {status.get('active', 0)} active, {status.get('succeeded', 0)} succeeded"


def _pod(manifest: Manifest, status: Mapping[str, Any]) -> str | None:
    if status.get("phase") == "Succeeded" or _is(manifest, "Ready"):
        return None
    return "it is not ready"


def _counts(manifest: Manifest, status: Mapping[str, Any], *keys: str) -> str | None:
    if "observedGeneration" not in status:
        return "its controller has not seen it yet"
    return _first_short(status, manifest["spec"].get("replicas", 1), keys)


def _first_short(status: Mapping[str, Any], wanted: int, keys: Iterable[str]) -> str | None:
    for key in keys:
        if status.get(key, 0) != wanted:
            return f"{status.get(key, 0)} of {wanted} pods are {_WORDS[key]}"
    return None


def _condition_is(name: str) -> _Lacks:
    def judged(manifest: Manifest, _: Mapping[str, Any]) -> str | None:
        if _is(manifest, name):
            return None
        condition = _condition(manifest, name)
        return f"it is not {name}" + (f": {_said(condition)}" if condition else "")

    return judged


def _is(manifest: Manifest, name: str) -> bool:
    return (_condition(manifest, name) or {}).get("status") == "True"


def _reason(manifest: Manifest, name: str, status: str) -> str | None:
    condition = _condition(manifest, name)
    return _said(condition) if condition and condition["status"] == status else None


def _condition(manifest: Manifest, name: str) -> dict[str, Any] | None:
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == name), None)


def _said(condition: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (condition.get("reason"), condition.get("message")) if part)


def _is_outdated(manifest: Manifest) -> bool:
    observed = (manifest.get("status") or {}).get("observedGeneration", 0)
    return bool(observed < manifest["metadata"]["generation"])


def _kind(manifest: Manifest) -> tuple[str, str]:
    return _group(manifest["apiVersion"]), manifest["kind"]


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""


_WORDS = {
    "replicas": "there",
    "updatedReplicas": "updated",
    "availableReplicas": "available",
    "readyReplicas": "ready",
    "numberAvailable": "available",
    "updatedNumberScheduled": "updated",
}
_JUDGES: dict[tuple[str, str], _Lacks] = {
    ("", "Pod"): _pod,
    ("", "ReplicationController"): _replicas,
    ("apps", "ReplicaSet"): _replicas,
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _condition_is("Established"),
    ("apiregistration.k8s.io", "APIService"): _condition_is("Available"),
}
