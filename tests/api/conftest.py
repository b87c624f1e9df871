"""A real API server, and nodes that exist only in it: what is refused needs no kubelet to be refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from cloudify_quagga.cluster import Cluster, connect
from cloudify_quagga.model import Access
from tests.lab.cfy import PROJECT, Cfy, WarmCfy

NOT_FOUND = 404


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """An administrator's: of an API server beside the lab's, or of a cluster of one's own."""
    if named := os.environ.get("QUAGGA_KUBECONFIG"):
        yield Path(named)
        return
    lab = [sys.executable, "-m", "lab"]
    beside = {**os.environ, "QUAGGA_LAB": "api-tests"}

    def say(*words: str, check: bool = True) -> list[str]:
        done = subprocess.run(
            [*lab, *words], cwd=PROJECT, env=beside, check=check, text=True, stdout=subprocess.PIPE
        )
        return done.stdout.splitlines()

    stays = "yes" in next(line for line in say("status", check=False) if line.startswith("up "))
    yield Path(say("up", "--api-only")[-1].removeprefix("KUBECONFIG="))
    if not stays:
        say("down")


@pytest.fixture(scope="session")
def core(kubeconfig: Path) -> client.CoreV1Api:
    return client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))


@pytest.fixture(scope="session")
def rbac(kubeconfig: Path) -> client.RbacAuthorizationV1Api:
    return client.RbacAuthorizationV1Api(config.new_client_from_config(str(kubeconfig)))


@pytest.fixture
def cluster(kubeconfig: Path) -> Cluster:
    """The plugin's own way to it."""
    return connect(Access(file=str(kubeconfig)), lambda _: b"", str)


@pytest.fixture
def cfy(tmp_path: Path) -> Iterator[Cfy]:
    """A `cfy` that has installed nothing yet, and leaves nothing installed.

    A test names it last, so that what it installed is gone before what that stood on.
    """
    made = WarmCfy(tmp_path / "cfy")
    yield made
    made.uninstall_the_rest()


@dataclass(frozen=True)
class FakeNode:
    """A Node object without a machine behind it; its label is its name."""

    name: str
    address: str

    @property
    def labels(self) -> dict[str, str]:
        return {"quagga-test": self.name}


@pytest.fixture
def node(core: client.CoreV1Api) -> Iterator[FakeNode]:
    """A node of which nothing of ours may be left at the end."""
    yield from _node(core, "192.0.2.11")


@pytest.fixture
def other_node(core: client.CoreV1Api) -> Iterator[FakeNode]:
    yield from _node(core, "192.0.2.12")


@pytest.fixture
def namespace(core: client.CoreV1Api) -> Iterator[str]:
    """An empty namespace with the service account that a controller would give it."""
    name = f"quagga-test-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    with suppress(ApiException):
        core.create_namespaced_service_account(name, {"metadata": {"name": "default"}})
    yield name
    core.delete_namespace(name)


@pytest.fixture
def restricted(
    core: client.CoreV1Api,
    rbac: client.RbacAuthorizationV1Api,
    kubeconfig: Path,
    namespace: str,
    tmp_path: Path,
) -> Iterator[Callable[..., Path]]:
    """Makes the kubeconfig of a service account that may do no more than the rules say."""
    name = namespace
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "restricted"}})

    def make(*rules: dict[str, Any]) -> Path:
        subject = {"kind": "ServiceAccount", "name": "restricted", "namespace": namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
        rbac.create_cluster_role({"metadata": {"name": name}, "rules": list(rules)})
        rbac.create_cluster_role_binding({"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
        return _of_account(core, kubeconfig, tmp_path, namespace, "restricted", rules)

    yield make
    for delete in (rbac.delete_cluster_role_binding, rbac.delete_cluster_role):
        with suppress(ApiException):
            delete(name)


@pytest.fixture
def confined(
    core: client.CoreV1Api,
    rbac: client.RbacAuthorizationV1Api,
    kubeconfig: Path,
    namespace: str,
    tmp_path: Path,
) -> Callable[..., Path]:
    """Makes the kubeconfig of a service account that may do what the rules say in the test's namespace alone.

    All of it goes with the namespace.
    """
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "confined"}})

    def make(*rules: dict[str, Any]) -> Path:
        subject = {"kind": "ServiceAccount", "name": "confined", "namespace": namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "confined"}
        named = {"metadata": {"name": "confined"}}
        rbac.create_namespaced_role(namespace, {**named, "rules": list(rules)})
        rbac.create_namespaced_role_binding(namespace, {**named, "roleRef": role, "subjects": [subject]})
        return _of_account(core, kubeconfig, tmp_path, namespace, "confined", rules)

    return make


def _of_account(
    core: client.CoreV1Api,
    kubeconfig: Path,
    directory: Path,
    namespace: str,
    account: str,
    rules: Sequence[dict[str, Any]],
) -> Path:
    request = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    token = core.create_namespaced_service_account_token(account, namespace, request).status.token
    path = with_token(kubeconfig, directory / f"{account}.kubeconfig", token)
    _await_granted(core, f"system:serviceaccount:{namespace}:{account}", namespace, rules)
    return path


def _await_granted(
    core: client.CoreV1Api, user: str, namespace: str, rules: Sequence[dict[str, Any]]
) -> None:
    """An API server's authorizer learns of roles and bindings a moment after they are made."""
    api = client.AuthorizationV1Api(core.api_client)
    deadline = time.monotonic() + 20
    for right in (right for rule in rules for right in _rights(rule)):
        review = {"spec": {"user": user, "resourceAttributes": {"namespace": namespace, **right}}}
        while not api.create_subject_access_review(review).status.allowed:
            assert time.monotonic() < deadline, f"{user} may not {right}"
            time.sleep(0.05)


def _rights(rule: dict[str, Any]) -> Iterator[dict[str, str]]:
    """One of each of a rule's resources, as a review asks for it."""
    for said in rule.get("resources", ()):
        resource, _, subresource = said.partition("/")
        asked = {"group": rule["apiGroups"][0], "resource": resource, "verb": rule["verbs"][0]}
        name = rule.get("resourceNames", [""])[0]
        yield {**asked, "subresource": subresource, "name": name}


def with_token(original: Path, path: Path, token: str) -> Path:
    """A kubeconfig of the same cluster with other credentials."""
    document = yaml.safe_load(original.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    path.write_text(yaml.safe_dump(document))
    return path


def carried(core: client.CoreV1Api, node: FakeNode) -> dict[str, str]:
    """The labels of the node, without those that controllers give every node."""
    labels = core.read_node(node.name).metadata.labels or {}
    return {key: value for key, value in labels.items() if "kubernetes.io/" not in key}


def _node(core: client.CoreV1Api, address: str) -> Iterator[FakeNode]:
    node = FakeNode(f"quagga-test-{uuid4().hex[:8]}", address)
    core.create_node({"metadata": {"name": node.name, "labels": node.labels}})
    core.patch_node_status(
        node.name, {"status": {"addresses": [{"type": "InternalIP", "address": node.address}]}}
    )
    yield node
    left = core.read_node(node.name).metadata
    core.delete_node(node.name)
    managers = [entry.manager for entry in left.managed_fields]
    assert not any(manager.startswith("cloudify-quagga") for manager in managers), managers
    assert not any("quagga.cloudify.co" in key for key in left.annotations or {})
