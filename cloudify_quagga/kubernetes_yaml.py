"""YAML as Kubernetes understands it."""

from __future__ import annotations

import re
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"
# What makes values of scalars, and of tags that say what these are.
_RAISED_BY_VALUES = (ValueError, ArithmeticError, AttributeError, LookupError)


class Loader(yaml.SafeLoader):
    """No dates and no base-sixty numbers; safe, as the one that it comes from."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        """A value, or an error that tells where it stands."""
        try:
            return super().construct_object(node, deep)
        except _RAISED_BY_VALUES:
            # A tag that promises what the text does not keep, or a number that looks like one, 0b_ for one.
            raise yaml.constructor.ConstructorError(
                None, None, "a value that is not what it is said to be", node.start_mark
            ) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """A map with what its merge keys name, behind its own keys."""
        # PyYAML 6.0.4 takes the merged value for a key of one character even where the map says its own,
        # and 6.0.3 lets each merge key double what the one before it held.
        merges = [value for key, value in node.value if key.tag == MERGE]
        node.value = [(key, value) for key, value in node.value if key.tag != MERGE]
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:value":
                key.tag = "tag:yaml.org,2002:str"
        held = {_identity(key) for key, _ in node.value}
        for source in [source for value in merges for source in _sources(value)]:
            self.flatten_mapping(source)
            taken = [pair for pair in source.value if _identity(pair[0]) not in held]
            held |= {_identity(key) for key, _ in taken}
            node.value = taken + node.value


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
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*)\Z"),
    list("-+0123456789"),
)
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?\Z|[-+]?[0-9]+[eE][-+]?[0-9]+\Z"),
    list("-+0123456789."),
)
