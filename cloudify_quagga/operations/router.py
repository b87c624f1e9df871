"""The operations of cloudify.nodes.quagga.Router."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cloudify_quagga.errors import Failed, Refused
from cloudify_quagga.lifecycle import change, condition, ending, placement, preflight
from cloudify_quagga.lifecycle import router as life
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Router, Secrets
from cloudify_quagga.model.given import Given
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import comparing, judging, mapped

RECORD = "router"
LIVE = "live"


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
        life.create(cluster, context.owner(ctx), wanted, access, _journal(ctx, is_new=True))


@mapped
def start(ctx: Context, **_: object) -> None:
    """Run the router and wait until it routes."""
    record, access = _record(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        change.start(cluster, context.owner(ctx), record, access, _journal(ctx, record))


@mapped
def update(ctx: Context, properties: object = None, **_: object) -> None:
    """Change the running router.

    :param properties: what is to change of its present state; without any, it becomes what the node says.
    """

    def wanted(record: Record) -> Router:
        return record.wanted.changed(properties, _secrets(ctx)) if properties else _wanted(ctx)

    record, access = _record(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        change.update(cluster, context.owner(ctx), record, access, wanted, _journal(ctx, record))


@judging
def check_status(ctx: Context, **_: object) -> None:
    """Fail with what is wrong with the router; never ask to come back later."""
    record = _record(ctx)
    with context.connection(ctx) as cluster:
        condition.check(cluster, context.owner(ctx).identity, record)


@comparing
def check_drift(ctx: Context, **_: object) -> dict[str, Any]:
    """Tell what differs from what is wanted, field by field."""
    record, given, access = _record(ctx), _wanted(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        return condition.differences(cluster, context.owner(ctx), record, given, access)


@mapped
def heal(ctx: Context, **_: object) -> None:
    """Bring back what drifted."""
    record, access = _record(ctx), context.access(ctx).to_json()
    with context.connection(ctx) as cluster:
        change.heal(cluster, context.owner(ctx), record, access, _journal(ctx, record))


@mapped
def pull(ctx: Context, **_: object) -> None:
    """Have the live state in a runtime property."""
    record = _record(ctx)
    with context.connection(ctx) as cluster:
        told = condition.live(cluster, context.owner(ctx).identity, record)
    context.replace(ctx, **{LIVE: told})


@mapped
def stop(ctx: Context, **_: object) -> None:
    """End the router, and whatever an earlier install left running, with no route left on any node."""
    record = _recorded(ctx)
    if record is not None:
        with context.connection(ctx) as cluster:
            owner = context.owner(ctx)
            preflight.check_same_cluster(cluster, owner, record, context.access(ctx).to_json())
            ending.end(cluster, owner, lambda: _latest(ctx), _journal(ctx))
    forgotten.remove(ctx)


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Remove what is recorded or bears this instance's marks, and forget it."""
    if _recorded(ctx) is None:
        context.clear(ctx)
        return
    with context.connection(ctx) as cluster:
        ending.remove(
            cluster, context.owner(ctx), lambda: _latest(ctx), _journal(ctx), lambda: context.clear(ctx)
        )


def _wanted(ctx: Context) -> Router:
    properties = context.properties(ctx)
    targets = {
        target.node.id: target.instance.runtime_properties.get("labels")
        for target in context.targets(ctx, context.PLACED_ON)
    }
    return placement.placed(Router.parse(properties), targets, context.kubernetes_info(ctx))


def _record(ctx: Context, known: Record | None = None) -> Record:
    """What is recorded, completed by the values of its secrets as the properties have them now.

    :param known: what was recorded when it was read last: many routes take long to be read.
    """
    record = _recorded(ctx, known)
    if record is None:
        raise Failed("there is no record of this router; its create operation has to run first")
    return replace(record, wanted=record.wanted.with_secrets(_secrets(ctx)))


def _secrets(ctx: Context) -> Secrets:
    return Secrets.parse(Given("secrets", context.properties(ctx).get("secrets"), hidden=True))


def _recorded(ctx: Context, known: Record | None = None) -> Record | None:
    stored = ctx.instance.runtime_properties.get(RECORD)
    if known is not None and stored == known.to_json():
        return known
    return context.recorded(ctx, RECORD, Record.from_json)


def _latest(ctx: Context) -> Record | None:
    """What is recorded by now; another operation may have come before one's turn.

    With the values of its secrets as far as there are any: last words are to show none, and lack of one is to
    keep nobody from uninstalling.
    """
    context.refresh(ctx)
    record = _recorded(ctx)
    if record is None:
        return None
    try:
        return replace(record, wanted=record.wanted.with_secrets(_secrets(ctx)))
    except Refused:
        # No router has ever been given such values.
        return record


def _journal(ctx: Context, known: Record | None = None, is_new: bool = False) -> Journal:
    """Where records go; only a new router's where there is none."""

    def latest() -> Record:
        context.refresh(ctx)
        return _record(ctx, known)

    def save(record: Record) -> None:
        if is_new:
            context.replace(ctx, **{RECORD: record.to_json()})
        else:
            context.replace_known(ctx, RECORD, record.to_json())

    return Journal(save, ctx.logger.info, latest)
