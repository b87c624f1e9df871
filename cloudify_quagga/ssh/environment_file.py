"""The kubelet's environment file as a text: our labels put into it, and taken out to the last byte.

KUBELET_EXTRA_ARGS gets one more --node-labels, which the kubelet adds to those that are there. A comment
above the line says whose it is and holds the line as it was, so that nothing else is needed to undo it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudify_quagga.errors import Conflict

VARIABLE = "KUBELET_EXTRA_ARGS"
MARK = "# cloudify-quagga, node labels: "
_ASSIGNMENT = re.compile(rf"([ \t]*{VARIABLE}=)(.*)")
_FLAG = re.compile(r"--node-labels(?:=|[ \t]+)[\"']?([^\s\"']+)")


@dataclass(frozen=True)
class Content:
    """A file, taken apart into what is not ours and our labels.

    :param rest: the file without us; None if it would not exist.
    """

    rest: str | None
    labels: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, where: str) -> Content:
        """From the text; a file that does not exist is None.

        :param where: the file and its host, for the sentence when somebody has changed our comment.
        """
        lines = [] if text is None else text.split("\n")
        marks = [number for number, line in enumerate(lines) if line.startswith(MARK)]
        if not marks:
            return cls(text)
        ours = _Ours.parse(lines[marks[0]], f"{where}, line {marks[0] + 1}")
        kept = [*lines[: marks[0]], *ours.before(lines[marks[0] + 1 :])]
        rest = "\n".join(kept)
        return cls(None if ours.made_file and not rest else rest, ours.labels)

    def with_labels(self, labels: Mapping[str, str], where: str) -> Content:
        """With these labels beside those that we have written before; none of anybody else's is changed."""
        others = _labels_of(self.rest or "")
        for key, value in labels.items():
            if others.get(key, value) != value:
                raise Conflict(
                    f"{VARIABLE} in {where} already says {key}={others[key]}, {key}={value} is wanted"
                )
        return Content(self.rest, self.labels | dict(labels))

    def without_labels(self, labels: Mapping[str, str]) -> Content:
        """Without these labels, as far as they are ours and have this value."""
        kept = {key: value for key, value in self.labels.items() if labels.get(key) != value}
        return Content(self.rest, kept)

    def text(self) -> str | None:
        """The file's text, None if it is not to exist."""
        if not self.labels:
            return self.rest
        if self.rest is None:
            return "\n".join(_Ours(self.labels, None, made_file=True).lines()) + "\n"
        lines = self.rest.split("\n")
        number = _assignment(lines)
        if number is None:
            return "\n".join([*_Ours(self.labels, None).lines(), *lines])
        lines[number : number + 1] = _Ours(self.labels, lines[number]).lines()
        return "\n".join(lines)


@dataclass(frozen=True)
class _Ours:
    """Our comment and the line below it.

    :param line: the line as it was without us; None if there was none.
    """

    labels: dict[str, str]
    line: str | None
    made_file: bool = False

    @classmethod
    def parse(cls, comment: str, where: str) -> _Ours:
        try:
            said = json.loads(comment.removeprefix(MARK))
            ours = cls(dict(said["labels"]), said["line"], bool(said["made_file"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise _changed(where) from error
        texts = [*ours.labels, *ours.labels.values(), *([] if ours.line is None else [ours.line])]
        if not all(isinstance(one, str) for one in texts):
            raise _changed(where)
        return ours

    def lines(self) -> list[str]:
        said = {"labels": self.labels, "line": self.line, "made_file": self.made_file}
        # JSON ends with a brace; a comment that ended with a backslash would go on in the next line.
        return [MARK + json.dumps(said, sort_keys=True), self._managed()]

    def before(self, below: list[str]) -> list[str]:
        """The lines below the comment as they were; what somebody changed since then stays changed."""
        if not below:
            return []
        managed, *others = below
        if self.made_file and managed == self._managed() and others == [""]:
            return []
        if managed == self._managed():
            return others if self.line is None else [self.line, *others]
        return [re.sub(rf"{re.escape(self._word())}[ ]?", "", managed), *others]

    def _managed(self) -> str:
        match = _ASSIGNMENT.fullmatch(f"{VARIABLE}=" if self.line is None else self.line)
        if match is None:
            raise Conflict(f"{self.line!r} in our comment assigns no {VARIABLE}")
        name, value = match.groups()
        if not value.strip():
            return name + self._word()
        if value[0] in "\"'":
            return f"{name}{value[0]}{self._word()} {value[1:]}"
        if set(value) & set("\"'\\$`"):
            return f"{name}{self._word()} {value}"
        return f'{name}"{self._word()} {value}"'

    def _word(self) -> str:
        return "--node-labels=" + ",".join(f"{key}={value}" for key, value in sorted(self.labels.items()))


def _changed(where: str) -> Conflict:
    return Conflict(f"{where}: the comment that says what was there before us was changed")


def _assignment(lines: list[str]) -> int | None:
    """The number of the line that assigns the variable last, which is the one that counts."""
    found = None
    for number, line in enumerate(lines):
        continued = number > 0 and lines[number - 1].endswith("\\")
        if _ASSIGNMENT.fullmatch(line) and not continued:
            found = number
    return found


def _labels_of(text: str) -> dict[str, str]:
    """The labels that others have put into the variable."""
    lines = text.split("\n")
    number = _assignment(lines)
    if number is None:
        return {}
    end = number
    while lines[end].endswith("\\") and end + 1 < len(lines):
        end += 1
    labels: dict[str, str] = {}
    for said in _FLAG.findall("\n".join(lines[number : end + 1])):
        for pair in filter(None, said.split(",")):
            key, _, value = pair.partition("=")
            labels[key] = value
    return labels
