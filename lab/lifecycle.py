"""Bringing the whole lab up and taking it down, in order; how a part does its work is its own business."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from lab import (
    cache,
    control,
    kubebuild,
    network,
    node,
    packages,
    preflight,
    process,
    progress,
    registry,
    ssh,
    state,
)

NODES = 2
WAITING = "another `up` or `down` is at work on this lab; waiting for it"


def up(nodes: int | None, *, api_only: bool) -> Path:
    """Make the lab be as asked for and return its kubeconfig; a healthy lab stays as it is."""
    lab = state.current()
    if _serves(nodes, api_only=api_only) and healthy():
        return lab.kubeconfig
    names = [] if api_only else network.node_names(nodes or NODES)
    preflight.check(api_only=api_only, cold=not kubebuild.built())
    with lab.lock(lambda: progress.note(WAITING)):
        # Whoever held the lock may just have brought it up.
        if not (_serves(nodes, api_only=api_only) and healthy()):
            _rebuild(names, api_only=api_only)
    return lab.kubeconfig


def down() -> None:
    """Take away everything that `up` made; the cache stays."""
    lab = state.current()
    with lab.lock(lambda: progress.note(WAITING)):
        with progress.step("taking the lab down"):
            _dismantle()
        lab.remove()


def healthy() -> bool:
    """Whether everything that `up` started is alive and answers."""
    facts = state.current().facts
    if not facts.get("complete") or not all(map(process.alive, state.current().daemons())):
        return False
    return control.ready() and set(facts["nodes"]) <= control.ready_nodes()


def status() -> dict[str, Any]:
    """What is there, for people and programs."""
    lab = state.current()
    facts = lab.facts
    is_up = healthy()
    return {
        "up": is_up,
        "api_only": facts.get("api_only"),
        "nodes": facts.get("nodes", []),
        "kubeconfig": str(lab.kubeconfig) if is_up else None,
        "kubectl": kubebuild.program("kubectl") if kubebuild.built() else None,
        "registry": registry.ADDRESS if is_up and not facts["api_only"] else None,
        "ssh": _ssh() if is_up and not facts["api_only"] else None,
        "hosts": {name: {"netns": network.namespace(name)} for name in _hosts()},
        "daemons": {name: process.alive(name) for name in lab.daemons()},
        "logs": str(lab.logs) if facts else None,
        "versions": {"kubernetes": kubebuild.VERSION, "debian": packages.RELEASE},
    }


def _ssh() -> dict[str, str]:
    return {"user": ssh.USER.name, "key": str(ssh.key()), "known_hosts": str(ssh.known_hosts())}


def _serves(nodes: int | None, *, api_only: bool) -> bool:
    """Whether the lab that is there, if any, is what is asked for; a whole one has an API server too."""
    facts = state.current().facts
    if not facts.get("complete"):
        return False
    return api_only or (not facts["api_only"] and nodes in (None, len(facts["nodes"])))


def _rebuild(names: list[str], *, api_only: bool) -> None:
    packages.root()
    kubebuild.program("kubelet")
    lab = state.current()
    if lab.facts:
        progress.note("the lab that is here is not healthy, or not what is asked for: it is rebuilt")
    _dismantle()
    lab.clear()
    lab.prepare()
    asked = {"nodes": names, "api_only": api_only, "cache": str(cache.directory())}
    lab.write_facts(asked | {"complete": False})
    try:
        _assemble(names, api_only=api_only)
    except BaseException:
        # The logs stay for whoever wants to know why.
        _dismantle()
        raise
    lab.write_facts(lab.facts | {"complete": True})


def _assemble(names: list[str], *, api_only: bool) -> None:
    if api_only:
        with progress.step("API server"):
            control.up_alone()
        return
    with progress.step("networks"), state.machine() as marks:
        network.up(len(names), marks)
    ssh.make_keys([network.CONTROL, *names])
    _together(_step("control plane", control.up), _step("registry", registry.up))
    ssh.up()
    _together(*(_step(name, partial(node.up, name)) for name in names))


def _dismantle() -> None:
    lab = state.current()
    hosts = _hosts()
    _together(*(partial(node.down, name) for name in _nodes()))
    for name in reversed(lab.daemons()):
        process.stop(name, grace=1.0)
    if state.may_have_hosts():
        ssh.down()
    # Whatever else lives in the lab's hosts: what `run` started, daemons started but not yet written down.
    process.end({pid for host in hosts for pid in process.inside(network.namespace(host))}, grace=1.0)
    if state.may_have_hosts():
        with state.machine() as marks:
            network.down(marks)


def _hosts() -> list[str]:
    """The hosts of this lab that are there."""
    return network.present() if state.may_have_hosts() else []


def _nodes() -> list[str]:
    """The nodes of which anything is left, also by a lab that a reboot ended."""
    return node.left() if state.may_have_hosts() else []


def _step(title: str, work: Callable[[], None]) -> Callable[[], None]:
    def shown() -> None:
        with progress.step(title):
            work()

    return shown


def _together(*works: Callable[[], None]) -> None:
    if not works:
        return
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
