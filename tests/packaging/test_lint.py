"""cfy-lint's word counts: what it finds is said with file and line, and its errors stand in one list."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from packing.lint import Finding, findings, judged, known_false_positives, verdict
from packing.plugin import PROJECT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    shutil.copy(PROJECT / "plugin.yaml", tmp_path)
    shutil.copytree(PROJECT / "blueprints", tmp_path / "blueprints")
    return tmp_path


def test_nothing_is_left_but_known_false_positives() -> None:
    assert verdict(findings(), known_false_positives()) == []


def test_each_false_positive_has_its_reason() -> None:
    assert all(len(one["reason"].split()) > 5 for one in known_false_positives())


def test_every_blueprint_is_judged() -> None:
    texts = {str(path.relative_to(PROJECT)): lines for path, lines in judged(PROJECT)}
    for name in ("cluster", "router"):
        for entry in ("local", "blueprint"):
            lines = texts[f"blueprints/{name}/{entry}.yaml"]
            topology = f"blueprints/{name}/{name}-topology.yaml"
            assert sum(line.file == topology for line in lines) == len(
                (PROJECT / topology).read_text().splitlines()
            )
    assert "plugin.yaml" in texts


def spoil(file: Path, old: str, new: str) -> int:
    """Change one place; the number of its line."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def said(project: Path) -> list[str]:
    return verdict(findings(project), known_false_positives())


def test_an_input_that_nothing_reads_is_found(project: Path) -> None:
    file = project / "blueprints" / "router" / "router-topology.yaml"
    spoil(file, "namespace: {get_input: namespace}", "namespace: default")
    assert any("input namespace is unused" in one for one in said(project))


def test_a_missing_display_label_is_found_where_it_is_missing(project: Path) -> None:
    file = project / "blueprints" / "cluster" / "cluster-topology.yaml"
    line = spoil(file, "    display_label: Context\n", "")
    # The linter names the input's own line, two above.
    found = [one for one in said(project) if "Input context is missing a display_label" in one]
    assert found
    assert all(
        one.startswith(f"blueprints/cluster/cluster-topology.yaml:{line - 2}: inputs: ") for one in found
    )


def test_an_unknown_type_and_a_bad_name_are_found(project: Path) -> None:
    file = project / "blueprints" / "router" / "router-topology.yaml"
    spoil(file, "type: cloudify.nodes.quagga.Router", "type: cloudify.nodes.quagga.Rooter")
    assert any("Rooter" in one for one in said(project))


def test_a_false_positive_that_is_none_any_more_is_to_be_deleted() -> None:
    known = {"file": "plugin.yaml", "rule": "inputs", "message": "input .* is blue", "reason": "..."}
    finding = Finding("plugin.yaml", 3, "inputs", "input labels is unused.")
    assert verdict([finding], [known]) == [
        "plugin.yaml:3: inputs: input labels is unused.",
        "false_positives.yaml: plugin.yaml has no 'input .* is blue' any more; delete it",
    ]
    assert verdict([finding], [{**known, "message": r"input \S+ is unused"}]) == []
    assert len(verdict([finding], [{**known, "rule": "imports", "message": "input"}])) == 2
