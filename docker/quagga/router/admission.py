"""What is looked at before a router touches anything: its settings, its configuration, its node."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from router import addressees, configuration, forwarding, kernel, ports, vtysh
from router.configuration import Configuration
from router.ending import Refused, refusal
from router.numeral import numeral
from router.ports import Listener
from router.suite import Daemon, Suite

_CHECK_SECONDS: Final = "QUAGGA_CHECK_SECONDS"
_LONGEST: Final = 3600


def check_seconds(environment: Mapping[str, str]) -> int:
    """Seconds between two comparisons with the kernel."""
    text = environment.get(_CHECK_SECONDS, "30")
    seconds = numeral(text, _LONGEST)
    if seconds is None:
        raise refusal(_CHECK_SECONDS, text, f"is no number of seconds; 1 to {_LONGEST} are")
    return seconds


def accepted_configuration(environment: Mapping[str, str], suite: Suite) -> Configuration:
    """The configuration, after the daemons' own parser has found nothing wrong with it."""
    wanted = configuration.read(environment, forwarding.current(6).get("all", False))
    _have_judged(wanted, suite)
    return wanted


def judge(content: bytes, suite: Suite, node: str, private: bool = False) -> Configuration:
    """The configuration in the bytes of a file, if a router could run with it here; nothing is touched."""
    wanted = configuration.decode(content, private)
    _have_judged(wanted, suite)
    refuse_missing_interfaces(wanted, node)
    refuse_taken_ports(wanted, suite, node)
    forwarding.refuse_what_cannot_be(wanted.forwarding, wanted.interfaces)
    return wanted


def _have_judged(wanted: Configuration, suite: Suite) -> None:
    """Have the daemons' own parser look for faults."""
    # In memory: it may be the first that holds a password, judged by a pod whose files are on a disk.
    candidate = os.memfd_create("candidate")
    try:
        with open(candidate, "w", closefd=False) as file:
            file.write(wanted.text)
        vtysh.refuse_faults(Path(f"/proc/{os.getpid()}/fd/{candidate}"), wanted.private)
    finally:
        os.close(candidate)
    suite.refuse_unknown(wanted.text)
    suite.refuse_unserved(wanted.text, addressees.of(wanted.text), wanted.private)


def refuse_missing_interfaces(wanted: Configuration, node: str) -> None:
    """Refuse a router whose interfaces the node does not have."""
    refuse_absent(wanted.interfaces, kernel.link_names(), node)


def refuse_absent(asked: Mapping[str, str], present: Iterable[str], node: str) -> None:
    """Refuse what is asked for and not present.

    :param asked: interface -> where it is asked for.
    """
    names = sorted(present)
    for name, path in asked.items():
        if name not in names:
            raise refusal(path, name, f"is not an interface of {node}, which has {', '.join(names)}")


def refuse_taken_ports(wanted: Configuration, suite: Suite, node: str) -> None:
    """Refuse a router whose neighbours could not reach it, for somebody else takes their calls."""
    needed = {
        daemon.called.port: daemon
        for daemon in suite.needed(wanted.text)
        if daemon.called and re.search(daemon.called.needed_by, wanted.text, re.MULTILINE)
    }
    if needed:
        refuse_others(needed, ports_of_others(suite), node)


def ports_of_others(suite: Suite) -> list[Listener]:
    """Where somebody who is none of the suite's daemons waits for connections."""
    own = pwd.getpwnam(suite.owner).pw_uid
    return [listener for listener in ports.listeners() if listener.uid != own]


def refuse_others(needed: Mapping[int, Daemon], others: Iterable[Listener], node: str) -> None:
    """Refuse what is needed and taken.

    :param needed: port -> the daemon that has to be reached there.
    """
    for other in others:
        if other.port in needed:
            raise Refused(
                f"router {needed[other.port].speaks}: port {other.port} of {node}, where neighbours call, is"
                f" held by {ports.holder_of(other)} at {other.address}; it has to listen elsewhere"
                " (Calico: listenPort of its BGPConfiguration)"
            )
