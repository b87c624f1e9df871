"""A microservice is put into a cluster, waited for, and taken out again: objects of any kind, in order."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, TypeGuard

from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference, Right, UnknownKind
from cloudify_quagga.errors import Conflict, NotPermitted, Refused, Waiting
from cloudify_quagga.lifecycle import awaiting, holding, settled
from cloudify_quagga.lifecycle.ownership import Forgotten, Owner
from cloudify_quagga.lifecycle.rights import require
from cloudify_quagga.manifests import in_order
from cloudify_quagga.names import DEPLOYMENT

_CHANGING = ("get", "create", "patch", "delete")
_DEFINITION = "CustomResourceDefinition"
_ANY = "*"
_SOON = 2.0

Kind = tuple[str, str]
Scopes = Mapping[Kind, bool]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Record:
    """What is remembered of a microservice between two operations: one runtime property, replaced whole.

    :param objects: in the order in which they were applied.
    :param hash: of all that was applied; nothing else of its content is kept, it may hold secrets.
    :param access: how the cluster was reached: places and names of secrets, never their values.
    """

    objects: tuple[Reference, ...]
    hash: str
    access: Mapping[str, Any]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Record:
        """The record that ``to_json`` wrote."""
        objects = tuple(Reference.from_json(one) for one in stored["objects"])
        return cls(objects, stored["hash"], stored["access"])

    def to_json(self) -> dict[str, Any]:
        """What stands in the runtime property."""
        return {
            "objects": [one.to_json() for one in self.objects],
            "hash": self.hash,
            "access": dict(self.access),
        }


def check(
    cluster: Cluster,
    owner: Owner,
    manifests: Sequence[Manifest],
    namespace: str,
    say: Say,
    over_edits: bool = False,
) -> None:
    """Refuse what would fail, or would take something from somebody, while nothing has been changed yet.

    :param over_edits: what was written over by hand will have been put back by then.
    """
    # Also where there is nothing to judge yet: the cluster has to answer, and to know us.
    cluster.version()
    wanted = placed(cluster, manifests, namespace)
    require(cluster, _rights(cluster, wanted))
    there = [holding.get(cluster, Reference.of(manifest)) for manifest in wanted]
    _check_ours(owner, [one for one in there if one is not None])
    missing: list[str] = []
    for manifest, found in zip(wanted, there, strict=True):
        _rehearse(cluster, owner, manifest, missing, say, over_edits)
        if found is None:
            missing.append(str(Reference.of(manifest)))


def start(
    cluster: Cluster,
    owner: Owner,
    manifests: Sequence[Manifest],
    record: Record,
    save: Callable[[Record], None],
    say: Say,
    ended: Iterable[Manifest] = (),
) -> None:
    """Apply all of them, wait until they are as they should be, and remove what is no longer among them.

    :param manifests: in order, each in its namespace.
    :param record: what earlier tries have applied, and how the cluster is reached.
    :param ended: what stood in the place of some of them and has been deleted; who held it holds the new one.
    """
    wanted = tuple(Reference.of(manifest) for manifest in manifests)
    dropped = tuple(one for one in record.objects if one not in wanted)
    record = replace(record, objects=(*dropped, *wanted), hash=digest(manifests))
    # Recorded before it is made: what is not there can be deleted, what is not known cannot.
    save(record)
    before = {Reference.of(one): one for one in ended}
    known = _apply(cluster, owner, manifests, record.hash, say, before)
    awaiting.until_settled(cluster, known, _again(cluster, owner, manifests, record.hash, say))
    # Kinds that only what runs by now could teach the API server.
    late = [one for one in manifests if Reference.of(one) not in known]
    for manifest in late:
        _put(cluster, owner, manifest, record.hash, say)
    awaiting.until_settled(cluster, [Reference.of(one) for one in late])
    _remove(cluster, owner, dropped, say)
    save(replace(record, objects=wanted))
    say(f"running: {', '.join(map(str, wanted))}")


def stop(cluster: Cluster, owner: Owner, record: Record, say: Say) -> None:
    """Take all of it out again, the last applied first, and wait until it is gone."""
    _remove(cluster, owner, record.objects, say)


def forgotten(cluster: Cluster, owner: Owner, known: Sequence[Reference], say: Say) -> list[Reference]:
    """What earlier installs of the deployment left, and nobody holds any more.

    :param known: what has been seen of it; it is looked at even where nothing may be looked for.
    """
    return [Reference.of(one) for one in in_order(_forgotten(cluster, owner, known, say))]


def remove_forgotten(cluster: Cluster, left: Sequence[Reference]) -> list[Reference]:
    """Remove what was found to be forgotten; tells what of it was still there."""
    removed = [one for one in _last_first(left) if cluster.delete(one, dependents_first=True)]
    awaiting.until_gone(cluster, removed)
    return removed


def digest(manifests: Iterable[Manifest]) -> str:
    """Tells whether manifests say the same; not what they say."""
    text = json.dumps(list(manifests), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def placed(cluster: Cluster, manifests: Sequence[Manifest], namespace: str) -> list[Manifest]:
    """Each in the namespace that it names, else in this one, unless its kind lives in none."""
    scopes = dict(_defined(manifests))
    return [_placed(cluster, manifest, namespace, scopes) for manifest in manifests]


def _placed(cluster: Cluster, manifest: Manifest, namespace: str, scopes: Scopes) -> Manifest:
    metadata = dict(manifest["metadata"])
    if not metadata.get("namespace"):
        metadata.pop("namespace", None)
        metadata |= {"namespace": namespace} if _is_namespaced(cluster, manifest, scopes) else {}
    return _with_data(_with_protocols({**manifest, "metadata": metadata}))


def _with_data(manifest: Manifest) -> Manifest:
    """A Secret whose texts stand where the API server keeps them, which means the same.

    It copies `stringData` there in nobody's name: what leaves the manifest would stay, and whoever changes it
    would go unnoticed.
    """
    texts = manifest.get("stringData")
    if (manifest["apiVersion"], manifest["kind"]) != ("v1", "Secret") or not _is_texts(texts):
        return manifest
    coded = {key: b64encode(text.encode()).decode() for key, text in texts.items()}
    rest = {key: value for key, value in manifest.items() if key != "stringData"}
    return {**rest, "data": {**(manifest.get("data") or {}), **coded}}


def _is_texts(value: object) -> TypeGuard[Mapping[str, str]]:
    return isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values())


def _with_protocols(manifest: Manifest) -> Manifest:
    """A Service whose ports say TCP where they say nothing, which means the same.

    Older API servers merge the ports by their protocol before they fill in its default, and refuse.
    """
    spec = manifest.get("spec")
    ports = spec.get("ports") if isinstance(spec, dict) else None
    if (manifest["apiVersion"], manifest["kind"]) != ("v1", "Service") or not isinstance(ports, list):
        return manifest
    said = [{"protocol": "TCP", **one} if isinstance(one, dict) else one for one in ports]
    return {**manifest, "spec": {**manifest["spec"], "ports": said}}


def _is_namespaced(cluster: Cluster, manifest: Manifest, scopes: Scopes) -> bool:
    group, kind = _group(manifest["apiVersion"]), manifest["kind"]
    try:
        return cluster.is_namespaced(manifest["apiVersion"], kind)
    except UnknownKind:
        for known in ((group, kind), (group, _ANY)):
            if known in scopes:
                return scopes[known]
        raise


def _defined(manifests: Iterable[Manifest]) -> Iterator[tuple[Kind, bool]]:
    """Kinds that come with the manifests themselves, and whether their objects live in namespaces."""
    for one in manifests:
        spec = one.get("spec") or {}
        if one["kind"] == _DEFINITION:
            kind = (spec.get("names") or {}).get("kind", "")
            yield (spec.get("group", ""), kind), spec.get("scope") != "Cluster"
        elif one["kind"] == "APIService":
            yield (spec.get("group", ""), _ANY), True


def _rights(cluster: Cluster, manifests: Sequence[Manifest]) -> Iterator[Right]:
    """Every verb and resource that the objects' whole life will need."""
    found = ((one["apiVersion"], one["kind"], one["metadata"].get("namespace")) for one in manifests)
    kinds = list(dict.fromkeys(found))
    for api_version, kind, namespace in kinds:
        if not _is_known(cluster, api_version, kind):
            continue
        for verb in _CHANGING:
            yield Right(verb, api_version, kind, namespace)
        if settled.is_awaited(api_version, kind):
            yield Right("list", api_version, kind, namespace)
            yield Right("watch", api_version, kind, namespace)
    with_pods = [namespace for *kind, namespace in kinds if settled.is_workload(*kind)]
    for namespace in dict.fromkeys(with_pods):
        yield Right("list", "v1", "Pod", namespace)
        yield Right("get", "v1", "Pod", namespace, "log")
        yield Right("list", "v1", "Event", namespace)


