"""The real `cfy`, forked from an interpreter that has made its imports: most of what a short command takes.

`python -m tests.lab.warm FD` is that interpreter. It serves whoever holds the other end of the socket FD, and
ends with it. Nothing of `cloudify_cli` itself is imported beforehand: it reads its environment when it is.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from lab import hosts

_PROJECT = Path(__file__).resolve().parents[2]
# What `cfy` and the plugin import, as long as it reads no environment.
_IMPORTS = (
    "cloudify.plugins.lifecycle",
    "cloudify.plugins.workflows",
    "cloudify.workflows.local",
    "cloudify_rest_client",
    "dsl_parser.parser",
)
_LONGEST = 1 << 20
_EACH = 64 * 1024
_SOON = 0.005


class Command:
    """One `cfy ARGUMENTS` that runs, with what tests use of a `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        keeps_output: bool = True,
        host: str | None = None,
    ) -> None:
        self.args = ["cfy", *arguments]
        self.returncode: int | None = None
        # Each message is one: the pid, and how it ended.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._fate = ours
        self._noting = threading.Lock()
        if keeps_output:
            self._output, output = os.pipe()
        else:
            self._output, output = -1, os.open(os.devnull, os.O_WRONLY)
        asked = {"argv": self.args, "cwd": str(cwd), "env": dict(env)}
        try:
            socket.send_fds(_interpreter(host), [json.dumps(asked).encode()], [output, theirs.fileno()])
        finally:
            os.close(output)
            theirs.close()
        self.pid = int(self._told())

    def __enter__(self) -> Command:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
        self.wait()

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that ended it; None while it runs."""
        with self._noting:
            if self.returncode is None and select.select([self._fate], [], [], 0)[0]:
                self._note()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same once it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        # Others may ask meanwhile, in other threads.
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(_SOON)
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """All that it writes, once it has ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        said = b""
        while self._output >= 0:
            self._await(self._output, deadline)
            piece = os.read(self._output, _EACH)
            if not piece:
                os.close(self._output)
                self._output = -1
            said += piece
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return said.decode(), None

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, signal.SIGKILL)

    def _await(self, descriptor: int, deadline: float | None) -> None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([descriptor], [], [], left)[0]:
            raise subprocess.TimeoutExpired(self.args, left or 0.0)

    def _note(self) -> None:
        self.returncode = int(self._told())
        self._fate.close()

    def _told(self) -> bytes:
        told = self._fate.recv(_EACH)
        if not told:
            raise RuntimeError("the interpreter that forks `cfy` has gone")
        return told


@cache
def _interpreter(host: str | None) -> socket.socket:
    """One on this machine, or in a host's network."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
    descriptor = theirs.fileno()
    argv = [sys.executable, "-m", "tests.lab.warm", str(descriptor)]
    server = subprocess.Popen(
        hosts.command(host, argv) if host else argv, cwd=_PROJECT, pass_fds=[descriptor]
    )
    theirs.close()

    def end() -> None:
        ours.close()
        server.wait(timeout=10)

    atexit.register(end)
    return ours


def _serve(line: socket.socket) -> None:
    """Fork a keeper for each command: it tells the command's pid, and how it has ended."""
    import cloudify_quagga  # noqa: PLC0415 - only the interpreter needs it

    for module in pkgutil.walk_packages(cloudify_quagga.__path__, "cloudify_quagga."):
        importlib.import_module(module.name)
    for name in _IMPORTS:
        importlib.import_module(name)
    assert "cloudify_cli" not in sys.modules
    # Keepers are nobody's to wait for; and tests that are interrupted take back by `cfy` what they have made.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Or each child's collector would touch, and so copy, all that is imported.
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, _LONGEST, 2)
        if not message:
            return
        if os.fork() == 0:
            line.close()
            _keep(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(asked: dict[str, Any], output: int, fate: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(fate)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        _become(asked)
    os.close(output)
    os.write(fate, str(pid).encode())
    # Told while its pid is still its own.
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    by_itself = ended.si_code == os.CLD_EXITED
    os.write(fate, str(ended.si_status if by_itself else -ended.si_status).encode())
    os.waitpid(pid, 0)
    os._exit(0)


def _become(asked: dict[str, Any]) -> None:
    """Be the command, and end as a process of its own does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Or it would be called by the name of this module.
    sys.modules["__main__"].__package__ = None
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["argv"]
    tempfile.tempdir = None
    code: object = 1
    try:
        from cloudify_cli.main import _cfy  # noqa: PLC0415 - it reads the environment

        code = _cfy()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as an interpreter does
        sys.excepthook(*sys.exc_info())
    if isinstance(code, str):
        print(code, file=sys.stderr)
    # What an interpreter waits for at its end, and does then.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
