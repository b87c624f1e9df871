"""The rights in rbac/ are what is asked for before anything is made, no more; and what of it is optional."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from cloudify_quagga.cluster import Cluster, Right, connect
from cloudify_quagga.errors import NotPermitted
from cloudify_quagga.lifecycle import preflight
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.model import Access, Router
from cloudify_quagga.names import Identity
from tests.api.conftest import FakeNode, with_token
from tests.lab.cfy import PROJECT

FILE = PROJECT / "rbac" / "cloudify-quagga.yaml"
DOCUMENTS = {document["kind"]: document for document in yaml.safe_load_all(FILE.read_text())}
OWNER = Owner(Identity("router", "quagga", "quagga_least1"), "here", frozenset(), "cfy uninstall -b")
KINDS = {
    "nodes": "Node",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "pods": "Pod",
    "events": "Event",
    "services": "Service",
    "endpoints": "Endpoints",
    "daemonsets": "DaemonSet",
    "deployments": "Deployment",
    "leases": "Lease",
}
# What is there for some, and does without where it is not.
OPTIONAL = {"list services", "get endpoints", "list secrets"}


@dataclass(frozen=True)
class Entry:
    """One verb on one resource."""

    role: str
    group: str
    resource: str
    verb: str

    def right(self, namespace: str) -> Right:
        """As the plugin asks for it."""
        name, _, below = self.resource.partition("/")
        version = f"{self.group}/v1" if self.group else "v1"
        where = namespace if self.role == "Role" else None
        return Right(self.verb, version, KINDS[name], where, below or None)

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


EVERYTHING = [
    Entry(role, group, resource, verb)
    for role in ("ClusterRole", "Role")
    for rule in DOCUMENTS[role]["rules"]
    for group in rule["apiGroups"]
    for resource in rule["resources"]
    for verb in rule["verbs"]
]


class Account:
    """A service account with rights that change, and its way to the cluster."""

    def __init__(self, rbac: client.RbacAuthorizationV1Api, namespace: str, cluster: Cluster) -> None:
        self._rbac = rbac
        self._namespace = namespace
        self._has: set[Entry] = set()
        self.cluster = cluster

    def has(self, entries: Iterable[Entry]) -> None:
        """Have exactly these, and wait until the API server goes by it."""
        before, self._has = self._has, set(entries)
        for role, write in (("ClusterRole", self._rbac.replace_cluster_role), ("Role", self._replace_role)):
            if {one for one in before ^ self._has if one.role == role}:
                body = {"metadata": {"name": self._namespace}, "rules": _rules(self._has, role)}
                write(self._namespace, body)
        deadline = time.monotonic() + 10
        while any(self._may(one) is not (one in self._has) for one in before ^ self._has):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _replace_role(self, name: str, body: dict[str, Any]) -> None:
        self._rbac.replace_namespaced_role(name, self._namespace, body)

    def _may(self, entry: Entry) -> bool:
        return self.cluster.may(entry.right(self._namespace))


def _rules(entries: Iterable[Entry], role: str) -> list[dict[str, Any]]:
    return [
        {"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]}
        for one in entries
        if one.role == role
    ]


@pytest.fixture
def account(
    core: client.CoreV1Api,
    rbac: client.RbacAuthorizationV1Api,
    kubeconfig: Path,
    namespace: str,
    tmp_path: Path,
) -> Iterator[Account]:
    try:
        yield _made(core, rbac, kubeconfig, namespace, tmp_path)
    finally:
        # The rest goes with the namespace.
        for delete in (rbac.delete_cluster_role_binding, rbac.delete_cluster_role):
            with suppress(ApiException):
                delete(namespace)


def _made(
    core: client.CoreV1Api,
    rbac: client.RbacAuthorizationV1Api,
    kubeconfig: Path,
    namespace: str,
    tmp_path: Path,
) -> Account:
    core.create_namespaced_service_account(namespace, {"metadata": {"name": "least"}})
    subjects = [{"kind": "ServiceAccount", "name": "least", "namespace": namespace}]
    group = "rbac.authorization.k8s.io"
    rules = {"metadata": {"name": namespace}, "rules": []}
    rbac.create_cluster_role(rules)
    rbac.create_namespaced_role(namespace, rules)
    for kind, bind in (
        ("ClusterRole", rbac.create_cluster_role_binding),
        ("Role", lambda body: rbac.create_namespaced_role_binding(namespace, body)),
    ):
        role = {"apiGroup": group, "kind": kind, "name": namespace}
        bind({"metadata": {"name": namespace}, "roleRef": role, "subjects": subjects})
    request = {"spec": {"audiences": [], "expirationSeconds": 3600}}
    token = core.create_namespaced_service_account_token("least", namespace, request).status.token
    path = with_token(kubeconfig, tmp_path / "least.kubeconfig", token)
    cluster = connect(Access(file=str(path)), lambda _: b"", str)
    return Account(rbac, namespace, cluster)


@pytest.fixture
def asked(node: FakeNode, namespace: str) -> Callable[[Cluster], None]:
    """All that is asked before anything is made, of a label and of routers that need different things."""

    def ask(cluster: Cluster) -> None:
        preflight.check_labels(cluster, OWNER, node.name, {"role": "router"})
        for kind in ("DaemonSet", "Deployment"):
            said = {
                "kind": kind,
                "node_selector": node.labels,
                "namespace": namespace,
                "raw": ["router bgp 1", " neighbor 192.0.2.7 password ${bgp}"],
                "secrets": {"bgp": "x"},
            }
            preflight.check_router(cluster, OWNER, Router.parse(said))

    return ask


def test_no_right_is_there_for_nothing(account: Account, asked: Callable[[Cluster], None]) -> None:
    account.has(EVERYTHING)
    asked(account.cluster)
    refusals = {one: refusal_without(one, account, asked) for one in EVERYTHING}
    assert {str(one) for one, said in refusals.items() if said is None} == OPTIONAL
    assert [one for one, said in refusals.items() if said and f"may not {one}" not in said] == []


def refusal_without(one: Entry, account: Account, asked: Callable[[Cluster], None]) -> str | None:
    account.has(other for other in EVERYTHING if other != one)
    try:
        asked(account.cluster)
    except NotPermitted as error:
        return str(error)
    return None
