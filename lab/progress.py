"""What the lab is doing, shown: bars on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

CONSOLE = Console(stderr=True, highlight=False)
_LOCK = threading.Lock()
_BARS = Progress(
    SpinnerColumn(finished_text="[green]✓"),
    TextColumn("{task.description}", markup=False),
    BarColumn(bar_width=30),
    TimeElapsedColumn(),
    TextColumn("{task.fields[detail]}", style="dim", markup=False),
    console=CONSOLE,
)
_open = 0


class Step:
    """One line of the display, to be moved on by whoever does the work."""

    def __init__(self, title: str, total: float | None) -> None:
        self._total = total
        self._task = _BARS.add_task(title, total=total, detail="")

    def advance(self, amount: float = 1) -> None:
        """So much more of `total` is done."""
        _BARS.advance(self._task, amount)

    def reach(self, completed: float) -> None:
        """So much of `total` is done by now."""
        _BARS.update(self._task, completed=completed)

    def say(self, detail: str) -> None:
        """What is worked on at the moment."""
        _BARS.update(self._task, detail=detail[:60])

    def finish(self) -> None:
        """The bar is full."""
        _BARS.update(self._task, total=self._total or 1, completed=self._total or 1, detail="")

    def drop(self) -> None:
        """The bar goes; an error message follows."""
        _BARS.remove_task(self._task)


@contextmanager
def step(title: str, total: float | None = None) -> Iterator[Step]:
    """Show that `title` is going on for as long as the body runs; steps may be nested and run in threads."""
    began = time.monotonic()
    _enter(title)
    shown = Step(title, total)
    try:
        yield shown
    except BaseException:
        shown.drop()
        raise
    else:
        shown.finish()
        if not CONSOLE.is_terminal:
            CONSOLE.print(f"{title}: done in {time.monotonic() - began:.1f} s", markup=False, soft_wrap=True)
    finally:
        _leave()


def note(text: str) -> None:
    """One line for the reader."""
    CONSOLE.print(text, markup=False, soft_wrap=True)


def _enter(title: str) -> None:
    global _open  # noqa: PLW0603 - there is one terminal
    if not CONSOLE.is_terminal:
        CONSOLE.print(f"{title} ...", markup=False, soft_wrap=True)
    with _LOCK:
        _open += 1
        if _open == 1 and CONSOLE.is_terminal:
            _BARS.start()


def _leave() -> None:
    global _open  # noqa: PLW0603 - there is one terminal
    with _LOCK:
        _open -= 1
        if _open == 0 and CONSOLE.is_terminal:
            _BARS.stop()
            for task in _BARS.task_ids:
                _BARS.remove_task(task)
