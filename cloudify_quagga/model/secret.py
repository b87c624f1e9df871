"""A text that shows itself to nobody who did not ask by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Secret:
    """Masks itself in repr, logs and errors."""

    value: str

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> str:
        """The text itself."""
        return self.value
