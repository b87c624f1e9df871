from pathlib import Path

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


def test_a_machine_without_cgroups_has_no_hierarchy() -> None:
    assert cgroups.hierarchies("proc /proc proc rw 0 0\n") == []
