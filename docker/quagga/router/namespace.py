"""One router per network namespace: the lock that says so, and the traces of other routing suites."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from typing import Final

from router.ending import Refused

PATIENCE: Final = 5.0
"""Seconds that a predecessor may still need to be gone."""

# An abstract name lives in the network namespace, not in a file system, and goes with its process.
_LOCK_NAME: Final = b"\0cloudify-quagga-router"
_SOCKETS: Final = Path("/proc/net/unix")
_PATH_COLUMN: Final = 7
_SUITE_SOCKET: Final = re.compile(r"/(?:frr|quagga)/(?:.*/)?(?:zserv\.api|[a-z0-9]+d\.vty|zebra\.vty)$")


def lock(patience: float = PATIENCE) -> socket.socket:
    """Become the router of this network namespace; the lock is held until the process ends."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + patience
    while not _bound(holder):
        if time.monotonic() > deadline:
            holder.close()
            raise Refused(
                "another router is running in this network namespace; one node has room for one router"
            )
        time.sleep(0.1)
    return holder


def refuse_strangers(patience: float = PATIENCE) -> None:
    """Refuse to run beside a FRR or Quagga that is not ours; a predecessor's last sockets may still go."""
    deadline = time.monotonic() + patience
    while found := suite_sockets(_SOCKETS.read_text(errors="replace")):
        if time.monotonic() > deadline:
            raise Refused(
                "another routing suite is running in this network namespace and listens on"
                f" {', '.join(found[:3])}; stop it first, two of them would undo each other's routes"
            )
        time.sleep(0.1)


def suite_sockets(table: str) -> list[str]:
    """Paths in /proc/net/unix that a running FRR or Quagga listens on."""
    paths = (line.split(None, _PATH_COLUMN)[_PATH_COLUMN:] for line in table.splitlines())
    return sorted({path[0] for path in paths if path and _SUITE_SOCKET.search(path[0])})


def _bound(holder: socket.socket) -> bool:
    try:
        holder.bind(_LOCK_NAME)
    except OSError:
        return False
    return True
