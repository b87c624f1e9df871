"""The text of a file of manifests, read as kubectl reads it."""

from __future__ import annotations

import re
from typing import Any

import yaml

from cloudify_quagga.errors import Refused
from cloudify_quagga.kubernetes_yaml import MERGE, Loader
from cloudify_quagga.model.document import LONGEST, plain
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.sentence import legible, unquoted

# Names and numbers of PyYAML's own, and a tabulator, which nobody would find otherwise.
_NO_QUOTATIONS = re.compile(r"'(?:[][{},:?!-]|<[a-z ]+>|\\t)'|\d+")


def documents(path: str, text: str) -> list[Any]:
    """The YAML documents that hold something, as plain JSON that shares nothing."""
    if len(text) > LONGEST:
        raise Refused(path, f"{len(text)} characters", f"are too many; {LONGEST} are read")
    try:
        found = [one for one in yaml.load_all(text, Loader=_Loader) if one is not None]
    except yaml.MarkedYAMLError as error:
        # Its own words quote the file, which may hold what nobody is to see; so does the traceback.
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise Refused(path, "the file", f"is no YAML{place}: {_unquoted(error)}") from None
    except yaml.YAMLError as error:
        raise Refused(path, "the file", f"is no YAML: {legible(error)}") from None
    except RecursionError:
        raise Refused(path, "the file", "is nested too deep to be read") from None
    except (ValueError, OverflowError):
        # An escape that is no character, for one.
        raise Refused(path, "the file", "is no YAML: a number in it is out of range") from None
    if not found:
        raise Refused(path, "the file", "holds no manifest")
    # What is refused here is not shown: it may stand in a Secret.
    paths = [f"{path}[{index}]" if len(found) > 1 else path for index in range(len(found))]
    return [plain(Given(where, one, hidden=True)) for where, one in zip(paths, found, strict=True)]


class _Loader(Loader):
    """No key twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that its map has already", key.start_mark
                )
            seen.add(key.value)
        return node


def _unquoted(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, in PyYAML's words, without the pieces of the file in them."""
    words, *_ = legible(error.problem or error.context).split(": ")
    return unquoted(words, lambda piece: _NO_QUOTATIONS.fullmatch(piece) is not None)
