"""What every refusal has in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from cloudify_quagga.errors import Refused

T = TypeVar("T")


def sentence(parse: Callable[[], object]) -> str:
    """The sentence with which the input is refused."""
    with pytest.raises(Refused) as raised:
        parse()
    checked(raised.value)
    return str(raised.value)


def checked(refused: Refused) -> None:
    """One line that begins with a path."""
    text = str(refused)
    assert text.isprintable()
    assert refused.path
    assert text.startswith(f"{refused.path}: ")
    assert len(text) < 1000


def accepted(parse: Callable[[], T]) -> T | None:
    """What was parsed, or None where it was properly refused."""
    try:
        return parse()
    except Refused as refused:
        checked(refused)
        return None
