"""Control groups for the nodes, one tree per kubelet: version 1 and 2."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab import LabError

MOUNTS = Path("/proc/self/mounts")
PATIENCE = 5.0
_MARK = "cgroup-controllers.json"
# Set in a version 1 group before anything runs in it; a new group has none.
_INHERITED = ("cpuset.cpus", "cpuset.mems")
# What a kubelet asks for, where the kernel has it.
_WANTED = ("cpu", "cpuset", "hugetlb", "io", "memory", "pids")


# Nodes come and go at the same time: one looks whether it is the last while another is made.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Hierarchy:
    """A mounted hierarchy of control groups."""

    path: Path
    version: int


def hierarchies(mounts: str) -> list[Hierarchy]:
    """Every hierarchy that is mounted; version 1 may have version 2 beside it, without controllers."""
    versions = {"cgroup": 1, "cgroup2": 2}
    lines = [line.split() for line in mounts.splitlines()]
    return [Hierarchy(Path(target), versions[kind]) for _, target, kind, *_ in lines if kind in versions]


def unified() -> Path | None:
    """Where version 2 is mounted, if it is the only one."""
    found = hierarchies(MOUNTS.read_text())
    return found[0].path if [hierarchy.version for hierarchy in found] == [2] else None


def create(name: str, marks: Path) -> None:
    """Make a group of this name in every hierarchy, with the controllers a kubelet needs.

    What `restore` has to know is written down in the directory `marks`.
    """
    with _ONE_AT_A_TIME:
        for hierarchy in hierarchies(MOUNTS.read_text()):
            group = hierarchy.path / name
            group.mkdir(exist_ok=True)
            if hierarchy.version == 1:
                _inherit(hierarchy.path, group)
            else:
                remember(hierarchy.path, marks)
                _delegate(hierarchy.path)
                _delegate(group)


def present(prefix: str) -> set[str]:
    """The names of the groups that begin so, in any hierarchy."""
    roots = hierarchies(MOUNTS.read_text())
    return {path.name for root in roots for path in root.path.glob(f"{prefix}*") if path.is_dir()}


def remove(name: str) -> None:
    """Remove the group and those in it, bottom-up; the kernel lets go of ended processes a little later."""
    deadline = time.monotonic() + PATIENCE
    for hierarchy in hierarchies(MOUNTS.read_text()):
        while not _removed(hierarchy.path / name):
            if time.monotonic() > deadline:
                raise LabError(f"{hierarchy.path / name} cannot be removed: see which processes are in it")
            time.sleep(0.05)


def restore(marks: Path, prefix: str) -> None:
    """Switch off the controllers of version 2 that were switched on for the groups, by us or by a runtime.

    :param prefix: not while there are groups whose names begin so.
    """
    with _ONE_AT_A_TIME:
        if not present(prefix):
            _restore(marks)


def remember(root: Path, marks: Path) -> None:
    """Write down which controllers are on in a root group, unless that is written down already."""
    before = {str(root): (root / "cgroup.subtree_control").read_text().split()}
    with suppress(FileExistsError), (marks / _MARK).open("x") as file:
        json.dump(before, file)


def _restore(marks: Path) -> None:
    mark = marks / _MARK
    try:
        remembered = json.loads(mark.read_text())
    except FileNotFoundError:
        return
    for root, before in remembered.items():
        control = Path(root) / "cgroup.subtree_control"
        for name in set(control.read_text().split()) - set(before):
            # Refused where other groups have come to use it, and then it is theirs.
            with suppress(OSError):
                control.write_text(f"-{name}")
    mark.unlink(missing_ok=True)


def _inherit(parent: Path, group: Path) -> None:
    for name in _INHERITED:
        file = group / name
        if file.exists() and not file.read_text().strip():
            file.write_text((parent / name).read_text())


def _delegate(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    enabled = (group / "cgroup.subtree_control").read_text().split()
    missing = [name for name in _WANTED if name in available and name not in enabled]
    try:
        (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in missing))
    except OSError as error:
        raise LabError(
            f"{group} does not hand on the controllers {', '.join(missing)} ({error.strerror}), "
            "as in a container of one's own; the lab needs the machine's own root group"
        ) from error


def _removed(group: Path) -> bool:
    # The files in a group are the kernel's; only directories are removed.
    for directory, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(directory).rmdir()
    return not group.exists()
