"""node1 while it is measured: its kernel's routes, and a second next hop behind it."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import hosts
from tests.lab.routing import STATICD

SECOND = "172.16.0.2"
FIRST = "172.16.0.1"
_PATIENCE = 120.0


def prefixes(count: int) -> list[str]:
    """So many prefixes; the first of them is the server's own, which packets go to."""
    return ["10.0.0.0/24", *(f"198.18.{n // 64}.{n % 64 * 4}/30" for n in range(count - 1))][:count]


def routes(count: int, next_hop: str = FIRST) -> list[dict[str, str]]:
    """Routes to these, as the blueprint takes them."""
    return [{"prefix": prefix, "next_hop": next_hop} for prefix in prefixes(count)]


def through(next_hop: str, host: str = "node1") -> int:
    """How many of staticd's own routes go through it: neither twins that hold a place, nor anybody else's."""
    shown = hosts.run(host, ["ip", "route", "show", "proto", STATICD], check=True).stdout
    return sum(f" via {next_hop} " in line for line in shown.splitlines())


def in_table(next_hop: str, host: str = "node1") -> int:
    """How many routes of the main table go through it, whoever's they are; to look so is no process."""
    table = Path(f"/proc/{hosts.pid_file(host).read_text()}/net/route").read_bytes()
    # As the kernel prints it: in the machine's byte order.
    gateway = int.from_bytes(socket.inet_aton(next_hop), sys.byteorder)
    return table.count(b"\t%08X\t" % gateway)


def only_through(next_hop: str, prefix: str, host: str = "node1") -> bool:
    """Whether staticd's own route to the prefix goes through it, and through nothing else."""
    shown = hosts.run(host, ["ip", "route", "show", prefix, "proto", STATICD], check=True).stdout
    lines = shown.splitlines()
    return len(lines) == 1 and f" via {next_hop} " in lines[0]


def divided(by_first: int, by_second: int, host: str = "node1") -> bool:
    """Whether just so many of staticd's own routes go through each of the two, twins aside."""
    shown = hosts.run(host, ["ip", "route", "show", "proto", STATICD], check=True).stdout
    lines = shown.splitlines()
    counts = [sum(f" via {one} " in line for line in lines) for one in (FIRST, SECOND)]
    return counts == [by_first, by_second]


def seconds_until(holds: Callable[[], bool], since: float) -> float:
    """Wait for it; how long it took since then."""
    while not holds():
        if time.monotonic() - since > _PATIENCE:
            raise TimeoutError(f"not so after {_PATIENCE:.0f} s")
        # Each look is a process, which what is measured has to share the machine with.
        time.sleep(0.02)
    return time.monotonic() - since


@contextmanager
def two_next_hops() -> Iterator[None]:
    """The server also answers as the second next hop, for the time of a with block."""
    address = ["ip", "address", "add", f"{SECOND}/24", "dev", "eth1"]
    hosts.run("server", address, check=True)
    try:
        yield
    finally:
        hosts.run("server", ["ip", "address", "del", f"{SECOND}/24", "dev", "eth1"], check=True)
