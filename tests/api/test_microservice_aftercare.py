"""A microservice after its install: looked after by Cloudify's own workflows, before a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from tests.api.aftercare import ailment, change, drift, heal, instance, operate, pull
from tests.api.blueprints import blueprint, microservice
from tests.api.test_microservice import config_map, deployment
from tests.lab.cfy import Cfy

Get = Callable[[str, str, str], Manifest | None]


@pytest.fixture
def apps(kubeconfig: Path) -> client.AppsV1Api:
    return client.AppsV1Api(config.new_client_from_config(str(kubeconfig)))


@pytest.fixture
def get(cluster: Cluster, namespace: str) -> Get:
    """Looks for an object in the test's namespace."""
    return lambda version, kind, name: cluster.get(Reference(version, kind, name, namespace))


def secret() -> Manifest:
    metadata = {"name": "password"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"word": "sesame"}}


@pytest.fixture
def micro(kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy) -> Cfy:
    """A `cfy` that has installed a microservice of three objects."""
    manifests = {
        "kind": "List",
        "items": [config_map("settings", colour="magenta"), deployment("web"), secret()],
    }
    template = microservice(kubeconfig, namespace=namespace, config=manifests)
    cfy.install_file(blueprint(tmp_path / "micro", quagga=template), "micro")
    return cfy


def objects(*manifests: Manifest) -> dict[str, Any]:
    return {"config": {"kind": "List", "items": list(manifests)}}


def test_a_microservice_that_is_as_it_was_applied(micro: Cfy, get: Get, namespace: str) -> None:
    assert ailment(micro, "micro") is None
    assert drift(micro, "micro") == {}
    assert "microservice.heal" not in heal(micro, "micro")
    version = applied(get)
    before = instance(micro, "micro")["runtime_properties"]
    for one in ("heal", "update"):
        operate(micro, "micro", one)
    assert applied(get) == version
    live = pull(micro, "micro")
    assert instance(micro, "micro")["runtime_properties"] == {**before, "live": live}
    assert [(one["kind"], one["namespace"], one["lacks"]) for one in live["objects"]] == [
        ("Secret", namespace, None),
        ("ConfigMap", namespace, None),
        ("Deployment", namespace, None),
    ]
    micro("executions", "start", "uninstall", "-b", "micro")
    assert instance(micro, "micro")["runtime_properties"] == {}


def applied(get: Get) -> list[str]:
    """Tells whether anything was written."""
    found = (
        get("v1", "ConfigMap", "settings"),
        get("apps/v1", "Deployment", "web"),
        get("v1", "Secret", "password"),
    )
    return [one["metadata"]["resourceVersion"] for one in found if one]


