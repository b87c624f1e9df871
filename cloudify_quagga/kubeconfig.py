"""A kubeconfig, looked at before it is used: what is wrong with it is said in terms of client_config."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cloudify_quagga.errors import Refused
from cloudify_quagga.kubernetes_yaml import Loader
from cloudify_quagga.model.document import LONGEST, plain
from cloudify_quagga.model.given import Given
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
_HOST = re.compile(r"[\w:-]{1,63}(\.[\w:-]{1,63})*\.?|", re.ASCII)
# What PyYAML lets through of escapes that are no characters, and of what is nested too deep.
_RAISED_BY_YAML = (ValueError, OverflowError, RecursionError)


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
        with path.open() as file:
            text = file.read(LONGEST + 1)
    except FileNotFoundError:
        raise Refused(place, str(path), "does not exist; the path of a kubeconfig is needed") from None
    except (OSError, ValueError) as error:
        # ValueError: text in another encoding, or a name that no file can have.
        raise Refused(place, str(path), f"cannot be read: {error}") from error
    # What it runs and reads is the affair of whoever put it on this machine.
    return from_text(text, place, str(path), context)


def from_text(text: str, place: str, shown: str, context: str | None) -> dict[str, Any]:
    """One context of the kubeconfig in a text, its cluster and its user, in JSON's values that share nothing.

    :param shown: what stands for the text in a refusal; it is never shown itself, as it may hold keys.
    """
    config = _parsed(text, place, shown)
    name, chosen = _context(config, place, shown, context)
    parts = {}
    # None is what a plain http server in front of the API wants; a name that leads nowhere is a mistake.
    if chosen.get("user"):
        parts["user"] = _described(config, "user", name, chosen, place, shown)
    # A program may ask for what is said for it of the cluster.
    asks = (parts.get("user", {}).get("exec") or {}).get("provideClusterInfo")
    more = ("extensions",) if asks else ()
    parts["cluster"] = _described(config, "cluster", name, chosen, place, shown, more)
    _check_server(parts["cluster"], chosen, place, shown)
    context_of = {key: chosen[key] for key in _OF_A_CONTEXT if key in chosen}
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": plain(Given(f"{place}.context", context_of, hidden=True))}],
        "clusters": [],
        "users": [],
        **{
            f"{kind}s": [{"name": chosen[kind], kind: plain(Given(f"{place}.{kind}", part, hidden=True))}]
            for kind, part in parts.items()
        },
    }


def from_elsewhere(text: str, place: str, shown: str, context: str | None) -> dict[str, Any]:
    """The same of one that is no file of this machine: it runs no program here, and reads no file."""
    config = from_text(text, place, shown, context)
    cluster = config["clusters"][0]["cluster"]
    user = config["users"][0]["user"] if config["users"] else {}
    for told, reaching in ((cluster, _CLUSTER_FILES), (user, _USER_REACHES)):
        for name in reaching:
            # Where there is a file and its content, the content counts.
            if told.get(name) and not told.get(f"{name}-data"):
                right = f"has {name}, which only a kubeconfig on the machine's own disk may; {_INSTEAD[name]}"
                raise Refused(place, shown, right)
    return config


def _parsed(text: str, place: str, shown: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        raise Refused(place, shown, f"is longer than {LONGEST} characters; a kubeconfig is needed")
    try:
        config = yaml.load(text, Loader=Loader)  # noqa: S506  it is a safe one
    except yaml.YAMLError as error:
        raise Refused(place, shown, f"does not parse as YAML{_line(error)}; a kubeconfig is needed") from None
    except _RAISED_BY_YAML:
        # Their words could show a part of the text.
        raise Refused(place, shown, "does not parse as YAML; a kubeconfig is needed") from None
    if not isinstance(config, dict) or not isinstance(config.get("contexts"), list):
        raise Refused(place, shown, "is no kubeconfig: it has no list of contexts")
    return config


def _context(
    config: Mapping[str, Any], place: str, shown: str, wanted: str | None
) -> tuple[str, dict[str, Any]]:
    named = _named(config["contexts"], "context")
    known = legible(", ".join(named)) or "none"
    if wanted is not None and wanted not in named:
        raise Refused("client_config.context", wanted, f"is no context of {shown}, which has {known}")
    name = wanted or config.get("current-context")
    if not isinstance(name, str) or name not in named:
        raise Refused(place, shown, f"has no usable current-context; name one of its contexts ({known})")
    return name, named[name]


def _described(
    config: Mapping[str, Any],
    kind: str,
    context: str,
    chosen: Mapping[str, Any],
    place: str,
    shown: str,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    """What is read of what the kubeconfig says of its context's cluster or user, but for what is empty.

    :param more: keys that are read, too.
    """
    name = chosen.get(kind)
    if not isinstance(name, str):
        raise Refused(place, shown, f"names no {kind} in its context {_quoted(context)}")
    known = _named(config.get(f"{kind}s"), kind)
    if name not in known:
        right = f"does not describe the {kind} {_quoted(name)} of its context {_quoted(context)}"
        raise Refused(place, shown, right)
    kinds = {**_READ[kind], **dict.fromkeys(more, _ANY)}
    described = {key: value for key in kinds if (value := known[name].get(key)) is not None}
    for key, value in described.items():
        is_right, needed = kinds[key]
        if not is_right(value):
            # The value may be a secret.
            right = f"gives the {kind} {_quoted(name)} a {key} of the wrong kind; {needed} is needed"
            raise Refused(place, shown, right)
    return described


def _is_path(value: object) -> bool:
    # A key itself in place of its path would be shown as a file that does not exist.
    return isinstance(value, str) and not any(one in value for one in ("\0", "\n", "\r", "-----BEGIN"))


def _is_latin(value: object) -> bool:
    try:
        return isinstance(value, str) and value.encode("latin-1") is not None
    except UnicodeEncodeError:
        return False


def _is_host(value: object) -> bool:
    return isinstance(value, str) and _HOST.fullmatch(value) is not None


_Kind = tuple[Callable[[object], bool], str]
_ANY: _Kind = (lambda _: True, "anything")
_TEXT: _Kind = (lambda value: isinstance(value, str), "a text in quotes")
_LATIN: _Kind = (_is_latin, "a text in quotes, of Latin-1 only,")
_PATH: _Kind = (_is_path, "the path of a file")
_NAME: _Kind = (_is_host, "the name of a host")
_FLAG: _Kind = (lambda value: isinstance(value, bool), "true or false without quotes")
_MAP: _Kind = (lambda value: isinstance(value, dict), "a map")
# What is read of a context's parts, and what each has to be; all else that stands there is others' affair.
_OF_A_CONTEXT = ("cluster", "user", "namespace")
_READ: Mapping[str, Mapping[str, _Kind]] = {
    "cluster": {
        "server": _ANY,
        "certificate-authority": _PATH,
        "certificate-authority-data": _TEXT,
        "insecure-skip-tls-verify": _FLAG,
        "tls-server-name": _NAME,
        "proxy-url": _TEXT,
    },
    "user": {
        "client-certificate": _PATH,
        "client-certificate-data": _TEXT,
        "client-key": _PATH,
        "client-key-data": _TEXT,
        "token": _TEXT,
        "tokenFile": _PATH,
        "username": _LATIN,
        "password": _LATIN,
        "exec": _MAP,
        "auth-provider": _MAP,
    },
}


def _check_server(cluster: Mapping[str, Any], chosen: Mapping[str, Any], place: str, shown: str) -> None:
    # The server is not shown: one with a user has a password, too.
    server, whose = cluster.get("server"), f"the cluster {_quoted(chosen['cluster'])}"
    if isinstance(server, str) and _has_user(server):
        right = f"gives {whose} a server that carries a user; credentials are said elsewhere, not in a URL"
        raise Refused(place, shown, right)
    if not isinstance(server, str) or not _is_url(server):
        raise Refused(
            place, shown, f"gives {whose} no server that could be used; a URL with a host is needed"
        )


def _has_user(text: str) -> bool:
    try:
        return "@" in urlsplit(text).netloc
    except ValueError:
        # No URL at all; it may have been meant as one with a user.
        return "@" in text


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        whole = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        return False
    return bool(whole) and text.isprintable() and " " not in text


def _named(entries: object, kind: str) -> dict[str, dict[str, Any]]:
    """The well-formed entries of a list of ``{name: N, KIND: {...}}``, by name; the first of two counts."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries if isinstance(entries, list) else []:
        described = entry.get(kind) if isinstance(entry, dict) else None
        if isinstance(described, dict) and isinstance(entry.get("name"), str):
            found.setdefault(entry["name"], described)
    return found


def _quoted(name: str) -> str:
    return legible(repr(name))


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
