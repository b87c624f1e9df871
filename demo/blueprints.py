"""The two blueprints of the demo, installed and uninstalled by the real `cfy` in its local profile."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import show

PROJECT = Path(__file__).resolve().parent.parent
CFY = Path(sys.executable).with_name("cfy")
CLUSTER, ROUTER = "cluster", "router"


@dataclass(frozen=True)
class Deployments:
    """What the demo installed on one cluster, and remembers of it in a folder below the project.

    The lab and a cluster of one's own have a folder each, so that neither forgets the other's.
    """

    name: str

    @property
    def folder(self) -> Path:
        """Where cfy and the demo keep what they know of it."""
        return PROJECT / ".demo" / self.name

    @property
    def cluster(self) -> dict[str, str]:
        """The cluster that something is installed on: its `uid` and `kubeconfig`; empty if nothing is."""
        try:
            found: dict[str, str] = json.loads((self.folder / "cluster.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def forget(self) -> None:
        """Drop what is remembered of a cluster that is no more; nothing is left there to uninstall."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def remember(self, uid: str, kubeconfig: Path) -> None:
        """Note where the blueprints are about to be installed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "cluster.json").write_text(json.dumps({"uid": uid, "kubeconfig": str(kubeconfig)}))

    def install(self, cluster: Mapping[str, Any], router: Mapping[str, Any]) -> None:
        """`cfy install` of both, the cluster's first: the router reads its outputs."""
        self._cfy(["profiles", "use", "local"], "The local profile could not be made", quiet=True)
        for name, inputs in ((CLUSTER, cluster), (ROUTER, router)):
            if self.installed(name):
                show.say(f"The blueprint '{name}' is installed already.")
                continue
            if self._stored(name):
                show.say(f"The blueprint '{name}' was left half-installed; it is taken back first.")
                self._cfy(["uninstall", "-b", name], f"'{name}' was not uninstalled", quiet=True)
            arguments = ["install", f"blueprints/{name}/local.yaml", "-b", name, "-i", json.dumps(inputs)]
            self._cfy(arguments, f"The blueprint '{name}' was not installed")
            self._mark(name).touch()

    def outputs(self, name: str) -> None:
        """Show what the deployment says of itself."""
        self._cfy(["deployments", "outputs", "-b", name], f"The outputs of '{name}' cannot be read")

    def uninstall(self) -> bool:
        """Take back what is installed, the router first; True if there was anything."""
        found = [name for name in (ROUTER, CLUSTER) if self._stored(name)]
        for name in found:
            self._cfy(["uninstall", "-b", name], f"The blueprint '{name}' was not uninstalled", quiet=True)
        self.forget()
        return bool(found)

    def installed(self, name: str) -> bool:
        """Whether the last `cfy install` of it succeeded."""
        return self._mark(name).exists()

    def _mark(self, name: str) -> Path:
        return self.folder / f"{name}.installed"

    def _stored(self, name: str) -> bool:
        """Whether cfy knows the deployment; also after an install that failed half-way."""
        return (self.folder / ".cloudify" / "profiles" / "local" / "deployments" / name).is_dir()

    def _cfy(self, arguments: list[str], failure: str, *, quiet: bool = False) -> None:
        os.chdir(PROJECT)
        env = {**os.environ, "CFY_WORKDIR": str(self.folder)}
        show.must(show.run([str(CFY), *arguments], typed=["cfy", *arguments], env=env, quiet=quiet), failure)


LAB = Deployments("lab")
OWN = Deployments("own")
