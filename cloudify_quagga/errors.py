"""What can go wrong, named by what helps against it."""

from __future__ import annotations

_SHOWN_LENGTH = 120


class QuaggaError(Exception):
    """Everything that this plugin raises on purpose; its text is one sentence for the blueprint's author."""


class PermanentError(QuaggaError):
    """Trying again without changing something is of no use."""


class Refused(PermanentError):
    """Input that would not do what its author expects.

    :param path: where the value stands, in the author's terms: ``routes[2].prefix``.
    :param value: the value as it was given.
    :param right: what would be right, or what is wrong with it, as the end of a sentence.
    """

    def __init__(self, path: str, value: object, right: str) -> None:
        self.path = path
        self.value = value
        self.right = right
        super().__init__(f"{path}: {_shown(value)} {right}")


class Conflict(PermanentError):
    """Something that is not ours stands where we would have to write; the text names its owner."""


class NotPermitted(PermanentError):
    """The API server knows us and says no (401, 403); the text names the verb and the resource."""


class Failed(PermanentError):
    """The router itself said why it cannot run as asked."""


class TemporaryError(QuaggaError):
    """Trying again later may help.

    :param retry_after: seconds until it is worth trying; None leaves it to the orchestrator.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unavailable(TemporaryError):
    """The API server cannot be reached or is overloaded (no connection, 429, 5xx)."""


class Waiting(TemporaryError):
    """Nothing is wrong; what was asked for is not there yet."""


def _written(value: object) -> str:
    try:
        return ascii(value)
    except ValueError:
        # Python writes no number of more than 4300 digits.
        return "a number of very many digits"


def _shown(value: object) -> str:
    """The value as its author wrote it, in YAML, cut where it would drown the sentence."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = value if isinstance(value, str) else _written(value)
    text = text if text.isprintable() and text.strip() == text and text else ascii(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[: _SHOWN_LENGTH - 3]}..."
