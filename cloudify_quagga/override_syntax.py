"""The override strings of 2017 as values: a chain of subscripts, '=', and a JSON or Python literal.

    ['spec']['template']['spec']['containers'][0]['image'] = "registry:@{registry, port}/nginx"

In 2017 such a string was Python, and ran. Here it is read by the grammar below and by nothing else:

    override    = subscript+ '=' value
    subscript   = '[' (string | whole number | substitution) ']'
    value       = string | number | constant | list | map | substitution
    constant    = True | False | None | true | false | null
    list        = '[' [value (',' value)* [',']] ']'
    map         = '{' [(string | substitution) ':' value (',' ... )* [',']] '}'
    substitution = '@{' node ',' property (',' property)* '}' | '%{management_ip}' | '%{' path '}'
    path        = name ('.' name | '[' (string | whole number) ']')*

Substitutions also stand inside strings. They are found while the literal is read, so that what is put in
later is never read as syntax, and an escaped ``\\x40{`` is two characters and no substitution. Blanks and '#'
comments are Python's; several overrides may stand on lines of their own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.sentence import legible

# A ConfigMap holds no more, and a value has to fit into one request.
LONGEST = 1024 * 1024
DEEPEST = 50
MOST_SUBSCRIPTS = 100
MOST_SUBSTITUTIONS = 100

_LINE_BREAKS = "\r\n"
_BLANK = re.compile(r"(?:[ \t\f\r\n]+|#[^\r\n]*)*")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"[^'\"\\@%\r\n]+")
_OCTAL = re.compile(r"[0-7]{1,3}")
_PIECE = re.compile(
    r"\s*\.\s*([A-Za-z][A-Za-z0-9_]*)|\s*\[\s*(?:'([^'\\]*)'|\"([^\"\\]*)\"|([0-9]{1,9}))\s*\]"
)
_CONSTANTS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}
_ESCAPES = {
    "\\": "\\", "'": "'", '"': '"', "\n": "",
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip
_HEXADECIMAL = {"x": 2, "u": 4, "U": 8}
_INTEGERS = (-(2**63), 2**64 - 1)
_LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True)
class RuntimeProperty:
    """``@{node, property, nested}``: of the first instance of the node."""

    node: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class ContextAttribute:
    """``%{node.id}``: what the path leads to, beginning at ctx; nothing in it begins with an underscore."""

    path: tuple[str | int, ...]


@dataclass(frozen=True)
class ManagementIp:
    """``%{management_ip}``: the manager's address."""


Reference: TypeAlias = RuntimeProperty | ContextAttribute | ManagementIp


@dataclass(frozen=True)
class Substitution:
    """The place of a value that is looked up when the override is applied."""

    reference: Reference
    offset: int


@dataclass(frozen=True)
class Text:
    """A string, and the substitutions within it."""

    parts: tuple[str | Substitution, ...]


@dataclass(frozen=True)
class Constant:
    """A number, a boolean, or null."""

    value: float | bool | None


