"""A command run in a pod, over the websocket on which the API server carries its input and output."""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import websocket

_PROTOCOL = "v4.channel.k8s.io"
_INPUT, _OUTPUT, _ERRORS, _RESULT = range(4)
# A frame of this size passes every hop at once.
_PIECE = 32 * 1024
_CODE = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class Ended:
    """What came of a command that ran."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Way:
    """How the websocket is reached.

    :param tls: None for a plain connection.
    :param proxy: host and port of an HTTP proxy.
    :param unproxied: hosts that the proxy is not asked for.
    """

    url: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    proxy: tuple[str, int] | None = None
    unproxied: Sequence[str] = ()


class Rejected(Exception):
    """The API server answered, and opened no websocket."""

    def __init__(self, status: int, reason: str, data: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.reason = reason
        self.data = data
        self.headers = headers
        super().__init__(f"{status} {reason}")


class NotRun(Exception):
    """The command did not run, or nobody can say how it ended."""


def run(way: Way, stdin: bytes, connect_seconds: float, seconds: float) -> Ended:
    """Run it to its end, within so many seconds; what is wrong with the connection is an OSError or ours."""
    deadline = time.monotonic() + seconds
    with _our_errors():
        line = _opened(way, connect_seconds)
    try:
        with _our_errors():
            for start in range(0, len(stdin), _PIECE):
                line.send_binary(bytes([_INPUT]) + stdin[start : start + _PIECE])
            return _ended(line, deadline)
    except TimeoutError:
        raise NotRun(f"it has not ended within {seconds:.0f} s") from None
    finally:
        line.shutdown()


@contextmanager
def _our_errors() -> Iterator[None]:
    """The library's errors as Python's own, or as one of ours."""
    try:
        yield
    except websocket.WebSocketBadStatusException as error:
        reason, headers = error.status_message or "", error.resp_headers or {}
        raise Rejected(error.status_code, reason, error.resp_body or b"", headers) from error
    except websocket.WebSocketTimeoutException as error:
        raise TimeoutError(str(error)) from error
    except websocket.WebSocketConnectionClosedException as error:
        raise ConnectionResetError(str(error)) from error
    except websocket.WebSocketException as error:
        raise ConnectionError(str(error)) from error


def _opened(way: Way, seconds: float) -> websocket.WebSocket:
    options = {"context": way.tls, "server_hostname": way.server_name}
    line = websocket.WebSocket(sslopt={key: one for key, one in options.items() if one is not None})
    host, port = way.proxy or (None, None)
    line.connect(
        way.url,
        header=[f"{name}: {value}" for name, value in way.headers.items()],
        subprotocols=[_PROTOCOL],
        timeout=seconds,
        http_proxy_host=host,
        http_proxy_port=port,
        # The environment's proxies are the configuration's to mind, not this library's.
        http_no_proxy=list(way.unproxied) if way.proxy else ["*"],
        suppress_origin=True,
        redirect_limit=0,
    )
    return line


def _ended(line: websocket.WebSocket, deadline: float) -> Ended:
    told = {_OUTPUT: bytearray(), _ERRORS: bytearray(), _RESULT: bytearray()}
    for channel, data in _frames(line, deadline):
        told.get(channel, bytearray()).extend(data)
    code = _exit_code(bytes(told[_RESULT]))
    return Ended(code, told[_OUTPUT].decode(errors="replace"), told[_ERRORS].decode(errors="replace"))


def _frames(line: websocket.WebSocket, deadline: float) -> Iterator[tuple[int, bytes]]:
    while True:
        line.settimeout(max(0.001, deadline - time.monotonic()))
        operation, data = line.recv_data()
        if operation == websocket.ABNF.OPCODE_CLOSE:
            return
        if data:
            yield data[0], data[1:]


def _exit_code(result: bytes) -> int:
    """The exit status out of the API server's last word."""
    status = _told(result)
    if status is None:
        raise NotRun("it was cut off before its end")
    if status.get("status") == "Success":
        return 0
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else []:
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            code = cause.get("message")
            if isinstance(code, str) and _CODE.fullmatch(code):
                return int(code)
    said = status.get("message")
    raise NotRun((said if isinstance(said, str) else "") or "no reason given")


def _told(result: bytes) -> dict[str, Any] | None:
    try:
        status = json.loads(result)
    except (ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None
