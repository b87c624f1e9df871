"""Override strings of any size and any content: applied, or refused in one line and in time."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudify_quagga import override_syntax
from cloudify_quagga.errors import Refused
from tests.unit.refusals import checked
from tests.unit.test_overrides import Found, applied, assigned, refusal


@pytest.mark.parametrize(
    "text",
    [
        "['x']=" + "[" * 100_000,
        "['x']=" + "{'a':" * 100_000,
        "['x']=" * 100_000,
        "['x']" * 100_000 + "=1",
        "['x']='" + "@" * 900_000,
        "['x']='" + "\\" * 900_001,
        "['x']=" + "#" * 900_000,
        "['x']=" + " " * 900_000,
        "['x']='" + "@{" * 400_000,
        "['x']='" + "@{a,b}" * 100_000 + "'",
        "['x']=%{" + "a." * 400_000 + "}",
        "['x']=%{a" + " " * 900_000 + "!}",
        "['x']=" + "-" * 900_000,
        "['x']=" + "1" * 900_000 + "e",
        "['x']=" + "u" * 900_000,
        "[" * 900_000,
        "['x']='" + "x" * (2 * override_syntax.LONGEST) + "'",
    ],
    ids=lambda text: f"{text[:12]}... of {len(text)}",
)
def test_large_hostile_texts_are_refused_in_time(text: str) -> None:
    start = time.monotonic()
    refusal(text, {"x": {}})
    # Measured below a second each; the bound only has to tell that from a search that goes back.
    assert time.monotonic() - start < 20


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)
TOKENS = st.sampled_from(
    [
        *(
            "[",
            "]",
            "{",
            "}",
            "'",
            '"',
            "=",
            ",",
            ":",
            "\\",
            "@{",
            "%{",
            "}",
            " ",
            "\n",
            "#",
            "-",
            ".",
            "0",
            "7",
            "e",
        ),
        *(
            "'x'",
            "['x']",
            "['x']=",
            "x",
            "u",
            "True",
            "null",
            "None",
            "1e9",
            "0o7",
            "\\u",
            "\\x4",
            "\ud800",
            "\0",
        ),
        *(
            "@{n, p}",
            "%{node.id}",
            "%{management_ip}",
            "__class__",
            "()",
            ";",
            "lambda:",
            "import os",
            "\r",
            "\u2028",
        ),
    ]
)


def tried(text: str, found: Found) -> None:
    try:
        outcome = applied(text, {"x": {"x": [0]}, "y": 1}, found)
    except Refused as error:
        outcome = error
    if isinstance(outcome, Refused):
        checked(outcome)
        assert "column " in outcome.right
    else:
        json.dumps(outcome, allow_nan=False)


@given(st.text())
def test_any_text_is_applied_or_refused(text: str) -> None:
    tried(text, Found())


@settings(max_examples=600)
@given(st.lists(TOKENS | st.characters(), max_size=30).map("".join), VALUES)
def test_any_mixture_of_tokens_is_applied_or_refused(text: str, value: Any) -> None:
    tried(text, Found({"n": {"p": value}}, context=value))
    tried(f"['x']={text}", Found({"n": {"p": value}}, context=value))


def unmarked(text: str) -> str:
    """No substitution: its characters escaped, as an author would do it."""
    return text.replace("@{", "\\u0040{").replace("%{", "\\u0025{")


@given(VALUES)
def test_every_json_value_is_assigned_as_it_is(value: Any) -> None:
    assert assigned(unmarked(json.dumps(value))) == value


@given(VALUES)
def test_every_python_value_is_assigned_as_it_is(value: Any) -> None:
    assert assigned(unmarked(repr(value))) == value


@given(st.lists(TEXTS, min_size=1, max_size=4), VALUES)
def test_python_itself_would_have_done_the_same(keys: list[str], value: Any) -> None:
    text = unmarked("".join(f"[{key!r}]" for key in keys) + f" = {value!r}")
    base: dict[str, Any] = {}
    for key in reversed(keys):
        base = {key: base}
    then = {"base": copy.deepcopy(base)}
    exec("base" + text, then)
    assert applied(text, base) == then["base"]


@given(TEXTS, TEXTS, TEXTS)
def test_a_substituted_text_stays_within_its_string(before: str, value: str, after: str) -> None:
    found = Found({"n": {"p": value}})
    literal = f"{unmarked(json.dumps(before))[:-1]}@{{n, p}}{unmarked(json.dumps(after))[1:]}"
    manifest = {"x": None, "kept": "kept"}
    assert applied(f"['x']={literal}", manifest, found) == {"x": before + value + after, "kept": "kept"}


@given(VALUES)
def test_a_bare_substitution_keeps_its_value(value: Any) -> None:
    got = assigned("@{n, p}", Found({"n": {"p": value}}))
    assert got == value
    assert type(got) is type(value)
