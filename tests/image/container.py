"""Nodes and containers as a test needs them: namespaces that processes hold, and that go with them.

Nothing is named in /run/netns and nothing is mounted in the machine's own namespace, so that an interrupted
test leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

# Made in the container's own mount namespace; $1 is the root file system, $2 the folder of what is written.
_ENTER = """
set -e
mount --make-rprivate /
mkdir -p "$2/upper" "$2/work" "$2/merged"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/merged"
mount -t proc proc "$2/merged/proc"
if [ "$3" = read-only ]; then mount --bind -o ro "$2/merged/proc/sys" "$2/merged/proc/sys"; fi
mount -t tmpfs -o mode=755 dev "$2/merged/dev"
for device in null zero full random urandom; do
    touch "$2/merged/dev/$device"; mount --bind "/dev/$device" "$2/merged/dev/$device"
done
merged=$2/merged; shift 3; cd /
exec chroot "$merged" /usr/bin/env -i "$@"
"""
_SHOWN = 300
# Seconds between two looks at the counts of a table, and after which it is read whatever these are.
_BETWEEN = 0.001
_READ_ANYHOW = 0.05
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Node:
    """A network namespace with two interfaces and a neighbour behind each of them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._holder = _hold_namespace()
        self._outside = _hold_namespace()
        self.ip("link set lo up")
        for number, (v4, v6) in enumerate(
            (("10.200.0.11", "fd00:200::11"), ("172.16.0.254", "fd00:172::254"))
        ):
            self.ip(f"link add eth{number} type veth peer name peer{number} netns {self._outside.pid}")
            self._ip_in(self._outside.pid, f"link set peer{number} up")
            (self._sysctl(6, f"eth{number}", "accept_dad")).write("0")
            self.ip(f"link set eth{number} up")
            self.ip(f"address add {v4}/24 dev eth{number}")
            self.ip(f"address add {v6}/64 dev eth{number}")
        self.forward(4, "all", False)
        self.forward(6, "all", False)

    @property
    def namespace(self) -> str:
        """Where the network namespace is found."""
        return f"/proc/{self._holder.pid}/ns/net"

    def ip(self, words: str) -> str:
        """Run the image's ip(8) on this node."""
        return self._ip_in(self._holder.pid, words)

    def run(self, *argv: str, given: str | None = None) -> str:
        """Run a program of the image on this node, outside of any container."""
        return _in_network(self._holder.pid, self._root, list(argv), given)

    def route(self, words: str) -> None:
        """Change a route as a person on the node would."""
        self.ip(f"{'-6 ' if ':' in words else ''}route {words}")

    def routes(self, *protocols: int) -> list[str]:
        """Destinations of the routes with these protocol numbers, of both IP versions."""
        return sorted(
            entry["dst"]
            for version in (4, 6)
            for entry in json.loads(self.ip(f"-{version} -N -j route show table all") or "[]")
            if int(entry.get("protocol", 0)) in protocols
        )

    def everything(self) -> dict[str, str]:
        """All that a router could have changed on the node."""
        shown = {
            words: self.ip(words)
            for words in (
                "-N route show table all",
                "-6 -N route show table all",
                "-N nexthop show",
                "rule show",
                "-6 rule show",
                "link show",
                "address show",
            )
        }
        return {**shown, "sysctls": "\n".join(f"{path} {value}" for path, value in self.sysctls().items())}

    def sysctls(self) -> dict[str, str]:
        """Every sysctl of the network namespace that is a setting."""
        script = "cd /proc/sys/net && grep -r '' ipv4 ipv6 core 2>/dev/null || true"
        lines = _enter(self._holder.pid, ["sh", "-c", script]).splitlines()
        found = dict(line.partition(":")[::2] for line in lines)
        return {
            path: value
            for path, value in sorted(found.items())
            if "/neigh/" not in path and "/inet_peer" not in path
        }

    def forwards(self, version: int, interface: str = "all") -> bool:
        """The forwarding sysctl."""
        return self._sysctl(version, interface).read() == "1"

    def forward(self, version: int, interface: str, on: bool) -> None:
        """Set the forwarding sysctl."""
        self._sysctl(version, interface).write(str(int(on)))

    def table(self, version: int = 4) -> str:
        """The kernel's routes as one read of a file: fast enough to miss nothing."""
        name = "route" if version == 4 else "ipv6_route"
        return Path(f"/proc/{self._holder.pid}/net/{name}").read_text()

    def counts(self, version: int = 4) -> str:
        """How many routes the kernel counts, which is read in a fiftieth of the time."""
        name = "fib_triestat" if version == 4 else "rt6_stats"
        return Path(f"/proc/{self._holder.pid}/net/{name}").read_text()

    def neighbour(self, link: str, address: str) -> Neighbour:
        """Whoever is behind one of the interfaces, with an address."""
        self._ip_in(self._outside.pid, f"address add {address} dev {link}")
        self._ip_in(self._outside.pid, "link set lo up")
        return Neighbour(self._outside.pid, self._root)

    def close(self) -> None:
        """Give both namespaces back."""
        for holder in (self._holder, self._outside):
            holder.communicate()

    def _sysctl(self, version: int, interface: str, name: str = "forwarding") -> _Sysctl:
        return _Sysctl(self._holder.pid, f"/proc/sys/net/ipv{version}/conf/{interface}/{name}")

    def _ip_in(self, pid: int, words: str) -> str:
        return _in_network(pid, self._root, ["ip", *words.split()], None)


