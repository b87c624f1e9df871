"""Cloudify's own `scale` in a local profile: python -m tests.api.scaling PROFILE DEPLOYMENT NODE DELTA.

The workflow asks whoever keeps the deployment to add and remove node instances, which a manager does and the
local profile does not. That part is played here, with the planner that a manager uses.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cloudify.workflows import local
from cloudify.workflows.workflow_context import LocalCloudifyWorkflowContextHandler, Modification
from cloudify_rest_client.node_instances import NodeInstance
from dsl_parser import multi_instance

SCALE = {
    "mapping": "default_workflows.cloudify.plugins.workflows.scale_entity",
    "parameters": {
        "scalable_entity_name": {"type": "string"},
        "delta": {"default": 1},
        "scale_compute": {"default": False},
    },
}


class Keeper(LocalCloudifyWorkflowContextHandler):  # type: ignore[misc]
    """A local deployment that can be modified."""

    def start_deployment_modification(self, nodes: Mapping[str, Mapping[str, Any]]) -> Any:
        """Plan the change, and have what is new there."""
        planned = self._planned(nodes)
        added = [one for one in planned["added_and_related"] if one.get("modification") == "added"]
        for one in added:
            fresh = {
                "state": "uninitialized",
                "version": 0,
                "runtime_properties": {},
                "system_properties": {},
            }
            self.storage.store_instance(NodeInstance({**one, **fresh}))
        told = {key: [NodeInstance(one) for one in planned[key]] for key in planned}
        raw = SimpleNamespace(id="scaling", node_instances=SimpleNamespace(**told), added=added, nodes=nodes)
        self.workflow_ctx.refresh_node_instances()
        return Modification(self.workflow_ctx, raw)

    def finish_deployment_modification(self, modification: Any) -> None:
        """What was removed is forgotten, and the nodes have as many instances as was asked for."""
        gone = modification.node_instances.removed_and_related
        self._forget(one for one in gone if one.get("modification") == "removed")
        for node, asked in modification.nodes.items():
            self.storage.update_node(self.storage.name, node, number_of_instances=asked["instances"])

    def rollback_deployment_modification(self, modification: Any) -> None:
        """What was added is forgotten."""
        self._forget(modification.added)

    def _planned(self, asked: Mapping[str, Mapping[str, Any]]) -> Any:
        nodes = [{key: one[key] for key in one if key != "capabilities"} for one in self.storage.get_nodes()]
        return multi_instance.modify_deployment(
            nodes=copy.deepcopy(nodes),
            previous_nodes=nodes,
            previous_node_instances=self.storage.get_node_instances(),
            modified_nodes=asked,
            scaling_groups={},
        )

    def _forget(self, instances: Any) -> None:
        for one in instances:
            Path(self.storage._instance_path(self.storage.name, one["id"])).unlink()


def main(profile: str, deployment: str, node: str, delta: str) -> None:
    """Scale a node; the first error of the workflow is the error of this command."""
    for name in ("start", "finish", "rollback"):
        part = f"{name}_deployment_modification"
        setattr(LocalCloudifyWorkflowContextHandler, part, getattr(Keeper, part))
    for part in ("_planned", "_forget"):
        setattr(LocalCloudifyWorkflowContextHandler, part, getattr(Keeper, part))
    environment = local.load_env(deployment, local.FileStorage(profile))
    parameters = {"scalable_entity_name": node, "delta": int(delta)}
    environment.execute("scale", parameters=parameters, task_retries=5, task_retry_interval=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
