"""A node: a containerd and a kubelet in namespaces of their own, which take all with them when they end."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from lab import (
    cgroups,
    control,
    enclosure,
    hosts,
    kubebuild,
    network,
    packages,
    pause,
    process,
    registry,
    ssh,
    state,
)

READY_WITHIN = 180.0
CONTAINERD = "/run/containerd/containerd.sock"
KUBELET_PID = "/run/kubelet.pid"
# What a kubelet would set on the machine itself; in the node it writes to files of the node's own.
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
# Where the daemons keep things, and would on the machine, beside what every host with an SSH server has.
OWN = ("/var/lib", "/var/log")
# As kubeadm's packages have it on Debian.
ARGUMENTS = {"file": "/etc/default/kubelet", "variable": "KUBELET_EXTRA_ARGS"}


def up(name: str) -> None:
    """Start a node from nothing and wait until the cluster calls it Ready."""
    down(name)
    began = time.time()
    home = directory(name)
    for part in ("etc/cni", "files", *(f"own/{path.strip('/')}" for path in OWN)):
        (home / part).mkdir(parents=True)
    (home / "own/var/log/kubelet.log").symlink_to(_log(name, "kubelet"))
    with state.machine() as marks:
        cgroups.create(_group(name), marks)
    address = network.cluster_address(name)
    credentials = control.kubelet(name, address)
    _write_json(home / "etc/kubelet.json", kubelet_configuration(name, credentials, home / "etc"))
    _write_json(home / "etc/cni/10-pods.conflist", pod_network(name))
    (home / "etc/containerd.toml").write_text(containerd_configuration(packages.root(), home / "etc"))
    (home / "etc/resolv.conf").touch()
    _write_json(home / "etc/node.json", _furniture(name, address, credentials))
    process.spawn(
        name,
        [sys.executable, "-I", str(Path(__file__).with_name("init.py")), str(home / "etc/node.json")],
        log=state.current().logs / f"{name}.log",
        netns=network.namespace(name),
    )
    # The cluster goes on calling a node Ready for a while after it ended.
    process.wait_until(
        lambda: name in control.ready_nodes(began), f"{name} is not Ready", READY_WITHIN, daemons=[name]
    )


def down(name: str) -> None:
    """End a node and remove what is left of it; its hosts' network is not touched."""
    process.stop(name)
    # A node whose parent half was killed a moment ago may still be ending.
    process.end(process.inside(network.namespace(name)), grace=0.0)
    hosts.pid_file(name).unlink(missing_ok=True)
    cgroups.remove(_group(name))
    with state.machine() as marks:
        cgroups.restore(marks, "quagga-")
    if directory(name).exists():
        shutil.rmtree(directory(name))


def left() -> list[str]:
    """The nodes of which anything is left, running or not."""
    found = {path.name for path in directory("").glob("node*")}
    found |= {name for name in state.current().daemons() if re.fullmatch("node[0-9]+", name)}
    found |= {name.removeprefix(_group("")) for name in cgroups.present(_group("node"))}
    found |= set(network.present())
    # Another lab's name may begin like a node of this one.
    return sorted(name for name in found if re.fullmatch("node[0-9]+", name))


def directory(name: str) -> Path:
    """Where a node keeps its files while it lives; not under /run, which may be small."""
    return state.current().cache / f"nodes{state.suffix()}" / name


def kubelet_configuration(name: str, credentials: control.Kubelet, etc: Path) -> dict[str, Any]:
    """The kubelet's configuration file."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.authority)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(credentials.serving.certificate),
        "tlsPrivateKeyFile": str(credentials.serving.key),
        "cgroupDriver": "cgroupfs",
        # A tree of its own: kubelets that share one delete each other's pods.
        "cgroupRoot": f"/{_group(name)}",
        "resolvConf": str(etc / "resolv.conf"),
        "failSwapOn": False,
        # Lowering it takes a capability that not every machine gives.
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        # However full the machine is, the lab runs; its images are few.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "50Mi"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "2s",
        # A kubelet of 1.20 loses sight of pods at times, and looks again after this to one and a half of it.
        "syncFrequency": "10s",
        "serializeImagePulls": False,
        "eventRecordQPS": 0,
        "registryPullQPS": 0,
    }


def containerd_configuration(root: Path, etc: Path) -> str:
    """The configuration of a containerd that has the programs of the unpacked packages."""
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "{CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/{pause.NAME}"
  # A profile would be loaded into the machine's kernel.
  disable_apparmor = true
  # Where CAP_SYS_RESOURCE is not to be had.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{root}/usr/lib/cni"
    conf_dir = "{etc}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]
    endpoint = ["http://{registry.ADDRESS}"]
"""


def pod_network(name: str) -> dict[str, Any]:
    """A network for pods that do not use the host's: enough to run, not to leave the node or to route."""
    subnet = f"10.244.{name.removeprefix('node')}.0/24"
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                # A gateway would switch forwarding on, which is the router's to do.
                "isGateway": False,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]},
            }
        ],
    }


def _furniture(name: str, address: str, credentials: control.Kubelet) -> dict[str, Any]:
    """What `init` needs to know."""
    home, lab = directory(name), state.current()
    contents = {"/etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n{address} {name}\n"}
    contents |= {f"/proc/sys/{key}": f"{value}\n" for key, value in KERNEL.items()}
    files = {path: _own_file(home / "files", path, content) for path, content in contents.items()}
    kubelet = [
        kubebuild.program("kubelet"),
        f"--config={home}/etc/kubelet.json",
        f"--kubeconfig={credentials.kubeconfig}",
        f"--hostname-override={name}",
        f"--node-ip={address}",
        "--container-runtime=remote",
        f"--container-runtime-endpoint=unix://{CONTAINERD}",
        f"--pod-infra-container-image=docker.io/library/{pause.NAME}",
        "--volume-plugin-dir=/var/lib/kubelet/plugins-volume",
    ]
    containerd = [packages.tool("containerd"), "--config", f"{home}/etc/containerd.toml"]
    own = {path: str(home / "own" / path.strip("/")) for path in OWN}
    server = ssh.furnish(name, home, {"bin/systemctl": Path(__file__).with_name("systemctl")})
    return {
        "hostname": name,
        "cgroup_root": str(cgroups.unified() or ""),
        "pid_file": str(hosts.pid_file(name)),
        "keep": [str(lab.cache), str(lab.directory)],
        "directories": own | server["directories"],
        "layers": server["layers"],
        "files": files | {"/etc/ld.so.cache": str(enclosure.libraries())},
        "programs": [
            {"argv": containerd, "log": _log(name, "containerd")},
            {"argv": kubelet, "log": _log(name, "kubelet"), "arguments": ARGUMENTS, "pid_file": KUBELET_PID},
            ssh.program(name),
        ],
    }


def _log(name: str, program: str) -> str:
    return str(state.current().logs / f"{name}-{program}.log")


def _own_file(files: Path, path: str, content: str) -> str:
    file = files / path.strip("/").replace("/", "-")
    file.write_text(content)
    return str(file)


def _group(name: str) -> str:
    return f"quagga{state.suffix()}-{name}"


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
