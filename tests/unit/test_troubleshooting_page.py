"""The page of error sentences and the code that says them: neither has one that the other lacks."""

import ast
import re
from functools import cache

from packing.plugin import PROJECT
from packing.sentences import HOLE, IMAGE, PLUGIN, SOURCES, Sentence, Source

PAGE = PROJECT / "docs" / "troubleshooting.md"

# What all errors derive from. NotRun ends another error's sentence; NonRecoverableError is Cloudify's.
ROOTS = {PLUGIN: {"QuaggaError", "NotRun", "NonRecoverableError"}, IMAGE: {"Refused", "Failed"}}

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
    "cloudify_quagga/lifecycle/sweeping.py:_swept": ("cloudify_quagga/lifecycle/nodes.py:bring_back",),
    "cloudify_quagga/lifecycle/ending.py:_sweep_beside": (
        "cloudify_quagga/lifecycle/parting.py:_still_there",
        "cloudify_quagga/lifecycle/nodes.py:bring_back",
    ),
    "cloudify_quagga/lifecycle/parting.py:farewell": ("cloudify_quagga/lifecycle/parting.py:_still_there",),
    "cloudify_quagga/lifecycle/ending.py:stop": ("cloudify_quagga/lifecycle/parting.py:_still_there",),
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
    "cloudify_quagga/lifecycle/sweeping.py:together": "those of one node's sweeping after the other's",
    "cloudify_quagga/lifecycle/routing.py:_fail_where_refused": "a pod's last words",
    "cloudify_quagga/operations/door.py:entered": "those of the error that goes through it",
    "docker/quagga/router/command.py:attempt": "the system's",
    "docker/quagga/router/command.py:output_of": "those of the program that failed",
    "docker/quagga/router/configuration.py:_bytes_of": "the system's",
    "docker/quagga/router/daemons.py:_start": "the system's",
    "docker/quagga/router/ending.py:refusal": "those of the refusal, which explains itself",
    "docker/quagga/router/report.py:_applied": "the system's",
}

PLACEHOLDER = r"\[[^\[\]]*\]"
LEAST_LETTERS = 10


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


def _classes(sources: list[Source], roots: set[str]) -> set[str]:
    known = set(roots)
    defined = [node for one in sources for node in one.nodes if isinstance(node, ast.ClassDef)]
    bases = [(one.name, {ast.unparse(base) for base in one.bases}) for one in defined]
    for _ in bases:
        known |= {name for name, of in bases if of & known}
    return known


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
