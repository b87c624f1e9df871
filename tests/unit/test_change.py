"""A running router is changed: live where that will do, node by node where not, and never half."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.cluster import Manifest, Reference
from cloudify_quagga.errors import Conflict, Failed, NotPermitted, Refused, Unavailable, Waiting
from cloudify_quagga.lifecycle import change, converging, ending, lease, patience, pods, routing
from cloudify_quagga.lifecycle import router as life
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION, Identity
from tests.unit import small_routers
from tests.unit.small_routers import RoutingCluster, hashed

US = Owner(
    Identity("router", "quagga", "quagga_abc123"), "here", frozenset({"quagga_abc123"}), "cfy uninstall -b"
)
ONE = {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"}
OTHER = {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.2"}
APPLY_SECONDS = converging.APPLY_SECONDS
SAID = "line 7: % Unknown command[4]: neighbour 1.2.3.4"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("START_SECONDS", "STUCK_SECONDS", "TURNED_AWAY_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(patience, name, 0.05)
    monkeypatch.setattr(routing, "STEP_SECONDS", 0.05)
    small_routers.hasten(monkeypatch)
    monkeypatch.setattr(converging, "APPLY_SECONDS", 0.05)
    monkeypatch.setattr(converging, "SETTLE_SECONDS", 0.001)
    monkeypatch.setattr(converging, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(lease, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.01)


def wanted(**properties: Any) -> Router:
    return Router.parse({"node_selector": {"role": "router"}, "routes": [ONE], **properties})


class Clock:
    """Time that passes only where somebody sleeps, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Life:
    """A router's life as an orchestrator leads it: every record that was saved, every word that was said."""

    def __init__(self, cluster: Any, router: Router) -> None:
        self.cluster = cluster
        self.records: list[Record] = []
        self.said: list[str] = []
        self.access: dict[str, Any] = {}
        self.journal = Journal(self._save, self.said.append)
        record = life.create(self.cluster, US, router, self.access, self.journal)
        change.start(self.cluster, US, record, self.access, self.journal)
        self.forget()

    def _save(self, record: Record) -> None:
        """As a runtime property keeps it."""
        kept = Record.from_json(record.to_json())
        self.records.append(replace(kept, wanted=kept.wanted.with_secrets(record.wanted.secrets)))

    def forget(self) -> None:
        self.said.clear()
        self.cluster.applied.clear()
        self.cluster.deleted.clear()
        self.cluster.asked.clear()

    @property
    def record(self) -> Record:
        return self.records[-1]

    def update(self, router: Router) -> Record:
        return change.update(self.cluster, US, self.record, self.access, lambda _: router, self.journal)

    def start(self) -> Record:
        return change.start(self.cluster, US, self.record, self.access, self.journal)

    def heal(self) -> Record:
        return change.heal(self.cluster, US, self.record, self.access, self.journal)

    def file(self) -> str:
        (config,) = self.cluster.find("v1", "ConfigMap")
        text: str = config["data"]["frr.conf"]
        return text

    def pods(self) -> list[str]:
        return [pod["metadata"]["uid"] for pod in self.cluster.pods()]


@pytest.fixture
def cluster() -> RoutingCluster:
    return RoutingCluster("node1", "node2")


@pytest.fixture
def lived(cluster: RoutingCluster) -> Iterator[Life]:
    """Two nodes that route."""
    made = Life(cluster, wanted())
    yield made
    # Whatever happened, nobody is kept waiting.
    assert cluster.find("coordination.k8s.io/v1", "Lease") == []


