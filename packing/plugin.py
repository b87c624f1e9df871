"""What plugin.yaml says of the package: its name, its version, and what it maps operations to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
DIST = PROJECT / "dist"


def read(file: Path = PROJECT / "plugin.yaml") -> dict[str, Any]:
    """The file as the parser sees it."""
    plugin: dict[str, Any] = yaml.safe_load(file.read_text())
    return plugin


def name_and_version(plugin: Mapping[str, Any]) -> tuple[str, str]:
    """The package that a manager looks for, by these two words exactly."""
    found = {(one["package_name"], one["package_version"]) for one in plugin["plugins"].values()}
    if len(found) != 1:
        raise SystemExit(f"plugin.yaml: every plugin must be one package of one version, not {sorted(found)}")
    return found.pop()


def mappings(plugin: Mapping[str, Any]) -> list[str]:
    """Everything that is mapped to: module.function, without the plugin's alias."""
    return sorted({_without_alias(text, plugin["plugins"]) for text in _implementations(plugin)})


def _without_alias(text: str, aliases: Mapping[str, Any]) -> str:
    alias, _, path = text.partition(".")
    if alias not in aliases or "." not in path:
        raise SystemExit(f"plugin.yaml: '{text}' must be one of {', '.join(aliases)}, then module.function")
    return path


def _implementations(plugin: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("node_types", "relationships"):
        for one in plugin.get(kind, {}).values():
            for key in ("interfaces", "source_interfaces", "target_interfaces"):
                yield from _operations(one.get(key, {}))
    for workflow in plugin.get("workflows", {}).values():
        yield workflow if isinstance(workflow, str) else workflow["mapping"]


def _operations(interfaces: Mapping[str, Any]) -> Iterator[str]:
    for operations in interfaces.values():
        for operation in operations.values():
            text = operation if isinstance(operation, str) else operation.get("implementation")
            if text:
                yield text
