"""Masters and nodes reached by SSH: a tunnel to the API server, a kubeconfig, the kubelet's node labels.

The only place that knows paramiko.
"""

from cloudify_quagga.ssh.kubeconfig import Kubeconfig, Way, cluster, read_kubeconfig
from cloudify_quagga.ssh.node_labels import (
    Written,
    check_node_labels,
    remove_node_labels,
    write_node_labels,
    written_node_labels,
)
from cloudify_quagga.ssh.tunnel import tunnel

__all__ = [
    "Kubeconfig",
    "Way",
    "Written",
    "check_node_labels",
    "cluster",
    "read_kubeconfig",
    "remove_node_labels",
    "tunnel",
    "write_node_labels",
    "written_node_labels",
]
