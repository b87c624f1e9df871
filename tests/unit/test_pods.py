"""What a pod's status is understood to say."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga.lifecycle import pods


def pod(
    state: dict[str, Any] | None = None, last: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    container = {"state": state or {}, "lastState": last or {}}
    return {
        "metadata": {
            "name": "router-1",
            "annotations": {"quagga.cloudify.co/config-hash": "0123456789abcdef"},
        },
        "spec": {"nodeName": "node1"},
        "status": {"containerStatuses": [container], **status},
    }


def ended(message: str | None = None, code: int = 0, reason: str = "Completed") -> dict[str, Any]:
    return {"terminated": {"message": message, "exitCode": code, "reason": reason}}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        pytest.param(pod(ended("stopped: 0 routes left (1000 withdrawn in 0.41 s)")), None, id="orderly"),
        pytest.param(pod(ended("refused: interfaces[1]: ...", 64, "Error")), None, id="refused"),
        pytest.param(pod({"waiting": {"reason": "ContainerCreating"}}), None, id="never ran"),
        pytest.param(pod(ended(None, 137, "Error")), "its last word was: Error (exit code 137)", id="killed"),
        pytest.param(pod(ended("failed: 3 routes left: ...", 1)), "its last word was: failed", id="failed"),
        # What an earlier container said does not count for the one that runs.
        pytest.param(
            pod(RUNNING, ended("stopped: 0 routes left")), "it went without a last word", id="vanished"
        ),
        pytest.param(
            pod({"waiting": {"reason": "CrashLoopBackOff"}}, ended(None, 137, "OOMKilled")),
            "its last word was: OOMKilled (exit code 137)",
            id="killed and not yet restarted",
        ),
    ],
)
def test_what_a_pod_that_is_gone_may_have_left(gone: dict[str, Any], why: str | None) -> None:
    told = pods.left_something(gone)
    assert (told is None) if why is None else (told is not None and told.startswith(why))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("refused: interfaces[1]: ...", "its last word was: refused: interfaces[1]: ..."),
        ("stopped: 0 routes left (2 withdrawn in 0.10 s)", None),
    ],
)
def test_an_earlier_life_may_have_left_what_a_refusal_did_not_touch(words: str, why: str | None) -> None:
    again = pod({"waiting": {"reason": "CrashLoopBackOff"}}, ended(words, 64))
    again["status"]["containerStatuses"][0]["restartCount"] = 3
    assert pods.left_something(again) == why


def test_a_refusal_is_heard_now_and_after_a_restart() -> None:
    words = "refused: interfaces[1]: 'eth9' is not an interface of node1, which has eth0, eth1, lo"
    assert pods.refusal(pod(ended(words, 64))) == words
    assert pods.refusal(pod({"waiting": {"reason": "CrashLoopBackOff"}}, ended(words, 64))) == words
    assert pods.refusal(pod(ended("failed: zebra does not answer", 1))) is None
    assert pods.refusal(pod(RUNNING)) is None


def test_a_router_that_runs_again_has_not_said_no_this_time() -> None:
    assert (
        pods.refusal(pod(RUNNING, ended("refused: forwarding: run on the node: sysctl -w x=1", 64))) is None
    )


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (pod({"waiting": {"reason": "ContainerCreating"}}), None),
        (pod(RUNNING), None),
        (
            pod({"waiting": {"reason": "ErrImagePull", "message": "not found"}}),
            "ErrImagePull: not found",
        ),
        (
            pod(
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2"}
                ]
            ),
            "Unschedulable: 0/2",
        ),
        (pod(phase="Failed", reason="Evicted", message="low on memory"), "Evicted: low on memory"),
    ],
)
def test_why_a_pod_does_not_run(waiting: dict[str, Any], told: str | None) -> None:
    assert pods.obstacle(waiting) == told


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    ready = pod(RUNNING, conditions=[{"type": "Ready", "status": "True"}])
    assert pods.is_ready(ready)
    ready["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not pods.is_ready(ready)


@pytest.mark.parametrize(
    ("state", "over"),
    [
        (ended("stopped: 0 routes left"), True),
        ({"waiting": {"reason": "ImagePullBackOff"}}, True),
        ({"waiting": {"reason": "ContainerCreating"}}, False),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, False),
        (RUNNING, False),
    ],
)
def test_only_what_is_being_deleted_and_does_nothing_is_over(state: dict[str, Any], over: bool) -> None:
    deleted = pod(state)
    assert not pods.is_over(deleted)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert pods.is_over(deleted) is over


def test_a_pod_without_status_says_nothing() -> None:
    bare = {"metadata": {"name": "router-1"}, "spec": {}}
    assert pods.name(bare) == "router-1"
    assert pods.template_of(bare) is None
    assert not pods.is_running(bare)
    assert not pods.is_leaving(bare)
    assert not pods.backs_off(bare)
    assert pods.last_words(bare) is None
    assert pods.left_something(bare) is None
    assert pods.obstacle(bare) is None
    assert not pods.is_ready(bare)
    assert not pods.has_ended(bare)
    assert not pods.has_log(bare)


WITHOUT_IMAGE = {"waiting": {"reason": "ImagePullBackOff"}}
UNSEEN = {
    "state": {"waiting": {"reason": "ContainerCreating"}},
    "lastState": {"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}},
}


def test_a_container_that_its_kubelet_lost_sight_of_is_over() -> None:
    going = pod(containerStatuses=[UNSEEN])
    assert not pods.is_over(going)
    assert not pods.is_held_in_vain(going)
    going["metadata"]["deletionTimestamp"] = "now"
    assert pods.is_over(going)
    assert pods.is_held_in_vain(going)
    # How it ended is not known, so that routes may be left.
    assert pods.left_something(going) == "its last word was: ContainerStatusUnknown (exit code 137)"
    going["status"]["containerStatuses"].append({"state": RUNNING})
    assert not pods.is_held_in_vain(going)


@pytest.mark.parametrize("earlier", ["stopped: 0 routes left", "refused: there is no eth9", ""])
def test_of_a_container_that_was_lost_sight_of_an_earlier_lifes_word_says_nothing(earlier: str) -> None:
    before = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "message": earlier}}
    going = pod(containerStatuses=[{**UNSEEN, "lastState": before, "restartCount": 1}])
    going["metadata"]["deletionTimestamp"] = "now"
    assert pods.is_over(going)
    assert pods.is_held_in_vain(going)
    assert pods.left_something(going) == "it went without a last word"


@pytest.mark.parametrize(
    ("states", "stopped"),
    [([ended()], True), ([ended(), ended()], True), ([ended(), RUNNING], False), ([], False)],
)
def test_a_pod_all_of_whose_containers_have_ended_has_stopped(
    states: list[dict[str, Any]], stopped: bool
) -> None:
    going = pod(containerStatuses=[{"state": one} for one in states])
    assert pods.has_stopped(going) is False
    going["metadata"]["deletionTimestamp"] = "now"
    assert pods.has_stopped(going) is stopped


@pytest.mark.parametrize(
    ("states", "never"),
    [
        pytest.param([WITHOUT_IMAGE], True, id="no image"),
        pytest.param([ended(), WITHOUT_IMAGE], True, id="one has ended, the other has no image"),
        pytest.param([WITHOUT_IMAGE, RUNNING], False, id="the other runs"),
        pytest.param([ended()], False, id="it ran"),
        pytest.param([{"waiting": {"reason": "ContainerCreating"}}], False, id="it may yet run"),
        pytest.param([], False, id="nobody knows"),
    ],
)
def test_what_a_kubelet_need_not_be_waited_for(states: list[dict[str, Any]], never: bool) -> None:
    going = pod(containerStatuses=[{"state": one} for one in states])
    assert pods.is_held_in_vain(going) is False
    going["metadata"]["deletionTimestamp"] = "now"
    assert pods.is_held_in_vain(going) is never


@pytest.mark.parametrize(
    ("init", "own", "told"),
    [
        pytest.param([ended()], [{**RUNNING}], "own-0", id="all is well"),
        pytest.param([WITHOUT_IMAGE], [{"waiting": {"reason": "PodInitializing"}}], "init-0", id="before it"),
        pytest.param([ended()], [RUNNING, ended(code=3)], "own-1", id="the second has ended"),
        pytest.param([], [], None, id="not yet"),
    ],
)
def test_the_container_that_is_told_of_is_the_one_in_trouble(
    init: list[dict[str, Any]], own: list[dict[str, Any]], told: str | None
) -> None:
    def statuses(name: str, states: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"name": f"{name}-{index}", "state": one, "ready": "running" in one}
            for index, one in enumerate(states)
        ]

    many = pod(initContainerStatuses=statuses("init", init), containerStatuses=statuses("own", own))
    assert pods.container(many) == told
