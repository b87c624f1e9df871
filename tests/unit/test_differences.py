"""Which of an object's fields others have written over, and what is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudify_quagga.cluster import Manifest
from cloudify_quagga.errors import Conflict, PermanentError
from cloudify_quagga.lifecycle.differences import differences, disowning, overwritten

US = "cloudify-quagga:micro:quagga:*"
WEB = 'k:{"name":"web"}'


def entry(manager: str, fields: dict[str, Any], operation: str = "Update") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def manifest(image: str = "nginx:1", **spec: Any) -> Manifest:
    containers = [{"name": "side", "image": "sidecar"}, {"name": "web", "image": image}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": containers}}, **spec},
    }


def live(*entries: dict[str, Any], **changed: Any) -> Manifest:
    found = manifest(**changed)
    found["metadata"] |= {"resourceVersion": "7", "managedFields": list(entries)}
    return {**found, "status": {"replicas": 1}}


def containers(**fields: Any) -> dict[str, Any]:
    return {"f:template": {"f:spec": {"f:containers": {WEB: fields}}}}


def test_a_field_of_a_list_is_found_by_its_key() -> None:
    theirs = entry("kubectl-set", {"f:spec": containers(**{".": {}, "f:image": {}})})
    (taken,) = overwritten(manifest(), live(theirs, image="nginx:2"), US)
    assert (taken.applied, taken.live, taken.manager) == ("nginx:1", "nginx:2", "kubectl-set")
    assert not taken.declared


@pytest.mark.parametrize(
    "theirs",
    [
        # Of what the manifest says nothing.
        entry("kubectl-edit", {"f:spec": {"f:paused": {}}}),
        # The same value.
        entry("kubectl-edit", {"f:spec": {"f:minReadySeconds": {}, "f:replicas": {}}}),
        # What became of it.
        entry("kube-controller-manager", {"f:status": {"f:replicas": {}}}),
    ],
)
def test_what_others_own_besides_is_no_difference(theirs: dict[str, Any]) -> None:
    assert overwritten(manifest() | {"status": {"replicas": 2}}, live(theirs, paused=True), US) == []


def test_what_is_still_ours_is_no_difference_however_it_is_written() -> None:
    ours = entry(US, {"f:spec": {"f:cpu": {}}}, "Apply")
    theirs = entry("mirror", {"f:spec": {"f:cpu": {}}})
    assert overwritten(manifest(cpu="1000m"), live(ours, theirs, cpu="1"), US) == []


def test_sets_and_positions() -> None:
    theirs = entry("me", {"f:spec": {"f:finalizers": {'v:"a"': {}}, "f:args": {"i:1": {}, "i:9": {}}}})
    found = live(theirs, finalizers=["a"], args=["x", "y"])
    (taken,) = overwritten(manifest(finalizers=["a"], args=["x", "z"]), found, US)
    assert (taken.applied, taken.live) == ("z", "y")


def test_taking_back_takes_exactly_these_from_their_owner() -> None:
    kept = entry("declared", {"f:spec": {"f:replicas": {}}}, "Apply")
    theirs = entry("me", {"f:spec": {"f:replicas": {}, "f:paused": {}}})
    only = entry("kubectl-set", {"f:spec": containers(**{"f:image": {}})})
    found = live(kept, theirs, only, image="nginx:2", replicas=5)
    taken = [one for one in overwritten(manifest(), found, US) if not one.declared]
    assert {one.manager for one in taken} == {"me", "kubectl-set"}
    seen, replaced = disowning(found, taken)
    assert seen == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert replaced["value"] == [kept, entry("me", {"f:spec": {"f:paused": {}}})]


class Answering:
    """An API server's dry run, as the test wants it."""

    def __init__(self, answer: Manifest | Exception) -> None:
        self._answer = answer

    def apply(self, _: Manifest, manager: str, dry_run: bool) -> Manifest:
        assert (manager, dry_run) == (US, True)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def told(answer: Manifest | Exception, found: Manifest) -> dict[str, Any]:
    return differences(Answering(answer), manifest(), found, US)  # type: ignore[arg-type]


def test_what_the_server_itself_writes_is_no_difference() -> None:
    found = live(entry("me", {}))
    applied = live()
    applied["metadata"] |= {"resourceVersion": "8", "generation": 3}
    assert told({**applied, "status": {}}, found) == {}


def test_numbers_are_told_and_texts_are_not() -> None:
    found = told(live(sesame="open"), live(image="nginx:2", replicas=5))
    assert found == {
        "spec.replicas": {"applied": 2, "live": 5},
        "spec.sesame": {"applied": "(not shown)", "live": None},
        "spec.template.spec.containers[web].image": {"applied": "(not shown)", "live": "(not shown)"},
    }
    assert "open" not in json.dumps(found)


def test_a_conflict_is_told_field_by_field_with_its_owner() -> None:
    theirs = entry("kubectl-set", {"f:spec": containers(**{"f:image": {}})})
    assert told(Conflict("..."), live(theirs, image="nginx:2")) == {
        "spec.template.spec.containers[web].image": {
            "applied": "(not shown)",
            "live": "(not shown)",
            "by": "kubectl-set",
        }
    }


def test_a_conflict_that_no_owner_explains_and_a_refusal_are_told_as_they_are() -> None:
    assert told(Conflict("somebody else's"), live()) == {"conflict": "somebody else's"}
    assert told(PermanentError("spec.selector is immutable"), live()) == {
        "refused": "spec.selector is immutable"
    }


def test_what_is_told_is_bounded() -> None:
    many = {f"f{number}": number for number in range(80)}
    found = told(live(**many), live())
    assert len(found) == 51
    assert found["more"] == 30