class TestALiveChange:
    def test_reaches_every_router_and_restarts_none(self, lived: Life) -> None:
        before = lived.pods()
        record = lived.update(wanted(routes=[OTHER]))
        assert lived.pods() == before
        for node in ("node1", "node2"):
            assert "ip route 10.0.0.0/24 172.16.0.2" in lived.cluster.router_on(node).text
        assert record.hash == hashed(lived.file()) == lived.cluster.router_on("node1").applied
        assert record.earlier is None
        assert record == lived.record
        assert [one.kind for one in record.objects] == ["ConfigMap", "DaemonSet"]

    def test_is_judged_on_each_node_before_anything_is_applied(self, lived: Life) -> None:
        lived.update(wanted(routes=[OTHER]))
        assert lived.cluster.asked[:2] == [("node1", "check"), ("node2", "check")]

    def test_that_a_router_would_refuse_changes_nothing(self, lived: Life) -> None:
        before = lived.record, lived.file()
        lived.cluster.judge = lambda text: SAID
        with pytest.raises(Failed, match=r"^the router on node1 would refuse this: line 7: .*; nothing was"):
            lived.update(wanted(routes=[OTHER]))
        assert (lived.record, lived.file()) == before
        assert [one["kind"] for one in lived.cluster.applied] == ["Lease"]

    def test_the_configurations_hash_stands_on_object_and_pods(self, lived: Life) -> None:
        record = lived.update(wanted(routes=[OTHER]))
        for found in (*lived.cluster.find("v1", "ConfigMap"), *lived.cluster.pods()):
            assert found["metadata"]["annotations"][CONFIG_HASH_ANNOTATION] == record.hash

    def test_again_changes_nothing(self, lived: Life) -> None:
        first = lived.update(wanted(routes=[OTHER]))
        lived.forget()
        assert lived.update(wanted(routes=[OTHER])) == first
        assert "check" not in [verb for _, verb in lived.cluster.asked]

    def test_that_is_refused_after_all_is_taken_back(self, lived: Life) -> None:
        before = lived.record, lived.file()
        router = lived.cluster.router_on("node2")
        router.judge = lambda text: SAID if "172.16.0.2" in text else None
        router.answer = accepting(router)
        with pytest.raises(Failed) as failed:
            lived.update(wanted(routes=[OTHER]))
        assert f"refused the configuration: {SAID}" in str(failed.value)
        assert str(failed.value).endswith("; what was before is in force again")
        assert (lived.record, lived.file()) == before
        assert lived.cluster.router_on("node1").applied == before[0].hash

    def test_is_waited_for_within_bounds(self, lived: Life) -> None:
        lived.cluster.router_on("node2").missing.append("10.0.0.0/24 via 172.16.0.2")
        with pytest.raises(Waiting, match="on node2: some routes are missing"):
            lived.update(wanted(routes=[OTHER]))
        assert lived.record.earlier is not None
        lived.cluster.router_on("node2").missing.clear()
        assert lived.update(wanted(routes=[OTHER])).earlier is None

    def test_does_not_wait_for_a_node_that_is_away(self, lived: Life) -> None:
        lived.cluster.router_on("node2").silent = True
        lived.cluster.add_node("node2", ready=False, role="router")
        record = lived.update(wanted(routes=[OTHER]))
        assert lived.cluster.router_on("node1").applied == record.hash
        assert "router-2 on node2: the node is not Ready, and takes the change when it is back" in lived.said
        lived.cluster.add_node("node1", ready=False, role="router")
        with pytest.raises(Waiting, match="no router can be reached: router-1 on node1, router-2 on node2"):
            lived.update(wanted())

    def test_asks_a_router_again_that_is_too_busy_to_answer(
        self, lived: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers, busy = lived.cluster.exec, ["report", "report"]

        def late(pod: Reference, command: Sequence[str], *rest: Any, **said: Any) -> Any:
            if busy and command[-1] == busy[0]:
                busy.pop()
                raise Unavailable("it has not ended within 10 s")
            return answers(pod, command, *rest, **said)

        monkeypatch.setattr(lived.cluster, "exec", late)
        record = lived.update(wanted(routes=[OTHER]))
        assert busy == []
        assert lived.cluster.router_on("node2").applied == record.hash

    def test_asks_a_router_that_stays_too_busy_for_45_s(
        self, lived: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers, clock = lived.cluster.exec, Clock()

        def late(pod: Reference, command: Sequence[str], *rest: Any, **said: Any) -> Any:
            if command[-1] != "report":
                return answers(pod, command, *rest, **said)
            clock.sleep(10)
            raise Unavailable("it has not ended within 10 s")

        monkeypatch.setattr(converging, "time", clock)
        monkeypatch.setattr(converging, "APPLY_SECONDS", APPLY_SECONDS)
        monkeypatch.setattr(lived.cluster, "exec", late)
        with pytest.raises(Waiting, match="router-1 on node1: it has not ended within 10 s"):
            lived.update(wanted(routes=[OTHER]))
        # Two routers are asked in turn.
        assert 45 < clock.now < 45 + 3 * 10

    def test_obeys_the_guard(self, lived: Life) -> None:
        with pytest.raises(Refused, match=r"routes\[0\].prefix: 0.0.0.0/0 is the default route"):
            lived.update(wanted(routes=[{"prefix": "0.0.0.0/0", "next_hop": "172.16.0.1"}]))
        assert lived.cluster.applied == []

    def test_takes_no_right_away_that_the_node_would_miss(self, lived: Life) -> None:
        lived.cluster.router_on("node2").switched = ("ipv4", "ipv6")
        before = lived.record
        with pytest.raises(Refused, match=r"^security: capabilities cannot take over on node2, where") as no:
            lived.update(wanted(security="capabilities"))
        assert "uninstall it, set net.ipv4 and net.ipv6 forwarding on the node for good" in str(no.value)
        assert lived.record == before
        lived.cluster.router_on("node2").switched = ()
        assert lived.update(wanted(security="capabilities")).wanted.security == "capabilities"

    @pytest.mark.parametrize("properties", [{"kind": "Pod"}, {"namespace": "other"}])
    def test_does_not_move_the_router(self, properties: dict[str, str], lived: Life) -> None:
        with pytest.raises(Refused, match="in a router that lives; uninstall and install it"):
            lived.update(wanted(**properties))


def accepting(router: Any) -> Any:
    """Answers `check` with yes whatever it will say to the file."""
    answer = router.answer
    return lambda words, stdin: (0, {"accepted": True}) if words[0] == "check" else answer(words, stdin)


def stuck() -> dict[str, Any]:
    """The status of a pod whose image nobody has."""
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    return {"containerStatuses": [{"name": "quagga", "state": {"waiting": waiting}}]}


class TestAnInterruptedChange:
    """The process is killed at every point at which it leaves something behind."""

    @pytest.mark.parametrize("steps", range(7))
    @pytest.mark.parametrize("finish", ["start", "heal", "update"])
    def test_is_finished_by_the_next_operation(
        self, steps: int, finish: str, cluster: RoutingCluster
    ) -> None:
        lived = Life(cluster, wanted())
        target = wanted(routes=[OTHER], image="other")
        killed_after(steps, cluster, lambda: lived.update(target))
        if finish == "update" or lived.record.hash != render.config_hash(render.frr_conf(target)):
            lived.update(target)
        else:
            getattr(lived, finish)()
        assert lived.record.earlier is None
        assert lived.record.wanted == target
        for node in ("node1", "node2"):
            assert cluster.router_on(node).applied == lived.record.hash
        assert {pod["spec"]["containers"][0]["image"] for pod in cluster.pods()} == {"other"}


class _Killed(BaseException):
    """The end of the process."""


def killed_after(steps: int, cluster: RoutingCluster, act: Any) -> None:
    """Let so many requests that change something pass, and none after them."""
    left = [steps]
    originals = {name: getattr(cluster, name) for name in ("apply", "patch", "delete")}

    def counted(name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                raise _Killed
            left[0] -= 0 if options.get("dry_run") else 1
            return originals[name](*arguments, **options)

        return call

    for name in originals:
        setattr(cluster, name, counted(name))
    with pytest.raises(_Killed):
        act()
    for name in originals:
        delattr(cluster, name)
    # The dead do not renew.
    for held in cluster._there("coordination.k8s.io/v1", "Lease"):
        held["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"


class TestAChangeThatNeedsNewPods:
    def test_goes_from_node_to_node_and_says_so(self, lived: Life) -> None:
        record = lived.update(wanted(image="other", routes=[OTHER]))
        assert lived.said[0].startswith(
            "this needs new pods, one after the other in place of router-1 on node1"
        )
        assert lived.said[1] == "router-1 on node1 goes, and another one comes"
        assert record.nodes == ("node1", "node2")
        assert lived.pods() == ["pod-3", "pod-4"]
        assert lived.cluster.router_on("node2").applied == record.hash

    def test_ends_at_the_first_node_that_does_not_take_it(self, lived: Life) -> None:
        made = lived.cluster._begin

        def begin(pod: Manifest, node: str) -> None:
            if pod["spec"]["containers"][0]["image"] == "other":
                lived.cluster.judge = lambda text: "this image has no staticd"
            made(pod, node)
            lived.cluster.judge = lambda text: None

        lived.cluster._begin = begin
        with pytest.raises(Failed, match=r"refused: this image has no staticd; what was before is in force"):
            lived.update(wanted(image="other"))
        assert lived.record.wanted.image == "quagga"
        assert {pod["spec"]["containers"][0]["image"] for pod in lived.cluster.pods()} == {"quagga"}
        # node2's pod was never touched.
        assert "pod-2" in lived.pods()

    def test_stays_at_the_first_node_that_cannot_have_it_however_often_it_is_tried(self, lived: Life) -> None:
        lived.cluster.absent_images.add("absent")
        for _ in range(3):
            with pytest.raises(Waiting, match="router-3 on node1 is not ready: ErrImagePull"):
                lived.update(wanted(image="absent"))
            assert lived.pods() == ["pod-2", "pod-3"]
        with pytest.raises(Waiting, match="router-3 on node1"):
            lived.start()
        assert lived.pods() == ["pod-2", "pod-3"]
        lived.update(wanted())
        assert lived.pods() == ["pod-2", "pod-4"], "the one that never ran made place, and node2's was left"

    def test_says_why_it_stays_though_another_node_is_away(self, lived: Life) -> None:
        lived.cluster.add_node("node2", ready=False, role="router")
        lived.cluster.pods()[1]["status"]["conditions"] = []
        lived.cluster.absent_images.add("absent")
        with pytest.raises(
            Waiting, match=r"node1 is not ready: ErrImagePull.*; router-2 on node2 is not ready, nor"
        ):
            lived.update(wanted(image="absent"))

    def test_begins_where_nothing_runs(self, lived: Life) -> None:
        """Another image instead of one that node2 could not have: node1, which routes, has to wait."""
        lived.cluster.pods()[1]["status"] = stuck()
        lived.cluster.absent_images.add("absent")
        with pytest.raises(Waiting, match="on node2 is not ready"):
            lived.update(wanted(image="absent"))
        assert "pod-1" in lived.pods()
        lived.update(wanted(image="other"))
        assert [word for word in lived.said if word.endswith("another one comes")] == [
            "router-2 on node2 goes, and another one comes",
            "router-3 on node2 goes, and another one comes",
            "router-1 on node1 goes, and another one comes",
        ]

    def test_waits_for_a_pod_that_was_sent_away_before_it_was_cut_off(self, lived: Life) -> None:
        leaving = lived.cluster.pods()[0]
        leaving["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["held"]}
        with pytest.raises(Waiting):
            lived.update(wanted(image="other"))
        assert lived.pods() == ["pod-1", "pod-2"]
        assert not pods.is_leaving(lived.cluster.pods()[1])

    @pytest.fixture
    def half_way(self, lived: Life) -> Life:
        """A roll that came to its end on node1, whose router there lacks a route, and not on node2."""
        deleted = lived.cluster.delete

        def once(reference: Reference, *arguments: Any, **options: Any) -> bool:
            if reference.name == "router-2":
                raise Unavailable("the API server is away")
            return bool(deleted(reference, *arguments, **options))

        lived.cluster.delete = once
        with pytest.raises(Unavailable):
            lived.update(wanted(image="other", routes=[OTHER]))
        lived.cluster.delete = deleted
        assert lived.pods() == ["pod-2", "pod-3"]
        return lived

    def test_is_taken_first_by_those_that_are_new_already(self, half_way: Life) -> None:
        seen = self.seen_when_the_second_goes(half_way, lambda: half_way.cluster.router_on("node1").applied)
        record = half_way.update(wanted(image="other"))
        assert set(seen) == {record.hash}
        assert half_way.pods() == ["pod-3", "pod-4"]

    def seen_when_the_second_goes(self, lived: Life, look: Callable[[], str]) -> list[str]:
        deleted, seen = lived.cluster.delete, []

        def watched(reference: Reference, *arguments: Any, **options: Any) -> bool:
            if reference.name == "router-2":
                seen.append(look())
            return bool(deleted(reference, *arguments, **options))

        lived.cluster.delete = watched
        return seen

    def test_takes_nobody_away_where_one_of_those_refuses_it(self, half_way: Life) -> None:
        router = half_way.cluster.router_on("node1")
        router.judge = lambda text: SAID if "172.16.0.3" in text else None
        router.answer = accepting(router)
        third = {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.3"}
        with pytest.raises(Failed, match="refused the configuration"):
            half_way.update(wanted(image="other", routes=[third]))
        assert "pod-2" in half_way.pods()

    def test_is_taken_back_where_it_was_refused_whatever_others_lack(self, lived: Life) -> None:
        """One that refuses routes nothing: to put it back need not wait for another's next hop."""
        made = lived.cluster._begin

        def begin(pod: Manifest, node: str) -> None:
            is_new = pod["spec"]["containers"][0]["image"] == "other"
            lived.cluster.judge = lambda text: "this image has no staticd" if is_new else None
            made(pod, node)
            lived.cluster.judge = lambda text: None
            lived.cluster.router_on("node2").missing.append("10.0.0.0/24 via 172.16.0.1")

        lived.cluster._begin = begin
        with pytest.raises(Failed, match="did not end well: router-2 on node2: some routes are missing"):
            lived.update(wanted(image="other"))
        assert "node1" in {pods.node_of(pod) for pod in lived.cluster.pods() if pods.is_ready(pod)}

    def test_is_mended_by_heal_before_the_next_goes(self, half_way: Life) -> None:
        router = half_way.cluster.router_on("node1")
        router.missing.append("10.0.0.0/24 via 172.16.0.2")
        seen = self.seen_when_the_second_goes(half_way, lambda: repr(router.missing))
        half_way.heal()
        assert set(seen) == {"[]"}
        assert half_way.pods() == ["pod-3", "pod-4"]

    def test_does_not_wait_for_a_node_that_is_away(self, lived: Life) -> None:
        lived.cluster.add_node("node3", role="router")
        lived.start()
        lived.cluster.add_node("node2", ready=False, role="router")
        with pytest.raises(
            Waiting, match=r"router-2 on node2 has not ended .*node2 is not Ready: bring it back"
        ):
            lived.update(wanted(image="other"))
        assert lived.pods() == ["pod-2", "pod-4", "pod-5"], (
            "one after the other, and the one that is away last"
        )

    @pytest.mark.parametrize("kind", ["Deployment", "Pod"])
    def test_of_every_kind(self, kind: str) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind=kind))
        before = lived.pods()
        record = lived.update(wanted(kind=kind, image="other", routes=[OTHER]))
        assert lived.pods() != before
        assert lived.cluster.router_on("node1").applied == record.hash
        assert record.nodes == ("node1",)

    def test_that_dies_uncleanly_is_swept_only_where_no_router_follows(self, lived: Life) -> None:
        lived.cluster.last_word = "Error (exit code 137)"
        record = lived.update(wanted(image="other"))
        assert record.unswept == {}
        assert not any("swept" in word for word in lived.said)


class TestOtherNodes:
    def test_that_are_left_are_heard_and_those_that_come_are_waited_for(self, lived: Life) -> None:
        lived.cluster.add_node("node3", role="edge")
        lived.cluster.nodes()[0]["metadata"]["labels"]["tier"] = "core"
        before = lived.cluster.router_on("node1").applied
        record = lived.update(wanted(node_selector={"tier": "core"}))
        assert record.nodes == ("node1",)
        assert lived.said[0].startswith("node2: stopped: 0 routes left")
        assert lived.pods() == ["pod-1"], "the pod on the node that stays is no other"
        assert lived.cluster.router_on("node1").applied == before

    def test_that_are_left_without_a_last_word_are_swept(self, lived: Life) -> None:
        lived.cluster.last_word = "Error (exit code 137)"
        lived.cluster.nodes()[0]["metadata"]["labels"]["tier"] = "core"
        record = lived.update(wanted(node_selector={"tier": "core"}))
        assert "node2: swept: 0 routes left (2 removed)" in lived.said
        assert record.nodes == ("node1",)
        assert record.unswept == {}

    def test_that_nobody_has_are_refused(self, lived: Life) -> None:
        with pytest.raises(Refused, match="node_selector: role=nobody matches no node"):
            lived.update(wanted(node_selector={"role": "nobody"}))


class TestSecrets:
    RAW = ("router bgp 65001", " neighbor 172.16.0.1 password ${bgp}", "exit")

    def secret(self, value: str, **properties: Any) -> Router:
        return wanted(raw=list(self.RAW), secrets={"bgp": value}, **properties)

    def test_move_the_file_into_a_secret_and_back(self, lived: Life) -> None:
        record = lived.update(self.secret("tomato"))
        assert lived.cluster.find("v1", "ConfigMap") == []
        assert [one.kind for one in record.objects] == ["Secret", "DaemonSet"]
        assert "password tomato" in lived.cluster.router_on("node1").text
        record = lived.update(wanted())
        assert lived.cluster.find("v1", "Secret") == []
        assert [one.kind for one in record.objects] == ["ConfigMap", "DaemonSet"]

    def test_are_never_recorded_or_said(self, lived: Life) -> None:
        lived.update(self.secret("tomato"))
        lived.update(self.secret("potato"))
        told = repr([lived.said, [record.to_json() for record in lived.records], lived.records])
        assert "tomato" not in told
        assert "potato" not in told

    def test_are_masked_in_the_daemons_own_line(self, lived: Life) -> None:
        lived.cluster.judge = lambda text: "Unknown command: neighbor 172.16.0.1 passwort tomato"
        with pytest.raises(Failed, match=r"passwort \$\{bgp\}; nothing was changed"):
            lived.update(self.secret("tomato"))

    def test_another_value_alone_is_a_live_change(self, lived: Life) -> None:
        lived.update(self.secret("tomato"))
        before = lived.pods()
        lived.update(self.secret("potato"))
        assert lived.pods() == before
        assert "password potato" in lived.cluster.router_on("node2").text

    def test_of_before_come_back_with_what_is_taken_back(self, lived: Life) -> None:
        before = lived.update(self.secret("tomato"))
        router = lived.cluster.router_on("node2")
        router.judge = lambda text: SAID if "potato" in text else None
        router.answer = accepting(router)
        with pytest.raises(Failed, match="what was before is in force again"):
            lived.update(self.secret("potato"))
        assert lived.record.hash == before.hash == lived.cluster.router_on("node1").applied

    def test_that_nobody_has_any_more_come_back_too(self, lived: Life) -> None:
        before = lived.update(self.secret("tomato"))
        router = lived.cluster.router_on("node2")
        router.judge = lambda text: SAID if "172.16.0.2" in text else None
        router.answer = accepting(router)
        with pytest.raises(Failed, match="what was before is in force again"):
            lived.update(wanted(routes=[OTHER], raw=["password ${new}"], secrets={"new": "potato"}))
        assert lived.record.hash == before.hash == lived.cluster.router_on("node1").applied


class TestStarting:
    def test_a_pod_that_refused_reads_its_new_file_at_once(self, cluster: RoutingCluster) -> None:
        cluster.judge = lambda text: "interfaces[0]: 'eth9' is not an interface"
        with pytest.raises(Failed, match="eth9"):
            Life(cluster, wanted(interfaces=["eth9"]))
        cluster.judge = lambda text: "no eth9" if "eth9" in text else None
        made = Life.__new__(Life)
        made.cluster, made.records, made.said, made.access = cluster, [], [], {}
        made.journal = Journal(made._save, made.said.append)
        made._save(life.create(made.cluster, US, wanted(interfaces=["eth9"]), {}, made.journal))
        record = made.update(wanted(interfaces=["eth0"]))
        assert record.nodes == ("node1", "node2")

    def test_a_node_that_comes_later_routes_too(self, lived: Life) -> None:
        lived.cluster.add_node("node3", role="router")
        assert lived.start().nodes == ("node1", "node2", "node3")


class TestHealing:
    def test_what_is_well_is_left_alone(self, lived: Life) -> None:
        before = lived.pods()
        lived.heal()
        assert lived.pods() == before
        assert lived.cluster.deleted == [lease.reference(US.identity, "default")]

    def test_a_router_mends_itself_first(self, lived: Life) -> None:
        lived.cluster.router_on("node2").missing.append("10.0.0.0/24 via 172.16.0.1")
        before = lived.pods()
        lived.heal()
        assert lived.pods() == before
        assert lived.cluster.router_on("node2").missing == []

    def test_one_that_cannot_says_why_and_is_not_made_anew(self, lived: Life) -> None:
        router = lived.cluster.router_on("node2")
        router.missing.append("10.0.0.0/24 via 172.16.0.1")
        router.mendable = False
        before = lived.pods()
        with pytest.raises(Waiting, match="on node2: some routes are missing"):
            lived.heal()
        assert lived.pods() == before

    def test_only_one_that_does_not_answer_is_made_anew(self, lived: Life) -> None:
        lived.cluster.router_on("node2").silent = True
        lived.heal()
        assert lived.pods() == ["pod-1", "pod-3"]

    @pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "Pod"])
    def test_one_that_does_not_answer_has_a_successor_of_every_kind(self, kind: str) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind=kind))
        before = lived.pods()
        lived.cluster.router_on("node1").silent = True
        record = lived.heal()
        assert len(lived.pods()) == 1
        assert lived.pods() != before
        assert lived.cluster.router_on("node1").applied == record.hash
        assert record.nodes == ("node1",)

    def test_of_a_bare_pod_that_was_cut_off_is_finished(self) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind="Pod"))
        lived.cluster.router_on("node1").silent = True
        # The Lease, the configuration, the pod as it is, its touch, and its end; not the pod that follows.
        killed_after(5, lived.cluster, lived.heal)
        assert lived.pods() == []
        lived.heal()
        assert lived.cluster.router_on("node1").applied == lived.record.hash

    def test_a_bare_pod_that_was_evicted_is_made_again(self) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind="Pod"))
        before = lived.pods()
        lived.cluster.pods()[0]["status"] = {"phase": "Failed", "reason": "Evicted"}
        lived.heal()
        assert len(lived.pods()) == 1
        assert lived.pods() != before

    def test_a_pod_that_a_replica_set_leaves_behind_keeps_nobody_waiting(self) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind="Deployment"))
        (pod,) = lived.cluster.pods()
        pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet"}]
        pod["status"] = {"phase": "Failed", "reason": "Evicted"}
        lived.cluster._reconcile()
        lived.heal()
        _, new = lived.pods()
        assert lived.cluster.routers[new].applied == lived.record.hash

    def test_on_a_node_that_is_away_nothing_is_made_anew(self, lived: Life) -> None:
        lived.cluster.router_on("node2").silent = True
        lived.cluster.add_node("node2", ready=False, role="router")
        lived.heal()
        assert lived.pods() == ["pod-1", "pod-2"]
        assert "router-2 on node2: the node is not Ready, and takes the change when it is back" in lived.said

    @pytest.mark.parametrize("kind", ["ConfigMap", "DaemonSet"])
    def test_an_object_that_was_deleted_comes_back(self, kind: str, lived: Life) -> None:
        (reference,) = [one for one in lived.record.objects if one.kind == kind]
        lived.cluster._objects.pop(reference)
        lived.heal()
        assert lived.cluster.get(reference) is not None

    def test_a_pod_that_is_missing_is_waited_for(self, lived: Life) -> None:
        lived.cluster._make = lambda workload, node: None
        pod = lived.cluster.pods()[1]
        lived.cluster._objects.pop(Reference.of(pod))
        lived.cluster._reconcile()
        with pytest.raises(Waiting, match="DaemonSet"):
            lived.heal()

    def test_a_pod_that_is_on_its_way_out_is_waited_for(self) -> None:
        lived = Life(RoutingCluster("node1"), wanted(kind="Pod"))
        before = lived.pods()
        lived.cluster.delete(lived.record.workload)
        lived.heal()
        assert len(lived.pods()) == 1
        assert lived.pods() != before

    def test_what_a_hand_edited_is_taken_back(self, lived: Life) -> None:
        reference = lived.record.objects[0]
        lived.cluster.edit(reference, "data/frr.conf", "ip route 0.0.0.0/0 1.1.1.1\n", by="kubectl-edit")
        with pytest.raises(Conflict, match="the operation `heal` takes back"):
            lived.start()
        lived.heal()
        assert hashed(lived.file()) == lived.record.hash
        assert lived.said[0].endswith("data.frr.conf is taken back from kubectl-edit")

    def test_what_another_applies_is_left_to_be_settled(self, lived: Life) -> None:
        reference = lived.record.objects[1]
        lived.cluster.edit(reference, "spec/updateStrategy/type", "RollingUpdate", "argocd", "Apply")
        with pytest.raises(Conflict, match=r"spec.updateStrategy.type is applied by argocd too"):
            lived.heal()

    def test_a_pod_of_an_edited_image_is_made_anew(self, lived: Life) -> None:
        lived.cluster.pods()[0]["spec"]["containers"][0]["image"] = "edited"
        lived.heal()
        assert {pod["spec"]["containers"][0]["image"] for pod in lived.cluster.pods()} == {"quagga"}


