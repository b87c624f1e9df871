"""Results worth keeping, one directory each, keyed by kind and version; made once, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab import progress

Build = Callable[[Path], None]


def directory() -> Path:
    """Where the cache is."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    # A host has a root of its own, in which a symbolic link on the way leads elsewhere.
    return (Path(home) / "cloudify-quagga-lab").resolve()


def path(kind: str, version: str) -> Path:
    """Where an entry is, or would be."""
    return directory() / kind / version


def entry(kind: str, version: str, build: Build) -> Path:
    """The entry's directory, made by `build` in a temporary sibling if it is not there yet.

    A second caller waits for the first and uses its result. What an interrupted build left is thrown away;
    each build has a directory of its own, so what outlives an interrupted one writes where nobody looks.
    """
    final = path(kind, version)
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with (final.parent / f".{version}.lock").open("a") as lock:
        _wait_for(lock.fileno(), f"{kind} {version}")
        if not final.is_dir():
            _build(final, build)
    return final


def _wait_for(lock: int, what: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with progress.step(f"waiting for {what}, which another process is making"):
            fcntl.flock(lock, fcntl.LOCK_EX)


def _build(final: Path, build: Build) -> None:
    for leftover in final.parent.glob(f".{final.name}.partial.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{final.name}.partial.", dir=final.parent))
    partial.chmod(0o755)
    try:
        build(partial)
        partial.rename(final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
