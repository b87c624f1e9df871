"""The operations of cloudify.nodes.quagga.Microservice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudify_quagga import manifests
from cloudify_quagga.errors import Refused
from cloudify_quagga.lifecycle import microservice as life
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped
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
    wanted, access = _wanted(ctx), context.access(ctx).to_json()
    objects = _objects(ctx, wanted)
    earlier = _recorded(ctx)
    record = life.Record(earlier.objects if earlier else (), "", access)
    with context.connection(ctx) as cluster:
        placed = life.placed(cluster, objects, wanted.namespace)
        life.start(cluster, context.owner(ctx), placed, record, _saving(ctx, objects), ctx.logger.info)


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


def _wanted(ctx: Context) -> Microservice:
    return Microservice.parse(context.properties(ctx))


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
    context.forget(ctx, RECORD, KINDS)


def _recorded(ctx: Context) -> life.Record | None:
    stored = ctx.instance.runtime_properties.get(RECORD)
    return life.Record.from_json(stored) if stored else None


def _saving(ctx: Context, objects: list[dict[str, Any]]) -> Callable[[life.Record], None]:
    kinds = manifests.kinds(objects)
    return lambda record: context.replace(ctx, **{RECORD: record.to_json(), KINDS: kinds})
