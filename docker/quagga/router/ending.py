"""How a router ends, and how it says why."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

REFUSED_STATUS: Final = 64
"""Exit status of a refusal (EX_USAGE): starting again with the same input is of no use."""

_KUBERNETES_FILE: Final = "/dev/termination-log"
_KUBERNETES_LIMIT: Final = 4096
_SHOWN: Final = 120


class Refused(Exception):
    """The input or the node is not such that a router could run; nothing was touched."""


class Failed(Exception):
    """Something that should have worked did not."""


class Hopeless(Failed):
    """It failed too often to be tried again."""


class StopAsked(Exception):
    """Somebody wants the router to end in order (SIGTERM or SIGINT)."""


def refusal(path: str, value: object, right: str) -> Refused:
    """A refusal's sentence: where the value stands, the value, and what is wrong or would be right."""
    text = repr(value)
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"
    return Refused(f"{path}: {text} {right}")


def write_last_words(message: str) -> None:
    """Leave the message where Kubernetes looks for it, and where a person would."""
    print(message, file=sys.stderr, flush=True)
    named = os.environ.get("TERMINATION_LOG")
    target = Path(named or _KUBERNETES_FILE)
    if not named and not target.exists():
        return
    try:
        target.write_bytes(message.encode("utf-8", "backslashreplace")[:_KUBERNETES_LIMIT])
    except OSError as error:
        print(f"the termination message could not be written: {error}", file=sys.stderr, flush=True)
