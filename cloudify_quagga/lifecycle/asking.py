"""What a running router is asked, and what it answers: the plugin's side of the image's commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.channel import Ended
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed
from cloudify_quagga.lifecycle import pods
from cloudify_quagga.model import Secrets
from cloudify_quagga.model.sentence import legible

CHECK_SECONDS = 30.0
REPORT_SECONDS = 10.0
# The router itself gives up after 20.
MEND_SECONDS = 30.0
_COMMAND = ("env", "-C", "/root", "python3", "-E", "-m", "router")
_REFUSED = 64
_LONGEST = 300
# A router whose hundreds of interfaces all differ in their forwarding says a tenth of it.
_LONGEST_ANSWER = 1024 * 1024
# Entries of a list or a map; of routes the image tells 20.
_MOST = 30
# Two for each interface, of a node that has many.
_MOST_DIFFERENCES = 1000
# What it counts and measures is smaller, and every JSON reader has room for it.
_LARGEST_NUMBER = 2**53

# How one value is read, and what it is called if it is odd.
Shape = Callable[[object, str], Any]


class Unanswered(Failed):
    """The router in a pod that runs did not answer in its own terms."""


class _Odd(Exception):
    """What is odd about an answer, in a few words that are none of its own."""


@dataclass(frozen=True)
class Report:
    """What a router told of itself.

    :param said: of the shape that `_status` gives it; what an older image does not know is not there.
    """

    said: Mapping[str, Any]

    @property
    def applied_hash(self) -> str | None:
        """The configuration that its daemons have."""
        applied: str | None = self.said.get("applied_hash")
        return applied

    @property
    def ready(self) -> bool:
        """Whether everything is as that configuration wants it."""
        return bool(self.said.get("ready"))

    @property
    def reason(self) -> str:
        """Why it is not ready."""
        return _reason(self.said)

    @property
    def forwarding_switched(self) -> list[str]:
        """`ipv4` and `ipv6`, as far as it has itself switched their forwarding."""
        return [*(self.said.get("forwarding_switched") or ())]

    def refusal_of(self, configuration: str) -> str | None:
        """Why it did not take a configuration, where it did not."""
        refused = self.said.get("refused") or {}
        return _reason(refused) if refused.get("hash") == configuration else None


def check(cluster: Cluster, pod: Manifest, text: str, secrets: Secrets) -> str | None:
    """Have the router judge a configuration as if it started with it; why it would refuse, if it would."""
    data = text.encode()
    ended = _asked(cluster, pod, ("check", str(len(data))), CHECK_SECONDS, data)
    answer = _answer(pod, ended, _map(accepted=_flag, reason=_text), 0, _REFUSED)
    if answer.get("accepted") is True:
        return None
    if answer.get("reason") is None:
        raise _unanswered(pod, ended, ", and it tells no reason")
    return legible(secrets.masked(answer["reason"]))


def report(cluster: Cluster, pod: Manifest, secrets: Secrets) -> Report:
    """How the router is, compared with its kernel just now."""
    ended = _asked(cluster, pod, ("report",), REPORT_SECONDS)
    return Report(_answer(pod, ended, _status(secrets), 0))


def has_decided(cluster: Cluster, pod: Manifest, configuration: str) -> bool:
    """Whether it has applied or refused a configuration, by what it wrote last.

    A report takes the processor from the router that is about to change; to read a file does not.
    """
    command = ("cat", render.STATUS_FILE)
    ended = cluster.exec(Reference.of(pod), command, container=render.CONTAINER, seconds=REPORT_SECONDS)
    try:
        told = Report(_read(ended.stdout, _status(Secrets())))
    except _Odd:
        # It is asked for a report in the end, and how odd that is stops nobody before.
        return False
    return told.applied_hash == configuration or told.refusal_of(configuration) is not None


def mend(cluster: Cluster, pod: Manifest, secrets: Secrets) -> Report:
    """Have the router mend what is not as wanted, and tell how it is then."""
    ended = _asked(cluster, pod, ("mend",), MEND_SECONDS)
    return Report(_answer(pod, ended, _status(secrets), 0, 1))


def _asked(
    cluster: Cluster, pod: Manifest, words: tuple[str, ...], seconds: float, stdin: bytes = b""
) -> Ended:
    return cluster.exec(Reference.of(pod), (*_COMMAND, *words), stdin, render.CONTAINER, seconds)


def _answer(pod: Manifest, ended: Ended, shape: Shape, *codes: int) -> Mapping[str, Any]:
    if ended.code not in codes:
        raise _unanswered(pod, ended)
    try:
        return _read(ended.stdout, shape)
    except _Odd as odd:
        raise _unanswered(pod, ended, f", {odd}") from None


def _read(text: str, shape: Shape) -> Mapping[str, Any]:
    if len(text) > _LONGEST_ANSWER:
        raise _Odd(f"more than {_LONGEST_ANSWER} characters came")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise _Odd("no JSON came") from None
    read: Mapping[str, Any] = shape(answer, "answer")
    return read


def _unanswered(pod: Manifest, ended: Ended, odd: str = "") -> Unanswered:
    # Not its words: of a configuration that is secret they could show a line.
    return Unanswered(
        f"{pods.name(pod)} does not answer as a router of this version does (exit code {ended.code}{odd}); "
        f"`kubectl logs -n {pod['metadata']['namespace']} {pod['metadata']['name']}` tells more"
    )


def _status(secrets: Secrets) -> Shape:
    """How a status is read: whatever image wrote it, what is kept of it is of this shape, and bounded.

    Nor does it hold what nobody may read, wherever the router may quote its configuration.
    """

    def sentence(said: object, where: str) -> str:
        return _cut(legible(secrets.masked(_text(said, where))))

    sentences = _list_of(sentence)
    return _map(
        suite=_word,
        ready=_flag,
        reason=sentence,
        updated=_moment,
        wanted_hash=_word,
        applied_hash=_word,
        daemons=_map_of(_map(pid=_number, since=_moment, restarts=_number)),
        routes=_map(
            wanted=_number,
            installed=_number,
            missing=sentences,
            unexpected=sentences,
            missing_count=_number,
            unexpected_count=_number,
        ),
        forwarding=_map_of(_flag),
        forwarding_differs=_list_of(sentence, _MOST_DIFFERENCES),
        forwarding_switched=_list_of(_word),
        protocols=_map_of(_map(routes=_number)),
        repairs=_map_of(_number),
        refused=_map(hash=_word, reason=sentence),
        last_change=_map(hash=_word, at=_moment, seconds=_number, added=_number, removed=_number),
        last_error=sentence,
        last_error_at=_moment,
    )


def _map(**shapes: Shape) -> Shape:
    """A map of which these names are read, as far as they are there; each may be null."""

    def read(said: object, where: str) -> dict[str, Any]:
        there = _items(said, where)
        return {
            name: None if there[name] is None else shape(there[name], f"{where}.{name}")
            for name, shape in shapes.items()
            if name in there
        }

    return read


def _map_of(shape: Shape) -> Shape:
    """A map of any names, of which the first are read."""

    def read(said: object, where: str) -> dict[str, Any]:
        some = list(_items(said, where).items())[:_MOST]
        return {_cut(legible(name)): shape(one, f"{where}[]") for name, one in some}

    return read


def _items(said: object, where: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise _Odd(f"{where} is no map")
    return said


def _list_of(shape: Shape, most: int = _MOST) -> Shape:
    """A list, of which the first entries are read."""

    def read(said: object, where: str) -> list[Any]:
        if not isinstance(said, list):
            raise _Odd(f"{where} is no list")
        return [shape(one, f"{where}[]") for one in said[:most]]

    return read


def _text(said: object, where: str) -> str:
    if not isinstance(said, str):
        raise _Odd(f"{where} is no text")
    return said


def _word(said: object, where: str) -> str:
    """A name or a hash: it is compared, and a short secret is no reason to change it."""
    return _cut(legible(_text(said, where)))


def _moment(said: object, where: str) -> str | float:
    return _word(said, where) if isinstance(said, str) else _number(said, where)


def _flag(said: object, where: str) -> bool:
    if not isinstance(said, bool):
        raise _Odd(f"{where} is neither true nor false")
    return said


def _number(said: object, where: str) -> float:
    # NaN, which Python's reader takes for JSON, is not smaller than anything.
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < _LARGEST_NUMBER:
        raise _Odd(f"{where} is no number that a router tells")
    return said


def _reason(said: Mapping[str, Any]) -> str:
    return said.get("reason") or "it gives no reason"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