def _is_known(cluster: Cluster, api_version: str, kind: str) -> bool:
    try:
        cluster.is_namespaced(api_version, kind)
    except UnknownKind:
        return False
    return True


def _check_ours(owner: Owner, present: Sequence[Manifest]) -> None:
    """Refuse what was made by or for others, with everything that an earlier install has left of it."""
    try:
        for found in present:
            holding.check_ours(owner, found)
    except Conflict as error:
        left = [Reference.of(one) for one in present if is_forgotten(owner, one)]
        if not left:
            raise
        raise Forgotten(str(error), left) from error


def _rehearse(
    cluster: Cluster, owner: Owner, manifest: Manifest, missing: Sequence[str], say: Say, over_edits: bool
) -> None:
    """Have the API server and its admission rules judge the object, as far as they can already.

    What it stands on may be among the others, and not be there yet: a namespace, a service account, a kind.
    """
    reference = Reference.of(manifest)
    try:
        cluster.apply(holding.marked(owner, manifest), holding.manager(owner), dry_run=True, force=over_edits)
    except UnknownKind as error:
        say(f"{reference} can be judged only when its kind is known: {error}")
    except (Absent, NotPermitted) as error:
        if missing:
            say(f"{reference} can be judged only when {', '.join(missing)} is there: {error}")
        elif isinstance(error, NotPermitted):
            # The rights were there a moment ago: this is a rule about such objects, not about us.
            raise NotPermitted(f"{reference} is not admitted: {error}") from error
        else:
            raise Refused(
                "namespace", reference.namespace, f"is no namespace of {cluster.address}"
            ) from error


