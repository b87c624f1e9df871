"""The table on the terminal, and the same in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.figures import HEADINGS, Figure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
_ABOUT = """\
# Benchmarks

Made by `make bench`, which measures everything anew; figures of one run are comparable, those of two runs
are not. Medians, with the lowest and the highest of {rounds} rounds where they differ. Ratios count: the
machine was shared.

{when}, {cores} cores, Linux {kernel}, Kubernetes 1.20 in the lab (two nodes), FRR 10.3 in the image.

How: a numbered UDP stream of 100 packets/s goes from the client through node1 to the server (at least 1,000
packets); node1's route table is read again and again meanwhile, and the fewest wanted prefixes in any
reading are noted. "A restart" is what a change cost in 2017: the pod is deleted and made anew with other
variables (with today's image, which at least ends in order; the image of 2017 is named where it is meant).

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
        kernel=platform.release().partition("-")[0],
    )
    lines = [HEADINGS, ["---"] * len(HEADINGS), *(figure.cells for figure in figures)]
    PAGE.write_text(about + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n")
