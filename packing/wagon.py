"""Makes the wagon: the plugin's wheel and all that it needs, in the one file that a manager installs from."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from packing import pip
from packing.examination import examine, try_out
from packing.plugin import DIST, PROJECT, name_and_version, read

PYTHON = (3, 11)
SOURCES = ("setup.py", "pyproject.toml", "plugin.yaml", "LICENSE")


def build(destination: Path) -> Path:
    """A new wagon in that directory."""
    if sys.version_info[:2] != PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(f"A manager wants Python 3.11, and this is {found}: make PYTHON=python3.11 wagon")
    name, version = name_and_version(read())
    with tempfile.TemporaryDirectory() as directory:
        source, wheels = Path(directory, "source"), Path(directory, "wheels")
        _stage(source)
        _gather(source, wheels)
        _create(source, wheels, destination)
    (wagon,) = destination.glob(f"{name.replace('-', '_')}-{version}-*.wgn")
    return wagon


def _stage(source: Path) -> None:
    # Built elsewhere: what is left in build/ of modules that were deleted since would go into the wheel.
    source.mkdir()
    for name in SOURCES:
        shutil.copy(PROJECT / name, source)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(PROJECT / "cloudify_quagga", source / "cloudify_quagga", ignore=ignored)


def _gather(source: Path, wheels: Path) -> None:
    python = Path(sys.executable)
    pip.wheels(python, source, wheels)
    compiled = [one for one in wheels.glob("*.whl") if not one.name.endswith("-any.whl")]
    for wheel in compiled:
        wheel.unlink()
    pip.portable(python, ["==".join(wheel.name.split("-")[:2]) for wheel in compiled], wheels)


def _create(source: Path, wheels: Path, destination: Path) -> None:
    # The plugin's own wheel is made once more, with this environment's setuptools: isolation needs an index.
    arguments = f"--no-index --no-build-isolation --find-links {wheels}"
    options = ["-t", "tar.gz", "-f", "-o", str(destination.resolve()), "-a", arguments]
    pip.must([sys.executable, "-m", "wagon", "create", *options, "."], pip.offline(), cwd=source)


def main() -> None:
    """`make wagon`."""
    for old in DIST.glob("*.wgn"):
        old.unlink()
    wagon = build(DIST)
    with tempfile.TemporaryDirectory() as directory:
        problems = [*examine(wagon), *try_out(wagon, Path(directory))]
    if problems:
        raise SystemExit("\n".join([f"{wagon.name} is not fit for a manager:", *problems]))
    size = f"{wagon.stat().st_size / 1e6:.1f} MB"
    print(f"{wagon.relative_to(PROJECT)}: {size}, installs offline, every mapping imports")


if __name__ == "__main__":
    main()