def _apply(
    cluster: Cluster,
    owner: Owner,
    manifests: Sequence[Manifest],
    made: str,
    say: Say,
    before: Mapping[Reference, Manifest],
) -> list[Reference]:
    """Apply what the API server knows the kinds of; tells what that was."""
    applied: list[Reference] = []
    for manifest in manifests:
        reference = Reference.of(manifest)
        try:
            _put(cluster, owner, manifest, made, say, before.get(reference))
        except UnknownKind:
            continue
        applied.append(reference)
        if manifest["kind"] == _DEFINITION:
            awaiting.until_settled(cluster, applied[-1:])
    return applied


def _again(
    cluster: Cluster, owner: Owner, manifests: Iterable[Manifest], made: str, say: Say
) -> dict[Reference, Callable[[Manifest], None]]:
    """What makes a bare pod anew; not one whose author has chosen the node, who may have chosen wrong."""

    def put(manifest: Manifest, before: Manifest) -> None:
        say(f"{Reference.of(manifest)} was not taken by its kubelet (NodeAffinity) and is made anew")
        _put(cluster, owner, manifest, made, say, before)

    bare = [one for one in manifests if one["kind"] == "Pod" and not (one.get("spec") or {}).get("nodeName")]
    return {Reference.of(one): partial(put, one) for one in bare}


def _put(
    cluster: Cluster, owner: Owner, manifest: Manifest, made: str, say: Say, before: Manifest | None = None
) -> None:
    """Have it be there and hold it, for the siblings too that held the one before, which has been deleted."""
    reference = Reference.of(manifest)
    try:
        others = holding.put(cluster, owner, manifest, made)
    except NotPermitted as error:
        if not _is_furnishing(cluster, owner, manifest):
            raise
        raise Waiting(
            f"namespace {reference.namespace} has no service account yet: {error}", _SOON
        ) from error
    for one in others:
        say(
            f"{reference}: {one.instance} has made something else of it, and there is only one; what differs "
            "from instance to instance must differ in its name too"
        )
    if before is not None:
        holding.hold_as(cluster, owner, reference, before)


