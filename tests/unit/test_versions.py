"""One version, said in plugin.yaml, is everywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from packing.plugin import name_and_version, read

PROJECT = Path(__file__).resolve().parents[2]
NAME, VERSION = name_and_version(read())


def test_setup_reads_it_there() -> None:
    command = [sys.executable, "setup.py", "--name", "--version"]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split()
    assert said == [NAME, VERSION]


def test_what_is_installed_has_it() -> None:
    assert version(NAME) == VERSION


def test_setup_and_the_package_have_none_of_their_own() -> None:
    own = re.compile(r"(__version__|\bversion)\s*=\s*['\"]")
    sources = [PROJECT / "setup.py", *(PROJECT / "cloudify_quagga").rglob("*.py")]
    assert [path.name for path in sources if own.search(path.read_text())] == []
    assert "version" not in (PROJECT / "pyproject.toml").read_text().partition("[tool.")[0]


def test_what_is_written_for_people_names_no_other() -> None:
    said = re.compile(rf"{re.escape(NAME)}-(\d[\w.]*\d)|{NAME.replace('-', '_')}-(\d[\w.]*\d)")
    texts = [
        PROJECT / "README.md",
        *(PROJECT / "docs").glob("*.md"),
        *(PROJECT / "blueprints").rglob("*.yaml"),
    ]
    found = {one for path in texts for pair in said.findall(path.read_text()) for one in pair if one}
    assert found <= {VERSION}


def test_the_newest_change_is_of_this_version() -> None:
    changelog = PROJECT / "CHANGELOG.md"
    headings = re.findall(
        r"^## \[?v?(\d+\.\d+\.\d+)", changelog.read_text() if changelog.exists() else "", re.M
    )
    assert headings[:1] in ([], [VERSION])
