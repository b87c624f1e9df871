"""Whose something in a cluster is, and what an orchestrator that lost its memory still has there.

A node instance's id is new with every deployment. Where a deployment can be installed over itself (as a local
profile allows), the objects of its earlier instances live on and nobody knows them any more. They are
recognised by their deployment and origin being ours and their instance not being known.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cloudify_quagga.cluster import Cluster, Manifest, Reference, Right
from cloudify_quagga.errors import Conflict
from cloudify_quagga.names import DEPLOYMENT, DOMAIN, INSTANCE, MANAGED_BY, NAME, NODE, Identity

# Deployments of two profiles or tenants may share their name; this tells whose is whose.
ORIGIN = f"{DOMAIN}/origin"
OURS = {MANAGED_BY: "cloudify"}
ROUTERS = {**OURS, NAME: "quagga"}
# In the order in which they are made. No Secrets: nobody should need the right to list all of them.
KINDS = (("v1", "ConfigMap"), ("apps/v1", "DaemonSet"), ("apps/v1", "Deployment"), ("v1", "Pod"))


# Told of what is about to be removed, before it is.
Found = Callable[[Iterable[Reference]], None]


class Forgotten(Conflict):
    """An earlier install of the deployment still lives, and the orchestrator does not know it any more.

    :param left: what was seen of it; whoever removes it may not be permitted to look for it.
    """

    def __init__(self, message: str, left: Iterable[Reference] = ()) -> None:
        self.left = tuple(left)
        super().__init__(message)


@dataclass(frozen=True)
class Owner:
    """On whose behalf things are made.

    :param origin: the profile, or the manager and tenant, whose deployment it is.
    :param known: the ids of the deployment's node instances that the orchestrator knows.
    :param uninstall: the command that uninstalls a deployment, up to the deployment's id.
    :param namespace: where it makes its objects, as far as it says.
    """

    identity: Identity
    origin: str
    known: frozenset[str]
    uninstall: str
    namespace: str | None = None

    def stamped(self, manifest: Manifest) -> Manifest:
        """The manifest with its origin written on it."""
        metadata = manifest["metadata"]
        annotations = {**metadata.get("annotations", {}), ORIGIN: self.origin}
        return {**manifest, "metadata": {**metadata, "annotations": annotations}}

    def forgot(self, marks: Marks) -> bool:
        """Whether what bears these marks was made for this deployment and is known to nobody any more."""
        same = (marks.deployment, marks.origin) == (self.identity.deployment, self.origin)
        return same and marks.instance not in self.known

    def removal(self, deployment: str | None = None) -> str:
        """The command that uninstalls a deployment; this one if none is named."""
        return f"{self.uninstall} {shlex.quote(deployment or self.identity.deployment)}"

    def remedy(self, marks: Marks) -> str:
        """How what bears these marks is removed in the right way."""
        if marks.origin == self.origin:
            return f"`{self.removal(marks.deployment)}` removes it"
        return f"it was made from {marks.origin}, where uninstalling {marks.deployment!r} removes it"


@dataclass(frozen=True)
class Marks:
    """What an object of ours tells about where it comes from; empty where it tells nothing."""

    deployment: str
    node: str
    instance: str
    origin: str

    @classmethod
    def of(cls, manifest: Manifest) -> Marks:
        """From an object's annotations."""
        annotations: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
        return cls(*(annotations.get(key, "") for key in (DEPLOYMENT, NODE, INSTANCE, ORIGIN)))

    @property
    def identity(self) -> Identity:
        """The node instance that it was made for."""
        return Identity(self.deployment, self.node, self.instance)


def of_instance(cluster: Cluster, identity: Identity, namespace: str | None = None) -> list[Manifest]:
    """Every object that belongs to a node instance, its sweepers included."""
    selector = {key: identity.labels[key] for key in (MANAGED_BY, DEPLOYMENT, NODE, INSTANCE)}
    return _of_all_kinds(cluster, selector, namespace)


def forgotten(cluster: Cluster, owner: Owner) -> list[Manifest]:
    """The objects of the deployment's instances that nobody knows any more.

    Whoever may not list them could not make them either: somebody who only labels nodes needs no such right.
    """
    if not all(cluster.may(Right("list", *kind)) for kind in KINDS):
        return []
    selector = {**OURS, DEPLOYMENT: owner.identity.labels[DEPLOYMENT]}
    found = _of_all_kinds(cluster, selector, likely=owner.namespace)
    return [one for one in found if owner.forgot(Marks.of(one))]


def _of_all_kinds(
    cluster: Cluster, selector: Mapping[str, str], namespace: str | None = None, likely: str | None = None
) -> list[Manifest]:
    found = [
        one for api_version, kind in KINDS for one in cluster.find(api_version, kind, namespace, selector)
    ]
    places = {likely, *(one["metadata"].get("namespace") for one in found)} - {None}
    secrets = _secrets(cluster, selector, namespace, sorted(map(str, places)))
    # What a controller made goes with what it was made for.
    return [one for one in (*secrets, *found) if not one["metadata"].get("ownerReferences")]


def _secrets(
    cluster: Cluster, selector: Mapping[str, str], namespace: str | None, places: Iterable[str]
) -> list[Manifest]:
    """Those that hold a router's configuration; few may list the Secrets of every namespace.

    :param places: the namespaces that are looked into where not all can be.
    """
    if cluster.may(Right("list", "v1", "Secret", namespace)):
        return cluster.find("v1", "Secret", namespace, selector)
    searched = () if namespace else [one for one in places if cluster.may(Right("list", "v1", "Secret", one))]
    return [secret for one in searched for secret in cluster.find("v1", "Secret", one, selector)]
