"""What is taken for a daemon that does nothing; real processes stand for the daemons."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from router import holding, standstill
from router.daemons import Child, Daemons
from router.ending import Failed
from router.standstill import Standstill
from router.suite import FRR, Suite

Start = Callable[..., dict[str, subprocess.Popen[bytes]]]
IDLE = "import time; time.sleep(60)"
BUSY = "while True: pass"


@pytest.fixture
def start() -> Iterator[Start]:
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def call(**programs: str) -> dict[str, subprocess.Popen[bytes]]:
        processes.update(
            {name: subprocess.Popen([sys.executable, "-c", programs[name]]) for name in programs}
        )
        return processes

    yield call
    for process in processes.values():
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "_SECONDS", 0.3)
    monkeypatch.setattr(standstill, "_LOOKS", 5)


@pytest.fixture(autouse=True)
def stood_by(monkeypatch: pytest.MonkeyPatch) -> list[Suite]:
    """For which suites twins were put; there is no kernel here that is to be changed."""
    noted: list[Suite] = []
    monkeypatch.setattr(holding, "stand_by", noted.append)
    return noted


def given(processes: dict[str, subprocess.Popen[bytes]]) -> Daemons:
    daemons = Daemons(FRR, ())
    daemons.children.update({name: Child(FRR.daemon(name), one.pid) for name, one in processes.items()})
    return daemons


def look(daemons: Daemons, seconds: float, pause: float = 0.005) -> None:
    found, end = Standstill(FRR, daemons), time.monotonic() + seconds
    while time.monotonic() < end:
        found.end()
        time.sleep(pause)


def test_those_who_take_a_configuration_and_do_nothing_are_ended(start: Start, stood_by: list[Suite]) -> None:
    processes = start(zebra=IDLE, mgmtd=IDLE, staticd=IDLE, bgpd=IDLE)
    daemons = given(processes)

    with pytest.raises(Failed, match=r"^mgmtd and staticd did nothing about the configuration$"):
        look(daemons, 10)

    assert stood_by == [FRR]
    assert daemons.one_died()
    ended = {name: process.wait(1) for name, process in processes.items() if name in ("mgmtd", "staticd")}
    assert ended == {"mgmtd": -signal.SIGKILL, "staticd": -signal.SIGKILL}
    assert processes["zebra"].poll() is processes["bgpd"].poll() is None


def test_as_long_as_one_is_at_work_others_may_wait_for_it(start: Start) -> None:
    look(given(start(mgmtd=IDLE, staticd=IDLE, bgpd=BUSY)), 1)


def test_few_looks_tell_nothing(start: Start) -> None:
    look(given(start(mgmtd=IDLE, staticd=IDLE)), 1, pause=0.1)


def test_a_death_is_told_at_once(start: Start) -> None:
    processes = start(mgmtd=BUSY, bgpd=IDLE)
    daemons = given(processes)
    processes["bgpd"].kill()

    with pytest.raises(Failed, match=r"^a daemon died while it was given its configuration$"):
        look(daemons, 10)
