"""Whether a port at which a daemon has to be reached is held by somebody else on the node."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")

_LISTENING: Final = "0A"
_COLUMNS: Final = 10


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections."""

    address: str
    port: int
    uid: int
    inode: int


def listeners(proc: Path = PROC) -> Iterator[Listener]:
    """Every one in this network namespace."""
    for name in ("tcp", "tcp6"):
        try:
            table = (proc / "net" / name).read_text()
        except FileNotFoundError:
            continue  # a kernel without this IP version
        yield from read(table)


def read(table: str) -> Iterator[Listener]:
    """Those that a table of /proc/net shows."""
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) >= _COLUMNS and words[3] == _LISTENING:
            address, _, port = words[1].partition(":")
            yield Listener(_address(address), int(port, 16), int(words[7]), int(words[9]))


def holder_of(listener: Listener, proc: Path = PROC) -> str:
    """Who has it open; a program of another container is in no table that is seen here."""
    link = f"socket:[{listener.inode}]"
    for pid in sorted(path.name for path in proc.iterdir() if path.name.isdigit()):
        if link in _open_by(proc / pid):
            return f"{(proc / pid / 'comm').read_text().strip()} (pid {pid})"
    return f"a program outside of this container (user {listener.uid})"


def _open_by(process: Path) -> list[str]:
    try:
        return [str(path.readlink()) for path in (process / "fd").iterdir()]
    except OSError:
        return []  # it has gone, or is none of ours


def _address(text: str) -> str:
    """As the kernel prints it: words of four bytes, each the wrong way round."""
    words = (bytes.fromhex(text[index : index + 8])[::-1] for index in range(0, len(text), 8))
    return str(ipaddress.ip_address(b"".join(words)))
