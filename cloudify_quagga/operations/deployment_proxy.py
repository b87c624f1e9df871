"""The operations of cloudify.nodes.quagga.DeploymentProxy."""

from __future__ import annotations

from cloudify.manager import get_rest_client

from cloudify_quagga import proxy
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse a deployment or an output that is not there."""
    _inherited(ctx)


@mapped
def start(ctx: Context, **_: object) -> None:
    """Put each output into the runtime properties, under its own name."""
    context.replace(ctx, **_inherited(ctx))


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Forget them."""
    context.clear(ctx)


def _inherited(ctx: Context) -> dict[str, object]:
    wanted = proxy.Inheritance.parse(context.properties(ctx))
    storage = context.local_storage(ctx)
    deployments: proxy.Deployments
    if storage is not None:
        deployments = proxy.LocalDeployments(storage)
    else:
        deployments = proxy.ManagerDeployments(get_rest_client())
    return proxy.inherited(deployments, wanted)
