"""A kubeconfig, looked at before it is used: what is wrong with it is said in terms of client_config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.sentence import legible

# What of a kubeconfig reaches out to the machine that it is used on, and what does the same without.
_CLUSTER_FILES = ("certificate-authority",)
_USER_REACHES = ("exec", "auth-provider", "tokenFile", "client-certificate", "client-key")
_INSTEAD = {
    "certificate-authority": "certificate-authority-data has its content",
    "exec": "a token does without",
    "auth-provider": "a token does without",
    "tokenFile": "token has its content",
    "client-certificate": "client-certificate-data has its content",
    "client-key": "client-key-data has its content",
}


def path_of(said: str, place: str) -> Path:
    """The file that is meant, `~` for somebody's home included."""
    try:
        return Path(said).expanduser()
    except (RuntimeError, ValueError):
        raise Refused(place, said, "begins with the home of nobody whom this machine knows") from None


def from_file(path: Path, place: str, context: str | None) -> dict[str, Any]:
    """The kubeconfig in a file.

    :param place: where the author wrote the path, for the sentence that refuses it.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Refused(place, str(path), "does not exist; the path of a kubeconfig is needed") from None
    except (OSError, ValueError) as error:
        # ValueError: text in another encoding, or a name that no file can have.
        raise Refused(place, str(path), f"cannot be read: {error}") from error
    # What it runs and reads is the affair of whoever put it on this machine.
    return from_text(text, place, str(path), context)


def from_text(text: str, place: str, shown: str, context: str | None) -> dict[str, Any]:
    """The kubeconfig in a text, which is never shown itself: it may hold keys.

    :param shown: what stands for the text in a refusal.
    """
    return _examined(text, place, shown, context)[0]


def from_elsewhere(text: str, place: str, shown: str, context: str | None) -> dict[str, Any]:
    """The same of one that is no file of this machine: it runs no program here, and reads no file."""
    config, cluster, user = _examined(text, place, shown, context)
    for told, reaching in ((cluster, _CLUSTER_FILES), (user, _USER_REACHES)):
        for name in reaching:
            # Where there is a file and its content, the content counts.
            if told.get(name) and not told.get(f"{name}-data"):
                right = f"has {name}, which only a kubeconfig on the machine's own disk may; {_INSTEAD[name]}"
                raise Refused(place, shown, right)
    return config


def _examined(
    text: str, place: str, shown: str, context: str | None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The kubeconfig, and what it says of its context's cluster and user."""
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused(place, shown, f"does not parse as YAML{_line(error)}; a kubeconfig is needed") from None
    except (ValueError, RecursionError):
        # A date that is none, for one; its words could show a part of the text.
        raise Refused(place, shown, "does not parse as YAML; a kubeconfig is needed") from None
    if not isinstance(config, dict) or not isinstance(config.get("contexts"), list):
        raise Refused(place, shown, "is no kubeconfig: it has no list of contexts")
    chosen = _context(config, place, shown, context)
    cluster = _described(config, "cluster", chosen, place, shown)
    _check_server(cluster, chosen, place, shown)
    # None is what a plain http server in front of the API wants; a name that leads nowhere is a mistake.
    user = _described(config, "user", chosen, place, shown) if chosen.get("user") else {}
    return config, cluster, user


def _context(config: Mapping[str, Any], place: str, shown: str, wanted: str | None) -> dict[str, Any]:
    named = _named(config["contexts"], "context")
    known = legible(", ".join(named)) or "none"
    if wanted is not None and wanted not in named:
        raise Refused("client_config.context", wanted, f"is no context of {shown}, which has {known}")
    name = wanted or config.get("current-context")
    if not isinstance(name, str) or name not in named:
        raise Refused(place, shown, f"has no usable current-context; name one of its contexts ({known})")
    return {**named[name], "name": name}


def _described(
    config: Mapping[str, Any], kind: str, context: Mapping[str, Any], place: str, shown: str
) -> dict[str, Any]:
    """What the kubeconfig says of its context's cluster or user."""
    name = context.get(kind)
    known = _named(config.get(f"{kind}s"), kind)
    if not isinstance(name, str) or name not in known:
        right = f"does not describe the {kind} {name!r} of its context {context['name']!r}"
        raise Refused(place, shown, right)
    return known[name]


def _check_server(cluster: Mapping[str, Any], context: Mapping[str, Any], place: str, shown: str) -> None:
    server = cluster.get("server")
    if not isinstance(server, str) or not _is_url(server):
        right = f"gives the cluster {context['cluster']!r} the server {server!r}; a URL with a host is needed"
        raise Refused(place, shown, right)


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _named(entries: object, kind: str) -> dict[str, dict[str, Any]]:
    """The well-formed entries of a list of ``{name: N, KIND: {...}}``, by name."""
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        described = entry.get(kind) if isinstance(entry, dict) else None
        if isinstance(described, dict) and isinstance(entry.get("name"), str):
            found[entry["name"]] = described
    return found


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
