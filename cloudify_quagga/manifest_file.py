"""The text of a file of manifests, read as kubectl reads it; a template first, where variables are given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2
import jinja2.sandbox
import yaml

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.document import plain
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.sentence import legible

LONGEST = 4 * 1024 * 1024

# A template is its author's program: besides jinja2's own, these are what expressions and filters raised when
# hundreds of thousands of random ones were tried.
_RAISED_BY_TEMPLATES = (
    jinja2.TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def rendered(path: str, text: str, variables: Mapping[str, Any]) -> str:
    """The text itself without variables (braces mean nothing then), else the template's result.

    An undefined variable is refused, and so is what reaches for Python behind the values.
    """
    if not variables:
        return text
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
    )
    try:
        return environment.from_string(text).render(variables)
    except jinja2.TemplateSyntaxError as error:
        raise Refused(path, "the template", f"is refused at line {error.lineno}: {_words(error)}") from error
    except _RAISED_BY_TEMPLATES as error:
        raise Refused(path, "the template", f"cannot be rendered: {_words(error)}") from error


def documents(path: str, text: str) -> list[Any]:
    """The YAML documents that hold something, as plain JSON that shares nothing."""
    if len(text) > LONGEST:
        raise Refused(path, f"{len(text)} characters", f"are too many; {LONGEST} are read")
    try:
        found = [one for one in yaml.load_all(text, Loader=_Loader) if one is not None]
    except yaml.MarkedYAMLError as error:
        # Its own words quote the file, so no traceback is to show it.
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Refused(
            path, "the file", f"is no YAML{place}: {legible(error.problem or error.context)}"
        ) from None
    except yaml.YAMLError as error:
        raise Refused(path, "the file", f"is no YAML: {_words(error)}") from error
    except RecursionError:
        raise Refused(path, "the file", "is nested too deep to be read") from None
    except ValueError as error:
        # A number that looks like one and is none, 0b_ for one.
        raise Refused(
            path, "the file", f"holds a value that is not what it looks like: {_words(error)}"
        ) from error
    if not found:
        raise Refused(path, "the file", "holds no manifest")
    # What is refused here is not shown: it may stand in a Secret.
    paths = [f"{path}[{index}]" if len(found) > 1 else path for index in range(len(found))]
    return [plain(Given(where, one, hidden=True)) for where, one in zip(paths, found, strict=True)]


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes understands it: no dates, no base-sixty numbers, and no key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # PyYAML 6.0.4 takes the merged value for a key of one character even where the map says its own,
        # and 6.0.3 lets each merge key double what the one before it held.
        merges = [value for key, value in node.value if key.tag == _MERGE]
        node.value = [(key, value) for key, value in node.value if key.tag != _MERGE]
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:value":
                key.tag = "tag:yaml.org,2002:str"
        held = {_identity(key) for key, _ in node.value}
        for source in [source for value in merges for source in _sources(value)]:
            self.flatten_mapping(source)
            taken = [pair for pair in source.value if _identity(pair[0]) not in held]
            held |= {_identity(key) for key, _ in taken}
            node.value = taken + node.value


_MERGE = "tag:yaml.org,2002:merge"


def _sources(merged: yaml.Node) -> list[yaml.MappingNode]:
    """The maps that a merge key names; the earlier one wins."""
    sources: list[Any] = merged.value if isinstance(merged, yaml.SequenceNode) else [merged]
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(
                None, None, f"a merge key takes a map or a list of maps, no {source.id}", source.start_mark
            )
    return sources


def _identity(key: yaml.Node) -> object:
    # A key that is no scalar is refused when it is constructed.
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


_OWN = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*)\Z"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?\Z|[-+]?[0-9]+[eE][-+]?[0-9]+\Z"),
    list("-+0123456789."),
)


def _words(error: Exception) -> str:
    return legible(error) or type(error).__name__
