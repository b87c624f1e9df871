"""A router is ended and removed in a cluster, with nothing left on its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from cloudify_quagga.cluster import Absent, Cluster, Reference, Right
from cloudify_quagga.errors import Failed, NotPermitted, QuaggaError
from cloudify_quagga.lifecycle import lease, parting, sweeping
from cloudify_quagga.lifecycle.lease import Step, stand_still
from cloudify_quagga.lifecycle.ownership import Owner, of_instance
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.lifecycle.removal import until_gone
from cloudify_quagga.names import Identity

Recorded = Callable[[], Record | None]


def end(cluster: Cluster, owner: Owner, recorded: Recorded, journal: Journal) -> None:
    """End it in one's turn: a change that is under way would make it anew.

    :param recorded: what is remembered of it when one's turn has come; nothing where it is gone by then.
    """
    with _turn(cluster, owner, recorded) as step:
        record = recorded()
        if record is not None:
            stop(cluster, owner.identity, record, journal, step)


def remove(cluster: Cluster, owner: Owner, recorded: Recorded, journal: Journal, forget: Step) -> None:
    """Remove it in one's turn; what a change has run again since it was ended is ended first.

    :param recorded: as with ``end``.
    :param forget: has nobody remember it, which ends the changes that wait for their turn.
    """
    with _turn(cluster, owner, recorded) as step:
        record = recorded()
        if record is not None:
            if cluster.get(record.workload) is not None:
                record = stop(cluster, owner.identity, record, journal, step)
            removed = delete(cluster, owner.identity, record.objects, step)
            journal.say(f"Removed: {', '.join(map(str, removed)) or 'nothing was left'}")
        forget()


def stop(
    cluster: Cluster, identity: Identity, record: Record, journal: Journal, step: Step = stand_still
) -> Record:
    """End it, and make sure that no node keeps a route of it.

    :param step: called from time to time.
    """
    try:
        record = _halt(cluster, identity, record, journal, step)
    except parting.Lost as error:
        _sweep_beside(error, cluster, identity, journal, step)
        # Whoever tries again within seconds learns the same, each time after having waited.
        raise Failed(str(error)) from error
    return sweeping.sweep(cluster, identity, record, sweeping.unclean(record), journal, step)


def delete(
    cluster: Cluster, identity: Identity, recorded: Iterable[Reference] = (), step: Step = stand_still
) -> list[Reference]:
    """Remove all that is recorded or bears the instance's marks; tells what that was."""
    recorded = list(recorded)
    marked = [Reference.of(manifest) for manifest in of_instance(cluster, identity)]
    removed = [reference for reference in _last_made_first(recorded, marked) if cluster.delete(reference)]
    until_gone(cluster, removed, parting.STOP_SECONDS, step)
    return removed


@contextmanager
def turn_in(cluster: Cluster, owner: Owner, namespace: str) -> Iterator[Step]:
    """One's turn, and what keeps it; who may not take one could not have changed the router either."""
    with ExitStack() as stack:
        step = stand_still
        # The namespace may be gone, or on its way: nothing is changed there any more.
        with suppress(Absent, NotPermitted):
            if cluster.may(Right("create", lease.API_VERSION, lease.KIND, namespace)):
                step = stack.enter_context(lease.turn(cluster, owner, namespace)).renew
        yield step


@contextmanager
def _turn(cluster: Cluster, owner: Owner, recorded: Recorded) -> Iterator[Step]:
    """One's turn where the recorded router is; nobody's turn where none is recorded."""
    record = recorded()
    if record is None:
        yield stand_still
        return
    with turn_in(cluster, owner, record.wanted.namespace) as step:
        yield step


def _halt(cluster: Cluster, identity: Identity, record: Record, journal: Journal, step: Step) -> Record:
    """Delete what runs and hear every pod's last word."""
    record = parting.farewell(
        cluster,
        identity,
        record,
        journal,
        send=lambda: cluster.delete(record.workload, dependents_first=True),
        goes=lambda _: True,
        step=step,
    )
    until_gone(cluster, [record.workload], parting.STOP_SECONDS, step)
    return record


def _sweep_beside(
    error: parting.Lost, cluster: Cluster, identity: Identity, journal: Journal, step: Step
) -> None:
    """Sweep the nodes that are not away; where that fails, it is told beside what is known of those."""
    left = [node for node in sweeping.unclean(error.record) if node not in error.nodes]
    try:
        sweeping.sweep(cluster, identity, error.record, left, journal, step)
    except lease.TakenOver:
        raise
    except QuaggaError as another:
        raise sweeping.together([Failed(str(error)), another]) from another


def _last_made_first(*groups: Iterable[Reference]) -> list[Reference]:
    return list(reversed(list(dict.fromkeys(one for group in groups for one in group))))
