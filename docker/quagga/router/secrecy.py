"""What follows a word that announces a password is not shown to anybody."""

from __future__ import annotations

import re
from typing import Final

_ANNOUNCED: Final = re.compile(
    r"(\b(?:password|md5|key-string|authentication-key|hmac-\S+|secret|passphrase)\b)"
    r"((?: [0-9]{1,3})? )(\S.*)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text with `***` in the place of what may be a secret, up to the end of its line."""
    return "\n".join(_ANNOUNCED.sub(r"\1\2***", line) for line in text.split("\n"))
