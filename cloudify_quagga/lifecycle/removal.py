"""What has been deleted is waited for until it is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Waiting
from cloudify_quagga.lifecycle import pods
from cloudify_quagga.lifecycle.lease import Step

_POLL_SECONDS = 0.25


def until_gone(cluster: Cluster, references: Iterable[Reference], seconds: float, step: Step) -> None:
    """Wait until none of them is there any more; another of the same name is somebody else's.

    :raises Waiting: if one still is after so many seconds.
    """
    deadline = time.monotonic() + seconds
    left = _seen(cluster, references)
    while left:
        if time.monotonic() > deadline:
            raise Waiting(f"{', '.join(map(str, left))}: still there {seconds:.0f} s after being deleted")
        for reference, one in left.items():
            # A sweeper that has no image, or has swept.
            if reference.kind == "Pod" and pods.is_only_held(one):
                cluster.delete(reference, at_once=True)
        step()
        time.sleep(_POLL_SECONDS)
        now = _seen(cluster, left)
        left = {one: seen for one, seen in now.items() if _uid(seen) == _uid(left[one])}


def _seen(cluster: Cluster, references: Iterable[Reference]) -> dict[Reference, Manifest]:
    return {one: seen for one in references if (seen := cluster.get(one)) is not None}


def _uid(manifest: Manifest) -> object:
    return manifest["metadata"].get("uid")
