import fcntl
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from lab import LabError, image, pause, registry


@pytest.mark.parametrize(
    ("dockerfile", "bases"),
    [
        ("FROM debian:trixie", ["debian:trixie"]),
        ("ARG BASE=debian:trixie-slim\nFROM ${BASE}\nARG OTHER=x", ["debian:trixie-slim"]),
        ("ARG SUITE='bookworm'\nfrom debian:$SUITE", ["debian:bookworm"]),
        ("# FROM debian:sid\nFROM --platform=linux/amd64 debian:trixie AS one\nFROM one", ["debian:trixie"]),
        (
            "FROM debian:trixie AS a\nFROM debian:bookworm\nCOPY --from=a / /",
            ["debian:trixie", "debian:bookworm"],
        ),
        ("FROM scratch\nCOPY . /", []),
    ],
)
def test_a_dockerfile_says_what_it_builds_on(dockerfile: str, bases: list[str]) -> None:
    assert image.bases(dockerfile) == bases


@pytest.mark.parametrize(
    "base", ["debian:trixie", "debian:trixie-slim", "docker.io/library/debian:trixie-slim"]
)
def test_a_debian_base_names_its_suite(base: str) -> None:
    assert image.suite(base) == "trixie"


@pytest.mark.parametrize("base", ["alpine:3.20", "debian", "debian:12", "quay.io/debian:trixie", ""])
def test_any_other_base_is_refused_by_its_name(base: str) -> None:
    with pytest.raises(LabError, match=f"FROM '{base}'"):
        image.suite(base)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM debian:trixie\n")
    (tmp_path / "part").mkdir()
    (tmp_path / "part/start.sh").write_text("true\n")
    return tmp_path


def test_the_key_follows_content_and_nothing_else(context: Path) -> None:
    key = image.key(context)
    os.utime(context / "Dockerfile", (0, 0))
    (context / "part/__pycache__").mkdir()
    (context / "part/__pycache__/x.pyc").write_bytes(b"x")
    assert image.key(context) == key


def test_every_change_gives_another_key(context: Path) -> None:
    keys = [image.key(context)]
    for change in (
        lambda: (context / "part/start.sh").write_text("false\n"),
        lambda: (context / "part/start.sh").chmod(0o755),
        lambda: (context / "part/start.sh").rename(context / "part/begin.sh"),
        lambda: (context / "link").symlink_to("part"),
        lambda: (context / "other").symlink_to("Dockerfile"),
        lambda: (context / "other").replace(context / "link"),
    ):
        change()
        keys.append(image.key(context))
    assert len(set(keys)) == len(keys)


def test_content_that_moves_between_files_gives_another_key(tmp_path: Path) -> None:
    keys = set()
    for one, other in (("ab", "c"), ("a", "bc")):
        (tmp_path / "one").write_text(one)
        (tmp_path / "other").write_text(other)
        keys.add(image.key(tmp_path))
    assert len(keys) == 2


def test_a_directory_without_a_dockerfile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=f"{tmp_path}/Dockerfile does not exist"):
        image.build(tmp_path, "none")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("quagga", ("library/quagga", "latest")),
        ("quagga:1.2", ("library/quagga", "1.2")),
        ("docker.io/quagga", ("library/quagga", "latest")),
        ("someone/quagga:x", ("someone/quagga", "x")),
    ],
)
def test_names_are_those_of_docker_io(name: str, parsed: tuple[str, str]) -> None:
    assert registry.parse(name) == parsed


@pytest.mark.parametrize("name", ["", "Quagga", "a/b/c", "quagga:", "quagga latest", "../x"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match=r"it is a docker\.io name"):
        registry.parse(name)


def test_the_pause_image_is_whole_and_always_the_same(tmp_path: Path) -> None:
    for name in ("one", "other"):
        pause.write(tmp_path / name, b"busybox")
    assert registry.digest(tmp_path / "one") == registry.digest(tmp_path / "other")
    blobs = {path.name: path.read_bytes() for path in (tmp_path / "one/blobs/sha256").iterdir()}
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
    manifest = json.loads(blobs[registry.digest(tmp_path / "one").removeprefix("sha256:")])
    (layer,) = manifest["layers"]
    with tarfile.open(fileobj=io.BytesIO(blobs[layer["digest"].removeprefix("sha256:")])) as tar:
        program = tar.extractfile("bin/busybox")
        assert program is not None
        assert program.read() == b"busybox"


def test_only_what_nobody_is_building_any_more_is_forgotten(tmp_path: Path) -> None:
    for name in (".aa.partial.x", ".bb.partial.y", "cc"):
        (tmp_path / name).mkdir()
    with (tmp_path / ".bb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image.forget(tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {".bb.partial.y", "cc"}


def test_the_images_used_last_are_kept(tmp_path: Path) -> None:
    for age in range(image.KEPT + 2):
        (tmp_path / f"image{age}").mkdir()
        os.utime(tmp_path / f"image{age}", (1000 - age, 1000 - age))
    image.forget(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        f"image{age}" for age in range(image.KEPT)
    ]


def test_an_image_that_another_process_has_just_forgotten(tmp_path: Path) -> None:
    # Seen in the directory, and not there any more when it is looked at.
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "there").mkdir()
    image.forget(tmp_path)
    assert (tmp_path / "there").is_dir()
