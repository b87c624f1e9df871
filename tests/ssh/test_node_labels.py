"""The kubelet's file on a real host: written as root, restarted for a reason, taken back to the last byte."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudify_quagga.errors import Conflict, Failed, NotPermitted, Refused
from cloudify_quagga.model.ssh import Kubelet, Ssh
from cloudify_quagga.ssh import Written, remove_node_labels, write_node_labels, written_node_labels
from tests.ssh.openssh import OpenSsh

ROLE = {"role": "router"}
DEFAULT = "/etc/default/kubelet"
BEFORE = '# Hands off.\nKUBELET_EXTRA_ARGS="--v=2"\nOTHER=1'
# Stands for a restart: the kubelet's arguments at the time, one line each time.
RESTART = '. /etc/default/kubelet; echo "$(id -un) $KUBELET_EXTRA_ARGS" >>/run/restarts'


@pytest.fixture
def node(settings: Ssh, server: OpenSsh) -> Iterator[Ssh]:
    yield replace(settings, kubelet=Kubelet(restart_command=RESTART))
    for path in (DEFAULT, "/run/restarts", "/run/failed"):
        server.path(path).unlink(missing_ok=True)
    leftovers = [left for left in server.path("/etc/default").iterdir() if "cloudify" in left.name]
    for left in leftovers:
        left.unlink()
    assert not leftovers


@pytest.fixture
def file(server: OpenSsh) -> Path:
    return server.path(DEFAULT)


def _restarts(server: OpenSsh) -> list[str]:
    path = server.path("/run/restarts")
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("user", ["root", "ubuntu"])
def test_written_once_and_taken_back(node: Ssh, server: OpenSsh, file: Path, user: str) -> None:
    node = replace(node, username=user)
    file.write_text(BEFORE)
    file.chmod(0o640)
    os.chown(file, 4001, 4002)
    assert write_node_labels(node, ROLE) == Written(DEFAULT, changed=True)
    assert 'KUBELET_EXTRA_ARGS="--node-labels=role=router --v=2"\nOTHER=1' in file.read_text()
    assert write_node_labels(node, ROLE) == Written(DEFAULT, changed=False)
    stat = file.stat()
    assert (stat.st_mode & 0o777, stat.st_uid, stat.st_gid) == (0o640, 4001, 4002)
    assert _restarts(server) == ["root --node-labels=role=router --v=2"]
    assert remove_node_labels(node, ROLE) == Written(DEFAULT, changed=True)
    assert remove_node_labels(node, ROLE) == Written(DEFAULT, changed=False)
    assert file.read_text() == BEFORE
    assert _restarts(server)[1:] == ["root --v=2"]


def test_what_was_written_can_be_read_again(node: Ssh, server: OpenSsh, file: Path) -> None:
    node = replace(node, kubelet=Kubelet(restart_command=""))
    assert written_node_labels(node) == {}
    file.write_text('KUBELET_EXTRA_ARGS="--node-labels=zone=theirs"\n')
    assert written_node_labels(node) == {}
    write_node_labels(node, ROLE)
    before = file.read_text()
    assert written_node_labels(node) == ROLE
    assert (file.read_text(), _restarts(server)) == (before, [])
    file.write_text("")
    assert written_node_labels(node) == {}


def test_a_file_that_was_not_there(node: Ssh, file: Path) -> None:
    node = replace(node, kubelet=Kubelet(restart_command=""))
    write_node_labels(node, ROLE)
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_text().endswith("\nKUBELET_EXTRA_ARGS=--node-labels=role=router\n")
    remove_node_labels(node, ROLE)
    assert not file.exists()


def test_red_hats_place(node: Ssh, server: OpenSsh) -> None:
    node = replace(node, kubelet=Kubelet(restart_command=""))
    directory = server.path("/etc/sysconfig")
    directory.mkdir()
    try:
        assert write_node_labels(node, ROLE).file == "/etc/sysconfig/kubelet"
        assert write_node_labels(node, ROLE) == Written("/etc/sysconfig/kubelet", changed=False)
        remove_node_labels(node, ROLE)
        assert not list(directory.iterdir())
    finally:
        directory.rmdir()


def test_a_link_stays_one(node: Ssh, server: OpenSsh, file: Path) -> None:
    target = server.path("/etc/kubelet.env")
    target.write_text("A=1\n")
    file.symlink_to("../kubelet.env")
    write_node_labels(node, ROLE)
    assert file.is_symlink()
    assert "role=router" in target.read_text()
    remove_node_labels(node, ROLE)
    assert target.read_text() == "A=1\n"
    target.unlink()


def test_bytes_that_are_no_text_stay(node: Ssh, file: Path) -> None:
    file.write_bytes(b"A=\xff\xfe\r\n\0")
    node = replace(node, kubelet=Kubelet(restart_command=""))
    write_node_labels(node, ROLE)
    assert file.read_bytes().endswith(b"A=\xff\xfe\r\n\0")
    remove_node_labels(node, ROLE)
    assert file.read_bytes() == b"A=\xff\xfe\r\n\0"


def test_the_file_and_the_command_may_be_named(node: Ssh, server: OpenSsh) -> None:
    path = "/run/my kubelet's env"
    write_node_labels(node, ROLE, path, "touch '/run/failed'")
    assert "role=router" in server.path(path).read_text()
    assert server.path("/run/failed").exists()
    remove_node_labels(node, ROLE, path, "")
    assert not server.path(path).exists()


def test_a_kubelet_that_does_not_restart(node: Ssh, server: OpenSsh, file: Path) -> None:
    file.write_text(BEFORE)
    command = "date >>/run/failed; echo no such unit >&2; exit 5"
    with pytest.raises(Failed, match=r"is as it was before, because 'date .*' failed: no such unit") as error:
        write_node_labels(node, ROLE, restart_command=command)
    assert "nor does it start with what was there before" in str(error.value)
    assert file.read_text() == BEFORE
    assert len(server.path("/run/failed").read_text().splitlines()) == 2


def test_a_first_file_goes_again_if_it_does_not_restart(node: Ssh, file: Path) -> None:
    with pytest.raises(Failed):
        write_node_labels(node, ROLE, restart_command="test ! -e /etc/default/kubelet")
    assert not file.exists()


def test_a_command_that_stays_in_the_background_is_not_waited_for(node: Ssh, server: OpenSsh) -> None:
    started = time.monotonic()
    write_node_labels(node, ROLE, restart_command="sleep 3 & echo $! >/run/restarts")
    remove_node_labels(node, ROLE, restart_command="")
    assert time.monotonic() - started < 3


def test_many_at_once_lose_nothing(node: Ssh, server: OpenSsh, file: Path) -> None:
    file.write_text(BEFORE)
    node = replace(node, kubelet=Kubelet(restart_command=""))
    labels = [{f"label{number}": "x"} for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: write_node_labels(node, one), labels))
        assert "--node-labels=label0=x,label1=x,label2=x,label3=x " in file.read_text()
        list(pool.map(lambda one: remove_node_labels(node, one), labels))
    assert file.read_text() == BEFORE


def test_a_connection_that_drops_changes_nothing_half(node: Ssh, server: OpenSsh, file: Path) -> None:
    """The restart goes on on the node, by itself, when nobody is there any more to hear of it."""
    file.write_text(BEFORE)
    with ThreadPoolExecutor(1) as pool:
        write = pool.submit(write_node_labels, node, ROLE, None, f"touch /run/failed; sleep 3; {RESTART}")
        while not server.path("/run/failed").exists():
            time.sleep(0.01)
        _end_connection(server)
        assert write.exception() is not None
    deadline = time.monotonic() + 15
    while not _restarts(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _restarts(server) == ["root --node-labels=role=router --v=2"]
    assert write_node_labels(node, ROLE).changed is False


def test_without_sudo(node: Ssh) -> None:
    with pytest.raises(
        NotPermitted, match=r"plain@\S+ may not use sudo without a password; writing /etc/def"
    ):
        write_node_labels(replace(node, username="plain"), ROLE)


def test_a_directory_that_the_node_lacks(node: Ssh) -> None:
    with pytest.raises(Refused, match=r"ssh.kubelet.file: /etc/no/kubelet lies in a directory that"):
        write_node_labels(node, ROLE, "/etc/no/kubelet")


def test_somebody_elses_label(node: Ssh, file: Path) -> None:
    file.write_text("KUBELET_EXTRA_ARGS=--node-labels=role=worker\n")
    with pytest.raises(Conflict, match=r"in /etc/default/kubelet on ubuntu@\S+ already says role=worker"):
        write_node_labels(node, ROLE)


def test_a_label_that_would_keep_the_kubelet_from_starting(node: Ssh, file: Path) -> None:
    with pytest.raises(Refused, match=r"labels: node-role.kubernetes.io/router is no label that a kubelet"):
        write_node_labels(node, {"node-role.kubernetes.io/router": ""})
    assert not file.exists()


def _end_connection(server: OpenSsh) -> None:
    """Kill sshd's processes of the connection, and none of the commands below them."""
    for pid in server.sessions():
        # Where one ends, others do by themselves.
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "sshd":
                os.kill(pid, 9)


def test_the_property_reaches_it(given: dict[str, Any], file: Path) -> None:
    ssh = Ssh.parse(given | {"kubelet": {"file": DEFAULT, "restart_command": "true"}})
    assert write_node_labels(ssh, ROLE) == Written(DEFAULT, changed=True)
    assert remove_node_labels(ssh, ROLE) == Written(DEFAULT, changed=True)
