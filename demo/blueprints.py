"""The two blueprints of the demo, installed and uninstalled by the real `cfy` in its local profile."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import show

PROJECT = Path(__file__).resolve().parent.parent
STATE = PROJECT / ".demo"
CFY = Path(sys.executable).with_name("cfy")
CLUSTER, ROUTER = "cluster", "router"


def forget_unless(identity: str) -> None:
    """Drop what is remembered of a cluster that is no more: there is nothing left to uninstall there."""
    mark = STATE / "cluster-uid"
    if mark.exists() and mark.read_text() != identity:
        shutil.rmtree(STATE)


def install(cluster: Mapping[str, Any], router: Mapping[str, Any], identity: str) -> None:
    """`cfy install` of both, the cluster's first: the router reads its outputs.

    :param identity: of the Kubernetes cluster, kept so that a new one is not taken for it.
    """
    STATE.mkdir(exist_ok=True)
    (STATE / "cluster-uid").write_text(identity)
    _cfy(["profiles", "use", "local"], "The local profile could not be made", quiet=True)
    for name, inputs in ((CLUSTER, cluster), (ROUTER, router)):
        if installed(name):
            show.say(f"The blueprint '{name}' is installed already.")
            continue
        arguments = ["install", f"blueprints/{name}/local.yaml", "-b", name]
        if inputs:
            arguments += ["-i", json.dumps(inputs)]
        _cfy(arguments, f"The blueprint '{name}' was not installed")
        _mark(name).touch()


def outputs(name: str) -> None:
    """Show what the deployment says of itself."""
    _cfy(["deployments", "outputs", "-b", name], f"The outputs of '{name}' cannot be read")


def uninstall() -> bool:
    """Take back what is installed, the router first; True if there was anything."""
    found = [name for name in (ROUTER, CLUSTER) if _stored(name)]
    for name in found:
        _cfy(["uninstall", "-b", name], f"The blueprint '{name}' was not uninstalled", quiet=True)
        _mark(name).unlink(missing_ok=True)
    shutil.rmtree(STATE, ignore_errors=True)
    return bool(found)


def installed(name: str) -> bool:
    """Whether the last `cfy install` of it succeeded."""
    return _mark(name).exists()


def _mark(name: str) -> Path:
    return STATE / f"{name}.installed"


def _stored(name: str) -> bool:
    """Whether cfy knows the deployment; also after an install that failed half-way."""
    return (STATE / ".cloudify" / "profiles" / "local" / "deployments" / name).is_dir()


def _cfy(arguments: list[str], failure: str, *, quiet: bool = False) -> None:
    os.chdir(PROJECT)
    env = {**os.environ, "CFY_WORKDIR": str(STATE)}
    done = show.run([str(CFY), *arguments], typed=["cfy", *arguments], env=env, quiet=quiet)
    show.must(done, failure)
