"""Running other programs: an argument list, never a shell, and an error that says what went wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from router.ending import Failed
from router.secrecy import masked


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


def attempt(arguments: Sequence[str], given: str | None = None, seconds: float = 120) -> Result:
    """Run a program to its end and tell how it went."""
    try:
        done = subprocess.run(
            arguments,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{masked(' '.join(arguments))}: no end after {seconds:g} s") from error
    except OSError as error:
        raise Failed(f"{arguments[0]}: {error.strerror or error}") from error
    return Result(done.returncode, done.stdout, done.stderr)


def output_of(arguments: Sequence[str], given: str | None = None) -> str:
    """What a program printed; a status other than 0 is a failure."""
    result = attempt(arguments, given)
    if result.status != 0:
        said = result.text.splitlines()
        reason = said[0] if said else f"exit status {result.status}"
        raise Failed(f"{masked(' '.join(arguments))}: {masked(reason)}")
    return result.output
