"""Writes docs/properties.md from plugin.yaml: every type, property, operation and workflow.

And docs/refusals.md beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from packing import refusals
from packing.plugin import PROJECT, read

PAGE = PROJECT / "docs" / "properties.md"
_HEAD = """\
# Properties

Made from `plugin.yaml` by `make reference`; a test keeps it true. What a value may be beyond its type is said
by the refusal that a wrong one gets, before anything is changed.
"""


def text() -> str:
    """The page as it has to be."""
    plugin = read(PROJECT / "plugin.yaml")
    return "\n".join([_HEAD, *_types(plugin["node_types"]), *_workflows(plugin.get("workflows") or {})])


def _types(types: Mapping[str, Any]) -> Iterator[str]:
    for name, said in types.items():
        yield f"## {name}\n"
        properties = said.get("properties") or {}
        if not properties:
            yield f"Another name of `{said['derived_from']}`.\n"
            continue
        yield "| property | type | default | what it is |\n|---|---|---|---|"
        yield from (_row(*one) for one in properties.items())
        operations = ", ".join(f"`{one}`" for one in _operations(said.get("interfaces") or {}))
        yield f"\nOperations: {operations}\n"


def _workflows(workflows: Mapping[str, Any]) -> Iterator[str]:
    for name, said in workflows.items():
        yield f"## Workflow {name}\n\n| parameter | type | default | what it is |\n|---|---|---|---|"
        yield from (_row(*one) for one in (said.get("parameters") or {}).items())
        yield ""


def _operations(interfaces: Mapping[str, Any]) -> Iterator[str]:
    for interface, operations in interfaces.items():
        yield from (f"{interface.rpartition('.')[2]}.{operation}" for operation in operations)


def _row(name: str, said: Mapping[str, Any]) -> str:
    default = "*required*" if "default" not in said and said.get("required", True) else _default(said)
    description = " ".join(said.get("description", "").split()).replace("|", "\\|")
    return f"| `{name}` | {said.get('type', 'any')} | {default} | {description} |"


def _default(said: Mapping[str, Any]) -> str:
    return f"`{json.dumps(said['default'])}`" if "default" in said else "none"


def main() -> None:
    """`make reference`."""
    PAGE.write_text(text())
    refusals.PAGE.write_text(refusals.text())


if __name__ == "__main__":
    main()
