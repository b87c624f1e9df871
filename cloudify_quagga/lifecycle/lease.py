"""One change of a router at a time, whoever asks for it: a Lease in the cluster says whose turn it is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.errors import Conflict, TemporaryError, Waiting
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.names import Identity

API_VERSION, KIND = "coordination.k8s.io/v1", "Lease"
# Whoever is silent for so long is taken for dead; waiting for an end may be silent for two thirds of it.
DURATION_SECONDS = 180
WAIT_SECONDS = 20.0
_RENEW_SECONDS = 15.0
_POLL_SECONDS = 0.5
_SOON = 5.0
# An API server that is away just when a turn ends is waited for, or nobody would take the Lease away.
_RELEASE_SECONDS = 10.0
Step = Callable[[], None]
"""Called from time to time by whoever waits: it keeps one's turn."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


# The turns of this very process: another Lease of its own was left by an operation that failed.
_under_way: set[str] = set()


class TakenOver(Waiting):
    """One's turn is over before one was done."""


@dataclass
class Turn:
    """One's turn, for as long as it is renewed."""

    cluster: Cluster
    manifest: Manifest
    manager: str
    renewed: float

    def renew(self) -> None:
        """Say that one is still at it; where the turn has been lost, somebody else's has begun."""
        if time.monotonic() - self.renewed < _RENEW_SECONDS:
            return
        spec = {**self.manifest["spec"], "renewTime": _now()}
        try:
            self.cluster.apply({**self.manifest, "spec": spec}, self.manager)
        except Conflict as error:
            reference = Reference.of(self.manifest)
            raise TakenOver(f"{reference} was taken over by somebody else: {error}", _SOON) from error
        self.renewed = time.monotonic()


def reference(identity: Identity, namespace: str) -> Reference:
    """Where a router's Lease is, while a change is under way."""
    return Reference(API_VERSION, KIND, identity.object_name, namespace)


def stand_still() -> None:
    """The step of whoever has no turn to keep."""


@contextmanager
def turn(cluster: Cluster, owner: Owner, namespace: str) -> Iterator[Turn]:
    """One's turn to change the router, for the time of a with block; waited for within bounds."""
    token = uuid4().hex[:8]
    mine = _lease(owner, namespace, f"{_machine()}/{os.getpid()}/{token}")
    # A manager of its own for each turn: the API server itself lets only one of two own the holder's field.
    manager = f"cloudify-quagga-turn-{token}"
    deadline = time.monotonic() + WAIT_SECONDS
    _under_way.add(token)
    try:
        while not _taken(cluster, mine, manager):
            if time.monotonic() > deadline:
                raise Waiting(_busy(cluster, Reference.of(mine)), _SOON)
            time.sleep(_POLL_SECONDS)
        yield Turn(cluster, mine, manager, time.monotonic())
    finally:
        # First, for giving it back may fail, and whoever tries again in this process would wait for nobody.
        _under_way.discard(token)
        _release(cluster, mine)


def clear(cluster: Cluster, identity: Identity, namespace: str) -> None:
    """Take away what a holder has left that does not live any more; a turn that is under way stays."""
    left = reference(identity, namespace)
    found = cluster.get(left)
    if found is not None and _is_over(found):
        with suppress(Conflict):
            cluster.delete(left, as_seen=found)


def _taken(cluster: Cluster, mine: Manifest, manager: str) -> bool:
    reference = Reference.of(mine)
    found = cluster.get(reference)
    if found is not None:
        if not _is_over(found):
            return False
        try:
            cluster.delete(reference, as_seen=found)
        except Conflict:
            return False
    try:
        cluster.apply(mine, manager)
    except Conflict:
        return False
    return True


def _release(cluster: Cluster, mine: Manifest) -> None:
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            _give_back(cluster, mine)
        except TemporaryError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _give_back(cluster: Cluster, mine: Manifest) -> None:
    reference = Reference.of(mine)
    found = cluster.get(reference)
    if found is None or found["spec"].get("holderIdentity") != mine["spec"]["holderIdentity"]:
        return
    try:
        cluster.delete(reference, as_seen=found)
    except Conflict:
        # Somebody has taken it over.
        return


def _is_over(lease: Manifest) -> bool:
    spec = lease["spec"]
    if _has_died(spec.get("holderIdentity") or ""):
        return True
    said = spec.get("renewTime") or spec.get("acquireTime")
    if not said:
        return True
    renewed = datetime.strptime(said, _TIME).replace(tzinfo=timezone.utc)
    duration = timedelta(seconds=spec.get("leaseDurationSeconds", DURATION_SECONDS))
    return datetime.now(timezone.utc) > renewed + duration


def _machine() -> str:
    """This machine since it was started, as processes of it know it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}/{boot.read_text()[:8] if boot.exists() else ''}"


def _has_died(holder: str) -> bool:
    """Whether it was a process of this machine that is there no more: nobody has to wait for that one."""
    process, _, token = holder.rpartition("/")
    machine, _, pid = process.rpartition("/")
    if machine != _machine() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return token not in _under_way
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _lease(owner: Owner, namespace: str, holder: str) -> Manifest:
    identity, now = owner.identity, _now()
    metadata = {
        "name": identity.object_name,
        "namespace": namespace,
        "labels": identity.labels,
        "annotations": identity.annotations,
    }
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": DURATION_SECONDS,
        "acquireTime": now,
        "renewTime": now,
    }
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    return owner.stamped(manifest)


def _busy(cluster: Cluster, reference: Reference) -> str:
    found = cluster.get(reference) or {"spec": {}}
    who = found["spec"].get("holderIdentity", "somebody")
    return f"another change of this router is under way ({reference}, held by {who})"


def _now() -> str:
    return datetime.now(timezone.utc).strftime(_TIME)
