"""The container's program: `python3 -m router` runs a router, with `sweep` it cleans up after one."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from router import journal, suite, withdrawal
from router.ending import REFUSED_STATUS, Failed, Refused, write_last_words
from router.signals import Signals
from router.supervisor import Supervisor


def main(arguments: list[str]) -> int:
    """Do what is asked and say how it ended."""
    journal.survive_odd_characters()
    sys.excepthook = _say_what_nobody_foresaw
    try:
        write_last_words(_run(arguments))
    except Refused as error:
        write_last_words(f"refused: {error}")
        return REFUSED_STATUS
    except Failed as error:
        write_last_words(f"failed: {error}")
        return 1
    return 0


def _run(arguments: list[str]) -> str:
    if arguments == ["sweep"]:
        return withdrawal.sweep(suite.present())
    if arguments:
        raise Refused(
            f"{' '.join(arguments)!r} is no command of this image; 'sweep' is, and no argument at all"
        )
    return Supervisor(suite.present(), os.environ, Signals()).live()


def _say_what_nobody_foresaw(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.__excepthook__(kind, error, trace)
    write_last_words(f"failed: {kind.__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
