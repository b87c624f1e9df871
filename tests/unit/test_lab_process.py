"""Daemons of the lab: real processes, without namespaces."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import LabError, packages, process, state


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> state.State:
    lab = state.State(tmp_path / "lab")
    lab.prepare()
    monkeypatch.setattr(state, "current", lambda: lab)
    monkeypatch.setattr(packages, "environment", dict)
    return lab


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def spawn(name: str, code: str) -> Path:
    log = state.current().logs / name
    process.spawn(name, python(code), log=log)
    return log


def test_a_daemon_is_started_and_ended() -> None:
    log = spawn("sleeper", "import time; print('up', flush=True); time.sleep(60)")
    process.wait_until(lambda: log.read_text() == "up\n", "sleeper", 5, daemons=["sleeper"])
    assert process.alive("sleeper")
    with pytest.raises(LabError, match="sleeper runs already"):
        spawn("sleeper", "")
    process.stop("sleeper", 5)
    assert not process.alive("sleeper")
    assert state.current().daemons() == {}


def test_one_that_ignores_term_is_killed() -> None:
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    log = spawn("deaf", f"{ignore}; print('up', flush=True); time.sleep(60)")
    process.wait_until(lambda: log.read_text() == "up\n", "deaf", 5)
    process.stop("deaf", 0.1)
    assert not process.alive("deaf")


def test_another_process_with_the_same_pid_is_left_alone(lab: state.State) -> None:
    with subprocess.Popen(python("import time; time.sleep(60)")) as stranger:
        started = process.start_time(stranger.pid)
        assert started is not None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for impostor in (
            state.Daemon(stranger.pid, started - 1, boot, "log"),
            state.Daemon(stranger.pid, started, "another boot", "log"),
        ):
            lab.record("gone", impostor)
            assert not process.alive("gone")
            process.stop("gone", 1)
            assert stranger.poll() is None
        stranger.kill()


def test_waiting_ends_with_the_daemon_and_its_last_words() -> None:
    spawn("doomed", "import time; print('no such thing'); time.sleep(0.2)")
    with pytest.raises(LabError, match=r"(?s)ready: doomed has ended; .*no such thing"):
        process.wait_until(lambda: False, "ready", 20, daemons=["doomed"])


def test_waiting_ends_with_the_time() -> None:
    spawn("slow", "import time; time.sleep(60)")
    with pytest.raises(LabError, match=r"not ready, not in 0 s; slow runs"):
        process.wait_until(lambda: False, "not ready", 0.2, daemons=["slow"])
    process.stop("slow", 5)


def test_a_state_is_private_and_whole(lab: state.State) -> None:
    lab.write_facts({"nodes": ["node1"]})
    assert lab.facts == {"nodes": ["node1"]}
    assert lab.directory.stat().st_mode & 0o077 == 0
    assert json.loads((lab.directory / "lab.json").read_text()) == lab.facts
    lab.remove()
    assert lab.facts == {}


def test_the_lock_survives_a_down(lab: state.State) -> None:
    waited = []
    with lab.lock():
        lab.remove()
    with lab.lock(lambda: waited.append(True)):
        assert (lab.directory / "lock").exists()
    assert waited == []


def test_one_that_was_killed_comes_back_as_it_was_started() -> None:
    log = spawn("sleeper", "import time; print('up', flush=True); time.sleep(60)")
    process.wait_until(lambda: log.read_text() == "up\n", "sleeper", 5)
    process.kill("sleeper")
    assert not process.alive("sleeper")
    process.again("sleeper")
    process.wait_until(lambda: log.read_text() == "up\nup\n", "sleeper", 5, daemons=["sleeper"])
    process.stop("sleeper")
