"""A router that nobody remembers is found by its marks, ended and removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from cloudify_quagga.cluster import Absent, Cluster, Manifest, Reference, Right
from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle import ending, lease
from cloudify_quagga.lifecycle.ownership import ROUTERS, Found, Marks, Owner, forgotten
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Labels, Router
from cloudify_quagga.names import DOMAIN, NAME, Identity

_HOLDS_CONFIGURATION = ("ConfigMap", "Secret")
# What is left to do for a router that nobody else remembers.
_TO_DO = f"{DOMAIN}/to-do"


def remove(
    cluster: Cluster, owner: Owner, say: Callable[[str], None], note: Found = lambda _: None
) -> list[Reference]:
    """Stop and remove the routers of this deployment that nobody knows any more; tells what was removed."""
    removed: list[Reference] = []
    found = forgotten(cluster, owner)
    note([Reference.of(manifest) for manifest in found])
    for identity in dict.fromkeys(Marks.of(manifest).identity for manifest in found):
        its = [manifest for manifest in found if Marks.of(manifest).identity == identity]
        secrets = [one for workload in filter(_runs, its) for one in _mounted_secrets(workload, identity)]
        held = [*secrets, *(Reference.of(one) for one in its if one["kind"] in _HOLDS_CONFIGURATION)]
        with ending.turn_in(
            cluster, replace(owner, identity=identity), its[0]["metadata"]["namespace"]
        ) as step:
            for record in _recollected(cluster, its, held, say):
                ending.stop(cluster, identity, record, _reminder(cluster, held, say), step)
            removed += [Reference.of(workload) for workload in filter(_runs, its)]
            removed += ending.delete(cluster, identity, [*secrets, *map(Reference.of, its)], step)
    if owner.namespace and cluster.may(Right("get", lease.API_VERSION, lease.KIND, owner.namespace)):
        lease.clear(cluster, owner.identity, owner.namespace)
    return removed


def _runs(manifest: Manifest) -> bool:
    """Whether it is what runs a router: neither its configuration nor its sweeper."""
    labels: Mapping[str, str] = manifest["metadata"]["labels"]
    return manifest["kind"] not in _HOLDS_CONFIGURATION and labels.get(NAME) == ROUTERS[NAME]


def _mounted_secrets(workload: Manifest, identity: Identity) -> Iterator[Reference]:
    """The configuration of a router of which there is no record; not everybody may look for Secrets."""
    for volume in _pod_spec(workload).get("volumes") or []:
        if (volume.get("secret") or {}).get("secretName") == identity.object_name:
            yield Reference("v1", "Secret", identity.object_name, workload["metadata"]["namespace"])


def _pod_spec(workload: Manifest) -> Manifest:
    spec: Manifest = workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"]
    return spec


def _recollected(
    cluster: Cluster, its: Iterable[Manifest], held: Iterable[Reference], say: Callable[[str], None]
) -> Iterator[Record]:
    """What there is to stop, or at least to sweep, and what an earlier try has found out about it."""
    objects = filter(None, map(cluster.get, dict.fromkeys(held)))
    known = next((record for one in objects if (record := _remembered(one, say))), None)
    workloads = list(filter(_runs, its))
    for workload in workloads:
        record = _reconstructed(workload)
        yield replace(record, nodes=known.nodes, unswept=known.unswept) if known else record
    if known and not workloads:
        yield known


def _remembered(configuration: Manifest, say: Callable[[str], None]) -> Record | None:
    """What an earlier try wrote down; None where somebody wrote something else there, which binds nobody."""
    stored = (configuration["metadata"].get("annotations") or {}).get(_TO_DO)
    try:
        return Record.from_json(json.loads(stored)) if stored else None
    except (ValueError, RecursionError, Refused):
        say(
            f"{Reference.of(configuration)} does not tell any more on which nodes routes may be left: its "
            f"annotation {_TO_DO} is not as it was written; `ip route` on them shows what is"
        )
        return None


def _reminder(cluster: Cluster, held: Iterable[Reference], say: Callable[[str], None]) -> Journal:
    """Writes on the configuration, which goes last, what is left to do: there is no other place for it."""
    references = list(dict.fromkeys(held))
    path = f"/metadata/annotations/{_TO_DO.replace('/', '~1')}"

    def save(record: Record) -> None:
        operation = {"op": "add", "path": path, "value": json.dumps(record.to_json())}
        for reference in references:
            with suppress(Absent):
                cluster.patch(reference, [operation])

    return Journal(save, say)


def _reconstructed(workload: Manifest) -> Record:
    """What is needed to stop a router of which there is no record."""
    metadata = workload["metadata"]
    spec = _pod_spec(workload)
    container = spec["containers"][0]
    secrets = spec.get("imagePullSecrets") or [{}]
    selector = spec.get("nodeSelector")
    privileged = container.get("securityContext", {}).get("privileged", False)
    router = Router(
        image=container["image"],
        pull_secret=secrets[0].get("name"),
        pull_policy=container.get("imagePullPolicy"),
        node_selector=Labels.parse(selector, "node_selector") if selector else None,
        kind=workload["kind"],
        security="privileged" if privileged else "capabilities",
        namespace=metadata["namespace"],
    )
    return Record(router, "", (Reference.of(workload),))
