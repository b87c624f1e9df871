"""buildah, and other programs that make file systems, run so that they leave nothing outside them."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lab import LabError, enclosure, packages

LAST_LINES = 12


class Buildah:
    """buildah with a store, a configuration and a scratch directory of its own."""

    def __init__(self, work: Path, store: Path, others: list[Path]) -> None:
        scratch = work / "scratch"
        scratch.mkdir(parents=True)
        read_only = ", ".join(f'"{other}"' for other in others)
        written = {
            "storage.conf": f'[storage]\ndriver = "vfs"\nrunroot = "{work}/run"\ngraphroot = "{store}"\n'
            f"[storage.options]\nadditionalimagestores = [{read_only}]\n",
            # So that `debian` is docker.io's, without asking.
            "registries.conf": 'unqualified-search-registries = ["docker.io"]\n',
            "containers.conf": f'[network]\nnetwork_config_dir = "{scratch}"\n',
            "policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
        }
        for name, text in written.items():
            (work / name).write_text(text)
        self._policy = f"--signature-policy={work / 'policy.json'}"
        self._environment = {
            "CONTAINERS_STORAGE_CONF": str(work / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(work / "registries.conf"),
            "CONTAINERS_CONF": str(work / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "TMPDIR": str(scratch),
        }

    def run(self, command: str, *arguments: str) -> str:
        """Run one of buildah's commands and return what it printed."""
        return call(self._argv(command, arguments), self._environment, f"buildah {command}")

    def follow(self, command: str, *arguments: str) -> Iterator[str]:
        """Run one of buildah's commands and yield the lines it prints."""
        return follow(self._argv(command, arguments), self._environment, f"buildah {command}")

    def _argv(self, command: str, arguments: tuple[str, ...]) -> list[str]:
        policy = [self._policy] if command in ("bud", "commit", "from", "push") else []
        return enclosure.enter(["buildah", command, *policy, *arguments])


def call(argv: list[str], environment: Mapping[str, str], name: str | None = None) -> str:
    """What a command printed on its standard output."""
    done = subprocess.run(
        argv,
        env={**packages.environment(), **environment},
        stdin=subprocess.DEVNULL,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise _failure(name or argv[0], (done.stderr or done.stdout).splitlines())
    return done.stdout


def follow(argv: list[str], environment: Mapping[str, str], name: str | None = None) -> Iterator[str]:
    """The lines that a command prints, as it prints them."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        argv,
        env={**packages.environment(), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            yield line
    if process.returncode:
        raise _failure(name or argv[0], last)


def _failure(name: str, lines: Collection[str]) -> LabError:
    last = "\n".join(list(lines)[-LAST_LINES:])
    return LabError(f"{name} ended with an error, having said:\n{last}")
