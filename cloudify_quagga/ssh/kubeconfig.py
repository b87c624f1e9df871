"""The kubeconfig that a master has: found, read, and made whole, so that it works on another machine."""

from __future__ import annotations

import base64
import ipaddress
import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cloudify_quagga import kubeconfig as described
from cloudify_quagga.errors import PermanentError, Refused
from cloudify_quagga.model.secret import Secret
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh.remote import Files
from cloudify_quagga.ssh.session import session
from cloudify_quagga.ssh.tunnel import LOOPBACK, tunnel

# Where kubectl, kubeadm and k3s have it.
PLACES = ("~/.kube/config", "/etc/kubernetes/admin.conf", "/etc/rancher/k3s/k3s.yaml")
_PORTS = {"http": 80, "https": 443}
_FILES = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}
# These would run on this machine what another one names.
_PROGRAMS = ("exec", "auth-provider")


@dataclass(frozen=True)
class Kubeconfig:
    """One context of the master's kubeconfig, with all that its files held."""

    path: str
    content: Secret
    server: str

    def address(self, master: str) -> str:
        """The API server's URL for whoever is not on the master, whose own loopback others do not have."""
        parts = urlsplit(self.server)
        if not _is_loopback(parts.hostname or ""):
            return self.server
        host = f"[{master}]" if ":" in master else master
        return parts._replace(netloc=f"{host}:{self.target[1]}").geturl()

    @property
    def target(self) -> tuple[str, int]:
        """The API server's host and port, as the master sees them."""
        parts = urlsplit(self.server)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    def through(self, port: int) -> Secret:
        """The same, spoken through a port of ours; certificates are still judged by the server's own name."""
        config = json.loads(self.content.reveal())
        cluster = config["clusters"][0]["cluster"]
        parts = urlsplit(self.server)
        if parts.scheme == "https":
            cluster.setdefault("tls-server-name", parts.hostname)
        cluster["server"] = SplitResult(parts.scheme, f"{LOOPBACK}:{port}", parts.path, "", "").geturl()
        # It stands on the other side of the tunnel.
        cluster.pop("proxy-url", None)
        return Secret(json.dumps(config))


@dataclass(frozen=True)
class Way:
    """A kubeconfig that reaches the master's cluster from here, and the API server's own URL."""

    kubeconfig: Secret
    address: str


@contextmanager
def cluster(settings: Ssh, context: str | None = None) -> Iterator[Way]:
    """The way to the master's cluster, for the time of a with block."""
    found = read_kubeconfig(settings, context=context)
    with tunnel(settings, *found.target) as port:
        yield Way(found.through(port), found.address(settings.host))


def read_kubeconfig(settings: Ssh, path: str | None = None, context: str | None = None) -> Kubeconfig:
    """The master's kubeconfig: the one named, else the first there is of those usual.

    :param path: in place of the settings' own.
    :param context: in place of its current-context.
    """
    wanted = path or settings.kubeconfig
    with session(settings) as transport, Files(settings, transport) as files:
        found, data = _first(settings, files, [wanted] if wanted else list(PLACES))
        shown = f"{found} on {settings.address}"
        place = settings.place("kubeconfig")
        config = described.from_text(data.decode(errors="replace"), place, shown, context)
        whole = _whole(config, _Reading(files, place, shown, posixpath.dirname(found)))
    server = _server(whole, place, shown)
    return Kubeconfig(found, Secret(json.dumps(whole)), server)


def _first(settings: Ssh, files: Files, paths: list[str]) -> tuple[str, bytes]:
    problems = []
    for path in paths:
        try:
            return path, files.read(path)
        except FileNotFoundError:
            problems.append(f"{path} does not exist")
        except OSError as error:
            problems.append(f"{path} cannot be read ({error.strerror or error})")
    raise NoKubeconfig(
        f"{settings.place('kubeconfig')}: no kubeconfig on {settings.address}: {', '.join(problems)}"
    )


class NoKubeconfig(PermanentError):
    """The master has no kubeconfig where it was looked for, or none that the user may read."""


@dataclass(frozen=True)
class _Reading:
    """Files that a kubeconfig refers to, by paths that may be relative to its own directory."""

    files: Files
    place: str
    shown: str
    directory: str

    def __call__(self, path: str) -> bytes:
        try:
            return self.files.read(posixpath.join(self.directory, path))
        except OSError as error:
            raise Refused(
                self.place, self.shown, f"refers to {path}, which cannot be read there: {error}"
            ) from error


def _whole(config: Mapping[str, Any], read: Callable[[str], bytes]) -> dict[str, Any]:
    """The context, its cluster and its user, with what their files hold in place of the files."""
    parts = {kind: config[f"{kind}s"] for kind in ("cluster", "user")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": config["current-context"],
        "contexts": config["contexts"],
        **{
            f"{kind}s": [{**one, kind: _embedded(one[kind], read)} for one in entries]
            for kind, entries in parts.items()
            if entries
        },
    }


def _embedded(part: Mapping[str, Any], read: Callable[[str], bytes]) -> dict[str, Any]:
    whole = dict(part)
    for key, data_key in _FILES.items():
        path = whole.pop(key, None)
        # As kubectl has it: data wins over a file.
        if path and not whole.get(data_key):
            whole[data_key] = base64.b64encode(read(path)).decode()
    path = whole.pop("tokenFile", None)
    if path:
        # And here the file wins.
        whole["token"] = read(path).decode(errors="replace").strip()
    return whole


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _server(config: Mapping[str, Any], place: str, shown: str) -> str:
    users = config.get("users") or [{"user": {}}]
    for program in _PROGRAMS:
        if program in users[0]["user"]:
            raise Refused(
                place, shown, f"logs in by a program of the master ({program}), which is not run here"
            )
    return str(config["clusters"][0]["cluster"]["server"])
