"""Makes the bundle: one directory with all that a user uploads to a manager, and an archive of it."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import yaml

from packing.plugin import DIST, PROJECT, name_and_version, read

# Not icon.png: `cfy plugins upload` copies the icon to ./icon.png first, and deletes that one afterwards.
ICON = PROJECT / "packing" / "quagga.png"
BLUEPRINT_ICON = "icon.png"
BLUEPRINTS = PROJECT / "blueprints"
ENTRY = "blueprint.yaml"
LOCAL_ENTRY = "local.yaml"
# Of types.yaml a manager has its own.
MANAGERS_OWN = "cloudify/types/types.yaml"


def bundle(the_wagon: Path, destination: Path) -> Path:
    """A new directory, named by package and version."""
    name, version = name_and_version(read())
    directory = destination / f"{name}-{version}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for file in (the_wagon, PROJECT / "plugin.yaml", ICON, PROJECT / "LICENSE"):
        shutil.copy(file, directory)
    for entry in entries(BLUEPRINTS):
        archive(entry.parent, directory / f"{entry.parent.name}.zip")
    return directory


def entries(blueprints: Path) -> list[Path]:
    """The blueprints that are for a manager."""
    return sorted(blueprints.glob(f"*/{ENTRY}"))


def archive(blueprint: Path, file: Path) -> None:
    """One blueprint as a manager wants it: zipped, in one directory that needs nothing outside of it."""
    for needed in _imports(blueprint / ENTRY):
        if not needed.resolve().is_relative_to(blueprint.resolve()):
            raise SystemExit(f"{blueprint / ENTRY} imports {needed}, which its archive would not hold")
    files = [path for path in sorted(blueprint.rglob("*")) if path.is_file() and path.name != LOCAL_ENTRY]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in files:
            opened.write(path, path.relative_to(blueprint.parent))
        if not (blueprint / BLUEPRINT_ICON).exists():
            opened.write(ICON, f"{blueprint.name}/{BLUEPRINT_ICON}")


def _imports(file: Path) -> Iterator[Path]:
    """The files that a blueprint imports, and those that they import."""
    for text in yaml.safe_load(file.read_text()).get("imports", []):
        if text != MANAGERS_OWN and not urlparse(text).scheme:
            path = file.parent / text
            yield path
            yield from _imports(path)


def main() -> None:
    """`make bundle`, from the wagon of `make wagon`."""
    name, version = name_and_version(read())
    found = list(DIST.glob(f"{name.replace('-', '_')}-{version}-*.wgn"))
    if len(found) != 1:
        raise SystemExit(f"{DIST} must hold one wagon of {name} {version}, not {len(found)}: make wagon")
    directory = bundle(found[0], DIST)
    file = directory.with_name(f"{directory.name}.tar.gz")
    with tarfile.open(file, "w:gz") as opened:
        opened.add(directory, directory.name)
    held = ", ".join(sorted(path.name for path in directory.iterdir()))
    print(f"{directory.relative_to(PROJECT)}: {held}\n{file.relative_to(PROJECT)}: the same, to carry along")


if __name__ == "__main__":
    main()
