"""The door between Cloudify and everything else: the one place where our errors become Cloudify's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_quagga.errors import (
    NotPermitted,
    PermanentError,
    QuaggaError,
    TemporaryError,
    Unavailable,
    Waiting,
)
from cloudify_quagga.model.sentence import legible

Operation = Callable[..., Any]
_NOT_PERMITTED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_REFUSING = range(400, 500)
# Refused at this moment only: too slow, somebody else has stored something, too much is asked.
_FOR_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)


def mapped(function: Operation) -> Operation:
    """An operation as Cloudify calls it: resumable, since all of ours converge, its errors translated.

    What is not one of our errors is a defect of ours; Cloudify retries it and shows where it comes from.
    """

    @functools.wraps(function)
    def entered(ctx: Any, **inputs: object) -> object:  # noqa: ANN401
        try:
            with _asking():
                return function(ctx, **inputs)
        except Waiting as error:
            raise OperationRetry(str(error), retry_after=error.retry_after) from error
        except TemporaryError as error:
            raise RecoverableError(str(error), retry_after=error.retry_after) from error
        except PermanentError as error:
            raise NonRecoverableError(str(error)) from error

    resumable: Operation = operation(entered, resumable=True)
    return resumable


def judging(function: Operation) -> Operation:
    """A status check as Cloudify calls it: it returns where all is well, and everything else is bad at once.

    A check that cannot be made is no good news either, and whoever asked wants to know now.
    """

    @functools.wraps(function)
    def entered(ctx: Any, **inputs: object) -> object:  # noqa: ANN401
        try:
            with _asking():
                return function(ctx, **inputs)
        except QuaggaError as error:
            raise NonRecoverableError(str(error)) from error

    resumable: Operation = operation(entered, resumable=True)
    return resumable


def comparing(function: Operation) -> Operation:
    """A drift check as Cloudify calls it: what cannot be compared is a difference too.

    An error would have Cloudify's update install the node anew.
    """

    @functools.wraps(function)
    def entered(ctx: Any, **inputs: object) -> object:  # noqa: ANN401
        try:
            with _asking():
                return function(ctx, **inputs)
        except (QuaggaError, NonRecoverableError) as error:
            # Cloudify itself raises the latter, for a file of the blueprint that it cannot fetch.
            return {"comparison": {"wanted": "possible", "found": str(error)}}

    resumable: Operation = operation(entered, resumable=True)
    return resumable


@contextmanager
def _asking() -> Iterator[None]:
    """What a context tells is asked of a manager: its failures, too, are named by their remedy."""
    try:
        yield
    except CloudifyClientError as error:
        raise _named(error) from error
    except OSError as error:
        # So the client's library says that nobody answers, or that a certificate is not where it should be.
        raise Unavailable(
            f"the manager, or this machine, does not give what this operation needs: {legible(error)}"
        ) from error


def _named(error: CloudifyClientError) -> QuaggaError:
    sentence = f"the manager does not give what this operation needs: {legible(error)}"
    if error.status_code in _NOT_PERMITTED:
        return NotPermitted(sentence)
    is_final = error.status_code in _REFUSING and error.status_code not in _FOR_NOW
    return PermanentError(sentence) if is_final else Unavailable(sentence)
