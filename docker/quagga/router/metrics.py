"""What the router says of itself in Prometheus' text format, over HTTP, to whoever reaches the address.

A thread answers one client at a time from what the supervisor wrote last. It reads nothing else, gives nobody
more than a second, and hears no signals, so that the supervisor never waits for it.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from router.ending import Refused, refusal
from router.numeral import numeral

PORT: Final = "QUAGGA_METRICS_PORT"
ADDRESS: Final = "QUAGGA_METRICS_ADDRESS"

_LARGEST_PORT: Final = 65535
_WAITING: Final = 16
_PATIENCE: Final = 1.0
_LONGEST_REQUEST: Final = 8192
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "quagga_router"


@dataclass(frozen=True)
class Endpoint:
    """Where the metrics are offered."""

    address: str
    port: int

    @property
    def host(self) -> str:
        """The address as a URL has it."""
        return f"[{self.address}]" if ":" in self.address else self.address


def endpoint(environment: Mapping[str, str]) -> Endpoint | None:
    """What the environment says; None if metrics are off."""
    given = [name for name in (PORT, ADDRESS) if name in environment]
    if not given:
        return None
    if len(given) == 1:
        raise Refused(f"only {given[0]} is given; {PORT} and {ADDRESS} together switch metrics on")
    address = environment[ADDRESS]
    port = numeral(environment[PORT], _LARGEST_PORT)
    if port is None:
        raise refusal(PORT, environment[PORT], f"is no port; 1 to {_LARGEST_PORT} are")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError as error:
        raise refusal(ADDRESS, address, "is no address; the node's own is, as in '192.0.2.11'") from error
    if parsed.is_unspecified or parsed.is_multicast:
        raise refusal(ADDRESS, address, "is not one address of the node; its InternalIP is")
    return Endpoint(address, port)


def serve(where: Endpoint, content: Callable[[], Mapping[str, Any]]) -> None:
    """Begin to answer; returns at once.

    :param content: what the status holds.
    """
    listener = _listener(where)
    everything = signal.valid_signals()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
    try:
        threading.Thread(target=_answer_all, args=(listener, content), daemon=True).start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listener(where: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in where.address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((where.address, where.port))
        listener.listen(_WAITING)
    except OSError as error:
        listener.close()
        right = f"cannot be listened on at {where.address}: {error.strerror}"
        raise refusal(PORT, str(where.port), right) from error
    return listener


def _answer_all(listener: socket.socket, content: Callable[[], Mapping[str, Any]]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            # Out of descriptors, or a client that has gone already.
            time.sleep(_PATIENCE)
            continue
        with client:
            try:
                client.settimeout(_PATIENCE)
                client.sendall(answer(_request(client), content()))
            except OSError:
                continue


def _request(client: socket.socket) -> str:
    """The first line of what a client asks, after all of it has come."""
    asked = b""
    deadline = time.monotonic() + _PATIENCE
    while b"\r\n\r\n" not in asked and len(asked) < _LONGEST_REQUEST and time.monotonic() < deadline:
        more = client.recv(_LONGEST_REQUEST)
        if not more:
            break
        asked += more
    return asked.partition(b"\r\n")[0].decode("latin-1")


def answer(request: str, content: Mapping[str, Any]) -> bytes:
    """The whole answer to the first line of a request."""
    method, _, rest = request.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        return _response("405 Method Not Allowed", "GET is answered here\n", method)
    if path != "/metrics":
        return _response("404 Not Found", "/metrics is here\n", method)
    return _response("200 OK", exposition(content), method)


def _response(status: str, body: str, method: str) -> bytes:
    encoded = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {_TYPE}\r\nContent-Length: {len(encoded)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else encoded)


@dataclass(frozen=True)
class Metric:
    """One name, what it means, and its values by their labels."""

    name: str
    kind: str
    help: str
    values: tuple[tuple[Mapping[str, str], float], ...]

    def __str__(self) -> str:
        name = f"{_PREFIX}_{self.name}"
        head = f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n"
        return head + "".join(f"{name}{_labels(labels)} {value:.17g}\n" for labels, value in self.values)


def exposition(content: Mapping[str, Any]) -> str:
    """The status as Prometheus reads it; what is not known yet is left out."""
    return "".join(str(metric) for metric in _metrics(content) if metric.values)


def _metrics(content: Mapping[str, Any]) -> Iterator[Metric]:
    routes, daemons = content.get("routes", {}), content.get("daemons", {})
    change = content.get("last_change") or {}
    about = {
        "node": content.get("node"),
        "suite": content.get("suite"),
        "config_hash": content.get("applied_hash"),
    }
    yield Metric(
        "info", "gauge", "Always 1.", (({key: str(value or "") for key, value in about.items()}, 1),)
    )
    yield _one("up", "The supervisor runs.", 1)
    yield _one("ready", "The router is as it is wanted.", content.get("ready"))
    yield _one("config_refused", "The mounted configuration was refused.", bool(content.get("refused")))
    counts = {
        "wanted": routes.get("wanted"),
        "installed": routes.get("installed"),
        "missing": routes.get("missing_count"),
        "unexpected": routes.get("unexpected_count"),
    }
    yield _many("routes", "gauge", "Static routes, compared with the kernel.", "state", counts)
    running = {name: facts["pid"] is not None for name, facts in daemons.items()}
    yield _many("daemon_up", "gauge", "The daemon runs.", "daemon", running)
    restarts = {name: facts["restarts"] for name, facts in daemons.items()}
    yield _many("daemon_restarts_total", "counter", "How often it was brought back.", "daemon", restarts)
    repairs = content.get("repairs", {})
    yield _many("repairs_total", "counter", "What was mended.", "kind", repairs)
    yield _many("forwarding", "gauge", "Packets are forwarded.", "family", content.get("forwarding", {}))
    learned = {name: facts["routes"] for name, facts in content.get("protocols", {}).items()}
    yield _many("learned_routes", "gauge", "Routes in the kernel.", "protocol", learned)
    yield _one("change_seconds", "How long the last change took.", change.get("seconds"))
    yield _one("change_timestamp_seconds", "When it was made.", _epoch(change.get("at")))
    yield _one(
        "updated_timestamp_seconds", "When the router was looked at last.", _epoch(content.get("updated"))
    )


def _one(name: str, meaning: str, value: float | None) -> Metric:
    return Metric(name, "gauge", meaning, () if value is None else (({}, value),))


def _many(name: str, kind: str, meaning: str, label: str, values: Mapping[str, float | None]) -> Metric:
    known = (({label: key}, value) for key, value in values.items() if value is not None)
    return Metric(name, kind, meaning, tuple(known))


def _labels(labels: Mapping[str, str]) -> str:
    named = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{named}}}" if named else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _epoch(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
