"""Running other programs: an argument list, never a shell, and an error that says what went wrong."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from router.ending import Failed
from router.secrecy import masked

_GLANCE: Final = 0.05


@dataclass(frozen=True)
class Result:
    """What a program left behind."""

    status: int
    output: str
    errors: str

    @property
    def text(self) -> str:
        """Everything that it said."""
        return f"{self.output}\n{self.errors}".strip()


def attempt(
    arguments: Sequence[str],
    given: str | None = None,
    seconds: float = 120,
    meanwhile: Callable[[], None] | None = None,
    together: bool = False,
) -> Result:
    """Run a program to its end and tell how it went.

    :param together: its complaints stand in its output, where they belong.
    :param meanwhile: called again and again until then; what it raises ends the program.
    """
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
    except OSError as error:
        raise Failed(f"{arguments[0]}: {error.strerror or error}") from error
    with process:
        try:
            output, errors = _followed(process, given, seconds, meanwhile)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{masked(' '.join(arguments))}: no end after {seconds:g} s") from error
        finally:
            process.kill()
    return Result(process.returncode, output, errors or "")


def _followed(
    process: subprocess.Popen[str], given: str | None, seconds: float, meanwhile: Callable[[], None] | None
) -> tuple[str, str | None]:
    if meanwhile is None:
        return process.communicate(given, timeout=seconds)
    deadline = time.monotonic() + seconds
    while True:
        try:
            return process.communicate(given, timeout=_GLANCE)
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise
        meanwhile()


def output_of(arguments: Sequence[str], given: str | None = None) -> str:
    """What a program printed; a status other than 0 is a failure."""
    result = attempt(arguments, given)
    if result.status != 0:
        said = result.text.splitlines()
        reason = said[0] if said else f"exit status {result.status}"
        raise Failed(f"{masked(' '.join(arguments))}: {masked(reason)}")
    return result.output
