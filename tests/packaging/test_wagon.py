"""The wagon installs where there is nothing, and on what a manager has; a bad one is found out."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packing import pip
from packing.examination import examine, imports, try_out, unpack
from packing.plugin import mappings, name_and_version, read

NAME, VERSION = name_and_version(read())
MANAGERS_OWN_VERSION = "7.0.5.dev1"


@pytest.fixture(scope="module")
def unpacked(wagon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(wagon, tmp_path_factory.mktemp("unpacked"))


def test_it_is_what_a_manager_wants(wagon: Path) -> None:
    assert examine(wagon) == []
    assert wagon.name == f"{NAME.replace('-', '_')}-{VERSION}-py311-none-linux_x86_64.wgn"


def test_no_place_of_this_machine_is_in_it(unpacked: Path) -> None:
    assert json.loads((unpacked / "package.json").read_text())["package_source"] == "."


def test_it_installs_offline_into_an_empty_environment_and_every_mapping_imports(
    wagon: Path, tmp_path: Path
) -> None:
    assert len(mappings(read())) > 10
    assert try_out(wagon, tmp_path) == []
    # The same environment finds out what is not there.
    python = tmp_path / "venv" / "bin" / "python"
    plugin = copy.deepcopy(read())
    lifecycle = plugin["node_types"]["cloudify.nodes.quagga.Router"]["interfaces"][
        "cloudify.interfaces.lifecycle"
    ]
    lifecycle["start"]["implementation"] = "quagga.cloudify_quagga.operations.router.begin"
    assert imports(python, plugin) == [
        "cloudify_quagga.operations.router.begin is mapped to in plugin.yaml and is not there"
    ]
    subprocess.run(pip.pip(python, "uninstall", "--yes", "paramiko"), env=pip.offline(), check=True)
    assert any("No module named 'paramiko'" in one for one in imports(python, read()))


def _without_a_wheel(root: Path) -> None:
    next((root / "wheels").glob("jinja2-*")).unlink()


def _with_a_wheel_of_a_newer_system(root: Path) -> None:
    wheel = next((root / "wheels").glob("bcrypt-*"))
    wheel.rename(wheel.with_name("bcrypt-5.0.0-cp39-abi3-manylinux_2_34_x86_64.whl"))


def _of_another_version(root: Path) -> None:
    metadata = json.loads((root / "package.json").read_text())
    (root / "package.json").write_text(json.dumps({**metadata, "package_version": "9.9.9"}))


def _without_the_plugin(root: Path) -> None:
    next((root / "wheels").glob("cloudify_quagga_plugin-*")).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_a_wheel, "jinja2-"),
        (_with_a_wheel_of_a_newer_system, "is not for Python 3.11 and glibc 2.28"),
        (_of_another_version, f"package_version is '9.9.9' and must be '{VERSION}'"),
        (_without_the_plugin, f"0 wheels of {NAME} {VERSION} instead of one"),
    ],
)
def test_a_spoilt_one_is_found_out(
    wagon: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    root = unpack(wagon, tmp_path / "unpacked")
    spoil(root)
    spoilt = tmp_path / wagon.name
    with tarfile.open(spoilt, "w:gz", compresslevel=1) as archive:
        archive.add(root, root.name)
    assert any(said in problem for problem in examine(spoilt))


def test_a_zip_archive_is_found_out(tmp_path: Path) -> None:
    file = tmp_path / "plugin.wgn"
    file.write_bytes(b"PK\x05\x06" + bytes(18))
    assert "is not the tar.gz archive that a manager wants" in examine(file)[0]


@pytest.fixture
def manager(unpacked: Path, tmp_path: Path) -> Path:
    """The interpreter of an environment with a manager's own packages, as far as the plugin sees them."""
    directory = tmp_path / "manager"
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    place = ["--no-index", "--find-links", str(unpacked / "wheels")]
    pip.must(pip.pip(python, "install", *place, "cloudify-common[dispatcher]"), pip.offline())
    (metadata,) = directory.glob("lib/python3.11/site-packages/cloudify_common-*.dist-info/METADATA")
    lines = metadata.read_text().splitlines()
    lines[lines.index("Version: 7.0.5")] = f"Version: {MANAGERS_OWN_VERSION}"
    metadata.write_text("\n".join(lines))
    metadata.parent.rename(metadata.parent.with_name(f"cloudify_common-{MANAGERS_OWN_VERSION}.dist-info"))
    return python


# What cloudify.plugin_installer does with a wagon once it is downloaded.
_INSTALL = """
import sys, wagon
from cloudify.plugin_installer import _make_virtualenv
python, plugin, archive = sys.argv[1:]
_make_virtualenv(python, plugin)
wagon.install(archive, ignore_platform=True, install_args=[], venv=plugin)
"""


def test_on_a_manager_it_stands_on_the_managers_own_packages(
    wagon: Path, manager: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "plugin"
    arguments = [str(manager), str(plugin), str(wagon)]
    done = subprocess.run(
        [sys.executable, "-c", _INSTALL, *arguments],
        env=pip.offline(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    python = plugin / "bin" / "python"
    assert imports(python, read()) == []
    (site,) = plugin.glob("lib/python3.11/site-packages")
    assert not list(site.glob("cloudify_common*")), "the manager's own cloudify-common would be shadowed"
    assert list(site.glob(f"cloudify_quagga_plugin-{VERSION}.dist-info"))
    assert _found(python, "cloudify") == str(manager.parents[1])
    assert _found(python, "kubernetes") == str(plugin)


def _found(python: Path, module: str) -> str:
    """The environment that a module comes from."""
    text = f"import {module}; print({module}.__file__)"
    command = [str(python), "-I", "-c", text]
    said: Any = subprocess.run(command, env=pip.offline(), capture_output=True, text=True, check=True).stdout
    return os.path.join("/", *Path(said).parts[1 : Path(said).parts.index("lib")])