def _is_furnishing(cluster: Cluster, owner: Owner, manifest: Manifest) -> bool:
    """Whether a pod is refused only because its namespace, made a moment ago, is not furnished yet."""
    name = manifest["metadata"].get("namespace")
    if manifest["kind"] != "Pod" or name is None:
        return False
    namespace = cluster.get(Reference("v1", "Namespace", name))
    ours = namespace is not None and holding.Maker.of(namespace) == holding.Maker.acting(owner)
    return ours and cluster.get(Reference("v1", "ServiceAccount", "default", name)) is None


def _remove(cluster: Cluster, owner: Owner, objects: Sequence[Reference], say: Say) -> None:
    """Kind by kind, so that what runs (all of it at once) is gone before what it needs goes."""
    for _, stage in groupby(_last_first(objects), key=_stage):
        going = []
        for reference in stage:
            why = holding.let_go(cluster, owner, reference)
            if why:
                say(f"{reference} stays: {why}")
            else:
                going.append(reference)
        awaiting.until_gone(cluster, going)


def _stage(reference: Reference) -> tuple[str, str]:
    if settled.is_workload(reference.api_version, reference.kind):
        return "", ""
    return reference.api_version, reference.kind


def _last_first(objects: Sequence[Reference]) -> list[Reference]:
    """In reverse, but objects of kinds that come with them go first, while who minds these still runs."""
    groups = {one.name.partition(".")[2] for one in objects if one.kind == _DEFINITION}
    backwards = list(reversed(objects))
    return sorted(backwards, key=lambda one: _group(one.api_version) not in groups)


def _forgotten(cluster: Cluster, owner: Owner, known: Sequence[Reference], say: Say) -> Iterable[Manifest]:
    """The objects of the deployment's nodes that no instance holds which anybody knows of.

    A kind that may not be listed everywhere is looked for where the deployment is known to be.
    """
    selector = {DEPLOYMENT: owner.identity.labels[DEPLOYMENT]}
    found, withheld = _labelled(cluster, cluster.kinds(), None, selector)
    found += filter(None, (holding.get(cluster, one) for one in known))
    places = {owner.namespace, *(one["metadata"].get("namespace") for one in found)} - {None}
    narrow = [kind for kind in withheld if cluster.is_namespaced(*kind)]
    unseen = len(withheld) - len(narrow)
    for place in sorted(map(str, places)):
        there, closed = _labelled(cluster, narrow, place, selector)
        found += there
        unseen += len(closed)
    # Some kinds are served in two groups, and what is known may be found again.
    left = {one["metadata"]["uid"]: one for one in found if is_forgotten(owner, one)}
    if left and unseen:
        say(
            "What else an earlier install of this deployment may have left of kinds that these credentials "
            "may not list was not looked for"
        )
    return left.values()


def _labelled(
    cluster: Cluster, kinds: Iterable[Kind], namespace: str | None, selector: Mapping[str, str]
) -> tuple[list[Manifest], list[Kind]]:
    """The objects with these labels, and the kinds that may not be listed."""
    found: list[Manifest] = []
    withheld: list[Kind] = []
    for kind in kinds:
        try:
            found += cluster.find(*kind, namespace, selector)
        except NotPermitted:
            withheld.append(kind)
        except Absent:
            continue
    return found, withheld


def is_forgotten(owner: Owner, found: Manifest) -> bool:
    """Whether an earlier install of the deployment made it, and no instance that is known holds it."""
    maker = holding.Maker.of(found)
    if maker is None or (maker.deployment, maker.origin) != (owner.identity.deployment, owner.origin):
        return False
    holders = {hold.instance for hold in holding.Hold.of(found)}
    # What a controller made goes with what it was made for.
    return bool(holders) and not holders & owner.known and not found["metadata"].get("ownerReferences")


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""
