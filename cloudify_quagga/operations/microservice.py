"""The operations of cloudify.nodes.quagga.Microservice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cloudify_quagga import manifests
from cloudify_quagga.cluster import Cluster, Manifest
from cloudify_quagga.errors import Failed, Refused
from cloudify_quagga.lifecycle import inspection
from cloudify_quagga.lifecycle import microservice as life
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import comparing, judging, mapped
from cloudify_quagga.operations.substitutions import Substitutions
from cloudify_quagga.overrides import NotFound

RECORD = "microservice"
# As in 2017: "Kind:name,Kind:name".
KINDS = "kinds"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse what would fail or do harm, before anything is changed."""
    wanted = _wanted(ctx)
    manifests.check_overrides(wanted)
    try:
        objects = _objects(ctx, wanted)
    except Refused as error:
        if not isinstance(error.__cause__, NotFound):
            raise
        # Its own runtime properties, for one, come only after this.
        ctx.logger.info("The manifests can be judged only when they are applied: %s", error)
        objects = []
    try:
        with context.connection(ctx) as cluster:
            life.check(cluster, context.owner(ctx), objects, wanted.namespace, ctx.logger.info)
    except Forgotten as found:
        forgotten.remember(ctx, found)
        raise


@mapped
def start(ctx: Context, **_: object) -> None:
    """Apply the manifests, and wait until what they describe runs."""
    with context.connection(ctx) as cluster:
        _start(ctx, cluster, *_placed(ctx, cluster))


@judging
def check_status(ctx: Context, **_: object) -> None:
    """Return where everything is there and runs as it is waited for by start."""
    record = _applied(ctx)
    with context.connection(ctx) as cluster:
        ailments = inspection.ailments(cluster, context.owner(ctx), record)
    if ailments:
        raise Failed("; ".join(ailments))


@comparing
def check_drift(ctx: Context, **_: object) -> dict[str, Any]:
    """What is not as it was applied, and whether the properties ask for something else; else nothing."""
    record, access = _applied(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        placed = _placed(ctx, cluster)[1]
        return inspection.drift(cluster, context.owner(ctx), placed, access, record)


@mapped
def heal(ctx: Context, **_: object) -> None:
    """Apply again what is not as it was applied, and wait until it runs."""
    owner, record = context.owner(ctx), _applied(ctx)
    with context.connection(ctx) as cluster:
        objects, placed = _placed(ctx, cluster)
        inspection.check_same_cluster(cluster, owner, record, context.access(ctx).to_json())
        edits = inspection.edited(cluster, owner, placed)
        inspection.put_back(cluster, owner, edits, ctx.logger.info)
        ended = inspection.remove_ended(cluster, owner, placed, ctx.logger.info)
        _start(ctx, cluster, objects, placed, ended)


@mapped
def update(ctx: Context, **_: object) -> None:
    """Apply what the properties ask for by now, wait until it runs, and remove what they have dropped."""
    owner, record = context.owner(ctx), _applied(ctx)
    with context.connection(ctx) as cluster:
        objects, placed = _placed(ctx, cluster)
        inspection.check_same_cluster(cluster, owner, record, context.access(ctx).to_json())
        edits = inspection.edited(cluster, owner, placed)
        life.check(cluster, owner, objects, _wanted(ctx).namespace, ctx.logger.info, over_edits=True)
        inspection.put_back(cluster, owner, edits, ctx.logger.info)
        ended = inspection.remove_ended(cluster, owner, placed, ctx.logger.info)
        _start(ctx, cluster, objects, placed, ended)


@mapped
def pull(ctx: Context, **_: object) -> None:
    """Put there what is in the cluster of it now."""
    record = _applied(ctx)
    with context.connection(ctx) as cluster:
        picture = inspection.picture(cluster, context.owner(ctx), record)
    context.replace(ctx, **{context.LIVE: picture})


@mapped
def stop(ctx: Context, **_: object) -> None:
    """Take it out of the cluster, and whatever an earlier install of the deployment left there."""
    _remove(ctx)
    forgotten.remove(ctx)


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Take out what may still be there, and forget it."""
    _remove(ctx)
    context.clear(ctx)


def _start(
    ctx: Context,
    cluster: Cluster,
    objects: list[Manifest],
    placed: list[Manifest],
    ended: Sequence[Manifest] = (),
) -> None:
    earlier, access = _recorded(ctx), context.access(ctx).to_json()
    record = life.Record(earlier.objects if earlier else (), "", access)
    life.start(cluster, context.owner(ctx), placed, record, _saving(ctx, objects), ctx.logger.info, ended)


def _wanted(ctx: Context) -> Microservice:
    return Microservice.parse(context.properties(ctx))


def _placed(ctx: Context, cluster: Cluster) -> tuple[list[Manifest], list[Manifest]]:
    """The objects as their author wrote them, and each in its namespace."""
    wanted = _wanted(ctx)
    objects = _objects(ctx, wanted)
    return objects, life.placed(cluster, objects, wanted.namespace)


def _objects(ctx: Context, wanted: Microservice) -> list[dict[str, Any]]:
    files = {
        one.file: context.blueprint_file(ctx, f"config_files[{index}].file", one.file)
        for index, one in enumerate(wanted.config_files)
        if wanted.source == "config_files"
    }
    return manifests.objects(wanted, files, Substitutions(ctx))


def _remove(ctx: Context) -> None:
    record = _recorded(ctx)
    if record is None:
        return
    with context.connection(ctx) as cluster:
        life.stop(cluster, context.owner(ctx), record, ctx.logger.info)
    context.forget(ctx, RECORD, KINDS, context.LIVE)


def _recorded(ctx: Context) -> life.Record | None:
    return context.recorded(ctx, RECORD, life.Record.from_json)


def _applied(ctx: Context) -> life.Record:
    record = _recorded(ctx)
    if record is None:
        raise Failed("there is no record of this microservice; the start operation has to run first")
    return record


def _saving(ctx: Context, objects: list[dict[str, Any]]) -> Callable[[life.Record], None]:
    kinds = manifests.kinds(objects)
    return lambda record: context.replace(ctx, **{RECORD: record.to_json(), KINDS: kinds})
