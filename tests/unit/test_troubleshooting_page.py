"""The page of error sentences and the code that says them: neither has one that the other lacks."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "troubleshooting.md"
PLUGIN, IMAGE = "cloudify_quagga", "docker/quagga/router"

# What all errors derive from. NotRun ends another error's sentence; NonRecoverableError is Cloudify's.
ROOTS = {PLUGIN: {"QuaggaError", "NotRun", "NonRecoverableError"}, IMAGE: {"Refused", "Failed"}}

# A refusal from here is about what the blueprint says: it names the place, and says what would be right. So
# does the image's `refusal(...)`, which calls no error's class itself.
SELF_EXPLAINING = (
    "cloudify_quagga/manifest_file.py",
    "cloudify_quagga/manifests.py",
    "cloudify_quagga/model/",
    "cloudify_quagga/override_syntax.py",
    "cloudify_quagga/overrides.py",
    "cloudify_quagga/render.py",
)

# Errors that are made of what these functions (or all of a file) build; the page has to have their words.
BUILT_BY = {
    "cloudify_quagga/lifecycle/awaiting.py:until_gone": (
        "cloudify_quagga/lifecycle/awaiting.py:_still_there",
    ),
    "cloudify_quagga/lifecycle/awaiting.py:until_settled": (
        "cloudify_quagga/lifecycle/settled.py",
        "cloudify_quagga/lifecycle/story.py",
    ),
    "cloudify_quagga/lifecycle/condition.py:check": (
        "cloudify_quagga/lifecycle/condition.py:_answer",
        "cloudify_quagga/lifecycle/condition.py:_wrong",
        "cloudify_quagga/lifecycle/condition.py:_wrong_in",
        "docker/quagga/router/readiness.py",
        "docker/quagga/router/report.py:_dead",
        "docker/quagga/router/watch.py:_mend",
        "docker/quagga/router/watch.py:_keep_forwarding",
    ),
    "cloudify_quagga/lifecycle/converging.py:_await_taken": (
        "cloudify_quagga/lifecycle/converging.py:_lack",
    ),
    "cloudify_quagga/lifecycle/ending.py:_sweep": ("cloudify_quagga/lifecycle/ending.py:_bring_back",),
    "cloudify_quagga/lifecycle/ending.py:_sweep_beside": (
        "cloudify_quagga/lifecycle/ending.py:_still_there",
        "cloudify_quagga/lifecycle/ending.py:_bring_back",
    ),
    "cloudify_quagga/lifecycle/ending.py:farewell": ("cloudify_quagga/lifecycle/ending.py:_still_there",),
    "cloudify_quagga/lifecycle/ending.py:stop": ("cloudify_quagga/lifecycle/ending.py:_still_there",),
    "cloudify_quagga/lifecycle/lease.py:turn": ("cloudify_quagga/lifecycle/lease.py:_busy",),
    "cloudify_quagga/lifecycle/routing.py:_until": (
        "cloudify_quagga/lifecycle/routing.py:_told",
        "cloudify_quagga/lifecycle/story.py",
    ),
    "cloudify_quagga/operations/labeled_node.py:check_status": (
        "cloudify_quagga/lifecycle/labeled_node.py:_told",
        "cloudify_quagga/lifecycle/labeled_node.py:ailments",
    ),
    "cloudify_quagga/operations/microservice.py:check_status": (
        "cloudify_quagga/lifecycle/inspection.py:_estranged",
        "cloudify_quagga/lifecycle/settled.py",
    ),
    "cloudify_quagga/proxy.py:await_installed": ("cloudify_quagga/proxy.py:_after",),
    "cloudify_quagga/ssh/known_hosts.py:_refused": (
        "cloudify_quagga/ssh/known_hosts.py:_changed",
        "cloudify_quagga/ssh/known_hosts.py:_record",
        "cloudify_quagga/ssh/known_hosts.py:_unknown",
        "cloudify_quagga/ssh/known_hosts.py:check",
    ),
}

# Errors without a word of their own, and whose words they pass on.
SAID_BY_OTHERS = {
    "cloudify_quagga/channel.py:_exit_code": "the API server's",
    "cloudify_quagga/cluster.py:apply": "the API server's",
    "cloudify_quagga/lifecycle/awaiting.py:_fail_where_over": "a pod's last words",
    "cloudify_quagga/lifecycle/microservice.py:_check_ours": "those of the conflict over one of the objects",
    "cloudify_quagga/lifecycle/ending.py:_together": "those of one node's sweeping after the other's",
    "cloudify_quagga/lifecycle/routing.py:_fail_where_refused": "a pod's last words",
    "cloudify_quagga/operations/door.py:entered": "those of the error that goes through it",
    "docker/quagga/router/command.py:attempt": "the system's",
    "docker/quagga/router/command.py:output_of": "those of the program that failed",
    "docker/quagga/router/configuration.py:_bytes_of": "the system's",
    "docker/quagga/router/daemons.py:_start": "the system's",
    "docker/quagga/router/ending.py:refusal": "those of the refusal, which explains itself",
    "docker/quagga/router/report.py:_applied": "the system's",
}

HOLE = "\0"  # in a template, where the code puts a name or a value
PLACEHOLDER = r"\[[^\[\]]*\]"
MOST_VARIANTS = 16
LEAST_LETTERS = 10
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
        return f"{self.path}:{self.function}"

    @property
    def has_words(self) -> bool:
        return any(one.isalnum() for one in self.template)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.template.replace(HOLE, '[...]')}"


def quotes(quotation: str, sentence: Sentence) -> bool:
    """Whether it is that sentence: `[...]` stands for one name or value, ` ... ` for what is left out."""
    return _pattern(quotation).fullmatch(sentence.template) is not None


@cache
def _pattern(quotation: str) -> re.Pattern[str]:
    parts = re.split(rf"({PLACEHOLDER}|\s*\.\.\.\s*)", quotation.replace("`", ""))
    return re.compile("".join(map(_as_pattern, parts)))


def _as_pattern(part: str) -> str:
    if re.fullmatch(PLACEHOLDER, part):
        return HOLE
    return ".*" if part.strip() == "..." else re.escape(part)


class Source:
    """A file, and the sentences in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.relative_to(PROJECT).as_posix()
        self.tree = ast.parse(path.read_text())
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def errors(self, classes: set[str]) -> Iterator[Sentence]:
        """What is said by the errors that are made here, but for those that explain themselves."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name), args=[_, *_]) if (
                    name in classes
                ):
                    if name != "Refused" or not self.path.startswith(SELF_EXPLAINING):
                        yield from self._sentences(node, _text_of(node))
                # Which one is made is looked up in a table of classes and sentences.
                case ast.Tuple([ast.Name(name), text]) if name in classes and _is_text(text):
                    yield from self._sentences(node, text)

    def texts(self) -> Iterator[Sentence]:
        """Everything here that is more than a word, and no docstring."""
        for node in ast.walk(self.tree):
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
    if len(call.args) != 3:
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


def _classes(sources: list[Source], roots: set[str]) -> set[str]:
    known = set(roots)
    defined = [node for one in sources for node in ast.walk(one.tree) if isinstance(node, ast.ClassDef)]
    for _ in range(len(defined)):
        known |= {one.name for one in defined if {ast.unparse(base) for base in one.bases} & known}
    return known


SOURCES = {tree: [Source(path) for path in sorted((PROJECT / tree).rglob("*.py"))] for tree in ROOTS}
TEXTS = [text for sources in SOURCES.values() for source in sources for text in source.texts()]
CLASSES = {tree: _classes(sources, ROOTS[tree]) for tree, sources in SOURCES.items()}
ERRORS = [
    one for tree, sources in SOURCES.items() for source in sources for one in source.errors(CLASSES[tree])
]

# What only continues a sentence, or is held by another text of the same function, is no sentence of its own.
BEGINS = re.compile(rf"[\w{HOLE}]")


def _parts(places: tuple[str, ...]) -> list[Sentence]:
    """The sentences that are built at these places."""
    said = [text for text in TEXTS if text.place in places or text.path in places]
    return [
        one
        for one in said
        if BEGINS.match(one.template)
        and not any(
            other.place == one.place and one.template in other.template != one.template for other in said
        )
    ]


PARTS = [part for places in BUILT_BY.values() for part in _parts(places)]
NEEDED = list(dict.fromkeys([error for error in ERRORS if error.has_words] + PARTS))


def _quotations() -> list[str]:
    """The code spans in the first column of the page's tables."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [span for row in rows for span in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


