"""The operations of cloudify.nodes.quagga.Router."""

from __future__ import annotations

from collections.abc import Mapping

from cloudify_quagga.errors import Failed
from cloudify_quagga.lifecycle import ending, placement, preflight
from cloudify_quagga.lifecycle import router as life
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Router
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped

RECORD = "router"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse what would fail or do harm, before anything is changed."""
    wanted = _wanted(ctx)
    try:
        with context.connection(ctx) as cluster:
            preflight.check_router(cluster, context.owner(ctx), wanted)
    except Forgotten as found:
        forgotten.remember(ctx, found)
        raise


@mapped
def create(ctx: Context, **_: object) -> None:
    """Resolve the wanted state once, record it, and make everything but what runs."""
    wanted, access = _wanted(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        life.create(cluster, context.owner(ctx), wanted, access, _journal(ctx))


@mapped
def start(ctx: Context, **_: object) -> None:
    """Run the router and wait until it routes."""
    record = _recorded(ctx)
    if record is None:
        raise Failed("there is no record of this router; its create operation has to run first")
    with context.connection(ctx) as cluster:
        life.start(cluster, context.owner(ctx), record, _journal(ctx))


@mapped
def stop(ctx: Context, **_: object) -> None:
    """End the router, and whatever an earlier install left running, with no route left on any node."""
    record = _recorded(ctx)
    if record is not None:
        with context.connection(ctx) as cluster:
            ending.stop(cluster, context.owner(ctx).identity, record, _journal(ctx))
    forgotten.remove(ctx)


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Remove what is recorded or bears this instance's marks, and forget it."""
    record = _recorded(ctx)
    if record is not None:
        with context.connection(ctx) as cluster:
            removed = ending.delete(cluster, context.owner(ctx).identity, record.objects)
        ctx.logger.info("Removed: %s", ", ".join(map(str, removed)) or "nothing was left")
    context.clear(ctx)


def _wanted(ctx: Context) -> Router:
    properties = context.properties(ctx)
    targets: dict[str, Mapping[str, str]] = {
        target.node.id: target.instance.runtime_properties.get("labels") or {}
        for target in context.targets(ctx, context.PLACED_ON)
    }
    return placement.placed(Router.parse(properties), targets, context.kubernetes_info(ctx))


def _recorded(ctx: Context) -> Record | None:
    stored = ctx.instance.runtime_properties.get(RECORD)
    return Record.from_json(stored) if stored else None


def _journal(ctx: Context) -> Journal:
    return Journal(lambda record: context.replace(ctx, **{RECORD: record.to_json()}), ctx.logger.info)
