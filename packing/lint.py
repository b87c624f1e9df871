"""Has cfy-lint judge plugin.yaml and the blueprints, and believes all but the known false positives."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import yaml

from packing.plugin import PROJECT, name_and_version, read

PYTHON = PROJECT / ".venv-tools" / "bin" / "python"
FALSE_POSITIVES = PROJECT / "packing" / "false_positives.yaml"
# An imported file has no version of its own, and the linter falls over one without; it knows 1_3 and 1_4.
HEADER = "tosca_definitions_version: cloudify_dsl_1_4"
VERSION = re.compile(r"^tosca_definitions_version:")


@dataclass(frozen=True)
class Finding:
    """One sentence of the linter, about a line of a file of the project."""

    file: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Line:
    """A line of what is linted, and where it is written."""

    text: str
    file: str = ""
    number: int = 0


def judged(project: Path) -> Iterator[tuple[Path, list[Line]]]:
    """What is linted as one text: a blueprint goes with what it imports from its own directory."""
    for path in [project / "plugin.yaml", *sorted((project / "blueprints").rglob("*.yaml"))]:
        lines = _lines(path, project)
        if any(VERSION.match(line.text) for line in lines):
            yield path, list(_with_neighbours(path, lines, project))
        elif path.parent in (project, project / "blueprints"):
            yield path, [Line(HEADER), *lines]


def findings(project: Path = PROJECT) -> list[Finding]:
    """Everything that the linter says, false or not."""
    if not PYTHON.exists():
        raise SystemExit("cfy-lint is not here yet: make cfy-lint")
    _answer_for_the_marketplace(project)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        shutil.copy(project / "plugin.yaml", copy)
        shutil.copytree(project / "blueprints", copy / "blueprints")
        return [finding for path, lines in list(judged(copy)) for finding in _lint(path, lines)]


def verdict(found: Iterable[Finding], known: Iterable[dict[str, str]]) -> list[str]:
    """What is left without the known false positives, and which of those are no more."""
    left, unused = list(found), []
    for one in known:
        matching = [finding for finding in left if _matches(finding, one)]
        left = [finding for finding in left if finding not in matching]
        if not matching:
            unused.append(
                f"{FALSE_POSITIVES.name}: {one['file']} has no '{one['message']}' any more; delete it"
            )
    return [*map(str, left), *unused]


def known_false_positives() -> list[dict[str, str]]:
    """Those of the project, each with its reason."""
    known: list[dict[str, str]] = yaml.safe_load(FALSE_POSITIVES.read_text())
    return known


def _matches(finding: Finding, known: dict[str, str]) -> bool:
    same_place = (finding.file, finding.rule) == (known["file"], known["rule"])
    return same_place and re.match(known["message"], finding.message) is not None


def _lines(path: Path, project: Path) -> list[Line]:
    file = str(path.relative_to(project))
    return [Line(text, file, number) for number, text in enumerate(path.read_text().splitlines(), 1)]


def _with_neighbours(path: Path, lines: list[Line], project: Path) -> Iterator[Line]:
    # Apart, an entry would use no input and no import, and a topology would know no type.
    imported = yaml.safe_load(path.read_text()).get("imports", [])
    neighbours = [text for text in imported if "/" not in text and not urlparse(text).scheme]
    for line in lines:
        if line.text.strip().removeprefix("- ") not in neighbours:
            yield line
    for name in neighbours:
        yield Line("")
        yield from _lines(path.parent / name, project)


def _answer_for_the_marketplace(project: Path) -> None:
    # It asks a server on the Internet which types a plugin has, unless it has asked within a day.
    text = f"plugin:{name_and_version(read(project / 'plugin.yaml'))[0]}"
    where = "import cfy_lint.yamllint_ext.cloudify as found; print(*found.__path__)"
    package = subprocess.run([PYTHON, "-c", where], text=True, capture_output=True, check=True).stdout.strip()
    cache = Path(package, "__cfylint_runtime_cache")
    cache.mkdir(exist_ok=True)
    types = read(project / "plugin.yaml")["node_types"]
    (cache / re.sub("[^0-9a-zA-Z]+", "_", text)).write_text(json.dumps(types))


def _lint(path: Path, lines: list[Line]) -> Iterator[Finding]:
    path.write_text("".join(f"{line.text}\n" for line in lines))
    command = [str(PYTHON), "-m", "cfy_lint.main", "-b", path.name, "-f", "json"]
    done = subprocess.run(command, cwd=path.parent, text=True, capture_output=True, check=False)
    said = [_parsed(text) for text in (done.stdout + done.stderr).splitlines()]
    if done.returncode or None in said:
        raise SystemExit(f"cfy-lint did not judge {path.name}:\n{done.stdout}{done.stderr}")
    for one in said:
        if one:
            line = lines[min(one["line"], len(lines)) - 1]
            message = re.sub(r"\s*\(auto-fix \w+\), Severity: \d$", "", one["message"].strip())
            yield Finding(line.file or path.name, line.number, one["rule"], message)


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return found


def main() -> None:
    """`make cfy-lint`; fails where the linter itself would not."""
    problems = verdict(findings(), known_false_positives())
    for problem in problems:
        print(problem)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
