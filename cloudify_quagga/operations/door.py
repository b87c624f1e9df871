"""The door between Cloudify and everything else: the one place where our errors become Cloudify's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError, OperationRetry, RecoverableError

from cloudify_quagga.errors import PermanentError, QuaggaError, TemporaryError, Waiting

Operation = Callable[..., Any]


def mapped(function: Operation) -> Operation:
    """An operation as Cloudify calls it: resumable, since all of ours converge, its errors translated.

    What is not one of our errors is a defect of ours; Cloudify retries it and shows where it comes from.
    """

    @functools.wraps(function)
    def entered(ctx: Any, **inputs: object) -> object:  # noqa: ANN401
        try:
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
            return function(ctx, **inputs)
        except QuaggaError as error:
            return {"comparison": {"wanted": "possible", "found": str(error)}}

    resumable: Operation = operation(entered, resumable=True)
    return resumable
