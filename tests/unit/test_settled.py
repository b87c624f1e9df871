"""When an object is as it should be: by the numbers of its controller, and only for its latest generation."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga.lifecycle import settled


def seen(kind: str, spec: dict[str, Any] | None = None, generation: int = 2, **status: Any) -> dict[str, Any]:
    versions = {"Pod": "v1", "ReplicationController": "v1", "Service": "v1", "Job": "batch/v1"}
    versions |= {"CustomResourceDefinition": "apiextensions.k8s.io/v1"}
    versions |= {"APIService": "apiregistration.k8s.io/v1"}
    metadata = {"name": "x", "namespace": "default", "generation": generation}
    api_version = versions.get(kind, "apps/v1")
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": metadata,
        "spec": spec or {},
        "status": status,
    }


def condition(name: str, status: str = "True", **said: str) -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": status, **said}]}


DEPLOYED: dict[str, Any] = {
    "observedGeneration": 2,
    "replicas": 3,
    "updatedReplicas": 3,
    "availableReplicas": 3,
}
ROLLED: dict[str, Any] = {
    "observedGeneration": 2,
    "readyReplicas": 3,
    "updatedReplicas": 3,
    "currentRevision": "b",
    "updateRevision": "b",
}
SPREAD: dict[str, Any] = {
    "observedGeneration": 2,
    "desiredNumberScheduled": 2,
    "numberAvailable": 2,
    "updatedNumberScheduled": 2,
}
THREE = {"replicas": 3}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
PARTITION = {**THREE, "updateStrategy": {"rollingUpdate": {"partition": 2}}}


@pytest.mark.parametrize(
    ("manifest", "missing"),
    [
        (seen("Deployment", THREE, **DEPLOYED), None),
        (seen("Deployment", THREE, 3, **DEPLOYED), "its controller has not seen its latest generation yet"),
        (seen("Deployment", THREE), "its controller has not seen it yet"),
        (seen("Deployment", {"replicas": 4}, **DEPLOYED), "3 of 4 pods are updated"),
        (seen("Deployment", THREE, **{**DEPLOYED, "availableReplicas": 1}), "1 of 3 pods are available"),
        # Those of the generation before have still to go.
        (seen("Deployment", THREE, **{**DEPLOYED, "replicas": 4}), "4 of 3 pods are there"),
        (seen("Deployment", {"replicas": 0}, observedGeneration=2), None),
        (seen("Deployment", {**THREE, "paused": True}, observedGeneration=2), None),
        (seen("Deployment", {}, observedGeneration=2), "0 of 1 pods are updated"),
        (seen("ReplicaSet", THREE, **DEPLOYED), None),
        (seen("ReplicaSet", THREE, observedGeneration=2, replicas=3), "0 of 3 pods are available"),
        (seen("ReplicationController", THREE, **DEPLOYED), None),
        (seen("ReplicationController", THREE, observedGeneration=2), "0 of 3 pods are there"),
        (seen("StatefulSet", THREE, **ROLLED), None),
        (
            seen("StatefulSet", THREE, **{**ROLLED, "currentRevision": "a"}),
            "its pods are not all of one revision yet",
        ),
        (seen("StatefulSet", THREE, **{**ROLLED, "readyReplicas": 2}), "2 of 3 pods are ready"),
        (seen("StatefulSet", {**THREE, **ON_DELETE}, **{**ROLLED, "currentRevision": "a"}), None),
        (seen("StatefulSet", PARTITION, **{**ROLLED, "currentRevision": "a", "updatedReplicas": 1}), None),
        (
            seen("StatefulSet", PARTITION, **{**ROLLED, "updatedReplicas": 0}),
            "0 of 1 pods are updated",
        ),
        (seen("DaemonSet", **SPREAD), None),
        (seen("DaemonSet"), "no node has been chosen yet"),
        (seen("DaemonSet", **{**SPREAD, "numberAvailable": 1}), "1 of 2 pods are available"),
        (seen("DaemonSet", **{**SPREAD, "updatedNumberScheduled": 1}), "1 of 2 pods are updated"),
        (seen("DaemonSet", ON_DELETE, **{**SPREAD, "updatedNumberScheduled": 1}), None),
        (seen("DaemonSet", generation=3, **SPREAD), "its controller has not seen its latest generation yet"),
        (seen("Job", active=1), "it is not complete: 1 active, 0 succeeded"),
        (seen("Job", **condition("Complete")), None),
        (seen("Job", {"suspend": True}), None),
        (seen("Pod", phase="Pending"), "it is not ready"),
        (seen("Pod", phase="Running", **condition("Ready", "False")), "it is not ready"),
        (seen("Pod", phase="Running", **condition("Ready")), None),
        (seen("Pod", phase="Succeeded"), None),
        (seen("CustomResourceDefinition"), "it is not Established"),
        (
            seen("CustomResourceDefinition", **condition("Established", "False", reason="NotAccepted")),
            "it is not Established: NotAccepted",
        ),
        (seen("CustomResourceDefinition", **condition("Established")), None),
        (seen("APIService", **condition("Available", "False", message="away")), "it is not Available: away"),
        (seen("APIService", **condition("Available")), None),
        # Whose balancer may never come.
        (seen("Service", {"type": "LoadBalancer"}, loadBalancer={}), None),
    ],
)
def test_what_is_still_missing(manifest: dict[str, Any], missing: str | None) -> None:
    assert settled.lacks(manifest) == missing


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (seen("Job", **condition("Failed", reason="BackoffLimitExceeded")), "BackoffLimitExceeded"),
        (seen("Job", **condition("Failed", "False")), None),
        (seen("Pod", phase="Failed", reason="Evicted", message="too large"), "Evicted: too large"),
        (seen("Pod", phase="Failed"), "Failed"),
        (seen("Pod", phase="Pending"), None),
        (
            seen(
                "Deployment",
                observedGeneration=2,
                **condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="timed out"),
            ),
            "ProgressDeadlineExceeded: timed out",
        ),
        # Of the generation before.
        (
            seen(
                "Deployment",
                generation=3,
                observedGeneration=2,
                **condition("Progressing", "False", reason="ProgressDeadlineExceeded"),
            ),
            None,
        ),
    ],
)
def test_what_will_never_be(manifest: dict[str, Any], why: str | None) -> None:
    assert settled.failure(manifest) == why


def test_what_a_controller_complains_of() -> None:
    said = condition("ReplicaFailure", reason="FailedCreate", message="exceeded quota")
    assert settled.complaint(seen("ReplicaSet", **said)) == "FailedCreate: exceeded quota"
    assert settled.complaint(seen("ReplicaSet")) is None


@pytest.mark.parametrize(
    ("api_version", "kind", "is_one"),
    [
        ("v1", "Pod", True),
        ("batch/v1", "Job", True),
        ("apps/v1", "StatefulSet", True),
        ("v1", "Service", False),
        ("apiregistration.k8s.io/v1", "APIService", False),
        # Of somebody else who likes the name.
        ("shop.example/v1", "Deployment", False),
    ],
)
def test_what_has_pods(api_version: str, kind: str, is_one: bool) -> None:
    assert settled.is_workload(api_version, kind) is is_one