@pytest.fixture
def moved(cluster: RoutingCluster) -> Life:
    """A Deployment's router that was on node1 until that went away, and is on node2."""
    made = Life(cluster, wanted(kind="Deployment"))
    assert made.record.nodes == ("node1",)
    cluster.add_node("node1", ready=False, role="router")
    cluster.router_on("node1").silent = True
    cluster.delete(Reference.of(cluster.pods()[0]))
    assert [pods.node_of(pod) for pod in cluster.pods()] == ["node1", "node2"]
    made.forget()
    return made


class TestLeavingANode:
    """A node that is not the router's any more is swept within one's turn."""

    def test_keeps_the_turn_meanwhile(self, lived: Life, monkeypatch: pytest.MonkeyPatch) -> None:
        lived.records.append(replace(lived.record, unswept={"node3": "it was killed"}))
        lived.cluster.add_node("node3")
        said = "Lease router was taken over by somebody else"

        def renew(turn: lease.Turn) -> None:
            if lived.cluster.find("v1", "Pod", selector={"app.kubernetes.io/name": "quagga-sweeper"}):
                raise lease.TakenOver(said)

        monkeypatch.setattr(lease.Turn, "renew", renew)
        with pytest.raises(lease.TakenOver):
            lived.heal()


class TestAfterAFailover:
    """The pod of before can end only when its node is back."""

    @pytest.mark.parametrize("act", ["start", "heal", "update"])
    def test_the_pod_that_was_lost_keeps_nobody(self, act: str, moved: Life) -> None:
        record = (
            moved.update(wanted(kind="Deployment", routes=[OTHER]))
            if act == "update"
            else getattr(moved, act)()
        )
        assert moved.cluster.router_on("node2").applied == record.hash
        assert moved.said[-1] == "the router routes on node2"
        assert record.earlier is None

    def test_its_node_is_swept_by_the_uninstall(self, moved: Life) -> None:
        record = moved.heal()
        assert record.nodes == ("node1", "node2")
        assert record == moved.record
        with pytest.raises(Failed, match="node1 is not Ready: bring it back and try again"):
            ending.stop(moved.cluster, US.identity, moved.record, moved.journal)
        moved.cluster.last_word = "Error (exit code 137)"
        moved.cluster.add_node("node1", role="router")
        ending.stop(moved.cluster, US.identity, moved.record, moved.journal)
        assert "node1: swept: 0 routes left (2 removed)" in moved.said

    def test_what_its_node_has_left_to_do_is_not_forgotten(self, moved: Life) -> None:
        moved.records.append(replace(moved.record, unswept={"node1": "it was killed"}))
        assert moved.heal().unswept == {"node1": "it was killed"}
        assert not moved.cluster.find("v1", "Pod", selector={"app.kubernetes.io/name": "quagga-sweeper"})

    def test_that_leaves_nobody_is_waited_for(self, moved: Life) -> None:
        moved.cluster.pods()[1]["status"]["conditions"] = []
        moved.cluster.router_on("node2").missing.append("10.0.0.0/24 via 172.16.0.1")
        moved.cluster.router_on("node2").mendable = False
        with pytest.raises(Waiting, match="router-2 on node2: some routes are missing"):
            moved.heal()


