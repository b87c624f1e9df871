"""What was measured: samples of ours, samples of what it is compared with, and the ratio of their medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    :param beside: what `theirs` are samples of; empty where there is nothing to compare with.
    """

    what: str
    unit: str
    ours: Sequence[float]
    beside: str = ""
    theirs: Sequence[float] = ()

    @property
    def cells(self) -> list[str]:
        """The line as it is printed."""
        compared = [self.beside, _shown(self.theirs, self.unit), self._ratio] if self.theirs else ["", "", ""]
        return [self.what, _shown(self.ours, self.unit), *compared]

    @property
    def _ratio(self) -> str:
        theirs = median(self.theirs)
        return f"{median(self.ours) / theirs:.2f}" if theirs else "-"


def memory(what: str, samples: Sequence[float]) -> Figure:
    """What `cfy` weighed at most, in MiB."""
    return Figure(f"memory of cfy with the plugin, at its peak: {what}", "MiB", samples)


HEADINGS = ["what", "here", "beside it", "there", "here / there"]


def _shown(samples: Sequence[float], unit: str) -> str:
    digits = 2 if unit == "s" else 0
    low, middle, high = min(samples), median(samples), max(samples)
    spread = f" ({low:.{digits}f} to {high:.{digits}f})" if low != high else " (once)" * (len(samples) == 1)
    return f"{middle:.{digits}f} {unit}{spread}"
