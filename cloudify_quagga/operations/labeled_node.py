"""The operations of cloudify.nodes.quagga.LabeledNode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cloudify_quagga import ssh
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed, Refused
from cloudify_quagga.lifecycle import kubelet, nodes, preflight
from cloudify_quagga.lifecycle import labeled_node as life
from cloudify_quagga.lifecycle import labels as on_node
from cloudify_quagga.lifecycle.info import kubernetes_info
from cloudify_quagga.lifecycle.labeled_node import Record
from cloudify_quagga.lifecycle.ownership import Forgotten
from cloudify_quagga.model import LabeledNode
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.operations import context, forgotten
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import comparing, judging, mapped

RECORD = "labeled_node"
START = "cloudify.interfaces.lifecycle.start"


@mapped
def validate_creation(ctx: Context, **_: object) -> None:
    """Refuse what would fail or do harm, before anything is changed."""
    wanted = _wanted_now(ctx)
    try:
        with context.connection(ctx) as cluster:
            preflight.check_labels(cluster, context.owner(ctx), wanted.node, wanted.labels)
            account = _kubelets(ctx, on_node.find_node(cluster, wanted.node))
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
    wanted = _wanted(ctx, labels)
    with context.connection(ctx) as cluster:
        _label(ctx, cluster, wanted, on_node.find_node(cluster, wanted.node))


@judging
def check_status(ctx: Context, **_: object) -> None:
    """Return where the node is Ready and carries exactly our labels in our name."""
    record = _recorded(ctx)
    with context.connection(ctx) as cluster:
        node = _node(cluster, record)
        found = _live_drift(ctx, record, node)
        ailments = life.ailments(record, found, node, cluster.address)
    if ailments:
        raise Failed(f"node {record.node}: {'; '.join(ailments)}")


@comparing
def check_drift(ctx: Context, **_: object) -> dict[str, Any]:
    """What is not as it was left, and which properties ask for something else by now; else nothing."""
    record = _recorded(ctx)
    with context.connection(ctx) as cluster:
        node = _node(cluster, record)
        found = _live_drift(ctx, record, node)
    try:
        asked, access = _wanted_now(ctx), context.access(ctx).to_json()
    except Refused as error:
        # Whoever updates to this is told the same again, and nothing is changed.
        return {**found, "properties": {"refused": str(error)}}
    account = _kubelets(ctx, node) if node else None
    return {**found, **life.property_drift(record, asked, access, account, node)}


@mapped
def heal(ctx: Context, **_: object) -> None:
    """Label the node again as it was; nothing is taken from others who have labelled it since."""
    record = _recorded(ctx)
    with context.connection(ctx) as cluster:
        node = _node(cluster, record)
        if node is None:
            raise Failed(
                f"node {record.node} is gone from {cluster.address}; its labels can come back only with it"
            )
        _check_same_cluster(ctx, record, node)
        _label(ctx, cluster, record.wanted, node)
        if not nodes.is_ready(node):
            ctx.logger.warning("Node %s has its labels, but is not Ready; no label mends that", record.node)


@mapped
def update(ctx: Context, **_: object) -> None:
    """Give the node the labels that the properties ask for by now, all at once."""
    wanted = _wanted_now(ctx)
    with context.connection(ctx) as cluster:
        node = on_node.find_node(cluster, wanted.node)
        if ctx.instance.runtime_properties.get(RECORD):
            _check_update(ctx, cluster, _recorded(ctx), wanted, node)
        _label(ctx, cluster, wanted, node)


@mapped
def pull(ctx: Context, **_: object) -> None:
    """Put there what the node says of itself now."""
    record = _recorded(ctx)
    with context.connection(ctx) as cluster:
        picture = life.picture(_node(cluster, record), record)
    context.replace(ctx, **{context.LIVE: picture})


@mapped
def stop(ctx: Context, **_: object) -> None:
    """Remove what an earlier install of the deployment left; the labels stay until delete."""
    forgotten.remove(ctx)


@mapped
def delete(ctx: Context, **_: object) -> None:
    """Give the labels back: exactly ours go."""
    if ctx.instance.runtime_properties.get(RECORD):
        with context.connection(ctx) as cluster:
            _give_back(ctx, cluster, _recorded(ctx))
    context.clear(ctx)


def _label(ctx: Context, cluster: Cluster, wanted: LabeledNode, node: Manifest) -> None:
    """Have the node carry the labels, and its kubelet give them to itself where it is to."""
    access, owner = context.access(ctx), context.owner(ctx)
    manager = owner.identity.field_manager
    account, earlier = _kubelets(ctx, node), _kept(ctx)
    # Without an account the kubelet still has what it was told earlier.
    kept = kubelet.Kept.of(node, account.host, wanted.labels, manager, earlier) if account else earlier
    record = Record(wanted, nodes.name(node), str(node["metadata"]["uid"]), manager, access.to_json(), kept)
    # Recorded before it is done: what is not there can be given back, what is not known cannot.
    _save(ctx, record)
    on_node.take(cluster, owner, node, wanted.labels)
    if account and kept:
        written = kubelet.write(account, kept, earlier)
        _save(ctx, replace(record, kubelet=replace(kept, file=written.file)))
        ctx.logger.info("The kubelet of %s gives itself the labels too, by %s", account.host, written.file)
        if earlier:
            kubelet.take_off(cluster, kubelet.dropped(earlier, kept), record.node)
    told = {context.INFO: kubernetes_info(access, cluster.address, wanted.labels)}
    context.replace(ctx, name=record.node, labels=wanted.labels.to_json(), **told)


def _check_update(
    ctx: Context, cluster: Cluster, record: Record, wanted: LabeledNode, node: Manifest
) -> None:
    """Refuse what could not be done, or not be taken back, while nothing has been changed yet."""
    if nodes.name(node) != record.node:
        raise Refused(
            "node",
            wanted.node,
            f"is another node than {record.node}, which has the labels; uninstalling and installing this "
            "node instance moves them",
        )
    _check_same_cluster(ctx, record, node)
    account = _kubelets(ctx, node)
    if record.kubelet:
        _check_same_kubelet(ctx, record.kubelet, account)
    on_node.take(cluster, context.owner(ctx), node, wanted.labels, dry_run=True)
    if account:
        ssh.check_node_labels(account, wanted.labels)


def _check_same_kubelet(ctx: Context, kept: kubelet.Kept, account: Ssh | None) -> None:
    """Refuse to lose the way to a kubelet that was told of the labels."""
    if account and account.host == kept.host:
        return
    remedy = "uninstalling and installing this node instance takes them out there"
    if context.node_account(ctx, kept.host) is None:
        remedy = "say it again, and leave it out after this node instance has been uninstalled"
    raise Refused(
        "ssh",
        account and account.host,
        f"leads no more to the kubelet on {kept.host}, which was told of the labels; {remedy}",
    )


def _check_same_cluster(ctx: Context, record: Record, node: Manifest) -> None:
    """Refuse a way to the cluster that has come to lead to another one, where a node has the same name."""
    if context.access(ctx).to_json() != record.access and node["metadata"]["uid"] != record.uid:
        raise Refused(
            "client_config",
            record.node,
            "is another node there than the one that was labelled; the way to the cluster leads elsewhere "
            "by now, and uninstalling and installing this node instance follows it",
        )


def _live_drift(ctx: Context, record: Record, node: Manifest | None) -> life.Difference:
    found = life.drift(record, context.owner(ctx), node)
    if node is None or record.kubelet is None:
        return found
    return {**found, **life.kubelet_drift(record, context.node_account(ctx, record.kubelet.host))}


def _give_back(ctx: Context, cluster: Cluster, record: Record) -> None:
    name, manager, kept = record.node, record.manager, record.kubelet
    account = kept and context.node_account(ctx, kept.host)
    if kept and account:
        # First, or a node that registers anew just now would have them again.
        there = kubelet.take_out(cluster, account.at_node(kept.host, kept.file), kept, name, manager)
        if there is None:
            ctx.logger.warning("Node %s is gone, and %s does not answer: its file was left", name, kept.host)
    elif kept:
        # Who dropped the account may have no other; nobody should be kept from uninstalling by it.
        ctx.logger.warning(
            "ssh: no account leads to %s any more: its kubelet still gives itself %s when it registers anew; "
            "take that out of %s there by hand",
            kept.host,
            ", ".join(f"{key}={value}" for key, value in kept.labels.items()),
            kept.file or "its file",
        )
    shared = on_node.release(cluster, name, manager)
    gone = kubelet.take_off(cluster, kept, name) if kept else []
    for key, owners in shared.items():
        if key not in gone:
            ctx.logger.info("Label %s stays on %s: %s holds it too", key, name, ", ".join(owners))


def _node(cluster: Cluster, record: Record) -> Manifest | None:
    return cluster.get(Reference("v1", "Node", record.node))


def _kubelets(ctx: Context, node: Manifest) -> Ssh | None:
    """The account by which the node's kubelet is told of the labels, if it is to be."""
    account = context.node_account(ctx, next(iter(nodes.internal_ips(node)), None))
    return account if account and account.kubelet.write_labels else None


def _kept(ctx: Context) -> kubelet.Kept | None:
    return _recorded(ctx).kubelet if ctx.instance.runtime_properties.get(RECORD) else None


def _recorded(ctx: Context) -> Record:
    record = context.recorded(ctx, RECORD, Record.from_json)
    if record is None:
        raise Failed("there is no record of labels on a node; the start operation has to run first")
    return record


def _save(ctx: Context, record: Record) -> None:
    context.replace(ctx, **{RECORD: record.to_json()})


def _wanted_now(ctx: Context) -> LabeledNode:
    """What the blueprint asks for, by the properties and by what it gives the start operation."""
    return _wanted(ctx, context.inputs_of(ctx, START).get("labels"))


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