class Neighbour:
    """The namespace behind a node's interfaces, for a container of its own."""

    def __init__(self, pid: int, root: Path) -> None:
        self._pid, self._root = pid, root

    @property
    def namespace(self) -> str:
        """Where the network namespace is found."""
        return f"/proc/{self._pid}/ns/net"

    def routes(self, protocol: int) -> list[str]:
        """Destinations of the IPv4 routes with this protocol number."""
        shown = _in_network(self._pid, self._root, ["ip", "-N", "-j", "route", "show"], None)
        return [entry["dst"] for entry in json.loads(shown) if int(entry.get("protocol", 0)) == protocol]


class _Sysctl:
    """One file of /proc/sys/net, as the processes of a network namespace see it."""

    def __init__(self, pid: int, path: str) -> None:
        self._pid, self._path = pid, path

    def read(self) -> str:
        return _enter(self._pid, ["cat", self._path]).strip()

    def write(self, value: str) -> None:
        _enter(self._pid, ["sh", "-c", 'printf %s "$1" > "$2"', "sh", value, self._path])


class Container:
    """The image's command as PID 1, with a file system that is thrown away, and the node's network."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        node: Node | Neighbour,
        environment: Mapping[str, str] | None = None,
        frr_conf: str | None = None,
        command: Sequence[str] = ("bash", "/root/start.sh"),
        read_only_sysctls: bool = False,
    ) -> None:
        self.node = node
        self._upper = folder / "upper"
        self._mounted = self._upper / "etc" / "quagga-router" / "frr.conf"
        if frr_conf is not None:
            self.mount(frr_conf)
        self._log = (folder / "log").open("w+")
        settings = {"TERMINATION_LOG": "/run/last-words", "QUAGGA_NODE": "node1", **(environment or {})}
        entering = [
            "nsenter",
            f"--net={node.namespace}",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--",
        ]
        mode = "read-only" if read_only_sysctls else "writable"
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            [
                *entering,
                *("sh", "-c", _ENTER, "sh", str(root), str(folder), mode),
                *(_PATH, *(f"{name}={value}" for name, value in settings.items()), *command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def mount(self, frr_conf: str) -> None:
        """What the kubelet does with a ConfigMap: the file is a link into a folder, by another link."""
        folder = self._mounted.parent
        newest = folder / "..first"
        newest.mkdir(parents=True)
        (newest / "frr.conf").write_text(frr_conf)
        (folder / "..data").symlink_to(newest.name)
        self._mounted.symlink_to("..data/frr.conf")

    def swap(self, frr_conf: str, mode: int = 0o644) -> None:
        """What the kubelet does when a ConfigMap has changed, or with mode 0400 a Secret."""
        folder = Path(f"/proc/{self.pid}/root/etc/quagga-router")
        newest = folder / f"..{time.monotonic_ns()}"
        newest.mkdir()
        (newest / "frr.conf").write_text(frr_conf)
        (newest / "frr.conf").chmod(mode)
        (folder / "..data_tmp").symlink_to(newest.name)
        (folder / "..data_tmp").rename(folder / "..data")

    def apply(self, frr_conf: str, seconds: float = 30) -> float:
        """Swap the file and wait until it is applied; returns the seconds that it took."""
        began = time.monotonic()
        self.swap(frr_conf)
        self.await_applied(frr_conf, seconds)
        return time.monotonic() - began

    def await_applied(self, frr_conf: str, seconds: float = 30) -> None:
        """Wait until it says that it has taken this file."""
        wanted = hash_of(frr_conf)
        await_that(lambda: self.status["applied_hash"] == wanted, seconds, self)

    def remount(self, frr_conf: str) -> None:
        """Write the mounted file in place, as an editor would."""
        # From the inside: an overlay does not have to notice what is written behind its back.
        Path(f"/proc/{self.pid}/root/etc/quagga-router/frr.conf").write_text(frr_conf)

    @property
    def log(self) -> str:
        """Everything that it printed so far."""
        return Path(self._log.name).read_text(errors="replace")

    @property
    def crashes(self) -> int:
        """How often mgmtd died by itself, as FRR 10.3's does at times when one dies that it is telling."""
        crashed = r"^\S+ router: not ready: .*\bmgmtd was killed by signal (?:6|11)\b.* is being brought back"
        return len(re.findall(crashed, self.log, re.MULTILINE))

    @property
    def last_words(self) -> str:
        """The termination message."""
        path = self._upper / "run" / "last-words"
        return path.read_text() if path.exists() else ""

    @property
    def status(self) -> dict[str, Any]:
        """What the router says of itself; empty before it has said anything."""
        path = self._upper / "run" / "quagga" / "status.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @property
    def ready(self) -> bool:
        """What the readiness probe sees."""
        written = self._upper / "run" / "quagga" / "status.json"
        # What is removed from the image's layer stands in the upper one as a device, which is no file.
        return written.exists() and not (self._upper / "run" / "quagga" / "unready").is_file()

    @property
    def ended(self) -> bool:
        """PID 1 has gone."""
        return self._process.poll() is not None

    def pids(self, name: str) -> list[int]:
        """Processes of this name inside, by their numbers outside."""
        inside = os.readlink(f"/proc/{self.pid}/ns/pid")
        return [pid for pid in _processes() if _namespace(pid) == inside and _name(pid) == name]

    @property
    def pid(self) -> int:
        """PID 1, as it is called outside."""
        await_that(lambda: bool(self._children()), 10)
        pid = self._children()[0]
        await_that(lambda: not os.path.samefile(f"/proc/{pid}/root", "/"), 10)
        return pid

    def ask(self, *words: str, given: str | None = None) -> tuple[int, dict[str, Any]]:
        """One of the image's own commands, by the exec of a pod; returns its exit status and its answer."""
        argv = ["env", "-C", "/root", "python3", "-E", "-m", "router", *words]
        done = self.run(*argv, given=given)
        assert done.stdout.count("\n") == 1, done
        answer: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, answer

    def run(self, *argv: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run something inside, as `kubectl exec` does."""
        entering = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--root", "--wd"]
        return subprocess.run(
            [*entering, "/usr/bin/env", "-i", _PATH, *argv],
            input=given,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )

    def work(self, daemon: str | None = None) -> float:
        """Seconds of a processor that PID 1 and the programs it ran have used, or a daemon has."""
        pid = self.pid if daemon is None else self.pids(daemon)[0]
        return _work(Path(f"/proc/{pid}/stat"))

    def await_ready(self, seconds: float = 20) -> Container:
        """Wait until the probe says yes."""
        await_that(lambda: self.ready or self.ended, seconds, self)
        assert not self.ended, self.log
        return self

    def await_quiet(self, name: str, seconds: float = 20) -> None:
        """Wait until a daemon has been at no work for half a second."""
        stat = Path(f"/proc/{self.pids(name)[0]}/stat")

        def rests() -> bool:
            before = _work(stat)
            time.sleep(0.5)
            return _work(stat) == before

        await_that(rests, seconds, self)

    def await_end(self, seconds: float = 20) -> int:
        """Wait until PID 1 has ended; returns its exit status."""
        await_that(lambda: self.ended, seconds, self)
        return int(self._process.returncode)

    def stop(self) -> tuple[int, float]:
        """End it as the kubelet does; returns the exit status and the seconds that it took."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        status = self.await_end(40)
        return status, time.monotonic() - began

    def kill(self) -> None:
        """End it as the kernel does when memory is short: PID 1 and with it everything inside."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            self.await_end()

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        if not self.ended:
            # A PID 1 that became another user, as a daemon does, does not die with its parent.
            for child in self._children():
                os.kill(child, signal.SIGKILL)
            self._process.kill()
            self._process.wait(60)
        self._log.close()

    def _children(self) -> list[int]:
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(word) for word in path.read_text().split()]


class Poller:
    """Reads the kernel's table again and again, and remembers what was absent in any reading."""

    def __init__(self, node: Node, prefixes: Iterable[str]) -> None:
        self._node = node
        self._wanted: dict[int, set[str]] = {4: set(), 6: set()}
        for prefix in prefixes:
            version, line = _as_in_table(prefix)
            self._wanted[version].add(line)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self.looks = 0
        self.absences: list[tuple[float, int]] = []

    def __enter__(self) -> Poller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def absent(self) -> float:
        """Seconds between the first and the last reading in which something was absent."""
        return self.absences[-1][0] - self.absences[0][0] if self.absences else 0.0

    def _poll(self) -> None:
        versions = [version for version, wanted in self._wanted.items() if wanted]
        counted, read, missing = [""], 0.0, 0
        while not self._end.is_set():
            counts = [self._node.counts(version) for version in versions]
            # What comes and what goes at the same moment leave the counts as they are.
            if counts != counted or time.monotonic() > read + _READ_ANYHOW:
                counted, read = counts, time.monotonic()
                missing = sum(
                    len(self._wanted[version] - _lines(self._node.table(version))) for version in versions
                )
            self.looks += 1
            if missing:
                self.absences.append((time.monotonic(), missing))
            # Those who are read about need the processor too.
            time.sleep(_BETWEEN)


def hash_of(frr_conf: str) -> str:
    """By which a router calls a configuration."""
    return hashlib.sha256(frr_conf.encode()).hexdigest()


def await_that(condition: Callable[[], bool], seconds: float, container: Container | None = None) -> None:
    """Wait until something is so, for a bounded time."""
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not so after {seconds} s\n{_in_short(container.log) if container else ''}")
        # Who is waited for has the processor for as long as asking takes.
        time.sleep(max(0.01, now - asked))
        asked = time.monotonic()


def _work(stat: Path) -> float:
    """Seconds of a processor that a process and what it has waited for have used."""
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(int(fields[index]) for index in range(11, 15)) / os.sysconf("SC_CLK_TCK")


def _in_short(log: str) -> str:
    """A log of which every line counts: of those that say the same one after the other there is the first."""
    # FRR gives each of its messages a name.
    runs = groupby(log.splitlines(), lambda line: re.findall(r"[A-Z]+: \[\w{5}-\w{5}\]", line) or line)
    told = [(next(lines)[:_SHOWN], sum(1 for _ in lines)) for _, lines in runs]
    return "\n".join(f"{line} (and {more} more)" if more else line for line, more in told)


def _lines(table: str) -> set[str]:
    """Destination and length of every route in /proc/net/route or /proc/net/ipv6_route."""
    found = set()
    for line in table.splitlines():
        words = line.split()
        if len(words) == 11:
            found.add(f"{words[1]}/{words[7]}")
        elif len(words) == 10:
            found.add(f"{words[0]}/{words[1]}")
    return found


def _as_in_table(prefix: str) -> tuple[int, str]:
    network = ipaddress.ip_network(prefix)
    if network.version == 4:
        address = network.network_address.packed[::-1].hex().upper()
        return 4, f"{address}/{network.netmask.packed[::-1].hex().upper()}"
    return 6, f"{network.network_address.packed.hex()}/{network.prefixlen:02x}"


def _hold_namespace() -> subprocess.Popen[bytes]:
    # It reads from a pipe that the test holds, so that it ends when the test does, however that comes about.
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
    own = os.readlink("/proc/self/ns/net")
    await_that(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != own and _name(holder.pid) == "cat", 5)
    return holder


def _in_network(pid: int, root: Path, argv: list[str], given: str | None) -> str:
    script = 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
    return _enter(pid, ["unshare", "--mount", "sh", "-c", script, str(root), *argv], given)


def _enter(pid: int, argv: list[str], given: str | None = None) -> str:
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", *argv],
        input=given,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
