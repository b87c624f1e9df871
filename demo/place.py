"""Where the demo happens: the lab, or a cluster of one's own that QUAGGA_KUBECONFIG names."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config

from demo import blueprints, show

PROJECT = Path(__file__).resolve().parent.parent
LAB = [sys.executable, "-m", "lab"]
# A documentation prefix (RFC 5737) that is dropped: it shows on a node, and no traffic can miss it.
HARMLESS_ROUTE = {"prefix": "192.0.2.0/24", "blackhole": True}


@dataclass(frozen=True)
class Place:
    """A cluster, the node to make a router of, and what the blueprints are given for it."""

    kubeconfig: Path
    node: str
    router_inputs: dict[str, Any]
    has_hosts: bool
    deployments: blueprints.Deployments

    def identity(self) -> str:
        """What tells this cluster from one that was made anew at the same address."""
        return _identity(self.kubeconfig)


def open_place() -> Place:
    """The place asked for, ready; the lab is brought up if need be.

    :raises show.DemoFailed: if it cannot be had; the text says why.
    """
    named = os.environ.get("QUAGGA_KUBECONFIG")
    return _own(Path(named)) if named else _lab()


def _lab() -> Place:
    show.heading("A real Kubernetes cluster on this machine: two nodes, a client and a server")
    if subprocess.run([*LAB, "up"], cwd=PROJECT, check=False).returncode != 0:
        raise show.DemoFailed("The lab did not come up; the sentence above says why.")
    show.heading("The router's image, built and pushed to the lab's registry")
    image = [*LAB, "image", "docker/quagga", "quagga"]
    if subprocess.run(image, cwd=PROJECT, check=False).returncode != 0:
        raise show.DemoFailed("The image was not built; the lines above say why.")
    return Place(lab_kubeconfig(), "node1", {}, has_hosts=True, deployments=blueprints.LAB)


def lab_identity() -> str:
    """The identity of the lab's cluster; empty where the lab is down."""
    from lab import lifecycle  # noqa: PLC0415

    return _identity(lab_kubeconfig()) if lifecycle.status()["up"] else ""


def lab_kubeconfig() -> Path:
    """Where the lab keeps the administrator's kubeconfig."""
    from lab import state  # noqa: PLC0415  (a cluster of one's own needs no lab)

    return state.current().kubeconfig


def ask(kubeconfig: Path) -> list[str]:
    """Show which cluster QUAGGA_KUBECONFIG names and have it confirmed.

    :return: the names of its nodes.
    :raises show.DemoFailed: if there is no such file or nobody said yes.
    """
    if not kubeconfig.is_file():
        raise show.DemoFailed(
            f"QUAGGA_KUBECONFIG: {kubeconfig} is no file; it should be the path of a kubeconfig."
        )
    _, active = config.list_kube_config_contexts(str(kubeconfig))
    nodes = [str(item.metadata.name) for item in _api(kubeconfig).list_node().items]
    show.say(f"Context: {active['name']}\nNodes: {', '.join(nodes)}")
    _confirm()
    return nodes


def _own(kubeconfig: Path) -> Place:
    image = os.environ.get("QUAGGA_IMAGE")
    if not image:
        raise show.DemoFailed(
            "QUAGGA_IMAGE is not set; it should name the router's image in a registry your nodes pull from."
        )
    nodes = ask(kubeconfig)
    node = os.environ.get("QUAGGA_NODE", nodes[0] if len(nodes) == 1 else "")
    if node not in nodes:
        raise show.DemoFailed(
            f"QUAGGA_NODE: '{node}' is no node of this cluster, which has {', '.join(nodes)}."
        )
    inputs = {"image": image, "interfaces": [], "routes": [HARMLESS_ROUTE]}
    return Place(kubeconfig.resolve(), node, inputs, has_hosts=False, deployments=blueprints.OWN)


def _confirm() -> None:
    if os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty() or input("Go on? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise show.DemoFailed("Nothing was changed. YES=1 confirms unattended.")


def _identity(kubeconfig: Path) -> str:
    return str(_api(kubeconfig).read_namespace("kube-system").metadata.uid)


def _api(kubeconfig: Path) -> Any:  # noqa: ANN401  (the client library is not typed)
    return client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
