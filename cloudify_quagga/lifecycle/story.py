"""What a cluster tells about a pod that is not as it should be, as the rest of one sentence."""

from __future__ import annotations

from cloudify_quagga.cluster import Cluster, Manifest
from cloudify_quagga.lifecycle import pods

_LOG_LINES = 5
_EVENTS = 3


def story(cluster: Cluster, pod: Manifest) -> str:
    """Why a pod is not ready, its last events and the last it logged."""
    why = pods.obstacle(pod)
    words = pods.last_words(pod)
    return "".join(
        (
            f"{pods.name(pod)} is not ready",
            f": {why}" if why else "",
            f"; its last word: {words}" if words else "",
            told_events(cluster, pod),
            _log(cluster, pod),
        )
    )


def told_events(cluster: Cluster, manifest: Manifest | None) -> str:
    """The last events about an object, as the rest of a sentence."""
    if manifest is None:
        return ""
    metadata = manifest["metadata"]
    found = cluster.find("v1", "Event", metadata["namespace"], fields=f"involvedObject.uid={metadata['uid']}")
    found.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    texts = [f"{event.get('reason')}: {event.get('message')}" for event in found[-_EVENTS:]]
    return f"; events: {' | '.join(texts)}" if texts else ""


def _log(cluster: Cluster, pod: Manifest) -> str:
    if not pods.has_log(pod):
        return ""
    metadata = pod["metadata"]
    lines = cluster.log(
        metadata["namespace"],
        metadata["name"],
        _LOG_LINES,
        previous=pods.has_crashed(pod),
        container=pods.container(pod),
    )
    return f"; last log lines: {' | '.join(lines)}" if lines else ""
