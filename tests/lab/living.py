"""The router of the blueprint while it lives: changed, asked, and told apart from one that was made anew."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.api import aftercare
from tests.lab import faults, processes
from tests.lab.cfy import Cfy
from tests.lab.warm import Command

NEXT_HOP = "172.16.0.1"
SECOND = "172.16.0.2"
MANY = ["10.0.0.0/24", *(f"198.18.{n // 64}.{n % 64 * 4}/30" for n in range(1999))]


class Router:
    """The deployment `router` on node1, changed by the plugin's own workflow."""

    def __init__(self, cfy: Cfy, directory: Path) -> None:
        self._cfy = cfy
        self._directory = directory
        self._count = count()

    def install(self) -> None:
        """With what the blueprint says, where the deployment `cluster` is."""
        self._cfy.install("router", cluster_deployment="cluster")

    def install_anew(self) -> None:
        """Whatever has become of it."""
        self._cfy.uninstall("router")
        self.install()

    def reset(self) -> str:
        """What `cfy executions start quagga_update` said without any parameter."""
        return self._cfy("executions", "start", "quagga_update", "-b", "router").stdout

    def change(self, *, check: bool = True, retries: int = 0, **properties: Any) -> str:
        """What `cfy executions start quagga_update` said with these properties."""
        options = ("--task-retries", str(retries))
        return self._cfy(*self._change(properties), *options, check=check).stdout

    def changing(self, **properties: Any) -> subprocess.Popen[str] | Command:
        """The same while it runs."""
        return self._cfy.started(*self._change(properties))

    def _change(self, properties: dict[str, Any]) -> list[str]:
        # In a file, since a command line has not the room for many routes.
        path = self._directory / f"parameters-{next(self._count)}.json"
        path.write_text(json.dumps({"properties": properties}))
        return ["executions", "start", "quagga_update", "-b", "router", "-p", str(path)]

    def is_well(self) -> bool:
        """Whether check_status has nothing to say against it."""
        return "Task failed" not in self.operation("validation.check_status", check=False)

    def operation(self, name: str, *, check: bool = True, **kwargs: Any) -> str:
        """What an operation of the router said."""
        parameters = {
            "operation": f"cloudify.interfaces.{name}",
            "node_ids": ["quagga"],
            "operation_kwargs": kwargs,
            "allow_kwargs_override": True,
        }
        arguments = ("executions", "start", "execute_operation", "-b", "router", "-p", json.dumps(parameters))
        return self._cfy(*arguments, check=check).stdout

    def show(self) -> str:
        """What `quagga_show` prints."""
        return self._cfy("executions", "start", "quagga_show", "-b", "router").stdout

    def pulled(self) -> dict[str, Any]:
        """Its live state."""
        self.operation("lifecycle.pull")
        told: dict[str, Any] = self.remembered()["live"]
        return told

    @property
    def given(self) -> dict[str, Any]:
        """Its node's properties."""
        return aftercare.properties(self._cfy, "router", "quagga")

    def give(self, **properties: Any) -> None:
        """Change its node's properties, and nothing of what lives."""
        aftercare.change(self._cfy, "router", "quagga", **properties)

    def drift(self) -> dict[str, Any]:
        """What Cloudify's own workflow finds."""
        found: dict[str, Any] = aftercare.drift(self._cfy, "router", "quagga") or {}
        return found

    def remembered(self) -> dict[str, Any]:
        """The router's runtime properties."""
        instances = json.loads(self._cfy("node-instances", "-b", "router").stdout)
        (found,) = [one for one in instances if one["node_id"] == "quagga"]
        told: dict[str, Any] = found["runtime_properties"]
        return told


def routes(prefixes: Sequence[str], next_hop: str = NEXT_HOP) -> list[dict[str, Any]]:
    """As the blueprint takes them."""
    return [{"prefix": prefix, "next_hop": next_hop} for prefix in prefixes]


def pod_of(kubectl: Callable[..., str]) -> list[str]:
    """Which pod it is, and how often its container was started again."""
    fields = "{.items[0].metadata.uid} {.items[0].status.containerStatuses[0].restartCount}"
    return kubectl("get", "pods", "-l", "app.kubernetes.io/name=quagga", "-o", f"jsonpath={fields}").split()


def tear_away(kubectl: Callable[..., str]) -> None:
    """Kill router and pod on node1; nothing of them comes back, and nobody hears a last word."""
    [workload] = kubectl("get", "daemonsets,deployments", "-o", "name").split()
    nowhere = '{"spec": {"template": {"spec": {"nodeSelector": {"nowhere": "at-all"}}}}}'
    # Its kubelet would start it again, and have it end in order.
    with faults.stopped(processes.find("node1", "kubelet")):
        os.kill(processes.container_init("node1"), signal.SIGKILL)
        kubectl("patch", workload, "-p", nowhere)
        kubectl("delete", "pods", "--all", "--force", "--grace-period=0")


def routing_router(labelled: Cfy, directory: Path) -> Router:
    """A router with the blueprint's own routes on node1."""
    labelled.install("router", cluster_deployment="cluster")
    return Router(labelled, directory)


def clean(node: str, said: str) -> bool:
    """Whether uninstalling has made sure that a node keeps no route.

    The router says so in its last words. A kubelet of 1.20 loses those at times, and the node is swept.
    """
    return re.search(rf"{node}: (stopped|swept): 0 routes left", said) is not None