@dataclass(frozen=True)
class Elements:
    """A list."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Entries:
    """A map; of two equal keys the later one counts, as in JSON and in Python."""

    pairs: tuple[tuple[Text | Substitution, Value], ...]


Value: TypeAlias = Text | Constant | Elements | Entries | Substitution


@dataclass(frozen=True)
class Subscript:
    """One step down, and where in the text it stands."""

    key: Text | int | Substitution
    offset: int


@dataclass(frozen=True)
class Source:
    """The text of overrides, and the property that holds it.

    :param target: the subscripts of the override that is read or applied, once '=' has followed them. Nothing
        else of the text is shown: before that, and after it, there may be a secret.
    """

    path: str
    text: str
    target: str = ""

    def refused(self, offset: int, why: str) -> Refused:
        """The error to raise about one place in the text."""
        before = self.text[:offset]
        column = offset - before.rfind("\n")
        has_lines = "\n" in self.text.strip()
        place = f"line {before.count(chr(10)) + 1}, column {column}" if has_lines else f"column {column}"
        return Refused(self.path, self.target or "what is given", f"is refused at {place}: {legible(why)}")


@dataclass(frozen=True)
class Override:
    """An assignment: where to, and what."""

    source: Source
    subscripts: tuple[Subscript, ...]
    value: Value


def parse(path: str, text: str) -> list[Override]:
    """The overrides that the text holds, at least one; anything else is refused with its column."""
    return _Reader(Source(path, text)).overrides()


class _Reader:
    """One pass from left to right; never goes back, so its time grows with the text's length alone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._text = source.text
        self._at = 0
        self._depth = 0
        self._substitutions = 0
        self._target = ""

    def overrides(self) -> list[Override]:
        if len(self._text) > LONGEST:
            raise self._source.refused(LONGEST, f"it is longer than {LONGEST} characters")
        self._skip_blanks()
        overrides = [self._override()]
        while self._at < len(self._text):
            overrides.append(self._override())
        return overrides

    def _override(self) -> Override:
        self._source, self._target = replace(self._source, target=""), ""
        subscripts = [self._subscript()]
        while self._next() == "[":
            if len(subscripts) == MOST_SUBSCRIPTS:
                raise self._refused(f"there are more than {MOST_SUBSCRIPTS} subscripts")
            subscripts.append(self._subscript())
        self._take("=", "after the subscripts stands '=', or one more subscript")
        self._source = replace(self._source, target=self._target)
        self._skip_blanks()
        value = self._value()
        self._end_of_override()
        return Override(self._source, tuple(subscripts), value)

    def _end_of_override(self) -> None:
        start = self._at
        self._skip_blanks()
        alone = any(character in _LINE_BREAKS for character in self._text[start : self._at])
        if self._at < len(self._text) and not alone:
            raise self._refused(
                "nothing may follow the value; text around a substitution needs quotes about both"
            )

    def _subscript(self) -> Subscript:
        start = self._at
        self._take("[", "an override begins with a subscript, ['spec'] for one")
        self._skip_blanks()
        written = self._at
        key = self._key()
        self._target += f"[{self._text[written : self._at]}]"
        self._skip_blanks()
        self._take("]", "the subscript ends with ']'")
        self._skip_blanks()
        return Subscript(key, start)

    def _key(self) -> Text | int | Substitution:
        if (substitution := self._substitution()) is not None:
            return substitution
        if self._at_string():
            return self._string()
        start = self._at
        match = _WHOLE_NUMBER.match(self._text, start)
        if match is None:
            raise self._refused("a subscript is a string in quotes or a whole number")
        self._at = match.end()
        return self._integer(start, match.group())

    def _value(self) -> Value:
        if (substitution := self._substitution()) is not None:
            return substitution
        if self._at_string():
            return self._string()
        if self._next() == "[":
            return self._nested(self._elements)
        if self._next() == "{":
            return self._nested(self._entries)
        return self._constant()

    def _nested(self, read: Callable[[], Value]) -> Value:
        if self._depth == DEEPEST:
            raise self._refused(f"lists and maps are nested deeper than {DEEPEST} levels")
        self._depth += 1
        self._at += 1
        self._skip_blanks()
        value = read()
        self._at += 1
        self._depth -= 1
        return value

    def _elements(self) -> Elements:
        values: list[Value] = []
        while self._next() != "]":
            values.append(self._value())
            self._separator("]", "a list")
        return Elements(tuple(values))

    def _entries(self) -> Entries:
        pairs: list[tuple[Text | Substitution, Value]] = []
        while self._next() != "}":
            key = self._entry_key()
            self._skip_blanks()
            self._take(":", "after a map's key stands ':'")
            self._skip_blanks()
            pairs.append((key, self._value()))
            self._separator("}", "a map")
        return Entries(tuple(pairs))

    def _entry_key(self) -> Text | Substitution:
        if (substitution := self._substitution()) is not None:
            return substitution
        if self._at_string():
            return self._string()
        raise self._refused("a map's key is a string in quotes")

    def _separator(self, end: str, what: str) -> None:
        self._skip_blanks()
        if self._next() != end:
            self._take(",", f"{what} goes on with ',' or ends with '{end}'")
            self._skip_blanks()

    def _constant(self) -> Constant:
        start = self._at
        if match := _NUMBER.match(self._text, start):
            self._at = match.end()
            if _WORD.match(self._text, self._at):
                raise self._refused("a number ends here, and something else follows it without a blank")
            return Constant(self._number(start, match.group()))
        word = _WORD.match(self._text, start)
        if word is None or word.group() not in _CONSTANTS:
            raise self._refused(
                "a value is a JSON or Python literal: a text in quotes, a number, true, null, [...] or {...}"
            )
        self._at = word.end()
        return Constant(_CONSTANTS[word.group()])

    def _number(self, start: int, text: str) -> float:
        digits = text.lstrip("+-")
        if digits[:2].lower() in ("0x", "0o", "0b") or digits.isdigit():
            return self._integer(start, text)
        number = float(text)
        if not math.isfinite(number):
            raise self._source.refused(start, "the number is larger than JSON can hold")
        return number

    def _integer(self, start: int, text: str) -> int:
        digits = text.lstrip("+-")
        if digits[0] == "0" and digits.isdigit() and digits.strip("0"):
            raise self._source.refused(
                start, "a leading zero is not guessed at; an octal number is written 0o644"
            )
        # A longer text need not be converted to see that it does not fit; 64 binary digits and 0b do.
        number = int(text, 0) if len(digits) <= 66 else None  # noqa: PLR2004
        if number is None or not _INTEGERS[0] <= number <= _INTEGERS[1]:
            raise self._source.refused(start, "the number does not fit into 64 bits")
        return number

    def _at_string(self) -> bool:
        # Python 2 printed texts as u'...', and that is what was copied into blueprints.
        here = self._text[self._at : self._at + 2]
        return here[:1] in ("'", '"') or (here[:1] in ("u", "U") and here[1:] in ("'", '"'))

    def _string(self) -> Text:
        start = self._at
        self._at += self._next() in "uU"
        quote = self._next()
        self._at += 1
        parts: list[str | Substitution] = []
        while self._next() != quote:
            if self._next() == "" or self._next() in _LINE_BREAKS:
                raise self._source.refused(
                    start, f"the string is not closed on its line by {quote}; a line break is \\n"
                )
            parts.append(self._part())
        self._at += 1
        return Text(self._joined(start, parts))

    def _part(self) -> str | Substitution:
        if (substitution := self._substitution()) is not None:
            return substitution
        if self._next() == "\\":
            return self._escape()
        match = _PLAIN.match(self._text, self._at)
        start, self._at = self._at, match.end() if match else self._at + 1
        return self._text[start : self._at]

    def _escape(self) -> str:
        start = self._at
        letter = self._text[start + 1 : start + 2]
        self._at += 2
        if letter in _HEXADECIMAL:
            return self._character(start, _HEXADECIMAL[letter])
        if octal := _OCTAL.match(self._text, start + 1):
            self._at = octal.end()
            return chr(int(octal.group(), 8))
        if letter == "":
            self._at = len(self._text)
            return ""
        # Python leaves the backslash before any other letter alone, and regular expressions rely on that.
        return _ESCAPES.get(letter, f"\\{letter}")

    def _character(self, start: int, length: int) -> str:
        digits = self._text[self._at : self._at + length]
        if not re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digits):
            raise self._source.refused(start, f"the escape needs {length} hexadecimal digits")
        if int(digits, 16) > _LAST_CHARACTER:
            raise self._source.refused(start, "there is no such character")
        self._at += length
        return chr(int(digits, 16))

    def _joined(self, start: int, parts: list[str | Substitution]) -> tuple[str | Substitution, ...]:
        """Neighbouring texts as one, the halves of a surrogate pair (JSON escapes so) as their character."""
        joined: list[str | Substitution] = []
        texts: list[str] = []
        for part in (*parts, None):
            if isinstance(part, str):
                texts.append(part)
                continue
            if text := "".join(texts):
                joined.append(self._whole_characters(start, text))
            texts = []
            if part is not None:
                joined.append(part)
        return tuple(joined)

    def _whole_characters(self, start: int, text: str) -> str:
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            raise self._source.refused(
                start, "the string holds half of a surrogate pair, which is no character"
            ) from None

    def _substitution(self) -> Substitution | None:
        start = self._at
        mark = self._text[start : start + 2]
        if mark not in ("@{", "%{"):
            return None
        self._substitutions += 1
        if self._substitutions > MOST_SUBSTITUTIONS:
            raise self._refused(f"there are more than {MOST_SUBSTITUTIONS} substitutions")
        end = self._text.find("}", start)
        if end < 0:
            raise self._refused(
                f"the substitution is not closed by '}}'; a literal {mark} is written \\x{ord(mark[0]):x}{{"
            )
        inner = self._text[start + 2 : end]
        reference = self._runtime_property(inner) if mark == "@{" else self._context(inner)
        self._at = end + 1
        return Substitution(reference, start)

    def _runtime_property(self, inner: str) -> RuntimeProperty:
        node, *path = (piece.strip() for piece in inner.split(","))
        if not node or not path or not all(path):
            raise self._refused(
                "a substitution names a node and its property: @{node, property}, nested ones after it"
            )
        return RuntimeProperty(node, tuple(path))

    def _context(self, inner: str) -> Reference:
        if inner.strip() == "management_ip":
            return ManagementIp()
        # The first name stands without a dot; with one, all pieces look alike.
        text, at = f".{inner}".rstrip(), 0
        path: list[str | int] = []
        while at < len(text):
            match = _PIECE.match(text, at)
            if match is None:
                raise self._refused("a path into ctx is names with dots between them, %{node.id} for one")
            name, single, double, index = match.groups()
            piece = next((one for one in (name, single, double) if one is not None), "")
            if piece.startswith("_"):
                raise self._refused("what begins with an underscore is not for blueprints")
            path.append(int(index) if index else piece)
            at = match.end()
        return ContextAttribute(tuple(path))

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, character: str, otherwise: str) -> None:
        if self._next() != character:
            raise self._refused(otherwise)
        self._at += 1

    def _skip_blanks(self) -> None:
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _refused(self, why: str) -> Refused:
        return self._source.refused(
            self._at, why if self._at < len(self._text) else f"it ends here, but {why}"
        )
