"""Container images from Dockerfiles: bases by debootstrap, built by buildah, kept by their content."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from lab import LabError, cache, packages, progress, registry
from lab.buildah import Buildah, call, follow

# Part of every key: to be raised when the way of building changes what comes out.
RECIPE = 2
# Images in the cache that are not thrown away for newer ones.
KEPT = 4
SLIMMED = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
IGNORED = {"__pycache__", ".git", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
_DEBIAN = re.compile(r"(?:docker\.io/)?(?:library/)?debian:(?P<suite>[a-z]+)(?:-slim)?")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")
_STEP = re.compile(r"STEP (\d+)/(\d+): (.*)")


def build(directory: Path, name: str) -> Path:
    """Build DIRECTORY/Dockerfile unless that is done already; returns the image's root file system."""
    return _built(directory, name) / "rootfs"


def publish(directory: Path, name: str) -> str:
    """Build DIRECTORY/Dockerfile if need be and put it into the lab's registry; returns its full name."""
    registry.parse(name)
    image = _built(directory, name)
    with progress.step(f"image {name}, to the registry"):
        return registry.push(image / "oci", name)


def files(directory: Path) -> list[Path]:
    """The files that an image is built from, in a fixed order."""
    found = [path for path in directory.rglob("*") if not IGNORED & set(path.relative_to(directory).parts)]
    return sorted(path for path in found if path.is_symlink() or path.is_file())


def key(directory: Path) -> str:
    """What an image's directory holds, in short."""
    content = hashlib.sha256(str(RECIPE).encode())
    for path in files(directory):
        what = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        executable = not path.is_symlink() and bool(path.stat().st_mode & 0o111)
        header = f"{path.relative_to(directory)}\0{path.is_symlink()}\0{executable}\0{len(what)}\0"
        content.update(header.encode() + what)
    return content.hexdigest()[:16]


def bases(dockerfile: str) -> list[str]:
    """The images that a Dockerfile builds on, with the defaults of ARGs; its stages are not among them."""
    defaults: dict[str, str] = {}
    stages: set[str] = {"scratch"}
    found = []
    for words in _instructions(dockerfile):
        if words[0].upper() == "ARG" and len(words) > 1:
            name, _, value = words[1].partition("=")
            defaults[name] = value.strip("\"'")
        if words[0].upper() == "FROM":
            rest = [word for word in words[1:] if not word.startswith("--")]
            base = _substituted(rest[0], defaults)
            if base not in stages:
                found.append(base)
            stages |= {rest[2]} if len(rest) > 2 else set()  # noqa: PLR2004 - FROM x AS y
    return found


def suite(base: str) -> str:
    """The Debian suite that a base image is of.

    :raises LabError: if it is another image, which would have to come from somewhere else.
    """
    match = _DEBIAN.fullmatch(base)
    if match is None:
        raise LabError(
            f"FROM {base!r}: the lab makes its bases itself; debian:SUITE and debian:SUITE-slim are known"
        )
    return match["suite"]


def _instructions(dockerfile: str) -> Iterator[list[str]]:
    for line in dockerfile.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            yield words


def _substituted(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match["braced"] or match["bare"], ""), text)


def _built(directory: Path, name: str) -> Path:
    dockerfile = directory / "Dockerfile"
    if not dockerfile.is_file():
        raise LabError(f"{dockerfile} does not exist; an image is made from a directory with a Dockerfile")
    suites = {suite(base) for base in bases(dockerfile.read_text())}
    image = cache.entry("images", key(directory), lambda into: _build(directory, name, suites, into))
    image.touch()
    forget(image.parent)
    return image


def forget(images: Path) -> None:
    """Remove the images used longest ago, and what interrupted builds left that nobody may build again."""
    finished = [path for path in images.iterdir() if not path.name.startswith(".")]
    # Another process may think of the same ones.
    for old in sorted(finished, key=_used, reverse=True)[KEPT:]:
        # Its name goes first, so that nobody finds half of it.
        with suppress(FileNotFoundError):
            old.rename(old.with_name(f".{old.name}.partial.old"))
    for partial in images.glob(".*.partial.*"):
        lock = images / f".{partial.name.split('.')[1]}.lock"
        # Whoever is at work on it holds the lock.
        with suppress(BlockingIOError), lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if partial.exists():
                shutil.rmtree(partial)


def _used(image: Path) -> int:
    try:
        return image.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _build(directory: Path, name: str, suites: set[str], into: Path) -> None:
    stores = [_base(suite) / "store" for suite in sorted(suites)]
    work = into / ".work"
    buildah = Buildah(work, work / "store", stores)
    context = work / "context"
    for file in files(directory):
        copy = context / file.relative_to(directory)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy, follow_symlinks=False)
    (work / "apt.conf").write_text(_apt_configuration())
    with progress.step(f"image {name}", total=100) as step:
        settings = f"{work / 'apt.conf'}:/etc/apt/apt.conf.d/99machine:ro"
        options = ["--format=oci", "--layers=false", "--network=host", "--pull-never", f"--volume={settings}"]
        for line in buildah.follow("bud", *options, "--tag=image", str(context)):
            if match := _STEP.match(line):
                step.reach(80 * (int(match[1]) - 1) / int(match[2]))
                step.say(match[3])
        buildah.run("push", "image", f"oci:{into / 'oci'}:latest")
        step.reach(95)
        container = buildah.run("from", "--pull-never", "image").strip()
        Path(buildah.run("mount", container).strip()).rename(into / "rootfs")
    shutil.rmtree(work)


def _base(suite: str) -> Path:
    return cache.entry("bases", f"{suite}-{RECIPE}", lambda into: _bootstrap(suite, into))


def _bootstrap(suite: str, into: Path) -> None:
    work = into / ".work"
    buildah = Buildah(work, into / "store", [])
    mirror = packages.mirror()
    with progress.step(f"Debian {suite}, base image") as step:
        container = buildah.run("from", "scratch").strip()
        root = Path(buildah.run("mount", container).strip())
        root.chmod(0o755)
        debootstrap = ["debootstrap", "--variant=minbase", suite, str(root), mirror.uri]
        for line in follow(debootstrap, mirror.environment):
            step.say(line.removeprefix("I: ").rstrip(".\n"))
        _slim(root)
        buildah.run("config", "--cmd", "bash", container)
        image = f"docker.io/library/debian:{suite}"
        buildah.run("commit", "--format=oci", "--rm", container, image)
        buildah.run("tag", image, f"{image}-slim")
    shutil.rmtree(work)


def _slim(root: Path) -> None:
    """Take out what Debian's own slim images go without, and have dpkg leave it out from now on."""
    for directory in ("var/cache/apt", "var/lib/apt/lists", *(f"usr/share/{name}" for name in SLIMMED)):
        for path in root.glob(f"{directory}/**/*"):
            if path.name != "copyright" and (path.is_symlink() or path.is_file()):
                path.unlink()
    excluded = [f"path-exclude /usr/share/{name}/*\n" for name in SLIMMED]
    kept = "path-include /usr/share/doc/*/copyright\n"
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text("".join([*excluded, kept]))


def _apt_configuration() -> str:
    """How apt on this machine gets at its archives: proxies and how much it minds the clock."""
    dumped = call(["apt-config", "dump"], {})
    taken = re.compile(r"Acquire::(http|https|Retries|Check-)")
    return "".join(f"{line}\n" for line in dumped.splitlines() if taken.match(line))
