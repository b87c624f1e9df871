"""Judges a wagon: by what it holds, and by installing it where there is nothing, not even a package index."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packing import pip
from packing.plugin import PROJECT, mappings, name_and_version, read

_IMPORTS = """
import importlib, json, pkgutil, sys, traceback
import cloudify_quagga
broken = []
for one in pkgutil.walk_packages(cloudify_quagga.__path__, "cloudify_quagga."):
    try:
        importlib.import_module(one.name)
    except Exception:
        broken.append(f"{one.name} does not import: {traceback.format_exc(limit=-1)}")
for mapping in json.load(sys.stdin):
    module, _, name = mapping.rpartition(".")
    try:
        found = callable(getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError):
        found = False
    if not found:
        broken.append(f"{mapping} is mapped to in plugin.yaml and is not there")
json.dump(broken, sys.stdout)
"""


def examine(wagon: Path) -> list[str]:
    """What is wrong with the file itself; nothing where it is right."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            root = unpack(wagon, Path(directory))
        except (tarfile.TarError, StopIteration) as error:
            return [f"{wagon.name} is not the tar.gz archive that a manager wants: {error}"]
        metadata = json.loads((root / "package.json").read_text())
        files = sorted(path.name for path in (root / "wheels").iterdir())
        return [*_metadata(metadata, wagon.name), *_wheels(metadata, files), *_contents(root / "wheels")]


def unpack(wagon: Path, directory: Path) -> Path:
    """The one directory that a wagon holds."""
    with tarfile.open(wagon, "r:gz") as archive:
        archive.extractall(directory, filter="data")
    return next(directory.iterdir())


def try_out(wagon: Path, directory: Path, plugin: Mapping[str, Any] | None = None) -> list[str]:
    """What fails when it is installed offline where there is nothing, and everything is imported there.

    :param directory: an empty one; the virtual environment stays in it.
    :param plugin: another plugin.yaml than the project's.
    """
    wanted = plugin or read()
    root = unpack(wagon, directory / "unpacked")
    venv.create(directory / "venv", with_pip=True)
    python = directory / "venv" / "bin" / "python"
    name, version = name_and_version(wanted)
    place = ["--no-index", "--find-links", str(root / "wheels")]
    for command in (pip.pip(python, "install", *place, f"{name}=={version}"), pip.pip(python, "check")):
        done = subprocess.run(command, env=pip.offline(), text=True, capture_output=True, check=False)
        if done.returncode:
            return [f"{' '.join(command[3:])}: {done.stdout}{done.stderr}"]
    return imports(python, wanted)


def imports(python: Path, plugin: Mapping[str, Any]) -> list[str]:
    """Which modules of the plugin, and which of its mappings, an interpreter does not import."""
    command = [str(python), "-I", "-c", _IMPORTS]
    wanted = json.dumps(mappings(plugin))
    done = subprocess.run(
        command, input=wanted, env=pip.offline(), text=True, capture_output=True, check=False
    )
    broken: list[str] = json.loads(done.stdout) if done.returncode == 0 else [done.stderr]
    return broken


def _metadata(metadata: Mapping[str, Any], file: str) -> Iterator[str]:
    name, version = name_and_version(read())
    wanted = {
        "package_name": name,
        "package_version": version,
        "supported_python_versions": ["py311"],
        "supported_platform": "linux_x86_64",
        "archive_name": file,
    }
    for key, value in wanted.items():
        if metadata.get(key) != value:
            yield f"package.json: {key} is {metadata.get(key)!r} and must be {value!r}"


def _wheels(metadata: Mapping[str, Any], files: list[str]) -> Iterator[str]:
    if sorted(metadata["wheels"]) != files:
        unequal = sorted(set(metadata["wheels"]) ^ set(files))
        yield f"package.json lists other wheels than there are: {', '.join(unequal)}"
    for file in files:
        if not _loads_anywhere(file):
            yield f"{file} is not for Python 3.11 and glibc 2.{pip.GLIBC}"


def _loads_anywhere(wheel: str) -> bool:
    interpreter, abi, platforms = wheel.removesuffix(".whl").split("-")[-3:]
    if platforms == "any":
        return "py3" in interpreter.split(".")
    minors = [int(found) for found in re.findall(r"manylinux_2_(\d+)_x86_64", platforms)]
    old = "manylinux2014_x86_64" in platforms or any(minor <= pip.GLIBC for minor in minors)
    return old and (abi == "abi3" or (interpreter, abi) == ("cp311", "cp311"))


def _contents(wheels: Path) -> Iterator[str]:
    name, version = name_and_version(read())
    files = list(wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl"))
    if len(files) != 1:
        yield f"{len(files)} wheels of {name} {version} instead of one"
        return
    with zipfile.ZipFile(files[0]) as archive:
        held = {one for one in archive.namelist() if ".dist-info/" not in one}
    package = PROJECT / "cloudify_quagga"
    paths = {path for path in package.rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    wanted = {str(path.relative_to(PROJECT)) for path in paths}
    for one in sorted(wanted - held):
        yield f"{one} is not in the plugin's wheel"
    for one in sorted(held - wanted):
        yield f"{one} is in the plugin's wheel and not in the project"
