import threading
import time
from pathlib import Path

import pytest

from lab import cgroups
from lab.cgroups import Hierarchy

V1 = """\
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
"""
UNIFIED = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"


def test_every_hierarchy_of_version_1_is_used() -> None:
    expected = [
        Hierarchy(Path("/sys/fs/cgroup/cpu,cpuacct"), 1),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), 1),
    ]
    assert cgroups.hierarchies(V1) == expected


def test_version_2_beside_version_1_is_not_forgotten() -> None:
    beside = Hierarchy(Path("/sys/fs/cgroup/unified"), 2)
    assert cgroups.hierarchies(UNIFIED + V1) == [beside, *cgroups.hierarchies(V1)]


def test_version_2_is_used_where_it_is_alone() -> None:
    assert cgroups.hierarchies("proc /proc proc rw 0 0\n" + V2) == [Hierarchy(Path("/sys/fs/cgroup"), 2)]


@pytest.mark.parametrize(
    ("mounts", "where"), [(V1, None), (UNIFIED + V1, None), (V2, Path("/sys/fs/cgroup")), ("", None)]
)
def test_version_2_counts_as_unified_only_alone(
    mounts: str, where: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text(mounts)
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
    assert cgroups.unified() == where


def test_a_machine_without_cgroups_has_no_hierarchy() -> None:
    assert cgroups.hierarchies("proc /proc proc rw 0 0\n") == []


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that looks like a hierarchy of version 2."""
    made = tmp_path / "root"
    made.mkdir()
    (made / "cgroup.controllers").write_text("cpu memory pids\n")
    (made / "cgroup.subtree_control").write_text("memory pids\n")
    (tmp_path / "mounts").write_text(f"cgroup2 {made} cgroup2 rw 0 0\n")
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
    return made


def test_what_is_written_down_is_what_was_on_before_the_first_group(root: Path, tmp_path: Path) -> None:
    control = root / "cgroup.subtree_control"
    for on in ("memory pids\n", "cpu memory pids\n"):
        control.write_text(on)
        cgroups.remember(root, tmp_path)
    control.write_text("cpu memory pids\n")
    cgroups.restore(tmp_path, "node")
    assert control.read_text() == "-cpu"


def test_nothing_is_restored_while_there_is_a_group(root: Path, tmp_path: Path) -> None:
    cgroups.remember(root, tmp_path)
    (root / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (root / "node1").mkdir()
    cgroups.restore(tmp_path, "node")
    assert (root / "cgroup.subtree_control").read_text() == "cpu memory pids\n"


def test_one_that_comes_while_another_looks_whether_it_is_the_last(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remember(root: Path, marks: Path) -> None:
        """Slow enough to be seen half done."""
        with (marks / "cgroup-controllers.json").open("w") as file:
            time.sleep(0.2)
            file.write(f'{{"{root}": []}}')

    monkeypatch.setattr(cgroups, "remember", remember)
    monkeypatch.setattr(cgroups, "_delegate", lambda _: None)
    # Groups of version 1 come first: whoever looks may see none yet.
    monkeypatch.setattr(cgroups, "present", lambda _: set())
    comes = threading.Thread(target=cgroups.create, args=("node1", tmp_path))
    comes.start()
    time.sleep(0.05)
    cgroups.restore(tmp_path, "node")
    comes.join()


def test_there_is_nothing_to_restore_before_there_was_a_group(root: Path, tmp_path: Path) -> None:
    cgroups.restore(tmp_path, "node")
