"""Which daemon each line of a configuration is for, as the suite's own shell knows it.

A line for a daemon that does not run is dropped by vtysh in silence when it is given by a file. At its prompt
it says so. So it is asked there, on a socket behind which no daemon is: nothing is given to anybody.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from router import blocks
from router.command import attempt
from router.ending import Failed
from router.status import FOLDER

_NOBODY: Final = "watchfrr.vty"
"""The socket of a program that takes no line of a configuration."""
_PATIENCE: Final = 30.0
_DONE: Final = b"\0\0\0\0"
_PROMPT: Final = re.compile(r"\S+# ")
_NOT_RUNNING: Final = re.compile(r"(\S+) is not running")
# A prompt takes these for keys, and a change of mode is none of a configuration.
_KEYS: Final = re.compile(r"[^ -~]|\?")
_CONFIGURE: Final = "configure"
_EXIT: Final = re.compile(r"ex|exi|exit|q|qu|qui|quit")
_OTHER_MODE: Final = re.compile(r"(end|do|!.*|#.*|)(\s|$)")


class Addressed(NamedTuple):
    """A line that one daemon alone would take."""

    number: int
    line: str
    daemon: str


def of(text: str) -> list[Addressed]:
    """The lines that are for one daemon alone; static routes and forwarding are left out."""
    lines = list(_typed(text))
    return read(lines, _said_to(line for _, line in lines))


def _typed(text: str) -> Iterator[tuple[int, str]]:
    """What is typed, and the number of the line that it stands for."""
    yield 0, _CONFIGURE
    for number, line in enumerate(text.split("\n"), start=1):
        if blocks.is_left_out(line) or _OTHER_MODE.match(line.strip()):
            continue
        yield number, line
        # One exit too many leaves a prompt for configuration, and not a file.
        if _EXIT.fullmatch(line.strip()):
            yield number, _CONFIGURE


def read(lines: Sequence[tuple[int, str]], printed: str) -> list[Addressed]:
    """What the prompt said to each line."""
    found = []
    prompts = 0
    for said in printed.splitlines():
        if _PROMPT.match(said):
            prompts += 1
        elif (silent := _NOT_RUNNING.fullmatch(said)) and 0 < prompts <= len(lines):
            number, line = lines[prompts - 1]
            found.append(Addressed(number, line.strip(), silent[1]))
    if prompts < len(lines):
        raise Failed(f"vtysh said which daemon a line is for of {prompts} lines, and not of {len(lines)}")
    return found


def _said_to(lines: Iterable[str]) -> str:
    given = "".join(f"{_KEYS.sub('_', line)}\n" for line in lines)
    with _nobody() as folder:
        # What is typed may hold a password.
        shell = ["vtysh", "--vty_socket", str(folder), "--histfile", os.devnull]
        result = attempt(["env", "TERM=dumb", *shell], given, together=True)
    if result.status != 0:
        raise Failed(f"vtysh did not say which daemons the lines are for: exit status {result.status}")
    return result.output


@contextmanager
def _nobody() -> Iterator[Path]:
    """A folder that only root reads, with a socket that says yes to everything."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="nobody-", dir=FOLDER))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(folder / _NOBODY))
            listener.settimeout(_PATIENCE)
            listener.listen()
            before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            try:
                threading.Thread(target=_agree, args=(listener,), daemon=True).start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _agree(listener: socket.socket) -> None:
    try:
        client, _ = listener.accept()
        with client:
            while received := client.recv(65536):
                client.sendall(_DONE * received.count(b"\0"))
    except OSError:
        return  # whoever asked has gone, or never came
