"""The control plane: etcd, the API server, its controllers, the scheduler, and the way in."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab import kubebuild, network, packages, pki, process, state

ADDRESS = "10.200.0.1"
PORT = 6443
# Where it is reached from the machine, if nobody else listens there.
FAVOURITE_PORT = 16443
SERVICES = "10.96.0.0/16"
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.96.0.1")
_PROGRAMS = ("kube-scheduler", "kube-controller-manager")
# Who asked the API server for what, without contents; not what its own programs ask.
_AUDITED = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
        {"level": "None", "users": ["system:apiserver", *map("system:{}".format, _PROGRAMS)]},
        {"level": "Metadata"},
    ],
}
ADMINISTRATOR = "kubernetes-admin"
ADMINISTRATORS = "system:masters"


@dataclass(frozen=True)
class Kubelet:
    """What a kubelet needs to be a node of this cluster."""

    kubeconfig: Path
    authority: Path
    serving: pki.Pair


@dataclass(frozen=True)
class Place:
    """Where the control plane runs: in the control host, or on the machine's loopback (API server only)."""

    netns: str | None
    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int

    @property
    def url(self) -> str:
        """Where programs in the same place reach the API server."""
        return f"https://{self.address}:{self.port}"

    @property
    def etcd(self) -> str:
        """Where the API server reaches etcd."""
        return f"https://127.0.0.1:{self.etcd_port}"


def up() -> None:
    """Start everything in the control host, with a forwarder on the machine, and wait until it is ready."""
    place = Place(network.namespace(network.CONTROL), ADDRESS, PORT, 2379, 2380)
    with _listener() as listener:
        door: int = listener.getsockname()[1]
        _forward(listener, place)
    authority = _api(place, door)
    _client("kube-scheduler", [], place, authority)


def up_alone() -> None:
    """Start the API server with what it needs on the machine's loopback, which takes no privilege."""
    with _listener() as listener:
        door: int = listener.getsockname()[1]
    _api(Place(None, "127.0.0.1", door, _free_port(), _free_port()), door)


def _api(place: Place, door: int) -> pki.Authority:
    lab = state.current()
    authority = pki.Authority(lab.pki)
    authority.found()
    administrator = authority.issue("admin", ADMINISTRATOR, [ADMINISTRATORS])
    for path, url in ((lab.kubeconfig, f"https://127.0.0.1:{door}"), (lab.kubeconfig_inside, place.url)):
        authority.write_kubeconfig(path, url, ADMINISTRATOR, administrator)
    lab.write_facts(lab.facts | {"port": door})
    _etcd(place, authority)
    _api_server(place, authority)
    process.wait_until(ready, "the API server does not become ready", 60, daemons=["etcd", "kube-apiserver"])
    _controllers(place, authority)
    return authority


def kubelet(node: str, address: str) -> Kubelet:
    """The credentials of a node."""
    lab = state.current()
    authority = pki.Authority(lab.pki)
    client = authority.issue(f"{node}-client", f"system:node:{node}", ["system:nodes"])
    kubeconfig = lab.kubeconfigs / node
    authority.write_kubeconfig(kubeconfig, f"https://{ADDRESS}:{PORT}", node, client)
    serving = authority.issue(f"{node}-serving", node, (), [node, address])
    return Kubelet(kubeconfig, authority.certificate, serving)


def ready() -> bool:
    """Whether the API server answers and calls itself ready."""
    try:
        return _request("/readyz")[0] == http.HTTPStatus.OK
    except OSError:
        return False


def ready_nodes(since: float = 0.0) -> set[str]:
    """The nodes that the cluster calls Ready, because they said so after `since` (seconds of the epoch)."""
    try:
        status, body = _request("/api/v1/nodes")
    except OSError:
        return set()
    if status != http.HTTPStatus.OK:
        return set()
    nodes: list[dict[str, Any]] = json.loads(body)["items"]
    return {node["metadata"]["name"] for node in nodes if _is_ready(node, since)}


def _is_ready(node: dict[str, Any], since: float) -> bool:
    conditions = node["status"].get("conditions", [])
    ready = [entry for entry in conditions if entry["type"] == "Ready" and entry["status"] == "True"]
    return any(_seconds(entry["lastHeartbeatTime"]) > since for entry in ready)


def _seconds(time: str) -> float:
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%S%z").timestamp()


