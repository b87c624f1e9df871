"""The container's program: `python3 -m router` runs a router, with `sweep` it cleans up after one.

Beside a running router, in its container, `check N` judges N bytes of a frr.conf from standard input,
`report` says how the router is, and `mend` has it mended; each prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from types import TracebackType

from router import journal, judgement, report, suite, withdrawal
from router.ending import REFUSED_STATUS, Failed, Refused, write_last_words
from router.report import Reporter
from router.signals import Signals
from router.supervisor import Supervisor


def main(arguments: list[str]) -> int:
    """Do what is asked and say how it ended."""
    journal.survive_odd_characters()
    match arguments:
        case ["check", size]:
            return _check(size)
        case ["report"]:
            return _report()
        case ["mend"]:
            return _mend()
        case _:
            return _live(arguments)


def _live(arguments: list[str]) -> int:
    """What is the container's own life, and ends with its last words."""
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
            f"{' '.join(arguments)!r} is no command of this image; 'sweep', 'check N', 'report' and 'mend'"
            " are, and no argument at all"
        )
    return Supervisor(suite.present(), os.environ, Signals()).live()


def _check(size: str) -> int:
    try:
        present = suite.present()
        node = judgement.node_of(Reporter(present).written().get("node"))
        name = judgement.judge(size, present, node)
    except (Refused, Failed) as error:
        _print({"accepted": False, "reason": str(error)})
        return REFUSED_STATUS if isinstance(error, Refused) else 1
    _print({"accepted": True, "hash": name})
    return 0


def _report() -> int:
    try:
        _print(Reporter(suite.present()).report())
    except (Refused, Failed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _mend() -> int:
    try:
        well, found = report.mend(Reporter(suite.present()))
    except (Refused, Failed) as error:
        print(error, file=sys.stderr)
        return 1
    _print(found)
    return 0 if well else 1


def _print(found: object) -> None:
    print(json.dumps(found), flush=True)


def _say_what_nobody_foresaw(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.__excepthook__(kind, error, trace)
    write_last_words(f"failed: {kind.__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
