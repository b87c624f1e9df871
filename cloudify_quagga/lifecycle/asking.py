"""What a running router is asked, and what it answers: the plugin's side of the image's commands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.channel import Ended
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Failed
from cloudify_quagga.lifecycle import pods
from cloudify_quagga.model import Secrets

CHECK_SECONDS = 30.0
REPORT_SECONDS = 10.0
# The router itself gives up after 20.
MEND_SECONDS = 30.0
_COMMAND = ("env", "-C", "/root", "python3", "-E", "-m", "router")
_REFUSED = 64
_LONGEST = 300


class Unanswered(Failed):
    """The router in a pod that runs did not answer in its own terms."""


@dataclass(frozen=True)
class Report:
    """What a router told of itself."""

    said: Mapping[str, Any]

    @property
    def applied_hash(self) -> str | None:
        """The configuration that its daemons have."""
        return self.said.get("applied_hash")

    @property
    def ready(self) -> bool:
        """Whether everything is as that configuration wants it."""
        return bool(self.said.get("ready"))

    @property
    def reason(self) -> str:
        """Why it is not ready."""
        return str(self.said.get("reason") or "it gives no reason")

    @property
    def forwarding_switched(self) -> list[str]:
        """`ipv4` and `ipv6`, as far as it has itself switched their forwarding."""
        return [str(one) for one in self.said.get("forwarding_switched") or []]

    def refusal_of(self, configuration: str) -> str | None:
        """Why it did not take a configuration, where it did not."""
        refused = self.said.get("refused") or {}
        return str(refused.get("reason")) if refused.get("hash") == configuration else None


def check(cluster: Cluster, pod: Manifest, text: str, secrets: Secrets) -> str | None:
    """Have the router judge a configuration as if it started with it; why it would refuse, if it would."""
    data = text.encode()
    ended = _asked(cluster, pod, ("check", str(len(data))), CHECK_SECONDS, data)
    answer = _answer(pod, ended, 0, _REFUSED)
    if answer.get("accepted") is True:
        return None
    if "reason" not in answer:
        raise _unanswered(pod, ended)
    return secrets.masked(str(answer["reason"]))


def report(cluster: Cluster, pod: Manifest, secrets: Secrets) -> Report:
    """How the router is, compared with its kernel just now."""
    ended = _asked(cluster, pod, ("report",), REPORT_SECONDS)
    return _reported(_answer(pod, ended, 0), secrets)


def has_decided(cluster: Cluster, pod: Manifest, configuration: str) -> bool:
    """Whether it has applied or refused a configuration, by what it wrote last.

    A report takes the processor from the router that is about to change; to read a file does not.
    """
    command = ("cat", render.STATUS_FILE)
    ended = cluster.exec(Reference.of(pod), command, container=render.CONTAINER, seconds=REPORT_SECONDS)
    try:
        written = json.loads(ended.stdout)
    except ValueError:
        return False
    told = Report(written if isinstance(written, dict) else {})
    return told.applied_hash == configuration or told.refusal_of(configuration) is not None


def mend(cluster: Cluster, pod: Manifest, secrets: Secrets) -> Report:
    """Have the router mend what is not as wanted, and tell how it is then."""
    ended = _asked(cluster, pod, ("mend",), MEND_SECONDS)
    return _reported(_answer(pod, ended, 0, 1), secrets)


def _asked(
    cluster: Cluster, pod: Manifest, words: tuple[str, ...], seconds: float, stdin: bytes = b""
) -> Ended:
    return cluster.exec(Reference.of(pod), (*_COMMAND, *words), stdin, render.CONTAINER, seconds)


def _answer(pod: Manifest, ended: Ended, *codes: int) -> Mapping[str, Any]:
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        answer = None
    if ended.code not in codes or not isinstance(answer, dict):
        raise _unanswered(pod, ended)
    return answer


def _unanswered(pod: Manifest, ended: Ended) -> Unanswered:
    # Not its words: of a configuration that is secret they could show a line.
    return Unanswered(
        f"{pods.name(pod)} does not answer as a router of this version does (exit code {ended.code}); "
        f"`kubectl logs -n {pod['metadata']['namespace']} {pod['metadata']['name']}` tells more"
    )


def _reported(said: Mapping[str, Any], secrets: Secrets) -> Report:
    """With the router's own sentences cut to a length that one reads, and without what nobody may read."""
    told = dict(said)
    for key in ("reason", "last_error"):
        if told.get(key) is not None:
            told[key] = _cut(secrets.masked(str(told[key])))
    if isinstance(told.get("refused"), dict):
        reason = secrets.masked(str(told["refused"].get("reason")))
        told["refused"] = {**told["refused"], "reason": _cut(reason)}
    return Report(told)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
