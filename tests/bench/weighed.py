"""A `cfy` whose commands are weighed, and which is started beside those who watch what it does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.bench import beside
from tests.lab.cfy import Cfy, blueprint_of

_KIB = 1024
_WEIGH = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


class WeighedCfy(Cfy):
    """A `cfy` that also notes how much memory its latest command took."""

    def __init__(self, directory: Path) -> None:
        self._noted = directory / "memory"
        super().__init__(directory / "cfy")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", _WEIGH, str(self._noted), *super().command(*arguments)]

    def installing(self, name: str, **inputs: Any) -> beside.Command:
        """The install of `blueprints/NAME/local.yaml` as the deployment NAME, while it runs."""
        return self.started(*self.install_words(blueprint_of(name), name, inputs))

    @property
    def peak_memory(self) -> float:
        """MiB, at its peak."""
        return int(self._noted.read_text()) / _KIB
