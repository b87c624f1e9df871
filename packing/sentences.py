"""What the code says to whoever uses it, read from its source: its errors, and how each can read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from packing.plugin import PROJECT

PLUGIN, IMAGE = "cloudify_quagga", "docker/quagga/router"

# A refusal from here is about what the blueprint says: it names the place, and says what would be right. So
# does the image's `refusal(...)`, which calls no error's class itself.
SELF_EXPLAINING = (
    "cloudify_quagga/manifest_file.py",
    "cloudify_quagga/manifests.py",
    "cloudify_quagga/model/",
    "cloudify_quagga/override_syntax.py",
    "cloudify_quagga/template.py",
    "cloudify_quagga/overrides.py",
    "cloudify_quagga/render.py",
)

HOLE = "\0"  # in a template, where the code puts a name or a value
MOST_VARIANTS = 16
_WHOLE = 3  # a refusal's path, value and what would be right
Names = Mapping[str, list[ast.expr]]


@dataclass(frozen=True)
class Sentence:
    """A sentence of the code, or the part of one, and where it is said."""

    path: str
    line: int
    function: str
    template: str

    @property
    def place(self) -> str:
        """File and function."""
        return f"{self.path}:{self.function}"

    @property
    def has_words(self) -> bool:
        """Whether it says anything itself."""
        return any(one.isalnum() for one in self.template)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.template.replace(HOLE, '[...]')}"


class Source:
    """A file, and the sentences in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(PROJECT).as_posix()
        self.tree = ast.parse(path.read_text())
        self.nodes = list(ast.walk(self.tree))
        self._parents = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def errors(self, classes: set[str]) -> Iterator[Sentence]:
        """What is said by the errors that are made here, but for those that explain themselves."""
        for node in self.nodes:
            match node:
                case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name), args=[_, *_]) if (
                    name in classes
                ):
                    if name != "Refused" or not self.explains_itself:
                        yield from self._sentences(node, _text_of(node))
                # Which one is made is looked up in a table of classes and sentences.
                case ast.Tuple([ast.Name(name), text]) if name in classes and _is_text(text):
                    yield from self._sentences(node, text)

    def refusals(self) -> Iterator[Sentence]:
        """What the refusals that explain themselves say behind path and value."""
        for node in self.nodes:
            match node:
                case (
                    ast.Call(func=ast.Attribute(attr="refused"), args=[right])
                    | ast.Call(func=ast.Name("refusal"), args=[_, _, right])
                ):
                    yield from self._endings(node, right)
                case ast.Call(func=ast.Name("Refused"), args=[_, _, right]) if self.explains_itself:
                    yield from self._endings(node, right)

    @property
    def explains_itself(self) -> bool:
        """Whether its refusals say what would be right."""
        return self.path.startswith(SELF_EXPLAINING)

    @property
    def subject(self) -> str:
        """What the file is about, by its own first line."""
        return (ast.get_docstring(self.tree) or "").partition("\n")[0].rstrip(".")

    def texts(self) -> Iterator[Sentence]:
        """Everything here that is more than a word, and no docstring."""
        for node in self.nodes:
            parent = self._parents.get(node)
            is_part = isinstance(parent, ast.Expr | ast.JoinedStr) or (
                parent is not None and _is_text(parent)
            )
            if isinstance(node, ast.expr) and _is_text(node) and not is_part:
                found = self._sentences(node, node)
                yield from (one for one in found if one.has_words and " " in one.template.strip())

    def _sentences(self, node: ast.expr, text: ast.expr) -> Iterator[Sentence]:
        function = self._function(node)
        for spelt in _spelt(text, _names(self.tree) | (_names(function) if function else {})):
            template = re.sub("%s|%d", HOLE, spelt.replace("`", "")).replace(f"[{HOLE}]", HOLE)
            template = re.sub(f"{HOLE}+", HOLE, template)
            yield Sentence(self.path, node.lineno, function.name if function else "", template)

    def _endings(self, node: ast.expr, right: ast.expr) -> Iterator[Sentence]:
        function = self._function(node)
        handed = list(self._handed(function, right.id)) if function and isinstance(right, ast.Name) else []
        for one in handed or [right]:
            yield from self._sentences(one if one in handed else node, one)

    def _handed(self, function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
        """What callers in this file give for a parameter, and what a loop takes from this file's tables."""
        names = [one.arg for one in function.args.args if one.arg != "self"]
        for node in self.nodes:
            match node:
                case ast.Call(func=ast.Name(called) | ast.Attribute(attr=called), args=given) if (
                    called == function.name and name in names[: len(given)]
                ):
                    yield given[names.index(name)]
        for node in ast.walk(function):
            match node:
                case ast.For(ast.Tuple([*_, ast.Name(looped)]), tables) if looped == name:
                    yield from self._values_in(tables)

    def _values_in(self, tables: ast.expr) -> Iterator[ast.expr]:
        for node in ast.walk(tables):
            for table in _names(self.tree).get(node.id, []) if isinstance(node, ast.Name) else []:
                if isinstance(table, ast.Dict):
                    yield from table.values

    def _function(self, node: ast.AST) -> ast.FunctionDef | None:
        above: ast.AST | None = node
        while above is not None and not isinstance(above, ast.FunctionDef):
            above = self._parents.get(above)
        return above


@cache
def _names(scope: ast.AST) -> dict[str, list[ast.expr]]:
    """What is assigned to the names of a function or a file."""
    names: dict[str, list[ast.expr]] = {}
    for name, value in _assigned(scope):
        names.setdefault(name, []).append(value)
    return names


def _assigned(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.iter_child_nodes(scope):
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                continue  # has names of its own
            case ast.Assign([ast.Name(name)], value) | ast.For(ast.Name(name), value):
                yield name, value
            case ast.Assign([ast.Tuple(names)], ast.Tuple(values)):
                yield from (
                    (one.id, value)
                    for one, value in zip(names, values, strict=True)
                    if isinstance(one, ast.Name)
                )
        yield from _assigned(node)


def _is_text(node: ast.AST) -> bool:
    match node:
        case ast.Constant(str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left, ast.Add(), _):
            return _is_text(left)
    return False


def _text_of(call: ast.Call) -> ast.expr:
    """The sentence of an error; a refusal of the plugin takes it as path, value and what would be right."""
    if len(call.args) != _WHOLE:
        return call.args[0]
    words = [one if _is_text(one) else ast.FormattedValue(one, -1) for one in call.args]
    return ast.JoinedStr([words[0], ast.Constant(": "), words[1], ast.Constant(" "), words[2]])


def _spelt(text: ast.expr, names: Names) -> list[str]:
    """How a text can read, with holes for what is known only when it is said."""
    ways = [HOLE]
    match text:
        case ast.Constant(str(words)):
            ways = [words]
        case ast.JoinedStr(parts):
            ways = _joined([_spelt_within(part, names) for part in parts])
        case ast.BinOp(left, ast.Add(), right):
            ways = _joined([_spelt(left, names), _spelt_within(right, names)])
        case ast.IfExp(_, one, other):
            ways = [*_spelt(one, names), *_spelt(other, names)]
        case ast.Name(name) if name in names:
            others = {key: values for key, values in names.items() if key != name}
            ways = [way for value in names[name] for way in _spelt(value, others)]
        case ast.Call(ast.Name("masked") | ast.Attribute(_, "masked"), [masked]):
            ways = _spelt(masked, names)
    return ways


def _spelt_within(part: ast.expr, names: Names) -> list[str]:
    """The same of a part of a text; one that may be missing is a hole, and no second sentence."""
    ways = _spelt(part.value if isinstance(part, ast.FormattedValue) else part, names)
    return [HOLE] if "" in ways else ways


def _joined(parts: list[list[str]]) -> list[str]:
    ways = ["".join(one) for one in product(*parts)]
    return ways if len(ways) <= MOST_VARIANTS else [HOLE]


SOURCES = {
    tree: [Source(path) for path in sorted((PROJECT / tree).rglob("*.py"))] for tree in (PLUGIN, IMAGE)
}
