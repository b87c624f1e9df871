"""The operations of cloudify.nodes.quagga.DeploymentProxy."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cloudify.manager import get_rest_client

from cloudify_quagga import proxy
from cloudify_quagga.errors import Failed, PermanentError, Refused
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import comparing, judging, mapped

# What is remembered: of which deployment, what of it, and since when which execution waits for it.
RECORD = "deployment_proxy"
SINCE, EXECUTION = "waiting_since", "waiting_execution"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse a deployment that is not there, and what it will never have."""
    wanted = proxy.Inheritance.parse(context.properties(ctx))
    if wanted.deployment:
        proxy.check(_deployments(ctx), wanted)


@mapped
def create(ctx: Context, deployment_id: object = None, **_: object) -> None:
    """Have a manager know that we need the deployment.

    :param deployment_id: in place of the property, as in 2017.
    """
    wanted = _wanted(ctx, deployment_id).named()
    deployments = _deployments(ctx)
    proxy.check(deployments, wanted)
    _depend(ctx, deployments, wanted.deployment)


@mapped
def start(ctx: Context, deployment_id: object = None, **_: object) -> None:
    """Wait until the deployment is installed, and put what is inherited into the runtime properties.

    :param deployment_id: in place of the property, as in 2017.
    """
    _inherit(ctx, _wanted(ctx, deployment_id).named())


@mapped
def refresh(ctx: Context, **_: object) -> None:
    """Put there what the deployment says now, and what the properties ask for by now."""
    _inherit(ctx, _wanted(ctx).named())


@mapped
def pull(ctx: Context, **_: object) -> None:
    """Have what the deployment is and offers now in a runtime property, and leave all others as they are."""
    _check_inherited(ctx)
    picture = proxy.picture(_deployments(ctx), _wanted(ctx).named(), _inherited(ctx))
    context.replace(ctx, **{context.LIVE: picture})


@judging
def check_status(ctx: Context, **_: object) -> None:
    """Return where the deployment is still installed, and has all that is inherited from it."""
    _check_inherited(ctx)
    record, wanted = _recorded(ctx), _wanted(ctx).named()
    deployments = _deployments(ctx)
    is_what = deployments.standing(wanted.deployment)
    if not is_what.installed:
        raise Failed(f"deployment_id: deployment {wanted.deployment!r} {is_what.story}")
    proxy.inherited(deployments, wanted)
    lost = set(record["inherited"]) - set(_inherited(ctx))
    if lost:
        raise Failed(f"the runtime properties lack what was inherited: {', '.join(sorted(lost))}")


@comparing
def check_drift(ctx: Context, **_: object) -> dict[str, Any]:
    """What the deployment says otherwise by now; nothing if all is as it was inherited."""
    try:
        return _drift(ctx, _wanted(ctx).named())
    except Refused as error:
        # Told, not raised: whoever updates is told the same again, and keeps what was inherited.
        return {error.path: {"inherited": _recorded(ctx).get("inherited"), "now": str(error)}}


@mapped
def stop(ctx: Context, **_: object) -> None:
    """Forget what was inherited, and what was seen."""
    context.forget(ctx, *_inherited(ctx), context.LIVE)
    if _recorded(ctx):
        context.replace(ctx, **{RECORD: {"deployment": _recorded(ctx)["deployment"]}})


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Need the deployment no more, and forget everything."""
    deployment = _recorded(ctx).get("deployment")
    deployments = _deployments(ctx)
    if deployment and isinstance(deployments, proxy.ManagerDeployments):
        deployments.depend_no_more(ctx.deployment.id, ctx.instance.id, deployment)
    context.clear(ctx)


def _drift(ctx: Context, wanted: proxy.Inheritance) -> dict[str, Any]:
    deployments = _deployments(ctx)
    is_what = deployments.standing(wanted.deployment)
    recorded, record = _inherited(ctx), _recorded(ctx)
    if not is_what.installed:
        return {"deployment": {"inherited": "installed", "now": is_what.story}}
    moved = record.get("deployment") != wanted.deployment
    changed = {"deployment_id": {"inherited": record.get("deployment"), "now": wanted.deployment}}
    return (changed if moved else {}) | proxy.drift(recorded, proxy.inherited(deployments, wanted))


def _inherit(ctx: Context, wanted: proxy.Inheritance) -> None:
    deployments = _deployments(ctx)
    _depend(ctx, deployments, wanted.deployment)
    _await(ctx, deployments, wanted)
    told = proxy.inherited(deployments, wanted)
    stale = set(_inherited(ctx)) - set(told)
    context.forget(ctx, *stale)
    context.replace(ctx, **told, **{RECORD: {"deployment": wanted.deployment, "inherited": sorted(told)}})


def _await(ctx: Context, deployments: proxy.Deployments, wanted: proxy.Inheritance) -> None:
    record = _recorded(ctx)
    rest = {key: value for key, value in record.items() if key not in (SINCE, EXECUTION)}
    since = record.get(SINCE) if record.get(EXECUTION) == ctx.execution_id else None
    if since is None:
        # An execution that was cancelled, or gave up, has left what the next one must not count.
        since = time.time()
        context.replace(ctx, **{RECORD: {**rest, SINCE: since, EXECUTION: ctx.execution_id}})
    try:
        proxy.await_installed(deployments, wanted, since)
    except PermanentError:
        # Whoever tries again has all the time again.
        context.replace(ctx, **{RECORD: rest})
        raise


def _depend(ctx: Context, deployments: proxy.Deployments, deployment: str) -> None:
    """On a manager; what we needed before is let go."""
    record = _recorded(ctx)
    before = record.get("deployment")
    if before is None:
        # Before it is done: what nobody knows of cannot be taken back.
        context.replace(ctx, **{RECORD: {**record, "deployment": deployment}})
    if isinstance(deployments, proxy.ManagerDeployments):
        deployments.depend(ctx.deployment.id, ctx.instance.id, deployment)
        if before not in (None, deployment):
            deployments.depend_no_more(ctx.deployment.id, ctx.instance.id, before)
    if before != deployment:
        context.replace(ctx, **{RECORD: {**record, "deployment": deployment}})


def _wanted(ctx: Context, deployment: object = None) -> proxy.Inheritance:
    """What the properties ask for, of the deployment that an operation was given first, if any was."""
    return proxy.Inheritance.parse(context.properties(ctx), deployment or _given(ctx))


def _given(ctx: Context) -> object:
    """The deployment of an operation's input; the property is read anew each time."""
    return None if context.properties(ctx).get("deployment_id") else _recorded(ctx).get("deployment")


def _deployments(ctx: Context) -> proxy.LocalDeployments | proxy.ManagerDeployments:
    storage = context.local_storage(ctx)
    return proxy.ManagerDeployments(get_rest_client()) if storage is None else proxy.LocalDeployments(storage)


def _recorded(ctx: Context) -> Mapping[str, Any]:
    record: Mapping[str, Any] = ctx.instance.runtime_properties.get(RECORD) or {}
    return record


def _check_inherited(ctx: Context) -> None:
    if "inherited" not in _recorded(ctx):
        raise Failed("nothing has been inherited yet; the start operation has to run first")


def _inherited(ctx: Context) -> dict[str, Any]:
    """The runtime properties that were inherited, as they were."""
    told = ctx.instance.runtime_properties
    return {name: told[name] for name in _recorded(ctx).get("inherited", ()) if name in told}