class TestAnotherWayToTheCluster:
    @pytest.mark.parametrize("act", ["start", "heal", "update"])
    def test_that_leads_elsewhere_is_refused_and_nothing_is_made_there(self, act: str, lived: Life) -> None:
        there = lived.cluster
        lived.cluster, lived.access = RoutingCluster("node1"), {"file": "elsewhere"}
        with pytest.raises(Refused, match=r"client_config: .* leads to a cluster that has nothing of this"):
            lived.update(wanted()) if act == "update" else getattr(lived, act)()
        assert lived.cluster.applied == []
        assert len(there.pods()) == 2

    def test_that_leads_to_the_namesake_of_another_is_refused(self, lived: Life) -> None:
        for reference in lived.record.objects:
            lived.cluster._objects[reference]["metadata"]["annotations"] = {}
        lived.access = {"file": "elsewhere"}
        with pytest.raises(Refused, match="client_config"):
            lived.heal()

    def test_that_leads_to_the_same_one_is_taken_by_an_update(self, lived: Life) -> None:
        lived.access = {"file": "moved"}
        lived.cluster._objects.pop(lived.record.objects[0])
        lived.heal()
        assert lived.record.access == {}
        assert lived.update(wanted()).access == {"file": "moved"}

    def test_that_is_the_same_way_brings_back_what_is_missing(self, lived: Life) -> None:
        for reference in lived.record.objects:
            lived.cluster._objects.pop(reference)
        lived.heal()
        assert all(map(lived.cluster.get, lived.record.objects))


