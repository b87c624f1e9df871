"""The configurations that the plugin prints, judged by the image's own vtysh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "golden"
PRINTED = sorted(GOLDEN.glob("*.conf"))
WRONG = sorted((GOLDEN / "refused").glob("*.conf"))


def judged(image_root: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """`vtysh -C -f` inside the image; the folder is bound where nothing of the image stands."""
    script = 'mount --bind "$1" "$2/mnt" && chroot "$2" vtysh -C -f "/mnt/$3"'
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", str(path.parent), str(image_root), path.name]
    return subprocess.run(argv, text=True, capture_output=True, check=False)


def test_there_are_golden_files_of_both_sorts() -> None:
    assert PRINTED
    assert WRONG


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.name)
def test_the_daemons_accept_what_we_print(path: Path, image_root: Path) -> None:
    verdict = judged(image_root, path)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.name)
def test_the_daemons_can_say_no(path: Path, image_root: Path) -> None:
    verdict = judged(image_root, path)
    assert verdict.returncode == 2, verdict.stdout + verdict.stderr
