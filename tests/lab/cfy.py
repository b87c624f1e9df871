"""The real `cfy`, as tests run it."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.lab import warm

PROJECT = Path(__file__).resolve().parents[2]
CFY = Path(sys.executable).with_name("cfy")


class Cfy:
    """The real `cfy`, with a local profile of its own."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        _give_local_profile(workdir)
        # What a killed command leaves there is to go with the test.
        self.tmpdir = workdir / "tmp"
        self.tmpdir.mkdir()
        self._env = {**os.environ, "CFY_WORKDIR": str(workdir), "TMPDIR": str(self.tmpdir)}
        self._installed: list[str] = []

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `cfy ARGUMENTS`; standard error is in the output, as a user sees it."""
        with self.started(*arguments) as command:
            try:
                said = command.communicate(timeout=300)[0]
            except subprocess.TimeoutExpired:
                command.kill()
                raise
        done = subprocess.CompletedProcess(command.args, command.wait(), said)
        if check and done.returncode != 0:
            raise AssertionError(f"cfy {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}")
        return done

    def started(self, *arguments: str, keeps_output: bool = True) -> subprocess.Popen[str] | warm.Command:
        """`cfy ARGUMENTS` while it runs."""
        output = subprocess.PIPE if keeps_output else subprocess.DEVNULL
        return subprocess.Popen(
            self.command(*arguments),
            cwd=PROJECT,
            env=self._env,
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[str] | warm.Command:
        """Start `cfy ARGUMENTS`, which acts on the deployment NAME, and keep nothing of what it says."""
        self.expect(name)
        return self.started(*arguments, keeps_output=False)

    def command(self, *arguments: str) -> list[str]:
        """What to run for `cfy ARGUMENTS`."""
        return [str(CFY), *arguments]

    def install(self, name: str, *, check: bool = True, **inputs: Any) -> subprocess.CompletedProcess[str]:
        """Install `blueprints/NAME/local.yaml` as the deployment NAME."""
        return self.install_file(blueprint_of(name), name, check=check, **inputs)

    def install_file(
        self, blueprint: Path, name: str, *, check: bool = True, retries: int | None = None, **inputs: Any
    ) -> subprocess.CompletedProcess[str]:
        """Install any blueprint as the deployment NAME."""
        return self(*self.install_words(blueprint, name, inputs, retries), check=check)

    def install_words(
        self, blueprint: Path, name: str, inputs: dict[str, Any], retries: int | None = None
    ) -> list[str]:
        """What to say to `cfy` for an install, which is then expected."""
        self.expect(name)
        options = [] if retries is None else ["--task-retries", str(retries)]
        # In a file, since a command line has not the room for many routes.
        given = self.workdir.with_name(f"{name}-inputs.yaml")
        given.write_text(json.dumps(inputs))
        return ["install", str(blueprint), "-b", name, "-i", str(given), *options]

    def uninstall(self, name: str) -> subprocess.CompletedProcess[str]:
        """Uninstall the deployment NAME."""
        done = self("uninstall", "-b", name)
        self.forget(name)
        return done

    def uninstall_twice_at_once(self, name: str) -> str:
        """Uninstall the deployment NAME by two commands at the same moment, and tell what they said.

        The local profile keeps a deployment in files that it takes away from under whoever is second. So one
        of the two may fail by Cloudify's own words. Where each has disturbed the other, it is said again,
        once the files that both wrote at the same moment hold what one of them wrote.
        """
        commands = [self.started("uninstall", "-b", name) for _ in range(2)]
        said = "".join(command.communicate(timeout=120)[0] for command in commands)
        if all(command.returncode for command in commands):
            for path in (self.workdir / ".cloudify/profiles/local/deployments" / name).rglob("*.json"):
                _mend(path)
            self("uninstall", "-b", name)
        self.forget(name)
        return said

    def expect(self, name: str) -> None:
        """Note that a deployment is about to be installed, to be uninstalled at the end."""
        if name not in self._installed:
            self._installed.append(name)

    def forget(self, name: str) -> None:
        """Note that it has been uninstalled."""
        self._installed.remove(name)

    def uninstall_the_rest(self, *, but: str | None = None) -> None:
        """Take back what a test left installed, the latest first; `but` one that others share."""
        failures = []
        for name in reversed([name for name in self._installed if name != but]):
            try:
                self.uninstall(name)
            except AssertionError as failure:
                failures.append(failure)
                # What one test leaves is not to fail all that come after it.
                self("uninstall", "-b", name, check=False)
                self.forget(name)
        if failures:
            raise failures[0]


def _mend(path: Path) -> None:
    """Leave of a file of Cloudify's, which is written in place, the document that it begins with."""
    text = path.read_text()
    document, end = json.JSONDecoder().raw_decode(text)
    if text[end:].strip():
        path.write_text(json.dumps(document))


class WarmCfy(Cfy):
    """The same without the second that each command takes to import what all of them do.

    :param host: the host of the lab in whose network it runs; by default this machine.
    """

    def __init__(self, workdir: Path, host: str | None = None) -> None:
        super().__init__(workdir)
        self._host = host

    def started(self, *arguments: str, keeps_output: bool = True) -> warm.Command:
        return warm.Command(arguments, PROJECT, self._env, keeps_output, self._host)


def blueprint_of(name: str) -> Path:
    """One of the project's blueprints, for the local profile."""
    return PROJECT / "blueprints" / name / "local.yaml"


def _give_local_profile(workdir: Path) -> None:
    """As `cfy profiles use local` leaves it, without the half second that it takes each time."""
    made = _local_profile()
    shutil.copytree(made, workdir, dirs_exist_ok=True)
    for path in workdir.rglob("config.yaml"):
        path.write_text(path.read_text().replace(str(made), str(workdir)))


@cache
def _local_profile() -> Path:
    made = Path(tempfile.mkdtemp(prefix="cfy-profile-"))
    atexit.register(shutil.rmtree, made)
    env = {**os.environ, "CFY_WORKDIR": str(made)}
    subprocess.run([CFY, "profiles", "use", "local"], env=env, check=True, stdout=subprocess.DEVNULL)
    return made
