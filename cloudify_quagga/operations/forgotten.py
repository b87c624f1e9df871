"""What an earlier install of the same deployment left behind, removed when the deployment is uninstalled."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from cloudify_quagga.cluster import Cluster, Reference
from cloudify_quagga.errors import Failed, QuaggaError
from cloudify_quagga.lifecycle import holding, labels, microservice, unremembered
from cloudify_quagga.lifecycle.ownership import Forgotten, Marks, Owner
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context

FOUND = "forgotten"


def remember(ctx: Context, found: Forgotten) -> None:
    """Note that something is to be removed, so that removing it cannot fail unnoticed."""
    _keep(ctx, found.left)


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
    if FOUND in ctx.instance.runtime_properties:
        context.forget(ctx, FOUND)
    for what in removed:
        ctx.logger.info("Removed what an earlier install of this deployment had left: %s", what)


def _removed(ctx: Context, cluster: Cluster, owner: Owner) -> list[str]:
    known, note = _known(ctx), partial(_note, ctx)
    # Routers first: without the labels their pods would be gone before anybody hears their last word.
    removed = unremembered.remove(cluster, owner, ctx.logger.info, note)
    left = microservice.forgotten(cluster, owner, known, ctx.logger.warning)
    note(left)
    removed += microservice.remove_forgotten(cluster, left)
    released = labels.release_forgotten(cluster, owner, known, note)
    _check_gone(cluster, owner, known)
    return [*map(str, removed), *released]


def _check_gone(cluster: Cluster, owner: Owner, known: Iterable[Reference]) -> None:
    """Who may not list routers does not find them; what was seen of them must not be taken for gone."""
    there = [found for one in known if (found := holding.get(cluster, one)) is not None]
    left = [str(Reference.of(one)) for one in there if owner.forgot(Marks.of(one))]
    if left:
        raise Failed(
            f"client_config: an earlier install of this deployment is left at {cluster.address} "
            f"({', '.join(left)}), and these credentials may not look for all of it; a role that may list "
            "what a router is made of is needed"
        )


def _note(ctx: Context, found: Iterable[Reference]) -> None:
    """Remember what was found beside what is known: whatever is not removed then fails the uninstall."""
    known = _known(ctx)
    new = [one for one in found if one not in known]
    if new:
        _keep(ctx, [*known, *new])


def _keep(ctx: Context, left: Iterable[Reference]) -> None:
    context.replace(ctx, **{FOUND: [one.to_json() for one in left]})


def _known(ctx: Context) -> list[Reference]:
    stored = ctx.instance.runtime_properties.get(FOUND) or ()
    # It was a sentence once.
    if isinstance(stored, str):
        return []
    try:
        return [Reference.from_json(one) for one in stored]
    except context.SPOILT as error:
        raise context.spoilt(ctx, FOUND, error) from error
