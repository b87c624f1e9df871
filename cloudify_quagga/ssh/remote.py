"""Commands and files of another host, over a connection that stands."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

import paramiko

from cloudify_quagga.errors import NotPermitted, PermanentError, Unavailable
from cloudify_quagga.model.ssh import Ssh

COMMAND_SECONDS = 120
_LARGEST = 1024 * 1024
_SUDO = ("sudo", "-n")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    output: bytes
    errors: str


class Remote:
    """The other host: what may be done there by the user, and by root through sudo."""

    def __init__(self, settings: Ssh, transport: paramiko.Transport) -> None:
        self._settings = settings
        self._transport = transport

    def run(self, *argv: str, given: bytes = b"") -> Done:
        """Run a command as the user, with `given` on its standard input."""
        with self._transport.open_session() as channel:
            channel.settimeout(COMMAND_SECONDS)
            # Every word is quoted; nothing that stands in one is interpreted by the shell there.
            channel.exec_command(shlex.join(argv))
            # A command that ends without reading is judged by its status.
            with suppress(OSError):
                channel.sendall(given)
                channel.shutdown_write()
            output = channel.makefile("rb").read()
            errors = channel.makefile_stderr("rb").read()
            if not channel.status_event.wait(COMMAND_SECONDS):
                raise Unavailable(f"{self._settings.address} does not finish {argv[0]}")
            status = channel.recv_exit_status()
        if status < 0:
            raise Unavailable(f"{self._settings.address} hung up during {argv[0]}")
        return Done(status, output, errors.decode(errors="replace").strip())

    def root(self, purpose: str) -> tuple[str, ...]:
        """The words that make a command root's: none, or sudo that asks for no password.

        :param purpose: what it is wanted for, for the sentence when it is not to be had.
        """
        if self.run("id", "-u").output.strip() == b"0":
            return ()
        if self.run(*_SUDO, "true").status == 0:
            return _SUDO
        raise NotPermitted(
            f"{self._settings.address} may not use sudo without a password; {purpose} needs it"
        )


class Files:
    """Files of the other host, read over SFTP, or by sudo where the user may not read them."""

    def __init__(self, settings: Ssh, transport: paramiko.Transport) -> None:
        self._settings = settings
        self._remote = Remote(settings, transport)
        try:
            sftp = paramiko.SFTPClient.from_transport(transport)
        except paramiko.SSHException as error:
            if not transport.is_active():
                raise
            raise PermanentError(f"{settings.address} offers no SFTP, by which its files are read") from error
        if sftp is None:
            raise PermanentError(f"{settings.address} offers no SFTP, by which its files are read")
        self._sftp = sftp

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sftp.close()

    def read(self, path: str) -> bytes:
        """The content; ~ is the user's home. FileNotFoundError and PermissionError mean what they say."""
        try:
            # An SFTP session starts in the home directory.
            with self._sftp.open(path.removeprefix("~/"), "rb") as file:
                return file.read(_LARGEST)
        except PermissionError:
            done = self._remote.run(*_SUDO, "cat", "--", path)
            if done.status != 0:
                raise
            return done.output
