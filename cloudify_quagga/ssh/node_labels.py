"""A node's labels where its kubelet reads them, so that a node that registers anew still has them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloudify_quagga.errors import Failed, PermanentError, Refused, Unavailable, Waiting
from cloudify_quagga.model.ssh import Ssh, refuse_kubelet_labels
from cloudify_quagga.ssh.environment_file import Content
from cloudify_quagga.ssh.remote import Done, Remote
from cloudify_quagga.ssh.session import session

_TRIES = 5
_ABSENT = "absent"
_MISSING, _FAILED, _TORN, _CHANGED = 66, 70, 74, 75

# kubeadm's packages have it in one of the two, and need not bring the file.
_FIND = """
for file in /etc/default/kubelet /etc/sysconfig/kubelet; do
    if [ -e "$file" ]; then echo "$file"; exit; fi
done
if [ -d /etc/sysconfig ]; then echo /etc/sysconfig/kubelet; else echo /etc/default/kubelet; fi
"""

_READ = f'if [ -e "$1" ]; then cat -- "$1"; else exit {_MISSING}; fi'

# Arguments: the file, the hash of what was read, the size of what is to be there, the restart command.
# Replaces the file by a rename, unless somebody has changed it meanwhile, and only then restarts; what does
# not start is undone. All in one command, so that a connection that drops does not stop it half-way.
_WRITE = f"""
set -eu
umask 022
file=$(readlink -f -- "$1") || file=$1
directory=${{file%/*}}
[ -d "$directory/" ] || exit {_MISSING}
new=$directory/.${{file##*/}}.cloudify-new
old=$directory/.${{file##*/}}.cloudify-old
log=$(mktemp)
trap 'rm -f "$new" "$old" "$log"' EXIT
exec 9<"$directory/"
if command -v flock >/dev/null; then flock -w 30 9 || exit {_CHANGED}; fi
now={_ABSENT}
if [ -e "$file" ]; then now=$(sha256sum <"$file"); now=${{now%% *}}; fi
[ "$now" = "$2" ] || exit {_CHANGED}
if [ -e "$file" ]; then cp -p "$file" "$old"; cp -p "$file" "$new"; fi
if [ "$3" = {_ABSENT} ]; then
    rm -f "$file"
else
    cat >"$new"
    [ "$(wc -c <"$new")" -eq "$3" ] || exit {_TORN}
    mv -f "$new" "$file"
fi
if [ -z "$4" ] || sh -c "$4" </dev/null >"$log" 2>&1 9<&-; then exit 0; fi
if [ -e "$old" ]; then mv -f "$old" "$file"; else rm -f "$file"; fi
tail -c 1000 "$log" >&2
sh -c "$4" </dev/null >/dev/null 2>&1 9<&- || echo '(nor does it start with what was there before)' >&2
exit {_FAILED}
"""


@dataclass(frozen=True)
class Written:
    """Which file holds the labels, and whether it had to be changed."""

    file: str
    changed: bool


def write_node_labels(
    settings: Ssh, labels: Mapping[str, str], file: str | None = None, restart_command: str | None = None
) -> Written:
    """Have the kubelet register its node with the labels, beside those that it has.

    :param file: in place of the settings' own; an environment file with KUBELET_EXTRA_ARGS.
    :param restart_command: in place of the settings' own; run as root if the file changed, unless empty.
    """
    refuse_kubelet_labels(labels)
    return _change(settings, file, restart_command, lambda content, where: content.with_labels(labels, where))


def remove_node_labels(
    settings: Ssh, labels: Mapping[str, str], file: str | None = None, restart_command: str | None = None
) -> Written:
    """Take back what `write_node_labels` has written."""
    return _change(settings, file, restart_command, lambda content, _: content.without_labels(labels))


def check_node_labels(settings: Ssh, labels: Mapping[str, str]) -> None:
    """Refuse what `write_node_labels` could not do; nothing is changed."""
    refuse_kubelet_labels(labels)
    with session(settings) as transport:
        node = _node(settings, Remote(settings, transport), None)
        Content.parse(node.read(), node.where).with_labels(labels, node.where)


def written_node_labels(settings: Ssh) -> dict[str, str]:
    """What `write_node_labels` has written there, by whomever of us it was called; nothing is changed."""
    with session(settings) as transport:
        node = _node(settings, Remote(settings, transport), None)
        return Content.parse(node.read(), node.where).labels


def _change(
    settings: Ssh, file: str | None, restart_command: str | None, change: Callable[[Content, str], Content]
) -> Written:
    command = settings.kubelet.restart_command if restart_command is None else restart_command
    with session(settings) as transport:
        node = _node(settings, Remote(settings, transport), file)
        for _ in range(_TRIES):
            before = node.read()
            after = change(Content.parse(before, node.where), node.where).text()
            if after == before:
                return Written(node.path, changed=False)
            if node.write(before, after, command):
                return Written(node.path, changed=True)
    raise Waiting(f"{node.where} is being changed by somebody else all the time")


def _node(settings: Ssh, remote: Remote, file: str | None) -> _Node:
    path = file or settings.kubelet.file or _default_file(remote)
    return _Node(settings, remote, path, remote.root(f"writing {path}"))


def _default_file(remote: Remote) -> str:
    return remote.run("sh", "-c", _FIND).output.decode().strip()


class _Node:
    """The file on the node."""

    def __init__(self, settings: Ssh, remote: Remote, path: str, root: tuple[str, ...]) -> None:
        self.where = f"{path} on {settings.address}"
        self._place = settings.place("kubelet")
        self._remote = remote
        self.path = path
        self._root = root

    def read(self) -> str | None:
        """The text, byte for byte; None if there is no file."""
        done = self._remote.run(*self._root, "sh", "-c", _READ, "sh", self.path)
        if done.status == _MISSING:
            return None
        if done.status != 0:
            raise PermanentError(f"{self.where} cannot be read: {done.errors}")
        return done.output.decode(errors="surrogateescape")

    def write(self, before: str | None, after: str | None, command: str) -> bool:
        """Replace the text; False if it is not `before` any more."""
        data = _bytes(after)
        size = _ABSENT if data is None else str(len(data))
        arguments = ("sh", self.path, _hash(before), size, command)
        done = self._remote.run(*self._root, "sh", "-c", _WRITE, *arguments, given=data or b"")
        if done.status == _CHANGED:
            return False
        if done.status != 0:
            raise self._error(done, command)
        return True

    def _error(self, done: Done, command: str) -> Exception:
        if done.status == _MISSING:
            right = "lies in a directory that the node does not have; name the file that its kubelet reads"
            return Refused(f"{self._place}.file", self.path, right)
        if done.status == _FAILED:
            return Failed(f"{self.where} is as it was before, because '{command}' failed: {done.errors}")
        if done.status == _TORN:
            return Unavailable(f"{self.where} was not changed: its new content did not arrive whole")
        return PermanentError(f"{self.where} cannot be written: {done.errors}")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode(errors="surrogateescape")


def _hash(text: str | None) -> str:
    data = _bytes(text)
    return _ABSENT if data is None else hashlib.sha256(data).hexdigest()
