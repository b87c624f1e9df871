"""The operation of cloudify.kubernetes.relationships.connected_to_master."""

from __future__ import annotations

from cloudify_quagga.model.master import Master
from cloudify_quagga.operations import context
from cloudify_quagga.operations.context import Context
from cloudify_quagga.operations.door import mapped


@mapped
def postconfigure(ctx: Context, **_: object) -> None:
    """Tell the source where its master is, as blueprints of 2017 expect it in their overrides."""
    master = Master.parse(context.api_server(ctx, ctx.target), f"kubernetes_info of {ctx.target.node.id}")
    told = ctx.source.instance.runtime_properties
    told[context.MASTER_IP], told[context.MASTER_PORT] = master.ip, master.port
    ctx.logger.info("The API server is at %s, port %s", master.ip, master.port)
