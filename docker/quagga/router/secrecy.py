"""What follows a word that announces a password is not shown to anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_SHOWN: Final = "***"
_WORD: Final = re.compile(r"\S+")
_AROUND: Final = "'\"`,:;()[]"
_INDEX: Final = re.compile(r"[0-9]{1,3}")

# The daemons take the beginning of a word for the word, and so does who must not show what follows it. The
# number is how short it may be: a complaint shows beginnings too that were refused for being those of two.
_ANNOUNCING: Final = {
    "password": 2,
    "passphrase": 2,
    "md5": 2,
    "secret": 4,
    "key-string": 1,
    "authentication-key": 2,
}
_HMAC: Final = "hmac-"
# What may follow the beginning of one of these words is another word, and announces nothing.
_OTHERWISE: Final = {
    "key-string": ("chain",),
    "authentication-key": ("message-digest", "null", "mode", "key-chain", "key-id", "string"),
}
_OSPF: Final = "ospf"
_DIGEST: Final = "message-digest-key"
_AUTHENTICATION: Final = "authentication"
_STRING: Final = "string"


def masked(text: str) -> str:
    """The text with `***` in the place of what may be a secret, up to the end of its line."""
    return "\n".join(_masked_line(line) for line in text.split("\n"))


def _masked_line(line: str) -> str:
    places = [found.span() for found in _WORD.finditer(line)]
    words = [line[begin:end].strip(_AROUND).lower() for begin, end in places]
    first = next(_secrets(words), len(words))
    return line if first >= len(words) else line[: places[first][0]] + _SHOWN


def _secrets(words: Sequence[str]) -> Iterator[int]:
    """Where something begins that may be secret."""
    for index, word in enumerate(words):
        following = words[index + 1 :]
        if not word or not following:
            continue
        before = words[index - 1] if index else ""
        if _announces(word, following) or _announces_behind(before, word):
            # The number before it says how it is written.
            yield index + 1 + bool(following[1:] and _INDEX.fullmatch(following[0]))
        elif _DIGEST.startswith(word) and following[0].isdigit():
            yield index + 3


def _announces(word: str, following: Sequence[str]) -> bool:
    meant = [full for full, least in _ANNOUNCING.items() if len(word) >= least and full.startswith(word)]
    return word.startswith(_HMAC) or any(not _is_other(full, word, following) for full in meant)


def _is_other(full: str, word: str, following: Sequence[str]) -> bool:
    """The word is the beginning of this one, and what follows shows that another one is meant."""
    if "-" in word:
        return False
    if full == "key-string" and following[0].isdigit():
        return True
    return any(other.startswith(following[0]) for other in _OTHERWISE.get(full, ()))


def _announces_behind(before: str, word: str) -> bool:
    """What is too short to be told from a word of a sentence by itself."""
    if not before:
        return False
    return (_AUTHENTICATION.startswith(before) and _STRING.startswith(word)) or (
        _OSPF.startswith(before) and word == _AUTHENTICATION[0]
    )