class TestOneAtATime:
    def hold(self, cluster: RoutingCluster, holder: str, renewed: str) -> Manifest:
        reference = lease.reference(US.identity, "default")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": 120, "renewTime": renewed}
        metadata = {"name": reference.name, "namespace": reference.namespace}
        manifest = {"apiVersion": reference.api_version, "kind": reference.kind, "metadata": metadata}
        return cluster.put({**manifest, "spec": spec})

    def test_a_second_change_waits_within_bounds(self, cluster: RoutingCluster) -> None:
        lived = Life(cluster, wanted())
        self.hold(cluster, "elsewhere/1234/9/abc", lease._now())
        with pytest.raises(Waiting, match=r"another change of this router is under way .*held by elsewhere"):
            lived.update(wanted(routes=[OTHER]))
        assert "172.16.0.2" not in lived.file()

    @pytest.mark.parametrize(
        ("holder", "renewed"),
        [
            pytest.param("elsewhere/1234/9/abc", "2001-01-01T00:00:00.000000Z", id="silent for long"),
            pytest.param(f"{lease._machine()}/99999999/abc", lease._now(), id="dead on this machine"),
            pytest.param(f"{lease._machine()}/{os.getpid()}/abc", lease._now(), id="an operation of ours"),
        ],
    )
    def test_but_not_for_the_dead(self, holder: str, renewed: str, lived: Life) -> None:
        self.hold(lived.cluster, holder, renewed)
        assert lived.update(wanted(routes=[OTHER])).earlier is None


