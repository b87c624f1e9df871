"""The operations of cloudify.nodes.quagga.LabeledNode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Cluster, Manifest
from cloudify_quagga.lifecycle import kubelet, nodes, preflight
from cloudify_quagga.lifecycle import labels as life
from cloudify_quagga.lifecycle.info import kubernetes_info
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped

RECORD = "labeled_node"
START = "cloudify.interfaces.lifecycle.start"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse what would fail or do harm, before anything is changed."""
    wanted = _wanted(ctx, context.inputs_of(ctx, START).get("labels"))
    try:
        with context.connection(ctx) as cluster:
            preflight.check_labels(cluster, context.owner(ctx), wanted.node, wanted.labels)
            account = _kubelets(ctx, life.find_node(cluster, wanted.node))
    except Forgotten as found:
        forgotten.remember(ctx, found)
        raise
    if account:
        ssh.check_node_labels(account, wanted.labels)


@mapped
def start(ctx: Context, labels: object = None, **_: object) -> None:
    """Label the node.

    :param labels: further labels, as the 2017 blueprint gave them to this operation.
    """
    wanted, access, owner = _wanted(ctx, labels), context.access(ctx), context.owner(ctx)
    with context.connection(ctx) as cluster:
        node = life.find_node(cluster, wanted.node)
        manager = owner.identity.field_manager
        account, earlier = _kubelets(ctx, node), _kept(ctx)
        kept = account and kubelet.Kept.of(node, account.host, wanted.labels, manager, earlier)
        record = {
            "node": nodes.name(node),
            "labels": wanted.labels.to_json(),
            "manager": manager,
            "access": access.to_json(),
            "kubelet": kept and kept.to_json(),
        }
        # Recorded before it is done: what is not there can be given back, what is not known cannot.
        context.replace(ctx, **{RECORD: record})
        life.take(cluster, owner, node, wanted.labels)
        if account and kept:
            written = kubelet.write(account, kept, earlier)
            context.replace(
                ctx, **{RECORD: {**record, "kubelet": replace(kept, file=written.file).to_json()}}
            )
            ctx.logger.info(
                "The kubelet of %s gives itself the labels too, by %s", account.host, written.file
            )
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
            _give_back(ctx, cluster, record)
    context.clear(ctx)


def _give_back(ctx: Context, cluster: Cluster, record: Mapping[str, Any]) -> None:
    name, manager, kept = record["node"], record["manager"], _kept(ctx)
    account = kept and context.node_account(ctx, kept.host)
    if kept and account:
        # First, or a node that registers anew just now would have them again.
        there = kubelet.take_out(cluster, account.at_node(kept.host, kept.file), kept, name, manager)
        if there is None:
            ctx.logger.warning("Node %s is gone, and %s does not answer: its file was left", name, kept.host)
    shared = life.release(cluster, name, manager)
    gone = kubelet.take_off(cluster, kept, name) if kept else []
    for key, owners in shared.items():
        if key not in gone:
            ctx.logger.info("Label %s stays on %s: %s holds it too", key, name, ", ".join(owners))


def _kubelets(ctx: Context, node: Manifest) -> Ssh | None:
    """The account by which the node's kubelet is told of the labels, if it is to be."""
    account = context.node_account(ctx, next(iter(nodes.internal_ips(node)), None))
    return account if account and account.kubelet.write_labels else None


def _kept(ctx: Context) -> kubelet.Kept | None:
    record = ctx.instance.runtime_properties.get(RECORD) or {}
    stored = record.get("kubelet")
    return kubelet.Kept.from_json(stored) if stored else None


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