def test_an_object_that_is_gone_is_told_and_comes_back(
    micro: Cfy, core: client.CoreV1Api, get: Get, namespace: str
) -> None:
    core.delete_namespaced_config_map("settings", namespace)
    what = f"ConfigMap settings in namespace {namespace}"
    assert drift(micro, "micro") == {what: {"object": {"wanted": "there", "found": "is gone"}}}
    assert ailment(micro, "micro") == f"{what} is gone"
    assert [one["lacks"] for one in pull(micro, "micro")["objects"]] == [None, "is gone", None]
    heal(micro, "micro")
    found = get("v1", "ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "magenta"}
    assert drift(micro, "micro") == {}
    assert ailment(micro, "micro") is None


def test_what_was_edited_by_hand_is_told_with_who_did_it_and_comes_back(
    micro: Cfy, core: client.CoreV1Api, apps: client.AppsV1Api, get: Get, namespace: str
) -> None:
    patch: dict[str, Any] = {
        "data": {"colour": "teal", "more": "stays"},
        "metadata": {"labels": {"mine": "too"}},
    }
    core.patch_namespaced_config_map("settings", namespace, patch, field_manager="kubectl-edit")
    apps.patch_namespaced_deployment(
        "web", namespace, {"spec": {"paused": True, "replicas": 1}}, field_manager="me"
    )
    core.patch_namespaced_secret("password", namespace, {"data": {"word": "b3Blbg=="}}, field_manager="me")
    found = drift(micro, "micro")
    assert found[f"ConfigMap settings in namespace {namespace}"] == {
        "data.colour": {"wanted": "(hidden)", "found": "(hidden)"},
        "changed_by": ["kubectl-edit"],
    }
    assert found[f"Deployment web in namespace {namespace}"] == {
        "spec.replicas": {"wanted": 0, "found": 1},
        "changed_by": ["me"],
    }
    assert found[f"Secret password in namespace {namespace}"] == {
        "data.word": {"wanted": "(hidden)", "found": "(hidden)"},
        "changed_by": ["me"],
    }
    told = json.dumps(instance(micro, "micro"))
    assert not {"sesame", "c2VzYW1l", "b3Blbg==", "teal", "magenta"} & set(told.split('"'))
    # By an operation: hand-made changes alone do not make it ill.
    said = operate(micro, "micro", "heal")
    assert "data.colour is taken back from kubectl-edit" in said
    assert drift(micro, "micro") == {}
    settings, web = get("v1", "ConfigMap", "settings"), get("apps/v1", "Deployment", "web")
    assert settings is not None
    assert web is not None
    # What the manifest says nothing of is left as it is.
    assert settings["data"] == {"colour": "magenta", "more": "stays"}
    assert settings["metadata"]["labels"]["mine"] == "too"
    assert (web["spec"]["replicas"], web["spec"]["paused"]) == (0, True)
    assert (get("v1", "Secret", "password") or {})["data"] == {"word": "c2VzYW1l"}


def test_what_was_taken_out_of_an_object_comes_back(
    micro: Cfy, core: client.CoreV1Api, get: Get, namespace: str
) -> None:
    removal = [{"op": "remove", "path": "/data/colour"}]
    core.patch_namespaced_config_map("settings", namespace, removal)
    assert drift(micro, "micro") == {
        f"ConfigMap settings in namespace {namespace}": {"data": {"wanted": "(hidden)", "found": None}}
    }
    operate(micro, "micro", "heal")
    assert (get("v1", "ConfigMap", "settings") or {})["data"] == {"colour": "magenta"}


def test_what_another_declares_to_be_theirs_is_never_forced(
    micro: Cfy, cluster: Cluster, core: client.CoreV1Api, get: Get, namespace: str
) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"colour": "teal"},
    }
    core.patch_namespaced_config_map(
        "settings", namespace, theirs, field_manager="the-neighbours", force=True,
        _content_type="application/apply-patch+yaml",
    )  # fmt: skip
    found = drift(micro, "micro")[f"ConfigMap settings in namespace {namespace}"]
    assert found["changed_by"] == ["the-neighbours"]
    assert "data.colour is applied by the-neighbours too" in operate(micro, "micro", "heal", check=False)
    assert (get("v1", "ConfigMap", "settings") or {})["data"] == {"colour": "teal"}


def test_one_that_somebody_put_in_its_place_is_told_and_not_touched(
    micro: Cfy, core: client.CoreV1Api, get: Get, namespace: str
) -> None:
    core.delete_namespaced_config_map("settings", namespace)
    core.create_namespaced_config_map(
        namespace, {"metadata": {"name": "settings"}, "data": {"whose": "mine"}}
    )
    what = "has been replaced by one that was not made for this node"
    said = ailment(micro, "micro")
    assert said is not None
    assert what in said
    assert f"{what}" in json.dumps(drift(micro, "micro"))
    assert "exists already and was not made for this node" in heal(micro, "micro", check=False)
    assert (get("v1", "ConfigMap", "settings") or {})["data"] == {"whose": "mine"}


