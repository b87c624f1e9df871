"""The mounted file as it changes: the kubelet swaps a symbolic link, an editor writes in place."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Final

from router.configuration import MOUNTED, is_private

_YOUNG: Final = 0.05
"""Seconds after a write within which there may be more to come."""

_Stamp = tuple[int, int, int, int]


class Mounted:
    """The file, and which state of it was seen last; where there was none, none is looked for."""

    def __init__(self, path: Path = MOUNTED) -> None:
        self._path = path
        self._seen = self._stamp()

    def changed(self) -> bytes | None:
        """What the file holds, if it has changed since this was asked last; None if not."""
        stamp = self._stamp()
        if None in (stamp, self._seen) or stamp == self._seen or self._being_written():
            return None
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        if self._stamp() != stamp:
            return None
        self._seen = stamp
        return content

    @property
    def private(self) -> bool:
        """There are secrets in it."""
        return is_private(self._path)

    def forget(self) -> None:
        """What it holds is taken for new once more."""
        self._seen = None if self._seen is None else (0, 0, 0, 0)

    def hash(self) -> str | None:
        """The name of what it holds now; None where there is no file."""
        try:
            return hash_of(self._path.read_bytes())
        except OSError:
            return None

    def _being_written(self) -> bool:
        try:
            return abs(time.time() - self._path.stat().st_mtime) < _YOUNG
        except OSError:
            return True

    def _stamp(self) -> _Stamp | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def hash_of(content: bytes) -> str:
    """SHA-256 of a configuration, the name under which the plugin knows it."""
    return hashlib.sha256(content).hexdigest()
