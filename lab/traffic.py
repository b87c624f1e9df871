"""What is seen while something changes: a numbered stream of packets, and a node's route table.

The watchers are programs of their own in the hosts' networks; this file is those too (`traffic.py WHAT ...`).
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

PORT = 9000
RATE = 250.0
"""Packets a second."""
_LAST_PACKETS = 1.0
# Seconds between two looks at the counts of the table, and after which it is read whatever these are.
_BETWEEN = 0.001
_READ_ANYHOW = 0.05
_LONGEST = 600.0


@dataclass(frozen=True)
class Delivery:
    """What became of a stream.

    :param longest_gap: seconds between two arrivals; about 1 / RATE where nothing is lost.
    """

    sent: int
    arrived: int
    longest_gap: float

    @property
    def lost(self) -> int:
        """Packets that were sent and did not arrive."""
        return self.sent - self.arrived


class Stream:
    """UDP packets with numbers from the client to one of the server's addresses, while a `with` block runs.

    :param least: the block's end is waited with until so many packets are sent.
    """

    def __init__(self, address: str = "10.0.0.1", rate: float = RATE, least: int = 2500) -> None:
        self._address = address
        self._rate = rate
        self._least = least
        self._delivery: Delivery | None = None

    def __enter__(self) -> Stream:
        self._receiver = _start("server", "receive", self._address, str(PORT))
        _await_word(self._receiver)
        self._sender = _start("client", "send", self._address, str(PORT), str(self._rate), str(self._least))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sent = int(_ended(self._sender))
        time.sleep(_LAST_PACKETS)
        arrived, gap = json.loads(_ended(self._receiver))
        self._delivery = Delivery(sent, arrived, gap)

    @property
    def delivery(self) -> Delivery:
        """What became of it, once the block has ended."""
        if self._delivery is None:
            raise RuntimeError("the stream still runs")
        return self._delivery


class TableWatch:
    """How few of some IPv4 prefixes a node's main table ever held, read again and again in a `with` block."""

    def __init__(self, host: str, prefixes: Iterable[str]) -> None:
        self._host = host
        self._prefixes = list(prefixes)
        self.lowest = len(self._prefixes)
        self.looks = 0

    def __enter__(self) -> TableWatch:
        self._reader = _start(self._host, "table")
        print(*self._prefixes, "", sep="\n", file=self._reader.stdin, flush=True)
        _await_word(self._reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lowest, self.looks = json.loads(_ended(self._reader))


def _start(host: str, what: str, *arguments: str) -> subprocess.Popen[str]:
    from lab import network, process  # noqa: PLC0415 - the programs run without the lab around them

    argv = [sys.executable, "-I", str(Path(__file__).resolve()), what, *arguments]
    # In the host's network, with the machine's files. It ends when its starter does.
    enter = process.enter(network.namespace(host))
    return subprocess.Popen([*enter, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _await_word(program: subprocess.Popen[str]) -> None:
    """Until it has said that it is ready."""
    next(iter(program.stdout or ()))


def _ended(program: subprocess.Popen[str]) -> str:
    printed, _ = program.communicate(timeout=_LONGEST)
    if program.returncode != 0:
        raise RuntimeError(f"{program.args!r} ended with {program.returncode}")
    return printed.splitlines()[-1]


def _send(address: str, port: str, rate: str, least: str) -> None:
    """Send until standard input ends and enough is sent; print how many packets that were."""
    pause, number = 1 / float(rate), 0
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    began = time.monotonic()
    while not (_input_ended(0) and number >= int(least)) and number * pause < _LONGEST:
        # A router that says "unreachable" has lost a packet, which is what is counted.
        with suppress(OSError):
            link.sendto(str(number).encode(), (address, int(port)))
        number += 1
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
    print(number)


def _receive(address: str, port: str) -> None:
    """Note what arrives until standard input ends; print how many different packets, and the longest gap."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind((address, int(port)))
    link.settimeout(0.2)
    print("bound", flush=True)
    seen: set[bytes] = set()
    longest, last = 0.0, None
    while not _input_ended(0):
        try:
            packet = link.recv(64)
        except TimeoutError:
            continue
        now = time.monotonic()
        longest = max(longest, now - last) if last is not None else longest
        last = now
        seen.add(packet)
    print(json.dumps([len(seen), longest]))


def _table() -> None:
    """Watch the table until standard input ends; print the fewest prefixes seen, and how many looks.

    The kernel's counts are read in a fiftieth of the time that the table takes.
    """
    wanted = {_as_in_table(line.strip()) for line in iter(sys.stdin.readline, "\n")}
    print("reading", flush=True)
    lowest, looks, counted, read = len(wanted), 0, "", 0.0
    while not _input_ended(0):
        counts = Path("/proc/net/fib_triestat").read_text()
        # What comes and what goes at the same moment leave the counts as they are.
        if counts != counted or time.monotonic() > read + _READ_ANYHOW:
            counted, read = counts, time.monotonic()
            lines = Path("/proc/net/route").read_text().splitlines()[1:]
            held = {(words[1], words[7]) for words in map(str.split, lines)}
            lowest = min(lowest, len(wanted & held))
        looks += 1
        # Those who are read about need the processor too.
        time.sleep(_BETWEEN)
    print(json.dumps([lowest, looks]))


def _as_in_table(prefix: str) -> tuple[str, str]:
    """Destination and mask as /proc/net/route prints them: in the machine's byte order."""
    address, _, length = prefix.partition("/")
    mask = (0xFFFFFFFF << (32 - int(length))) & 0xFFFFFFFF
    return _turned(socket.inet_aton(address)), _turned(mask.to_bytes(4, "big"))


def _turned(octets: bytes) -> str:
    return f"{int.from_bytes(octets, sys.byteorder):08X}"


def _input_ended(descriptor: int) -> bool:
    readable = select.select([descriptor], [], [], 0)[0]
    return bool(readable) and not os.read(descriptor, 64)


if __name__ == "__main__":
    _PROGRAMS: dict[str, Callable[..., None]] = {"send": _send, "receive": _receive, "table": _table}
    _PROGRAMS[sys.argv[1]](*sys.argv[2:])