def test_an_update_applies_the_new_and_removes_the_dropped(micro: Cfy, get: Get, namespace: str) -> None:
    new = config_map("colours", teal="blue-green")
    change(micro, "micro", "quagga", **objects(config_map("settings", shade="dark"), deployment("web"), new))
    found = drift(micro, "micro")
    told = found["properties"]["manifests"]
    assert told["added"] == [f"ConfigMap colours in namespace {namespace}"]
    assert told["dropped"] == [f"Secret password in namespace {namespace}"]
    assert set(found[f"ConfigMap settings in namespace {namespace}"]) == {"data.shade", "data.colour"}
    for _ in range(2):
        operate(micro, "micro", "update")
        assert drift(micro, "micro") == {}
    assert get("v1", "Secret", "password") is None
    assert (get("v1", "ConfigMap", "settings") or {})["data"] == {"shade": "dark"}
    assert (get("v1", "ConfigMap", "colours") or {})["data"] == {"teal": "blue-green"}
    assert "colours" in instance(micro, "micro")["runtime_properties"]["kinds"]
    micro.uninstall("micro")
    for name in ("settings", "colours"):
        assert get("v1", "ConfigMap", name) is None


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        (objects({"kind": "ConfigMap", "metadata": {"name": "x"}}), "has no apiVersion"),
        (objects(config_map("settings", colour="blue"), deployment("web", replicas=-1)), "spec.replicas"),
        (objects(config_map("settings", colour="blue"), {**config_map("x"), "kind": "Teapot"}), "Teapot"),
    ],
)
def test_an_update_to_what_is_refused_changes_nothing(
    properties: dict[str, Any], sentence: str, micro: Cfy, get: Get
) -> None:
    before = applied(get), instance(micro, "micro")["runtime_properties"]
    change(micro, "micro", "quagga", **properties)
    assert sentence in json.dumps(drift(micro, "micro"))
    assert sentence in operate(micro, "micro", "update", check=False)
    assert (applied(get), instance(micro, "micro")["runtime_properties"]) == before


def test_a_way_to_the_cluster_that_leads_elsewhere(
    micro: Cfy, kubeconfig: Path, tmp_path: Path, get: Get
) -> None:
    same = tmp_path / "the-same"
    same.write_text(kubeconfig.read_text())
    change(micro, "micro", "quagga", client_config={"configuration": {"manager_file_path": str(same)}})
    assert set(drift(micro, "micro")["properties"]) == {"client_config"}
    operate(micro, "micro", "update")
    assert drift(micro, "micro") == {}


def test_before_its_start_it_says_so(micro: Cfy) -> None:
    micro("executions", "start", "uninstall", "-b", "micro")
    for one in ("check_drift", "heal", "pull"):
        assert "the start operation has to run first" in operate(micro, "micro", one, check=False)


def many_kinds(namespace: str) -> list[Manifest]:
    """One object of each of many kinds, as the API server fills in the rest of it."""
    labels = {"app": "many"}
    pod: dict[str, Any] = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "web", "image": "nginx"}]},
    }
    job = {"template": {"spec": {**pod["spec"], "restartPolicy": "Never"}}}
    quantity = {"requests": {"storage": "1024Mi"}}
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "Service", {"ports": [{"port": 80}], "selector": labels}),
        ("v1", "PersistentVolumeClaim", {"accessModes": ["ReadWriteOnce"], "resources": quantity}),
        ("v1", "ResourceQuota", {"hard": {"pods": "10", "limits.cpu": "1000m"}}),
        (
            "apps/v1",
            "StatefulSet",
            {"replicas": 0, "selector": {"matchLabels": labels}, "serviceName": "many", "template": pod},
        ),
        (
            "apps/v1",
            "DaemonSet",
            {
                "selector": {"matchLabels": labels},
                "template": {**pod, "spec": {**pod["spec"], "nodeSelector": {"no": "where"}}},
            },
        ),
        ("batch/v1beta1", "CronJob", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}),
        ("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {"matchLabels": labels}}),
        ("policy/v1beta1", "PodDisruptionBudget", {"maxUnavailable": 1, "selector": {"matchLabels": labels}}),
    ]
    made: list[Manifest] = [
        {"apiVersion": version, "kind": kind, "metadata": {"name": "many"}, "spec": spec}
        for version, kind, spec in specs
    ]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "many"}}
    role: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "many"},
    }
    role["rules"] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-own"}}
    return [*made, account, role, own]


def test_what_the_api_server_and_its_controllers_add_is_no_drift(
    kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy
) -> None:
    template = microservice(kubeconfig, namespace=namespace, **objects(*many_kinds(namespace)))
    cfy.install_file(blueprint(tmp_path / "micro", quagga=template), "micro")
    assert drift(cfy, "micro") == {}
    assert ailment(cfy, "micro") is None
    operate(cfy, "micro", "heal")
    assert drift(cfy, "micro") == {}
