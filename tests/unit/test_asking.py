"""What a router answers, whatever runs in its pod: read in a known shape and within bounds, or no answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudify_quagga import table
from cloudify_quagga.channel import Ended
from cloudify_quagga.cluster import Manifest
from cloudify_quagga.lifecycle import asking, condition
from cloudify_quagga.lifecycle.asking import Report, Unanswered
from cloudify_quagga.model import Secret, Secrets
from tests.hostile.test_model_anything import QUICK
from tests.unit.small_cluster import SmallCluster
from tests.unit.small_routers import RoutingCluster
from tests.unit.test_change import US, Life, wanted

POD: Manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "router-1", "namespace": "default"},
    "spec": {"nodeName": "node1"},
}
TOMATO = Secrets((("p", Secret("tomato")),))
# Of the first lines of an image's history: it knew no forwarding_switched, no protocols and no last_change.
OLDER = {
    "ready": True,
    "reason": None,
    "applied_hash": "ab12",
    "daemons": {"zebra": {"pid": 7}},
    "routes": {},
}


def saying(text: str, code: int = 0) -> Any:
    """A cluster in whose pods every command says the same."""

    cluster = SmallCluster()
    cluster.exec = lambda *_, **__: Ended(code, text, "")  # type: ignore[method-assign]
    return cluster


def report(said: object, secrets: Secrets = TOMATO) -> Report:
    return asking.report(saying(json.dumps(said)), POD, secrets)


def odd(text: str, ask: Callable[[Any], object] | None = None, code: int = 0) -> str:
    with pytest.raises(Unanswered) as unanswered:
        (ask or (lambda cluster: asking.report(cluster, POD, TOMATO)))(saying(text, code))
    return str(unanswered.value)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ([], "answer is no map"),
        ({"daemons": [1]}, "answer.daemons is no map"),
        ({"daemons": {"a": None}}, "answer.daemons[] is no map"),
        ({"daemons": {"a": {"pid": "7"}}}, "answer.daemons[].pid is no number that a router tells"),
        ({"daemons": {"a": {"since": 1e30}}}, "answer.daemons[].since is no number that a router tells"),
        ({"daemons": {"a": {"since": {}}}}, "answer.daemons[].since is no number that a router tells"),
        ({"applied_hash": 5}, "answer.applied_hash is no text"),
        ({"ready": "yes"}, "answer.ready is neither true nor false"),
        ({"reason": ["tomato"]}, "answer.reason is no text"),
        ({"refused": "x"}, "answer.refused is no map"),
        ({"refused": {"hash": [1]}}, "answer.refused.hash is no text"),
        ({"routes": [1]}, "answer.routes is no map"),
        ({"routes": {"missing": [1]}}, "answer.routes.missing[] is no text"),
        ({"routes": {"missing_count": float("nan")}}, "answer.routes.missing_count is no number that a"),
        ({"routes": {"missing_count": True}}, "answer.routes.missing_count is no number that a"),
        ({"forwarding_differs": 5}, "answer.forwarding_differs is no list"),
        ({"forwarding_switched": 5}, "answer.forwarding_switched is no list"),
        ({"last_change": {"seconds": "x"}}, "answer.last_change.seconds is no number that a router tells"),
    ],
)
def test_a_status_of_another_shape_is_no_answer(said: object, what: str) -> None:
    sentence = odd(json.dumps(said))
    assert sentence.startswith(
        f"router-1 on node1 does not answer as a router of this version does (exit code 0, {what}"
    )
    assert sentence.endswith("; `kubectl logs -n default router-1` tells more")
    assert not asking.has_decided(saying(json.dumps(said)), POD, "ab12")


@pytest.mark.parametrize(
    "text",
    ["", "{", "tomato", "[" * 100_000, "1" * 5000],
    ids=["nothing", "half", "a word", "deep", "a long number"],
)
def test_what_is_no_json_is_no_answer(text: str) -> None:
    assert "(exit code 0, no JSON came)" in odd(text)
    assert not asking.has_decided(saying(text), POD, "ab12")


def test_what_has_no_end_is_not_even_read() -> None:
    assert "(exit code 0, more than 1048576 characters came)" in odd("[" + "1," * 600_000 + "1]")


def test_another_exit_code_goes_before_what_came() -> None:
    assert "(exit code 3)" in odd("{}", code=3)


def test_an_older_image_may_be_silent_about_what_it_does_not_know() -> None:
    told = report(OLDER)
    assert told.said == OLDER
    assert (told.applied_hash, told.ready, told.forwarding_switched) == ("ab12", True, [])
    assert told.refusal_of("ab12") is None
    assert report({}).reason == "it gives no reason"
    assert report(dict.fromkeys(OLDER)).said == dict.fromkeys(OLDER)


def test_what_a_newer_image_knows_besides_is_left_out() -> None:
    assert report({**OLDER, "mood": [1], "routes": {"wanted": 1, "far": [2]}}).said["routes"] == {"wanted": 1}


def test_what_is_kept_is_bounded_legible_and_without_secrets() -> None:
    long = ["10.0.0.0/24 via tomato\x1b[2J\n" * 30] * 100
    said = {
        "reason": long[0],
        "refused": {"hash": "ab12", "reason": "password tomato " * 100},
        "routes": {"missing": long, "unexpected": long},
        "forwarding_differs": long,
        "daemons": {f"{number}" * 500: {"pid": 7, "since": "x" * 500} for number in range(100)},
        "protocols": {f"{number}": {"routes": 1} for number in range(1000)},
    }
    told = report(said)
    text = json.dumps(told.said)
    assert "tomato" not in text
    assert text.isprintable()
    assert "10.0.0.0/24 via ${p}\\x1b[2J" in told.reason
    assert len(text) < 75_000
    assert (told.refusal_of("ab12") or "").startswith("password ${p} password")
    for entries in (told.said["routes"]["missing"], told.said["daemons"], told.said["protocols"]):
        assert len(entries) == 30
    assert len(told.said["forwarding_differs"]) == 100
    assert all(len(one) <= 300 for one in told.said["routes"]["missing"])


class TestAJudgement:
    @staticmethod
    def of(text: str, code: int = 0) -> str | None:
        return asking.check(saying(text, code), POD, "end\n", TOMATO)

    def test_is_what_the_router_says(self) -> None:
        assert self.of('{"accepted": true, "hash": "ab12"}') is None
        assert self.of('{"accepted": false, "reason": "line 1: tomato"}', 64) == "line 1: ${p}"

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("{}", "it tells no reason"),
            ('{"accepted": false, "reason": null}', "it tells no reason"),
            ('{"accepted": "no", "reason": "x"}', "answer.accepted is neither true nor false"),
            ('{"accepted": false, "reason": [1]}', "answer.reason is no text"),
            ("[[", "no JSON came"),
        ],
    )
    def test_of_another_shape_is_none(self, text: str, what: str) -> None:
        assert what in odd(text, lambda cluster: asking.check(cluster, POD, "end\n", TOMATO))

    def test_is_bounded(self) -> None:
        assert len(self.of(json.dumps({"accepted": False, "reason": "x" * 100_000}), 64) or "") <= 600


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(["pid", "since", "restarts", "hash", "reason", "missing", "at", "seconds", "zebra"])
ANYTHING = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=3)
)


@pytest.fixture(scope="module")
def lived() -> Life:
    return Life(RoutingCluster("node1"), wanted())


@QUICK
@given(said=st.dictionaries(st.sampled_from([*condition._TOLD, "forwarding_switched"]), ANYTHING, max_size=4))
def test_whatever_a_router_says_it_is_shown_and_judged(lived: Life, said: dict[str, Any]) -> None:
    router = lived.cluster.router_on("node1")
    honest = router.report(ready=True)
    router.report = lambda ready: {**honest, **said}
    live = condition.live(lived.cluster, US.identity, lived.record)
    assert table.of(json.loads(json.dumps(live, allow_nan=False)))
    # What cannot be shown raises.
    json.dumps([*condition._wrong(lived.cluster, US.identity, lived.record)], allow_nan=False)
    told = condition.differences(lived.cluster, US, lived.record, wanted(), lived.access)
    json.dumps(told, allow_nan=False)
