"""What a pod's status says about the router in it; pure functions of the pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudify_quagga.cluster import Manifest
from cloudify_quagga.names import TEMPLATE_HASH_ANNOTATION

# What the image's supervisor writes as its last word.
REFUSED = "refused:"
CLEAN = ("stopped: 0 routes left", "swept: 0 routes left")

# Without its image a container can do nothing any more.
_WITHOUT_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")

# A container that is on its way, and needs no explanation yet; or one that had lived, and that its kubelet
# removed before it had told how it ended (seen of 1.20, 1 of 15 pods; it says no more until it looks again,
# 60 to 90 s later). The end that it tells of is an earlier life's then, or none: ContainerStatusUnknown.
_UNDER_WAY = ("ContainerCreating", "PodInitializing")


def name(pod: Manifest) -> str:
    """The pod's name and node, as a sentence names it."""
    node = node_of(pod)
    return f"{pod['metadata']['name']}" + (f" on {node}" if node else "")


def node_of(pod: Manifest) -> str | None:
    """The node that it was given to."""
    node: str | None = pod["spec"].get("nodeName")
    return node


def own_addresses(pod: Manifest) -> list[str]:
    """Its addresses, none where it has its node's."""
    if pod["spec"].get("hostNetwork"):
        return []
    return [one["ip"] for one in (pod.get("status") or {}).get("podIPs") or []]


def template_of(pod: Manifest) -> str | None:
    """What tells its making from another one; None where it says nothing."""
    annotations: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return annotations.get(TEMPLATE_HASH_ANNOTATION)


def is_leaving(pod: Manifest) -> bool:
    """It is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_running(pod: Manifest) -> bool:
    """Its container runs, and is to run on."""
    return "running" in (_container(pod).get("state") or {}) and not is_leaving(pod)


def is_ready(pod: Manifest) -> bool:
    """Ready, and not on its way out."""
    if is_leaving(pod):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def has_ended(pod: Manifest) -> bool:
    """For good: nobody will start its container again."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_left_over(pod: Manifest) -> bool:
    """It has ended for good, and its ReplicaSet, which leaves it there, has made another one."""
    owners = pod["metadata"].get("ownerReferences") or []
    return has_ended(pod) and any(one["kind"] == "ReplicaSet" for one in owners)


def is_turned_away(pod: Manifest) -> bool:
    """Its kubelet did not take it, for the labels that it believes its node to have.

    It may go by an old picture of its node, after its API server was away or came back: the scheduler, or the
    DaemonSet's controller, saw labels that fit.
    """
    status = pod.get("status") or {}
    return (status.get("phase"), status.get("reason")) == ("Failed", "NodeAffinity") and not is_leaving(pod)


def is_over(pod: Manifest) -> bool:
    """It is being deleted and its container does nothing any more, though its kubelet still holds it."""
    if not is_leaving(pod):
        return False
    status = _container(pod)
    return "terminated" in (status.get("state") or {}) or _is_held_in_vain(status)


def lacks_image(pod: Manifest) -> bool:
    """Its node has not the image, and has tried to get it."""
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    return waiting.get("reason") in _WITHOUT_IMAGE


def is_held_in_vain(pod: Manifest) -> bool:
    """It is being deleted, nothing of it runs, and its kubelet lets go of it only after a minute and more.

    It waits for a registry, or has lost sight of a container that it removed itself.
    """
    if not is_leaving(pod):
        return False
    statuses = _containers(pod)
    runs = any("running" in (one.get("state") or {}) for one in statuses)
    return not runs and any(map(_is_held_in_vain, statuses))


def has_stopped(pod: Manifest) -> bool:
    """It is being deleted, and each of its containers has ended; a kubelet holds it for ten seconds more."""
    statuses = _containers(pod)
    return (
        is_leaving(pod)
        and bool(statuses)
        and all("terminated" in (one.get("state") or {}) for one in statuses)
    )


def is_only_held(pod: Manifest) -> bool:
    """It is being deleted and does nothing any more; its kubelet would keep it for ten seconds or minutes."""
    return is_held_in_vain(pod) or has_stopped(pod)


def last_words(pod: Manifest) -> str | None:
    """The termination message of the container's latest end; None where it never ended."""
    status = _container(pod)
    for state in (status.get("state") or {}, status.get("lastState") or {}):
        ended = state.get("terminated")
        if ended:
            message = (ended.get("message") or "").strip()
            return message or f"{ended.get('reason', 'ended')} (exit code {ended.get('exitCode')})"
    return None


def refusal(pod: Manifest) -> str | None:
    """Why the router in it refuses its input or its node, where it does.

    One that runs again has not said no this time: the node may have been mended as the refusal asked.
    """
    if "running" in (_container(pod).get("state") or {}):
        return None
    words = last_words(pod)
    return words if words is not None and words.startswith(REFUSED) else None


def backs_off(pod: Manifest) -> bool:
    """Its container ended too often, and is started again later and later."""
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    return waiting.get("reason") == "CrashLoopBackOff"


def left_something(pod: Manifest) -> str | None:
    """Why a pod that is gone may have left routes on its node; None where it surely has not."""
    status = _container(pod)
    if "running" in (status.get("state") or {}) or (_ended_unseen(status) and _has_restarted(pod)):
        return "it went without a last word"
    words = last_words(pod)
    if words is None or words.startswith(CLEAN) or (words.startswith(REFUSED) and not _has_restarted(pod)):
        return None
    return f"its last word was: {words}"


def obstacle(pod: Manifest) -> str | None:
    """Why the pod does not run, where Kubernetes gives a reason."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"{status['reason']}: {status.get('message', '')}"
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    if waiting.get("reason") and waiting["reason"] not in _UNDER_WAY:
        return ": ".join(part for part in (waiting["reason"], waiting.get("message")) if part)
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')}: {condition.get('message')}"
    return None


def has_crashed(pod: Manifest) -> bool:
    """Whether what can be read is the log of a container that already ended."""
    state = _container(pod).get("state") or {}
    return "running" not in state and "terminated" not in state


def has_log(pod: Manifest) -> bool:
    """Whether its container ever ran."""
    status = _container(pod)
    state = status.get("state") or {}
    return "running" in state or "terminated" in state or "terminated" in (status.get("lastState") or {})


def container(pod: Manifest) -> str | None:
    """The name of the container that the rest of this module tells of."""
    name: str | None = _container(pod).get("name")
    return name


def _has_restarted(pod: Manifest) -> bool:
    """Whether it had a life before its latest one, of which nothing is known any more."""
    return bool(_container(pod).get("restartCount"))


def _container(pod: Manifest) -> dict[str, Any]:
    """The first container that is not as it should be, else the last, which is no init container."""
    every = _containers(pod)
    return next((one for one in every if _is_in_trouble(one)), every[-1] if every else {})


def _is_held_in_vain(status: dict[str, Any]) -> bool:
    """Of one container, which does not run."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    return waiting.get("reason") in _WITHOUT_IMAGE or _ended_unseen(status)


def _ended_unseen(status: dict[str, Any]) -> bool:
    """Of one container, that its kubelet has lost sight of it."""
    waiting = (status.get("state") or {}).get("waiting") or {}
    return waiting.get("reason") in _UNDER_WAY and "terminated" in (status.get("lastState") or {})


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _is_in_trouble(status: dict[str, Any]) -> bool:
    state = status.get("state") or {}
    done = (state.get("terminated") or {}).get("exitCode") == 0
    waiting = (state.get("waiting") or {}).get("reason") in _UNDER_WAY
    return not (status.get("ready") or done or waiting)