QUOTED = _quotations()


def test_there_is_something_to_compare() -> None:
    assert len(ERRORS) > 200
    assert len(PARTS) > 40
    assert len(QUOTED) > 200


def test_every_error_of_the_code_is_on_the_page() -> None:
    missing = [str(one) for one in NEEDED if not any(quotes(quotation, one) for quotation in QUOTED)]
    assert not missing, "docs/troubleshooting.md has no row for\n" + "\n".join(missing)


def test_every_sentence_of_the_page_is_said_by_the_code() -> None:
    said = {one.template: one for one in (*ERRORS, *TEXTS)}.values()
    unsaid = [quotation for quotation in QUOTED if not any(quotes(quotation, one) for one in said)]
    assert not unsaid, "the code does not say\n" + "\n".join(unsaid)


def test_no_sentence_of_the_page_could_be_anybodys() -> None:
    literal = [re.sub(PLACEHOLDER, "", quotation) for quotation in QUOTED]
    vague = [one for one in literal if "..." in one and sum(map(str.isalpha, one)) < LEAST_LETTERS]
    assert not vague, "these leave out too much\n" + "\n".join(vague)


def test_an_error_without_words_tells_whose_it_passes_on() -> None:
    known = BUILT_BY.keys() | SAID_BY_OTHERS.keys()
    missing = [str(one) for one in ERRORS if not one.has_words and one.place not in known]
    assert not missing, "whose words are these? say so in BUILT_BY or SAID_BY_OTHERS\n" + "\n".join(missing)


def test_whose_words_are_passed_on_is_up_to_date() -> None:
    assert {one.place for one in ERRORS} >= BUILT_BY.keys()
    assert {one.place for one in ERRORS if not one.has_words} >= SAID_BY_OTHERS.keys()
    assert not [place for places in BUILT_BY.values() for place in places if not _parts((place,))]
