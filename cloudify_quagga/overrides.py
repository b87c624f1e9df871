"""Overrides applied to a manifest: what their subscripts lead to is replaced by what their literals say.

As Python's own assignment does: a map takes a new last key, a list no new element, and what stands on the way
has to be there. There is no way to delete; None becomes null, which an API server takes for "not set".
Substitutions are looked up when the override is applied. A value that stands alone keeps its type; one within
a string becomes part of that string, whatever characters it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.document import plain
from cloudify_quagga.model.given import Given
from cloudify_quagga.override_syntax import (
    LONGEST,
    Constant,
    ContextAttribute,
    Elements,
    ManagementIp,
    Override,
    RuntimeProperty,
    Source,
    Subscript,
    Substitution,
    Text,
    Value,
    parse,
)

__all__ = ["Lookups", "NotFound", "Override", "apply", "parse", "parse_all"]

_NAMES_SHOWN = 12
_KEY_SHOWN = 60


class NotFound(LookupError):
    """A lookup has no such value; the text is the end of a sentence that tells why."""


class Lookups(Protocol):
    """Where substitutions find their values; NotFound becomes a refusal that names the place."""

    def runtime_properties(self, node: str) -> Mapping[str, Any]:
        """Those of the first instance of the node."""

    def context(self, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401  whatever the attribute is
        """What the path leads to, beginning at ctx: plain data, never the result of a call."""

    def management_ip(self) -> str:
        """The manager's address."""


def parse_all(path: str, texts: Iterable[str]) -> list[Override]:
    """The overrides of several texts, in their order."""
    return [override for index, text in enumerate(texts) for override in parse(f"{path}[{index}]", text)]


def apply(manifest: Any, overrides: Iterable[Override], lookups: Lookups) -> Any:  # noqa: ANN401  any JSON
    """A changed copy of the manifest, of JSON's types only; one override that does not fit refuses all."""
    changed = plain(Given("", manifest))
    for override in overrides:
        _Assignment(override.source, lookups).make(changed, override)
    return changed


class _Assignment:
    """One override on its way into a manifest."""

    def __init__(self, source: Source, lookups: Lookups) -> None:
        self._source = source
        self._lookups = lookups

    def make(self, manifest: Any, override: Override) -> None:  # noqa: ANN401
        *steps, last = override.subscripts
        target, way = manifest, ""
        for step in steps:
            key = self._present(target, step, way)
            target, way = target[key], f"{way}[{_shown(key)}]"
        key = self._key(target, last, way)
        target[key] = self._value(override.value)

    def _present(self, target: Any, step: Subscript, way: str) -> str | int:  # noqa: ANN401
        key = self._key(target, step, way)
        if isinstance(target, dict) and key not in target:
            raise self._source.refused(
                step.offset, f"{way or 'the manifest'} has no {_shown(key)}{_those(target)}"
            )
        return key

    def _key(self, target: Any, step: Subscript, way: str) -> str | int:  # noqa: ANN401
        """The subscript's key, of the type that the target takes, and within a list's bounds."""
        key = self._subscript(step)
        where = way or "the manifest"
        if isinstance(target, dict) and isinstance(key, str):
            return key
        if isinstance(target, list) and isinstance(key, int):
            if -len(target) <= key < len(target):
                return key
            why = f"{where} has {len(target)} elements, so none at {key}; a longer list is assigned whole"
            raise self._source.refused(step.offset, why)
        raise self._source.refused(step.offset, f"{where} is {_kind(target)} and has no {_shown(key)}")

    def _subscript(self, step: Subscript) -> str | int:
        if isinstance(step.key, int):
            return step.key
        if isinstance(step.key, Text):
            return self._text(step.key)
        key = self._looked_up(step.key)
        if isinstance(key, (str, int)) and not isinstance(key, bool):
            return key
        raise self._source.refused(
            step.key.offset, f"the substitution is {_kind(key)}; a subscript is a text or a number"
        )

    def _value(self, value: Value) -> Any:  # noqa: ANN401
        if isinstance(value, Constant):
            return value.value
        if isinstance(value, Text):
            return self._text(value)
        if isinstance(value, Substitution):
            return self._looked_up(value)
        if isinstance(value, Elements):
            return [self._value(one) for one in value.values]
        return {self._entry_key(key): self._value(one) for key, one in value.pairs}

    def _entry_key(self, key: Text | Substitution) -> str:
        if isinstance(key, Text):
            return self._text(key)
        found = self._looked_up(key)
        if isinstance(found, str):
            return found
        raise self._source.refused(key.offset, f"the substitution is {_kind(found)}; a map's key is a text")

    def _text(self, text: Text) -> str:
        parts = [part if isinstance(part, str) else self._within_text(part) for part in text.parts]
        if sum(map(len, parts)) > LONGEST:
            offset = next(part.offset for part in text.parts if isinstance(part, Substitution))
            raise self._source.refused(
                offset, f"with its substitutions the string is longer than {LONGEST} characters"
            )
        return "".join(parts)

    def _within_text(self, substitution: Substitution) -> str:
        value = self._looked_up(substitution)
        if value is None or isinstance(value, (dict, list)):
            why = f"the substitution is {_kind(value)}, which cannot stand within a string"
            raise self._source.refused(substitution.offset, why)
        return str(value)

    def _looked_up(self, substitution: Substitution) -> Any:  # noqa: ANN401
        try:
            found = self._found(substitution)
            return plain(Given("", found))
        except NotFound as error:
            raise self._source.refused(substitution.offset, str(error)) from error
        except Refused as error:
            why = f"the substitution {error.right}" + (
                f" (at {error.path.lstrip('.')})" if error.path else ""
            )
            raise self._source.refused(substitution.offset, why) from error

    def _found(self, substitution: Substitution) -> object:
        reference = substitution.reference
        if isinstance(reference, ManagementIp):
            return self._lookups.management_ip()
        if isinstance(reference, ContextAttribute):
            return self._lookups.context(reference.path)
        return _nested(self._lookups.runtime_properties(reference.node), reference)


def _nested(properties: object, reference: RuntimeProperty) -> object:
    value, way = properties, reference.node
    for piece in reference.path:
        if isinstance(value, Mapping) and piece in value:
            value = value[piece]
        elif isinstance(value, (list, tuple)) and piece.isdecimal() and len(piece) <= len(str(len(value))):
            value = _element(value, int(piece), way)
        else:
            those = _those(value) if isinstance(value, Mapping) else f", it is {_kind(value)}"
            raise NotFound(f"{way} has no {_shown(piece)}{those}")
        way = f"{way}.{piece}"
    return value


def _element(values: list[Any] | tuple[Any, ...], index: int, way: str) -> object:
    if index < len(values):
        return values[index]
    raise NotFound(f"{way} has {len(values)} elements, so none at {index}")


def _those(target: Mapping[str, Any]) -> str:
    """The keys that there are, as the end of a sentence; never their values, which may be secret."""
    names = sorted(str(name) for name in target)
    if not names:
        return "; it is empty"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"; it has {', '.join(_shown(name, quoted=False) for name in names[:_NAMES_SHOWN])}{more}"


def _shown(key: str | int, *, quoted: bool = True) -> str:
    text = str(key) if isinstance(key, int) or (not quoted and key.isprintable() and key) else repr(key)
    return text if len(text) <= _KEY_SHOWN else f"{text[:_KEY_SHOWN]}..."


def _kind(value: object) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return "a map" if isinstance(value, Mapping) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"
