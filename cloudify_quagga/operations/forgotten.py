"""What an earlier install of the same deployment left behind, removed when the deployment is uninstalled."""

from __future__ import annotations

from cloudify_quagga.cluster import Cluster
from cloudify_quagga.errors import QuaggaError
from cloudify_quagga.lifecycle import ending, labels, microservice
from cloudify_quagga.lifecycle.ownership import Forgotten, Owner
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context

FOUND = "forgotten"


def remember(ctx: Context, found: Forgotten) -> None:
    """Note that something is to be removed, so that removing it cannot fail unnoticed."""
    context.replace(ctx, **{FOUND: str(found)})


def remove(ctx: Context) -> None:
    """Remove it; where this instance itself has made nothing, a cluster that cannot be asked is no obstacle.

    A deployment whose very access was refused must still be uninstallable.
    """
    try:
        with context.connection(ctx) as cluster:
            removed = _removed(ctx, cluster, context.owner(ctx))
    except QuaggaError as error:
        if context.has_made_something(ctx):
            raise
        ctx.logger.warning("What an earlier install may have left was not looked for: %s", error)
        return
    for what in removed:
        ctx.logger.info("Removed what an earlier install of this deployment had left: %s", what)


def _removed(ctx: Context, cluster: Cluster, owner: Owner) -> list[str]:
    # Routers first: without the labels their pods would be gone before anybody hears their last word.
    removed = ending.remove_forgotten(cluster, owner, ctx.logger.info)
    removed += microservice.remove_forgotten(cluster, owner)
    return [*map(str, removed), *labels.release_forgotten(cluster, owner)]
