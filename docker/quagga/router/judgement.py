"""What a router would say to a configuration, without its being given it."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Final

from router import admission
from router.ending import Refused, refusal
from router.mounted import hash_of
from router.numeral import numeral
from router.suite import Suite

_LARGEST: Final = 16 * 1024 * 1024
_PATIENCE: Final = 30.0
"""Seconds for the bytes to come; who sends them cannot say that there are no more."""


def judge(size: str, suite: Suite, node: str) -> str:
    """Read so many bytes of a configuration from standard input and judge them; returns their hash."""
    content = _read(_number(size))
    admission.judge(content, suite, node)
    return hash_of(content)


def node_of(reported: object) -> str:
    """The node's name, as the environment or the running router has it."""
    return os.environ.get("QUAGGA_NODE") or str(
        reported or Path("/proc/sys/kernel/hostname").read_text().strip()
    )


def _number(text: str) -> int:
    size = numeral(text, _LARGEST)
    if size is None:
        raise refusal("check", text, f"is no number of bytes; 1 to {_LARGEST} are")
    return size


def _read(size: int) -> bytes:
    content = b""
    deadline = time.monotonic() + _PATIENCE
    while len(content) < size:
        if not select.select([0], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise Refused(f"check: {len(content)} of {size} bytes came within {_PATIENCE:g} s")
        more = os.read(0, size - len(content))
        if not more:
            raise Refused(f"check: only {len(content)} of {size} bytes came")
        content += more
    return content
