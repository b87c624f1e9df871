"""Where substitutions in overrides find their values: other nodes, the operation's context, the manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudify.exceptions import NonRecoverableError
from cloudify.manager import get_rest_client
from cloudify.utils import get_manager_rest_service_host

from cloudify_quagga.local_profile import undisturbed
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context
from cloudify_quagga.overrides import NotFound


class Substitutions:
    """Lookups, for overrides, in the context of one operation."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def runtime_properties(self, node: str) -> Mapping[str, Any]:
        """Those of the first instance of the node."""
        instances = self._instances(node)
        if not instances:
            raise NotFound(f"this deployment has no node {node!r} with an instance")
        first = min(instances, key=lambda one: (one.get("index") or 0, one["id"]))
        return first["runtime_properties"] or {}

    def context(self, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        """What the path leads to, beginning at ctx."""
        value, way = _picture(self._ctx), "ctx"
        for step in path:
            value, way = _below(value, step, way), f"{way}.{step}"
        return value

    def management_ip(self) -> str:
        """The manager's address."""
        if context.local_storage(self._ctx) is not None:
            raise NotFound("there is no manager here; the deployment is a local one")
        return str(get_manager_rest_service_host()[0])

    def _instances(self, node: str) -> list[dict[str, Any]]:
        storage = context.local_storage(self._ctx)
        if storage is not None:
            return list(undisturbed(lambda: storage.get_node_instances(node)))
        instances = get_rest_client().node_instances
        return list(instances.list(deployment_id=self._ctx.deployment.id, node_id=node))


def _picture(ctx: Context) -> dict[str, Any]:
    """What of a context is data, under its own names; no token, and nothing that acts.

    What costs a request, or may not be there, stands behind a function of ours.
    """
    return {
        "node": lambda: _node(ctx.node, context.properties(ctx)),
        "instance": lambda: _instance(ctx),
        "deployment": lambda: {"id": ctx.deployment.id, "display_name": ctx.deployment.display_name},
        "blueprint": {"id": ctx.blueprint.id},
        "operation": {"name": ctx.operation.name, "retry_number": ctx.operation.retry_number},
        "execution_id": ctx.execution_id,
        "workflow_id": ctx.workflow_id,
        "tenant_name": ctx.tenant_name,
    }


def _instance(ctx: Context) -> dict[str, Any]:
    return {
        "id": ctx.instance.id,
        "index": ctx.instance.index,
        "host_ip": lambda: ctx.instance.host_ip,
        "runtime_properties": dict(ctx.instance.runtime_properties),
        "relationships": lambda: [_relationship(one) for one in ctx.instance.relationships],
    }


def _relationship(one: Any) -> dict[str, Any]:  # noqa: ANN401
    target = one.target
    instance = {
        "id": target.instance.id,
        "runtime_properties": lambda: dict(target.instance.runtime_properties),
    }
    return {
        "type": one.type,
        "target": {"node": lambda: _node(target.node, dict(target.node.properties)), "instance": instance},
    }


def _node(node: Any, properties: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    return {"id": node.id, "name": node.name, "type": node.type, "properties": dict(properties)}


def _below(value: Any, step: str | int, way: str) -> Any:  # noqa: ANN401
    """One step down: into a map by its key, into a list by its index."""
    if not _has(value, step):
        those = f"; it has {', '.join(sorted(map(str, value)))}" if isinstance(value, Mapping) else ""
        raise NotFound(f"{way} has no {step!r}{those}")
    found = value[step]
    try:
        return found() if callable(found) else found
    except NonRecoverableError as error:
        raise NotFound(f"{way} cannot tell its {step}: {error}") from error


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, (list, tuple)):
        return isinstance(step, int) and 0 <= step < len(value)
    return isinstance(value, Mapping) and step in value
