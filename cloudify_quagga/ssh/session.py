"""An SSH connection: host reached, its key checked, the user logged in, or a sentence that says why not."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import paramiko
from paramiko.ssh_exception import (
    AuthenticationException,
    BadAuthenticationType,
    ChannelException,
    IncompatiblePeer,
    SSHException,
)

from cloudify_quagga.errors import NotPermitted, PermanentError, QuaggaError, Unavailable
from cloudify_quagga.model.sentence import legible
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh.keys import private_key
from cloudify_quagga.ssh.known_hosts import HostKey, KnownHosts

CONNECT_SECONDS = 10
ANSWER_SECONDS = 15
KEEPALIVE_SECONDS = 5
# How long the kernel tries to get bytes through before it calls a silent connection dead.
SILENCE_SECONDS = 20
# What paramiko lets through of a host that sends no proper keys, names or packets.
_MALFORMED = (ValueError, LookupError)
_BROKEN = (SSHException, EOFError, OSError, *_MALFORMED)
# What paramiko says goes to whoever configured logging, and nowhere if nobody did.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@contextmanager
def session(settings: Ssh) -> Iterator[paramiko.Transport]:
    """A connection for the time of a with block; one that is lost within is an error that says so."""
    transport = connect(settings)
    try:
        yield transport
    except QuaggaError:
        raise
    except ChannelException as error:
        raise PermanentError(f"{settings.address} lets nothing be done there: {error.text}") from error
    except (SSHException, EOFError, OSError) as error:
        raise Unavailable(f"the connection to {settings.address} was lost: {_reason(error)}") from error
    except _MALFORMED as error:
        if transport.is_active():
            # The connection is well; it is something else that fails.
            raise
        raise Unavailable(f"the connection to {settings.address} was lost: {_reason(error)}") from error
    finally:
        close(transport)


def connect(settings: Ssh) -> paramiko.Transport:
    """A connection that the caller has to close."""
    key = private_key(settings)
    known = KnownHosts(settings)
    transport = _negotiated(settings, known)
    try:
        shown = transport.get_remote_server_key()
        known.check(HostKey(shown.get_name(), shown.asbytes()))
        _log_in(settings, transport, key)
    except _BROKEN as error:
        close(transport)
        raise Unavailable(f"{settings.address} ended the connection: {_reason(error)}") from error
    except BaseException:
        close(transport)
        raise
    transport.set_keepalive(KEEPALIVE_SECONDS)
    return transport


def close(transport: paramiko.Transport) -> None:
    """End the connection; its thread is gone when this returns."""
    transport.close()
    # A transport that died by itself leaves its socket to others.
    transport.sock.close()
    if transport.is_alive():
        transport.join(ANSWER_SECONDS)


def _negotiated(settings: Ssh, known: KnownHosts) -> paramiko.Transport:
    transport = paramiko.Transport(_socket(settings))
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = ANSWER_SECONDS
    transport.channel_timeout = ANSWER_SECONDS
    _prefer(transport, known.types)
    try:
        transport.start_client(timeout=2 * ANSWER_SECONDS)
    except IncompatiblePeer as error:
        close(transport)
        raise PermanentError(f"{settings.address} and we have no algorithm in common: {error}") from error
    except _BROKEN as error:
        close(transport)
        raise Unavailable(f"{settings.address} does not answer as an SSH server: {_reason(error)}") from error
    if not transport.initial_kex_done:
        close(transport)
        raise Unavailable(f"{settings.address} did not agree on keys within {2 * ANSWER_SECONDS} s")
    return transport


def _socket(settings: Ssh) -> socket.socket:
    try:
        connection = socket.create_connection((settings.host, settings.port), CONNECT_SECONDS)
    except socket.gaierror as error:
        raise Unavailable(
            f"{settings.address}: the name {settings.host} is not known: {error.strerror}"
        ) from error
    except TimeoutError as error:
        raise Unavailable(f"{settings.address} does not answer within {CONNECT_SECONDS} s") from error
    except OSError as error:
        raise Unavailable(f"{settings.address} cannot be reached: {error.strerror or error}") from error
    except UnicodeError as error:
        raise Unavailable(f"{settings.address} cannot be reached: {_reason(error)}") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_SECONDS * 1000)
    return connection


def _prefer(transport: paramiko.Transport, types: list[str]) -> None:
    """Ask for a key of a type that is known; otherwise a host with two keys would show the unknown one."""
    options = transport.get_security_options()
    names = ["rsa-sha2-512" if one == "ssh-rsa" else one for one in types]
    first = [one for one in names if one in options.key_types]
    options.key_types = (*first, *(one for one in options.key_types if one not in first))


def _log_in(settings: Ssh, transport: paramiko.Transport, key: paramiko.PKey | None) -> None:
    """Try what there is, in the order key, agent, password; a host may want more than one of them."""
    login = _Login(settings, transport)
    password = settings.password
    if (
        (key is not None and login.by_key(key, f"the key {_shown(settings, key)}"))
        or (settings.use_agent and login.by_agent())
        or (password is not None and login.by_password(password.reveal()))
    ):
        return
    raise login.refused()


class _Login:
    """One login: what was tried, and what the host wants beyond it."""

    def __init__(self, settings: Ssh, transport: paramiko.Transport) -> None:
        self._settings = settings
        self._transport = transport
        self._tried: list[str] = []
        self._wants: list[str] = []

    def by_key(self, key: paramiko.PKey, what: str) -> bool:
        """Whether the key is all that is wanted."""
        return self._try(what, lambda: self._transport.auth_publickey(self._settings.username, key))

    def by_agent(self) -> bool:
        """Whether one of the agent's keys is all that is wanted."""
        with closing(paramiko.Agent()) as agent:
            keys = agent.get_keys()
            if not keys:
                self._tried.append("the agent, which has no key")
            return any(self.by_key(key, f"the agent's key {_named(key)}") for key in keys)

    def by_password(self, password: str) -> bool:
        """Whether the password is all that is (still) wanted."""
        return self._try(
            "the password", lambda: self._transport.auth_password(self._settings.username, password)
        )

    def refused(self) -> NotPermitted:
        """What to say when everything was tried."""
        wants = (
            f"it wants {' or '.join(self._wants)}" if self._wants else "see that user's authorized_keys there"
        )
        return NotPermitted(
            f"{self._settings.address} does not let us in with {' and '.join(self._tried)}; {wants}"
        )

    def _try(self, what: str, method: Callable[[], list[str]]) -> bool:
        self._tried.append(what)
        try:
            self._wants = list(method())
        except BadAuthenticationType as error:
            self._wants = list(error.allowed_types)
            return False
        except AuthenticationException as error:
            if not self._transport.is_active():
                tried = " and ".join(self._tried)
                raise Unavailable(f"{self._settings.address} hung up as we came with {tried}") from error
            return False
        return not self._wants


def _shown(settings: Ssh, key: paramiko.PKey) -> str:
    return f"{_named(key)} ({settings.key_file})" if settings.key_file else _named(key)


def _named(key: paramiko.PKey) -> str:
    return str(HostKey(key.get_name(), key.asbytes()))


def _reason(error: BaseException) -> str:
    kind = type(error).__name__
    if isinstance(error, _MALFORMED):
        return legible(f"{kind}: {error}")
    return legible(error) or kind
