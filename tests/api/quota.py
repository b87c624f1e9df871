"""A quota that comes in between: the API server grants so many requests of a kind, and refuses the next."""

from __future__ import annotations

import time

from kubernetes import client

NONE = "0"


def allow(core: client.CoreV1Api, namespace: str, counted: str, hard: str = NONE) -> None:
    """Have the API server refuse more of what is counted so, once it knows; there is none of it yet."""
    said = {counted: hard}
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "few"}, "spec": {"hard": said}})
    # Where no controller counts what is used, the API server refuses until somebody has.
    status = {"status": {"hard": said, "used": {counted: NONE}}}
    core.patch_namespaced_resource_quota_status("few", namespace, status)
    time.sleep(1)
