"""What is particular to a routing suite: its daemons, paths, flags and kernel protocol numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from router.command import output_of
from router.ending import Failed, refusal
from router.secrecy import masked

_ROUTER: Final = re.compile(r"router (\S+)")

HELD: Final = 202
"""Kernel protocol number of routes that the supervisor keeps alive while no daemon does."""


@dataclass(frozen=True)
class Calls:
    """A TCP port at which others begin a session."""

    port: int
    needed_by: str
    """Pattern of the configuration line that has others call."""


@dataclass(frozen=True)
class Daemon:
    """One program of a suite."""

    name: str
    flags: tuple[str, ...] = ()
    started_by: str | None = None
    """Pattern of the configuration line that needs this daemon; None: it always runs."""
    protocols: frozenset[int] = frozenset()
    """Kernel protocol numbers of the routes that are there because of this daemon."""
    version: int | None = None
    """The IP version of its routes, where two daemons share a number."""
    called: Calls | None = None
    """Where its neighbours call it."""

    @property
    def speaks(self) -> str | None:
        """The routing protocol by which it learns routes, as the configuration calls it."""
        return self.name.removesuffix("d") if self.started_by and self.protocols else None


@dataclass(frozen=True)
class Suite:
    """One row of the table."""

    name: str
    programs: Path
    settings: Path
    """The folder of the integrated configuration file."""
    run: Path
    owner: str
    """The user that the daemons become, and who must be able to write their sockets."""
    daemons: tuple[Daemon, ...]
    """In the order in which they are started."""
    stop_order: tuple[str, ...]
    """Daemons named here are stopped in this order, after all the others."""
    manager: str
    """The daemon that writes to the kernel."""
    statics: str
    """The daemon that owns static routes."""
    configurer: str
    """The daemon that the lines of static routes are given to."""
    unserved: tuple[tuple[str, str], ...]
    """Pattern of a line that several daemons would take, of which none is in the table, and one of them."""
    static_metric: int
    """The metric of static routes in the kernel."""
    nexthop_protocol: int | None

    @property
    def configuration_file(self) -> Path:
        """The integrated configuration, as vtysh -b reads it."""
        return self.settings / "frr.conf"

    @property
    def static_protocols(self) -> frozenset[int]:
        """The numbers that mark static routes in the kernel."""
        return self.daemon(self.statics).protocols

    @property
    def protocols(self) -> frozenset[int]:
        """Every number that marks a route as the suite's, or as one that the supervisor keeps for it."""
        numbers = (daemon.protocols for daemon in self.daemons)
        return frozenset({HELD}).union(*numbers)

    @property
    def core(self) -> frozenset[str]:
        """The daemons that static routes depend on."""
        return frozenset(daemon.name for daemon in self.daemons if daemon.started_by is None)

    def daemon(self, name: str) -> Daemon:
        """The daemon of that name."""
        return next(daemon for daemon in self.daemons if daemon.name == name)

    def needed(self, configuration: str) -> tuple[Daemon, ...]:
        """The daemons that a configuration needs, in the order in which they are started."""
        return tuple(
            daemon
            for daemon in self.daemons
            if daemon.started_by is None or re.search(daemon.started_by, configuration, re.MULTILINE)
        )

    def refuse_unknown(self, configuration: str) -> None:
        """Refuse a routing protocol that no daemon of the table speaks: nobody would mind its lines."""
        known = sorted(daemon.speaks for daemon in self.daemons if daemon.speaks)
        for number, line in enumerate(configuration.splitlines(), start=1):
            found = _ROUTER.match(line)
            if found and found[1] not in known:
                right = f"is no routing protocol of this image; {', '.join(known)} are"
                raise refusal(f"frr.conf line {number}", found[1], right)

    def refuse_unserved(
        self, configuration: str, addressed: Iterable[tuple[int, str, str]], private: bool = False
    ) -> None:
        """Refuse a line for a daemon that does not run with this configuration: it would be dropped.

        :param addressed: number of a line, the line, and the one daemon that would take it.
        """
        known = {daemon.name: daemon for daemon in self.daemons}
        needed = {daemon.name for daemon in self.needed(configuration)}
        for number, line, name in (*self._unserved(configuration), *addressed):
            if name not in needed:
                shown = f"{line.split()[0]} ..." if private else masked(line)
                why = f"is for {name}, which {_why_not(known.get(name))}"
                raise refusal(f"frr.conf line {number}", shown, why)

    def _unserved(self, configuration: str) -> Iterable[tuple[int, str, str]]:
        for number, line in enumerate(configuration.split("\n"), start=1):
            yield from ((number, line, name) for pattern, name in self.unserved if re.match(pattern, line))

    def stopping(self, running: Iterable[str]) -> list[str]:
        """Names in the order in which they are stopped: what learns routes before what holds them."""
        early = [name for name in running if name not in self.stop_order]
        return early + [name for name in self.stop_order if name in set(running)]

    def version(self) -> str:
        """Name and version as the programs in this image report them."""
        printed = output_of([str(self.programs / self.manager), "--version"])
        found = re.search(r"version (\S+)", printed)
        return f"{self.name} {found.group(1)}" if found else self.name


def _why_not(daemon: Daemon | None) -> str:
    if daemon is None:
        return "this image does not run"
    return f"runs only where there is 'router {daemon.speaks}'" if daemon.speaks else "does not run for it"


# No TCP port is opened for terminals: a router's pod shares the node's network.
_QUIET: Final = ("-A", "127.0.0.1", "-P", "0", "--limit-fds", "100000")

_BGP: Final = Calls(179, r"^ +(?:neighbor|bgp listen)\b")

FRR: Final = Suite(
    name="FRR",
    programs=Path("/usr/lib/frr"),
    settings=Path("/etc/frr"),
    run=Path("/run/frr"),
    owner="frr",
    daemons=(
        Daemon("zebra", (*_QUIET, "-s", "90000000"), protocols=frozenset({11})),
        Daemon("mgmtd", _QUIET),
        Daemon("staticd", _QUIET, protocols=frozenset({196})),
        Daemon("bgpd", _QUIET, r"^(?:router )?bgp\b", frozenset({186}), called=_BGP),
        Daemon("ospfd", _QUIET, r"^(?:router| +ip) ospf\b", frozenset({188}), 4),
        Daemon("ospf6d", _QUIET, r"^(?:router| +ipv6) ospf6\b", frozenset({188}), 6),
        Daemon("ripd", _QUIET, r"^(?:router| +ip) rip\b", frozenset({189})),
        Daemon("ripngd", _QUIET, r"^(?:router| +ipv6) ripng\b", frozenset({190})),
        Daemon("bfdd", _QUIET, r"^(?:bfd\b| +(?!.*\bdescription\b).*\bbfd\b)"),
    ),
    stop_order=("staticd", "zebra", "mgmtd"),
    manager="zebra",
    statics="staticd",
    configurer="mgmtd",
    unserved=((r"nexthop-g", "pbrd"),),
    static_metric=20,
    nexthop_protocol=11,
)

TABLE: Final = (FRR,)


def present() -> Suite:
    """The suite that this image holds."""
    for suite in TABLE:
        if (suite.programs / suite.manager).exists():
            return suite
    looked = ", ".join(str(suite.programs / suite.manager) for suite in TABLE)
    raise Failed(f"this image holds no routing suite; looked for {looked}")
