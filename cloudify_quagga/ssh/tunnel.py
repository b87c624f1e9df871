"""A tunnel: a port of ours that leads to one on the master's side, as long as a with block lasts."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from cloudify_quagga.errors import NotPermitted, PermanentError, QuaggaError, Unavailable
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh import session

LOOPBACK = "127.0.0.1"
_PROHIBITED = 1
_CONNECT_FAILED = 2
_CHUNK = 65536
_POLL_SECONDS = 0.05

_log = logging.getLogger(__name__)


@contextmanager
def tunnel(settings: Ssh, target_host: str, target_port: int) -> Iterator[int]:
    """The port on 127.0.0.1 that leads to the target as the master sees it.

    The bytes go through as they are, so it is the caller who speaks TLS, and with whom he thinks.
    A connection that drops is made anew once, for the next who connects. If it cannot be, the error
    that the caller then runs into is replaced by the one that says why.
    """
    line = Line(settings, target_host, target_port)
    with line, _Server(line) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name="ssh tunnel")
        thread.start()
        try:
            yield server.server_address[1]
        except (OSError, Unavailable) as error:
            if line.failure is None:
                raise
            raise line.failure from error
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
            line.close()


class Line:
    """The SSH connection under a tunnel, and the channels through it to the target."""

    def __init__(self, settings: Ssh, target_host: str, target_port: int) -> None:
        self.failure: QuaggaError | None = None
        self._settings = settings
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._reopened = False
        self._closed = False
        self._transport = session.connect(settings)
        try:
            # Opened at once, so that a tunnel that leads nowhere is refused before anybody waits in it.
            self._waiting: paramiko.Channel | None = self._open()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection and every channel, for good."""
        with self._lock:
            self._closed = True
            session.close(self._transport)

    def channel(self) -> paramiko.Channel:
        """A channel to the target, over a new connection if the old one is dead."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not (waiting.closed or waiting.eof_received):
                return waiting
            try:
                return self._channel()
            except QuaggaError as error:
                self.failure = error
                raise

    def _channel(self) -> paramiko.Channel:
        if self._closed:
            raise Unavailable(f"the tunnel through {self._settings.address} is closed")
        if self._transport.is_active():
            with suppress(_Dropped):
                return self._open()
        self._reopen()
        return self._open()

    def _reopen(self) -> None:
        session.close(self._transport)
        if self._reopened:
            raise Unavailable(f"the tunnel through {self._settings.address} dropped a second time")
        self._reopened = True
        _log.warning("The tunnel through %s dropped and is made anew", self._settings.address)
        self._transport = session.connect(self._settings)

    def _open(self) -> paramiko.Channel:
        try:
            return self._transport.open_channel("direct-tcpip", self._target, (LOOPBACK, 0))
        except ChannelException as error:
            raise self._refusal(error) from error
        except (SSHException, EOFError, OSError) as error:
            raise _Dropped(f"{self._settings.address} does not open a channel: {error}") from error

    def _refusal(self, error: ChannelException) -> QuaggaError:
        host, port = self._target
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        master = self._settings.address
        if error.code == _PROHIBITED:
            return NotPermitted(
                f"{master} forbids tunnels to {target}; AllowTcpForwarding in its sshd_config may say so"
            )
        if error.code == _CONNECT_FAILED:
            return Unavailable(f"{master} does not reach the API server at {target}: {error.text}")
        return PermanentError(f"{master} opens no channel to {target}: {error.text}")


class _Dropped(Unavailable):
    """The connection died under a channel that was about to be opened."""


class _Server(socketserver.ThreadingTCPServer):
    """Listens on loopback; closing it waits for the threads of its connections."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 32

    def __init__(self, line: Line) -> None:
        super().__init__((LOOPBACK, 0), _Connection)
        self.line = line
        self.sockets: set[socket.socket] = set()

    def hang_up(self) -> None:
        """End the connections that are still open."""
        for one in list(self.sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.BaseRequestHandler):
    """One connection to our port: both ways, until both have ended."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Carry the connection over a channel of its own."""
        self.server.sockets.add(self.request)
        try:
            self._carry(self.server.line.channel())
        except QuaggaError as error:
            _log.warning("%s", error)
        finally:
            self.server.sockets.discard(self.request)

    def _carry(self, channel: paramiko.Channel) -> None:
        up = threading.Thread(target=_up, args=(self.request, channel), name="ssh tunnel, up")
        up.start()
        _down(channel, self.request)
        up.join()
        channel.close()


def _up(source: socket.socket, channel: paramiko.Channel) -> None:
    with suppress(OSError, EOFError, SSHException):
        while chunk := source.recv(_CHUNK):
            channel.sendall(chunk)
    # What cannot be carried on is over for both sides; a half-closed connection goes on the other way.
    with suppress(OSError, EOFError, SSHException):
        channel.shutdown_write()


def _down(channel: paramiko.Channel, sink: socket.socket) -> None:
    with suppress(OSError, EOFError, SSHException):
        while chunk := channel.recv(_CHUNK):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR if channel.closed else socket.SHUT_WR)
