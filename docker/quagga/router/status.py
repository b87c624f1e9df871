"""What the router tells the world: one JSON file, and one that exists only while the router is not ready."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from router.journal import now, say

FOLDER: Final = Path("/run/quagga")

_SHOWN: Final = 20


class Status:
    """The two files, and what was last written to them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._reason: str | None = "the router is starting"
        self.facts: dict[str, object] = {}
        self.content: Mapping[str, object] = {}
        """What was written last; never changed, only replaced."""
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, reason: str | None, facts: Mapping[str, object]) -> None:
        """Write both files; each is whole at every moment.

        :param reason: why the router is not ready, None when it is.
        """
        self.facts.update(facts)
        content = {**self.facts, "ready": reason is None, "reason": reason, "updated": now()}
        if reason is not None:
            self._replace("unready", reason + "\n")
        self._replace("status.json", json.dumps(content, indent=2) + "\n")
        if reason is None:
            (self._folder / "unready").unlink(missing_ok=True)
        self.content = content
        if reason != self._reason:
            say("ready" if reason is None else f"not ready: {reason}")
        self._reason = reason

    def note(self, facts: Mapping[str, object]) -> None:
        """Write both files anew with these facts; whether the router is ready stays as it is."""
        self.write(self._reason, facts)

    def _replace(self, name: str, text: str) -> None:
        draft = self._folder / f".{name}"
        draft.write_text(text, errors="backslashreplace")
        os.replace(draft, self._folder / name)


def some(entries: list[str]) -> list[str]:
    """As many entries as a person reads."""
    return entries[:_SHOWN]