def test_an_api_server_that_is_away_when_a_turn_ends_is_waited_for(
    lived: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, delete, away = lease.reference(US.identity, "default"), lived.cluster.delete, iter(range(3))

    def deleted(reference: Reference, **how: Any) -> bool:
        if reference == at and next(away, None) is not None:
            raise Unavailable("the API server at x cannot be reached")
        gone: bool = delete(reference, **how)
        return gone

    monkeypatch.setattr(lived.cluster, "delete", deleted)
    lived.update(wanted(routes=[OTHER]))
    assert lived.cluster.get(at) is None


def test_a_turn_that_could_not_be_given_back_keeps_nobody_waiting(
    lived: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(reference: Reference, **how: Any) -> bool:
        raise Unavailable("the API server at x cannot be reached")

    with monkeypatch.context() as patched:
        patched.setattr(lease, "_RELEASE_SECONDS", 0.0)
        patched.setattr(lived.cluster, "delete", away)
        with pytest.raises(Unavailable):
            lived.update(wanted(routes=[OTHER]))
    assert lived.cluster.get(lease.reference(US.identity, "default")) is not None
    assert lived.update(wanted(routes=[OTHER])).earlier is None


def test_what_a_dead_holder_has_left_is_taken_away_and_nothing_else(cluster: Any) -> None:
    hold = TestOneAtATime().hold
    living = hold(cluster, "elsewhere/1234/9/abc", lease._now())
    lease.clear(cluster, US.identity, "default")
    assert cluster.get(Reference.of(living)) == living
    hold(cluster, f"{lease._machine()}/99999999/abc", lease._now())
    lease.clear(cluster, US.identity, "default")
    assert cluster.get(Reference.of(living)) is None


def test_rights_are_asked_for_before_anything_is_changed(lived: Life) -> None:
    lived.cluster.may = lambda right: right.subresource != "exec"
    lived.cluster.plural = lambda api_version, kind: f"{kind.lower()}s"
    with pytest.raises(NotPermitted, match="may not get pods/exec in namespace default, create pods/exec"):
        lived.update(wanted(routes=[OTHER]))
    assert lived.cluster.applied == []


def test_references_of_both_ends_are_known_while_a_change_is_under_way(lived: Life) -> None:
    seen: list[list[str]] = []
    lived.journal = Journal(lambda record: seen.append([one.kind for one in record.objects]), print)
    lived.update(TestSecrets().secret("tomato"))
    assert seen[0] == ["ConfigMap", "Secret", "DaemonSet"]
    assert seen[-1] == ["Secret", "DaemonSet"]
    assert Reference("v1", "ConfigMap", US.identity.object_name, "default") in lived.cluster.deleted
