"""The page of faults and the tests that it rests on: no row is without one, and each of them is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
NAME = r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`"
NAMES = re.compile(rf"{NAME}(, {NAME})*")


def rows(text: str) -> list[str]:
    """The rows of a page's tables, without their headings."""
    lines = text.splitlines()
    # What is above a rule is a heading.
    rules = {number for number, line in enumerate(lines) if re.fullmatch(r"\|(-+\|)+", line)}
    rows = range(len(lines))
    return [lines[n] for n in rows if lines[n].startswith("|") and not {n, n + 1} & rules]


def names(row: str) -> list[tuple[str, str]]:
    """File and test, which is empty where all of the file is meant, of those that a row names at its end."""
    cell = row.rstrip("| ").rpartition(" | ")[2]
    return re.findall(NAME, cell) if NAMES.fullmatch(cell) else []


@cache
def found_in(file: str) -> frozenset[str]:
    """The names of a file's tests."""
    path = PROJECT / file
    found = ast.walk(ast.parse(path.read_text())) if path.is_file() else ()
    defined = (node.name for node in found if isinstance(node, ast.FunctionDef))
    return frozenset(name for name in defined if name.startswith("test_"))


def is_there(file: str, name: str) -> bool:
    return name in found_in(file) if name else bool(found_in(file))


ROWS = rows((PROJECT / "docs" / "reliability.md").read_text())


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS)
def test_every_row_names_tests(row: str) -> None:
    assert names(row)


@pytest.mark.parametrize(("file", "name"), sorted({one for row in ROWS for one in names(row)}))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert is_there(file, name)


def test_a_part_of_a_name_and_what_is_no_test_are_not_there() -> None:
    here = "tests/unit/test_reliability_page.py"
    assert is_there(here, "test_the_page_has_rows")
    assert not is_there(here, "test_the_page_has")
    assert not is_there(here, "rows")
    assert not is_there("tests/unit/refusals.py", "")
    assert not is_there("tests/unit/test_nothing.py", "")


def test_a_row_whose_test_is_no_name_of_one_names_none() -> None:
    assert not names("| a fault | what happens | |")
    assert not names("| a fault | `tests/lab/test_router.py` | seen by hand |")
    assert not names("| a fault | what happens | `tests/lab/test_router.py`, and by hand |")
    assert names("| a fault | x | `tests/a/test_b.py::test_c`, `tests/d.py` |") == [
        ("tests/a/test_b.py", "test_c"),
        ("tests/d.py", ""),
    ]
