"""The workflows quagga_update and quagga_show: which routers, in which order; what is done is operations'."""

from __future__ import annotations

import json as jsons
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cloudify.decorators import workflow
from cloudify.exceptions import NonRecoverableError, RecoverableError

from cloudify_quagga import table
from cloudify_quagga.model.sentence import legible

Context = Any
Workflow = Callable[..., None]
# `-p node_ids=NAME` gives a text, not a list of one.
Names = str | Sequence[str] | None
ROUTER = "cloudify.nodes.quagga.Router"
UPDATE = "cloudify.interfaces.lifecycle.update"
PULL = "cloudify.interfaces.lifecycle.pull"
# The runtime property that it keeps.
LIVE = "live"
# Each operation converges, so a workflow that was cut off is run again.
_entry: Callable[[Workflow], Workflow] = workflow(resumable=True)


@_entry
def quagga_update(
    ctx: Context,
    properties: object = None,
    node_ids: Names = (),
    node_instance_ids: Names = (),
    **_: object,
) -> None:
    """Change the running routers, one after the other: the first that refuses ends it."""
    for instance in _routers(ctx, node_ids, node_instance_ids):
        given = {"properties": properties or {}}
        instance.execute_operation(UPDATE, kwargs=given, allow_kwargs_override=True).get()


@_entry
def quagga_show(
    ctx: Context,
    node_ids: Names = (),
    node_instance_ids: Names = (),
    json: bool = False,
    **_: object,
) -> None:
    """Print how each router is, and have the same in its runtime property `live`.

    One that cannot be asked hides no other. It fails in the end all the same, for a script would take the
    part for the whole.
    """
    routers = _routers(ctx, node_ids, node_instance_ids)
    reasons = {instance.id: _pulled(instance) for instance in routers}
    ctx.refresh_node_instances()
    for instance in routers:
        reason = reasons[instance.id]
        live = ctx.get_node_instance(instance.id).runtime_properties[LIVE] if reason is None else None
        ctx.logger.info("%s\n%s", instance.id, _shown(live, reason, json))
    unseen = [name for name, reason in reasons.items() if reason is not None]
    if unseen:
        raise NonRecoverableError(
            f"could not be shown: {', '.join(unseen)}; the reason of each is printed in its place"
        )


def _pulled(instance: Any) -> str | None:  # noqa: ANN401
    """Why the router could not be asked; None where it was."""
    try:
        instance.execute_operation(PULL).get()
    except (NonRecoverableError, RecoverableError) as error:
        return str(error)
    return None


def _shown(live: Mapping[str, Any] | None, reason: str | None, json: bool) -> str:
    if json:
        return jsons.dumps({"error": reason} if live is None else live, indent=2)
    return f"cannot be shown: {reason}" if live is None else table.of(live)


def _routers(ctx: Context, node_ids: Names, node_instance_ids: Names) -> list[Any]:
    """The routers that are meant: all of them, where none is named."""
    found = list(_all_routers(ctx))
    nodes, instances = _listed("node_ids", node_ids), _listed("node_instance_ids", node_instance_ids)
    _refuse_unknown("node_ids", nodes, [one.node_id for one in found])
    _refuse_unknown("node_instance_ids", instances, [one.id for one in found])
    return [
        one for one in found if (not nodes or one.node_id in nodes) and (not instances or one.id in instances)
    ]


def _listed(parameter: str, names: object) -> Sequence[str]:
    if names is None or isinstance(names, str):
        return [names] if names else []
    if not isinstance(names, (list, tuple)):
        raise NonRecoverableError(f"{parameter}: {legible(names)} is neither a name nor a list of names")
    return names


def _all_routers(ctx: Context) -> Iterator[Any]:
    for node in ctx.nodes:
        if ROUTER in node.type_hierarchy:
            yield from node.instances


def _refuse_unknown(parameter: str, named: Sequence[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            there = ", ".join(dict.fromkeys(known)) or "none"
            raise NonRecoverableError(
                f"{parameter}: {name} is no router of this deployment, which has {there}"
            )