def _request(path: str) -> tuple[int, bytes]:
    lab = state.current()
    context = ssl.create_default_context(cafile=str(lab.pki / "ca.crt"))
    context.load_cert_chain(lab.pki / "admin.crt", lab.pki / "admin.key")
    connection = http.client.HTTPSConnection("127.0.0.1", lab.facts["port"], timeout=5, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def _listener() -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", FAVOURITE_PORT))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _forward(listener: socket.socket, place: Place) -> None:
    code = Path(__file__).with_name("forward.py")
    descriptor = listener.fileno()
    _spawn(
        "api-forwarder",
        [sys.executable, str(code), str(descriptor), place.address, str(place.port)],
        place.netns,
        [descriptor],
    )


def audit_log() -> Path:
    """One JSON object a line for each request that somebody made of the API server."""
    return state.current().logs / "audit.log"


def _etcd(place: Place, authority: pki.Authority) -> None:
    pair = authority.issue("etcd", "etcd", (), ["127.0.0.1", "localhost"])
    peer = f"https://127.0.0.1:{place.etcd_peer_port}"
    _spawn(
        "etcd",
        [
            packages.tool("etcd"),
            f"--data-dir={state.current().directory / 'etcd'}",
            f"--listen-client-urls={place.etcd}",
            f"--advertise-client-urls={place.etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--client-cert-auth",
            f"--trusted-ca-file={authority.certificate}",
            f"--cert-file={pair.certificate}",
            f"--key-file={pair.key}",
            "--peer-client-cert-auth",
            f"--peer-trusted-ca-file={authority.certificate}",
            f"--peer-cert-file={pair.certificate}",
            f"--peer-key-file={pair.key}",
            # The lab does not outlive its machine, so nothing has to reach the disk.
            "--unsafe-no-fsync",
            "--logger=zap",
            "--log-level=warn",
        ],
        place.netns,
    )


def _api_server(place: Place, authority: pki.Authority) -> None:
    signing_key = state.current().pki / "service-accounts.key"
    pki.write_signing_key(signing_key)
    policy = state.current().directory / "audit-policy.json"
    policy.write_text(json.dumps(_AUDITED))
    serving = authority.issue("kube-apiserver", "kube-apiserver", (), [*NAMES, ADDRESS])
    to_etcd = authority.issue("kube-apiserver-etcd", "kube-apiserver")
    to_kubelets = authority.issue("kube-apiserver-kubelet", "kube-apiserver", [ADMINISTRATORS])
    _spawn(
        "kube-apiserver",
        [
            kubebuild.program("kube-apiserver"),
            f"--bind-address={'0.0.0.0' if place.netns else place.address}",  # noqa: S104 - in its own namespace
            f"--secure-port={place.port}",
            f"--advertise-address={place.address}",
            # Nobody reaches it by the kubernetes service: there is no kube-proxy.
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICES}",
            f"--etcd-servers={place.etcd}",
            f"--etcd-cafile={authority.certificate}",
            f"--etcd-certfile={to_etcd.certificate}",
            f"--etcd-keyfile={to_etcd.key}",
            f"--client-ca-file={authority.certificate}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--kubelet-certificate-authority={authority.certificate}",
            f"--kubelet-client-certificate={to_kubelets.certificate}",
            f"--kubelet-client-key={to_kubelets.key}",
            # Host names of nodes are in no DNS.
            "--kubelet-preferred-address-types=InternalIP",
            "--allow-privileged=true",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={signing_key}",
            f"--service-account-signing-key-file={signing_key}",
            "--profiling=false",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={audit_log()}",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=1",
        ],
        place.netns,
    )


def _controllers(place: Place, authority: pki.Authority) -> None:
    # Also beside an API server alone: service accounts get their tokens and quotas their status from it.
    name = "kube-controller-manager"
    argv = [
        "--use-service-account-credentials",
        # It makes this directory, by default under /usr/libexec.
        f"--flex-volume-plugin-dir={state.current().directory / 'volume-plugins'}",
        f"--service-account-private-key-file={state.current().pki / 'service-accounts.key'}",
        f"--root-ca-file={authority.certificate}",
    ]
    if place.netns:
        # A node that says nothing for eight of its status updates is NotReady; 40 s are for larger clusters.
        argv.append("--node-monitor-grace-period=16s")
    else:
        # Its nodes have no kubelets, and are as ready as whoever made them says.
        argv.append("--controllers=*,-nodelifecycle")
    _client(name, argv, place, authority)


def _client(name: str, argv: list[str], place: Place, authority: pki.Authority) -> None:
    kubeconfig = state.current().kubeconfigs / name
    authority.write_kubeconfig(kubeconfig, place.url, name, authority.issue(name, f"system:{name}"))
    own = ["--leader-elect=false", "--port=0", "--secure-port=0"]
    _spawn(name, [kubebuild.program(name), f"--kubeconfig={kubeconfig}", *own, *argv], place.netns)


def _spawn(name: str, argv: list[str], netns: str | None, pass_fds: list[int] | None = None) -> None:
    log = state.current().logs / f"{name}.log"
    process.spawn(name, argv, log=log, netns=netns, pass_fds=pass_fds or [])
