"""The operations of cloudify.nodes.quagga.LabeledNode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudify_quagga.lifecycle import labels as life
from cloudify_quagga.lifecycle import nodes, preflight
from cloudify_quagga.lifecycle.info import kubernetes_info
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped

RECORD = "labeled_node"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse what would fail or do harm, before anything is changed."""
    wanted = _wanted(ctx)
    try:
        with context.connection(ctx) as cluster:
            preflight.check_labels(cluster, context.owner(ctx), wanted.node, wanted.labels)
    except Forgotten as found:
        forgotten.remember(ctx, found)
        raise


@mapped
def start(ctx: Context, labels: object = None, **_: object) -> None:
    """Label the node.

    :param labels: further labels, as the 2017 blueprint gave them to this operation.
    """
    wanted, access, owner = _wanted(ctx, labels), context.access(ctx), context.owner(ctx)
    with context.connection(ctx) as cluster:
        node = life.find_node(cluster, wanted.node)
        record = {
            "node": nodes.name(node),
            "labels": wanted.labels.to_json(),
            "manager": owner.identity.field_manager,
            "access": access.to_json(),
        }
        # Recorded before it is done: what is not there can be given back, what is not known cannot.
        context.replace(ctx, **{RECORD: record})
        life.take(cluster, owner, node, wanted.labels)
        told = {context.INFO: kubernetes_info(access, cluster.address, wanted.labels)}
    context.replace(ctx, name=nodes.name(node), labels=wanted.labels.to_json(), **told)


@mapped
def stop(ctx: Context, **_: object) -> None:
    """Remove what an earlier install of the deployment left; the labels stay until delete."""
    forgotten.remove(ctx)


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Give the labels back: exactly ours go."""
    record = ctx.instance.runtime_properties.get(RECORD)
    if record:
        with context.connection(ctx) as cluster:
            shared = life.release(cluster, record["node"], record["manager"])
        for key, owners in shared.items():
            ctx.logger.info("Label %s stays on %s: %s holds it too", key, record["node"], ", ".join(owners))
    context.clear(ctx)


def _wanted(ctx: Context, further: object = None) -> LabeledNode:
    properties = dict(context.properties(ctx))
    if further:
        properties["labels"] = [*_maps(properties.get("labels")), *_maps(further)]
    return LabeledNode.parse(properties)


def _maps(labels: object) -> list[Any]:
    """Labels in their older form, the list of maps."""
    if isinstance(labels, Mapping) or not isinstance(labels, list | tuple):
        return [labels] if labels else []
    return list(labels)
