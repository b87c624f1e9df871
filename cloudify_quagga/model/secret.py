"""A text that shows itself to nobody who did not ask by name."""

from __future__ import annotations

from dataclasses import dataclass

from cloudify_quagga.model.given import Given


@dataclass(frozen=True, repr=False)
class Secret:
    """Masks itself in repr, logs and errors."""

    value: str

    @classmethod
    def parse(cls, given: Given, what: str) -> Secret:
        """From a text; whom it is for gets it as bytes."""
        return cls(given.characters(what))

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> str:
        """The text itself."""
        return self.value
