"""Cloudify's local profile, whose files are read while others write them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from json import JSONDecodeError
from typing import TypeVar

T = TypeVar("T")

_READINGS, _PAUSE = 20, 0.02


def undisturbed(read: Callable[[], T]) -> T:
    """What comes of files that Cloudify writes in place, and reads without the lock that it writes under.

    :raises JSONDecodeError: if one of them is no JSON for 0.4 s.
    """
    for _ in range(_READINGS):
        with suppress(JSONDecodeError):
            return read()
        time.sleep(_PAUSE)
    return read()
