"""Lines in the routing suite's own language, for what no typed property says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloudify_quagga.model.given import Given

_COMMENT = ("!", "#")
_REFERENCE = re.compile(r"\$\{([^{}]*)\}")

# FRR takes the beginning of a word for the word, one letter if only one command goes on as the line does.
_TYPED = {
    ("ip", "route"): "is said by `routes`",
    ("ipv6", "route"): "is said by `routes`",
    ("ip", "forwarding"): "is said by `forwarding`",
    ("ipv6", "forwarding"): "is said by `forwarding`",
    ("interface",): "is said by `interfaces`",
}
_FOREIGN = {
    ("vrf",): "opens another VRF; the router lives in the node's own",
    ("end",): "would end the file; leave it out",
    ("quit",): "may leave more than its block; `exit` is meant",
    ("configure",): "is no line of a configuration file",
    ("do",): "is no line of a configuration file",
}
# What follows these is a password, also in a command that the next table does not know.
_IN_CLEAR = ("password", "key-string", "authentication-key", "message-digest-key", "authentication string")
_ANY, _SOME = "*", "**"
# Commands whose last argument is a password; each word may be short for it.
_GIVES_AWAY: tuple[tuple[str, ...], ...] = (
    ("password",),
    ("enable", "password"),
    ("neighbor", _ANY, "password"),
    ("key-string",),
    ("ip", "rip", "authentication", "string"),
    ("ip", "nhrp", "authentication"),
    ("ip", "msdp", "peer", _ANY, "password"),
    ("msdp", "peer", _ANY, "password"),
    ("tcp-md5-auth",),
)
# The same, where something else may follow the password.
_GIVES_AWAY_MIDWAY: tuple[tuple[str, ...], ...] = (
    ("ip", "ospf", "authentication-key"),
    ("ip", "ospf", "message-digest-key", _ANY, "md5"),
    ("ipv6", "ospf6", "authentication", _SOME, "key"),
    ("area", _ANY, "virtual-link", _ANY, _SOME, "authentication-key"),
    ("area", _ANY, "virtual-link", _ANY, _SOME, "message-digest-key", _ANY, "md5"),
    ("area-password", "clear"),
    ("area-password", "md5"),
    ("domain-password", "clear"),
    ("domain-password", "md5"),
    ("isis", "password", "clear"),
    ("isis", "password", "md5"),
)
# What begins like one of those and says something else.
_GIVES_NOTHING_AWAY = (
    re.compile(r"k(ey?)? \d+"),
    re.compile(r"k(ey?)? ch(a(in?)?)? \S+"),
)
_NO_PASSWORD = ("message-digest", "null", "authentication-key", "message-digest-key")
# In front of a password that is encrypted already.
_ENCRYPTED = "8"


@dataclass(frozen=True)
class Raw:
    """Lines as `show running-config` has them: no comments, one blank a level, blocks closed by `exit`."""

    lines: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Given) -> Raw:
        """From a text or a list of lines."""
        if given.empty:
            return cls()
        written = [one for one in _written(given) if _says_something(one)]
        for one in written:
            _judge(one, one.text("a line"))
        return cls(tuple(_closed(_levelled(written))))

    @property
    def references(self) -> tuple[str, ...]:
        """The names of the secrets that the lines ask for."""
        return tuple(sorted({name for line in self.lines for name in _REFERENCE.findall(line)}))

    def revealed(self, secret: Callable[[str], str]) -> list[str]:
        """The lines with values in place of names, each judged again: a value must not become a command."""
        return [self._revealed(line, index, secret) for index, line in enumerate(self.lines)]

    def to_json(self) -> list[str]:
        """Lines that parse to the same."""
        return list(self.lines)

    @staticmethod
    def _revealed(line: str, index: int, secret: Callable[[str], str]) -> str:
        text = _REFERENCE.sub(lambda found: secret(found[1]), line)
        if text != line:
            _judge_words(Given(f"raw[{index}]", text, hidden=True), text)
        return text


def _written(given: Given) -> list[Given]:
    if isinstance(given.value, str):
        lines = given.value.split("\n")
        return [Given(f"raw line {number}", line.rstrip()) for number, line in enumerate(lines, start=1)]
    return given.elements("lines, or a text of lines,")


def _says_something(given: Given) -> bool:
    text = given.text("a line").strip(" ")
    return bool(text) and not text.startswith(_COMMENT)


def _judge(given: Given, text: str) -> None:
    # First: the other refusals show the line.
    _judge_clear(given, " ".join(text.split()))
    if not text.isprintable():
        raise given.refused("is no line; printable characters and blanks make one")
    if "|" in text:
        raise given.refused("holds a '|', which FRR takes for a filter of its output")
    if "${" in _REFERENCE.sub("", text):
        raise given.refused("holds a '${' that names no secret; ${name} does")
    _judge_words(given, text)


def _judge_words(given: Given, text: str) -> None:
    words = [word.lower() for word in text.split()]
    said = words[1:] if words and "no".startswith(words[0]) else words
    for command, why in (*_TYPED.items(), *_FOREIGN.items()):
        if _begins(said, command):
            raise given.refused(why)


def _begins(words: Sequence[str], command: Sequence[str]) -> bool:
    """Whether the words are the command or short for it."""
    pairs = zip(words, command, strict=False)
    return len(words) >= len(command) and all(meant.startswith(word) for word, meant in pairs)


def _judge_clear(given: Given, line: str) -> None:
    if any(not _is_reference(password) for password in _passwords(line)):
        hidden = Given(given.path, given.value, hidden=True)
        raise hidden.refused(
            "holds a password in clear; say it in `secrets` and write ${name}, and nothing else, in its place"
        )


def _passwords(line: str) -> Iterator[str]:
    """Every word of a line that is a password, or a part of one."""
    words = line.split(" ")
    # `n` is short for `neighbor` too.
    for said in (words, words[1:] if "no".startswith(words[0].lower()) else []):
        yield from _arguments(said)
    for marker in _IN_CLEAR:
        _, found, behind = f" {line} ".partition(f" {marker} ")
        if found and behind.strip() and not _REFERENCE.search(behind):
            yield behind


def _arguments(words: Sequence[str]) -> Iterator[str]:
    """The passwords of a command, each word of it short or not."""
    if any(one.fullmatch(" ".join(words)) for one in _GIVES_NOTHING_AWAY):
        return
    for command in _GIVES_AWAY:
        for rest in _after(words, command):
            yield from rest[1:] if rest[:1] == [_ENCRYPTED] and rest[1:] else rest
    for command in _GIVES_AWAY_MIDWAY:
        yield from (rest[0] for rest in _after(words, command) if rest and rest[0] not in _NO_PASSWORD)


def _after(words: Sequence[str], command: Sequence[str]) -> Iterator[list[str]]:
    """What follows the command, wherever in the words it ends."""
    if not command:
        yield list(words)
        return
    if command[0] == _SOME:
        for begin in range(len(words)):
            yield from _after(words[begin:], command[1:])
    elif words and (command[0] == _ANY or command[0].startswith(words[0].lower())):
        yield from _after(words[1:], command[1:])


def _is_reference(word: str) -> bool:
    return _REFERENCE.fullmatch(word) is not None


def _levelled(written: Iterable[Given]) -> list[tuple[int, str]]:
    """Each line's depth, whatever the author indents by."""
    open_at: list[int] = []
    levelled = []
    for one in written:
        text = one.text("a line")
        indent = len(text) - len(text.lstrip(" "))
        while open_at and open_at[-1] >= indent:
            open_at.pop()
        levelled.append((len(open_at), " ".join(text.split())))
        open_at.append(indent)
    return levelled


def _closed(levelled: Sequence[tuple[int, str]]) -> Iterator[str]:
    """The lines, with an `exit` behind each block that has none."""
    inside = False
    for level, text in levelled:
        if level == 0 and inside and text != "exit":
            yield "exit"
        yield " " * level + text
        inside = level > 0
    if inside:
        yield "exit"
