"""A kubeconfig, looked at before it is used: what is wrong with it is said in terms of client_config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cloudify_quagga.errors import Refused


def from_file(path: Path, place: str, context: str | None) -> dict[str, Any]:
    """The kubeconfig in a file.

    :param place: where the author wrote the path, for the sentence that refuses it.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise Refused(place, str(path), "does not exist; the path of a kubeconfig is needed") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(place, str(path), f"cannot be read: {error}") from error
    return from_text(text, place, str(path), context)


def from_text(text: str, place: str, shown: str, context: str | None) -> dict[str, Any]:
    """The kubeconfig in a text, which is never shown itself: it may hold keys.

    :param shown: what stands for the text in a refusal.
    """
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused(place, shown, f"does not parse as YAML{_line(error)}; a kubeconfig is needed") from None
    if not isinstance(config, dict) or not isinstance(config.get("contexts"), list):
        raise Refused(place, shown, "is no kubeconfig: it has no list of contexts")
    _check_context(config, place, shown, context)
    return config


def _check_context(config: Mapping[str, Any], place: str, shown: str, context: str | None) -> None:
    named = {entry["name"]: entry.get("context") for entry in config["contexts"] if _is_named(entry)}
    known = ", ".join(named) or "none"
    if context is not None and context not in named:
        raise Refused("client_config.context", context, f"is no context of {shown}, which has {known}")
    wanted = context or config.get("current-context")
    if wanted not in named:
        raise Refused(place, shown, f"has no usable current-context; name one of its contexts ({known})")
    cluster = (named[wanted] or {}).get("cluster")
    clusters = [entry["name"] for entry in config.get("clusters") or [] if _is_named(entry)]
    if cluster not in clusters:
        raise Refused(place, shown, f"does not describe the cluster {cluster!r} of its context {wanted!r}")


def _is_named(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1})" if mark else ""
