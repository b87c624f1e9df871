"""Kubernetes, built once per version from Debian's source package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from lab import LabError, cache, packages, progress

# Debian calls the upstream release 1.20.2 so; security revisions of Debian keep this prefix.
DEBIAN = "1.20.5+really1.20.2"
VERSION = "1.20.2"
ENTRY = f"{VERSION}-{packages.RELEASE}"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
BUILD_PACKAGES = ("golang-1.19-go", "jq", "make", "patch", "rsync")
# Lines that one build prints, nearly all of them packages compiled (counted), so that the bar is honest.
COMPILED = 2406
MARK = "_output/local/go/bin"


def program(name: str) -> str:
    """The absolute path of one of PROGRAMS; the first time this takes about six minutes on two processors."""
    return str(cache.entry("kubernetes", ENTRY, _build) / name)


def built() -> bool:
    """Whether the programs are in the cache."""
    return cache.path("kubernetes", ENTRY).is_dir()


def _build(into: Path) -> None:
    work = into / ".work"
    tools, tree = work / "tools", work / "go/src/k8s.io/kubernetes"
    for directory in (tools, tree.parent, work / "home", work / "source"):
        directory.mkdir(parents=True)
    with progress.step("Kubernetes, source"):
        _unpack(packages.source("kubernetes", work / "source"), tree)
    packages.unpack(BUILD_PACKAGES, tools, "Kubernetes, what builds it")
    _patch(tree, _environment(work))
    with progress.step(f"Kubernetes {VERSION}, built from Debian's source", total=COMPILED) as step:
        _make(work, tree, step)
    for name in PROGRAMS:
        (tree / MARK / name).rename(into / name)
    shutil.rmtree(work)


def _unpack(files: list[Path], tree: Path) -> None:
    original = _one(files, ".orig.tar.gz")
    if not original.name.startswith(f"kubernetes_{DEBIAN}."):
        raise LabError(f"Debian's source is {original.name}, but the lab knows how to build {DEBIAN}")
    shutil.unpack_archive(original, tree.parent)
    (unpacked,) = tree.parent.iterdir()
    unpacked.rename(tree)
    shutil.unpack_archive(_one(files, ".debian.tar.xz"), tree)


def _one(files: list[Path], suffix: str) -> Path:
    found = [file for file in files if file.name.endswith(suffix)]
    if len(found) != 1:
        raise LabError(f"Debian's source of kubernetes has no {suffix}: {[file.name for file in files]}")
    return found[0]


def _patch(tree: Path, environment: dict[str, str]) -> None:
    series = tree / "debian/patches/series"
    for name in series.read_text().split():
        with (series.parent / name).open() as patch:
            subprocess.run(["patch", "-sp1"], cwd=tree, env=environment, stdin=patch, check=True)


def _environment(work: Path) -> dict[str, str]:
    tools = packages.environment_of(work / "tools")
    version = work / "version"
    major, minor, _ = VERSION.split(".")
    version.write_text(
        f"KUBE_GIT_COMMIT='debian'\nKUBE_GIT_TREE_STATE='archive'\nKUBE_GIT_VERSION='v{VERSION}'\n"
        f"KUBE_GIT_MAJOR='{major}'\nKUBE_GIT_MINOR='{minor}'\n"
    )
    return (
        {name: value for name, value in os.environ.items() if not name.startswith(("GO", "KUBE", "MAKE"))}
        | tools
        | {
            "PATH": f"{work}/tools/usr/lib/go-1.19/bin:{tools['PATH']}",
            "HOME": str(work / "home"),
            "GOPATH": str(work / "go"),
            "GO111MODULE": "off",
            "CGO_ENABLED": "0",
            "GOLDFLAGS": "-s -w",
            "GOFLAGS": "-v",
            "KUBE_GIT_VERSION_FILE": str(version),
        }
    )


def _make(work: Path, tree: Path, step: progress.Step) -> None:
    log = cache.directory() / "kubernetes" / "build.log"
    targets = " ".join(f"cmd/{name}" for name in PROGRAMS)
    process = subprocess.Popen(
        ["make", f"WHAT={targets}"],
        cwd=tree,
        env=_environment(work),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process, log.open("w") as output:
        try:
            _follow(process, output, step)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        last = "".join(log.read_text().splitlines(keepends=True)[-8:])
        raise LabError(f"building Kubernetes failed; {log} ends with:\n{last}")


def _follow(process: subprocess.Popen[str], output: IO[str], step: progress.Step) -> None:
    for line in process.stdout or ():
        output.write(line)
        step.advance()
        step.say(line.strip().rpartition("k8s.io/")[2])
