"""A quota that comes in between: the API server grants so many requests of a kind, and refuses the next."""

from __future__ import annotations

import time

from kubernetes import client

NONE = "0"
# Of these there may be none either, so that it can be asked whether the quota is known.
_ASKED_FOR = "count/endpoints"
_WITHIN = 30.0


def allow(core: client.CoreV1Api, namespace: str, counted: str, hard: str = NONE) -> None:
    """Have the API server refuse more of what is counted so, once it knows; there is none of it yet.

    That is not so of ConfigMaps and Secrets: controllers make one in every namespace, sooner or later.
    """
    said = {counted: hard, _ASKED_FOR: NONE}
    core.create_namespaced_resource_quota(namespace, {"metadata": {"name": "few"}, "spec": {"hard": said}})
    # Where no controller counts what is used, the API server refuses until somebody has.
    status = {"status": {"hard": said, "used": dict.fromkeys(said, NONE)}}
    core.patch_namespaced_resource_quota_status("few", namespace, status)
    deadline = time.monotonic() + _WITHIN
    while not _is_known(core, namespace):
        assert time.monotonic() < deadline, f"the API server does not know the quota within {_WITHIN:g} s"
        time.sleep(0.1)


def _is_known(core: client.CoreV1Api, namespace: str) -> bool:
    try:
        core.create_namespaced_endpoints(namespace, {"metadata": {"name": "asked"}}, dry_run="All")
    except client.ApiException as error:
        return "exceeded quota" in str(error.body)
    return False
