"""The bundle holds what a user uploads, and each part of it is what a manager can read."""

from __future__ import annotations

import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from dsl_parser import parser
from dsl_parser.import_resolver.default_import_resolver import DefaultImportResolver

from packing.bundle import BLUEPRINTS, archive, entries
from packing.icon import SIZE, draw
from packing.plugin import name_and_version, read

NAME, VERSION = name_and_version(read())
BLUEPRINT_NAMES = [entry.parent.name for entry in entries(BLUEPRINTS)]


def test_it_is_named_by_version_and_holds_what_is_uploaded(bundle: Path, wagon: Path) -> None:
    assert bundle.name == f"{NAME}-{VERSION}"
    archives = {f"{name}.zip" for name in BLUEPRINT_NAMES}
    assert {"cluster.zip", "router.zip"} <= archives
    held = {path.name for path in bundle.iterdir()}
    assert held == {wagon.name, "plugin.yaml", "quagga.png", "LICENSE", *archives}


def test_its_plugin_yaml_asks_for_the_wagon_beside_it(bundle: Path, wagon: Path) -> None:
    with tarfile.open(bundle / wagon.name, "r:gz") as opened:
        metadata = yaml.safe_load(opened.extractfile(f"{NAME}/package.json").read())  # type: ignore[union-attr]
    name, version = name_and_version(read(bundle / "plugin.yaml"))
    assert (metadata["package_name"], metadata["package_version"]) == (name, version)


def test_what_a_manager_searches_by_is_there(bundle: Path) -> None:
    plugin = read(bundle / "plugin.yaml")
    for key in ("labels", "blueprint_labels"):
        for label, one in plugin[key].items():
            assert label == label.lower()
            assert one["values"]
            assert all(isinstance(value, str) for value in one["values"])
    assert all(isinstance(tag, str) for tag in plugin["resource_tags"].values())


def test_the_icon_is_a_square_png_of_the_size_that_is_shown(bundle: Path) -> None:
    picture = (bundle / "quagga.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", picture[16:24]) == (SIZE, SIZE)
    assert _pixels(picture) == _pixels(draw())


def _pixels(picture: bytes) -> bytes:
    # Compressed by another zlib, the same picture may be other bytes.
    length = struct.unpack(">I", picture[33:37])[0]
    return zlib.decompress(picture[41 : 41 + length])


class ManagerResolver(DefaultImportResolver):  # type: ignore[misc]
    """Finds the plugin where a manager has it after the upload."""

    def __init__(self, plugin: Path) -> None:
        super().__init__()
        self._plugin = plugin

    def resolve(self, import_url: str) -> str:
        if import_url == f"plugin:{NAME}":
            return self._plugin.read_text()
        text: str = super().resolve(import_url)
        return text


@pytest.mark.parametrize("name", BLUEPRINT_NAMES)
def test_a_blueprints_archive_has_one_directory_that_a_manager_parses(
    name: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(bundle / f"{name}.zip") as opened:
        opened.extractall(tmp_path / "uploaded")
    (directory,) = (tmp_path / "uploaded").iterdir()
    assert (directory / "icon.png").exists()
    assert not (directory / "local.yaml").exists()
    types = tmp_path / "resources" / "cloudify" / "types" / "types.yaml"
    types.parent.mkdir(parents=True)
    shutil.copy(BLUEPRINTS / "local_types.yaml", types)
    # Nothing that stands around in the project may be found.
    monkeypatch.chdir(tmp_path)
    plan: Any = parser.parse_from_path(
        str(directory / "blueprint.yaml"),
        resources_base_path=str(tmp_path / "resources"),
        resolver=ManagerResolver(bundle / "plugin.yaml"),
    )
    assert plan["nodes"]
    wanted = {(one["package_name"], one["package_version"]) for one in plan["deployment_plugins_to_install"]}
    assert wanted == {(NAME, VERSION)}


def test_a_blueprint_that_needs_what_is_outside_of_its_directory_is_refused(tmp_path: Path) -> None:
    shutil.copytree(BLUEPRINTS, tmp_path / "blueprints")
    entry = tmp_path / "blueprints" / "router" / "blueprint.yaml"
    entry.write_text(entry.read_text() + "  - ../local_types.yaml\n")
    with pytest.raises(SystemExit, match="which its archive would not hold"):
        archive(entry.parent, tmp_path / "router.zip")
