"""The table on the terminal, and the same in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab import kubebuild
from tests.bench.figures import HEADINGS, Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
_ABOUT = """\
# Benchmarks

Made by `make bench`, which measures everything anew; figures of one run are comparable, those of two runs
are not. Medians, with the lowest and the highest of {rounds} rounds where they differ. Ratios count: the
machine was shared.

{when}, {cores} cores, {memory:.0f} GiB, Linux {kernel}, Kubernetes {kubernetes} in the lab (two nodes), the
image of docker/quagga (Debian 13).

How: a numbered UDP stream of 100 packets/s goes from the client through node1 to the server (at least 1,000
packets); node1's route table is read again and again meanwhile, and the fewest wanted prefixes in any
reading are noted. Whoever reads so takes one of two processors, so the seconds of a change and of a restart
are those of another one, just before, that nobody watched. "A restart" is what a change cost in 2017: the
pod is deleted and made anew with other variables (with today's image, which at least ends in order). "An
image as of 2017" is FRR under a start.sh like that of 2017 (tests/bench/image-2017), which ends when it is
killed. Routes are counted as the kernel has them with staticd's protocol; for a killed daemon zebra is asked,
since what it left stays in the kernel. A container is killed in a pod that was made for it, since one that
dies again is kept waiting by its kubelet.

Seconds count from the moment in which the command is given, and it is looked at node1's table and the server
while it runs: the client pings every 20 ms until there is an answer. The command's own end is a figure of its
own, for kubectl as for cfy. kubectl applies the objects that the plugin makes, but for the update strategy,
which it would not wait for; the node has pulled the image before.

Requests are those that the API server's audit log has of the plugin, by its User-Agent, between the beginning
and the end of an operation: of each of its tries, in sum. Each type of plugin.yaml has its own; the
microservice is the pod of 2017. A router's `update` gives it a third route, `heal` brings back what had been
deleted (the label, the DaemonSet, the pod), `refresh` is what a proxy does when it is updated. Most
requests of `stop` look, kind by kind, for what an earlier install of the same deployment has forgotten.

Expected were: an install within 1.3 of kubectl, less cfy by itself; an uninstall under 5 s with nothing left;
1 of 1,000 routes changed in under 2 s; a daemon back in under 5 s.

"""


def printed(figures: Sequence[Figure]) -> None:
    """Show the table."""
    table = Table(*HEADINGS)
    for figure in figures:
        table.add_row(*figure.cells)
    Console(width=150).print(table)


def written(figures: Sequence[Figure], rounds: int) -> None:
    """Keep the table, and how it came about."""
    about = _ABOUT.format(
        rounds=rounds,
        when=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        cores=os.cpu_count(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        kubernetes=kubebuild.VERSION.partition("-")[0],
        kernel=platform.release().partition("-")[0],
    )
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(figure.cells for figure in figures)]
    PAGE.write_text(about + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n")
