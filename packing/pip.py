"""pip as the packing uses it: online by the machine's own settings, or offline by none of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# A wheel must load where glibc is RHEL 8's. The oldest platform comes first: pip takes the first that fits.
GLIBC = 28
_PLATFORMS = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(17, GLIBC + 1))]
_PORTABLE = [option for platform in _PLATFORMS for option in ("--platform", platform)]
_INTERPRETER = ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3"]


def offline() -> dict[str, str]:
    """The environment of a machine that knows no package index and no other place to find packages."""
    env = {key: text for key, text in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    return {**env, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def wheels(python: Path, source: Path, directory: Path) -> None:
    """The wheel of a source tree and of everything that it needs, as this machine would install them."""
    must(pip(python, "wheel", "--wheel-dir", str(directory), str(source)), None)


def portable(python: Path, releases: list[str], directory: Path) -> None:
    """The wheels of these releases (name==version) that the oldest manager can load, too."""
    options = ["--no-deps", "--only-binary=:all:", *_INTERPRETER, *_PORTABLE, "--dest", str(directory)]
    must(pip(python, "download", *options, *releases), None)


def pip(python: Path, *arguments: str) -> list[str]:
    """A command of the pip that belongs to an interpreter."""
    return [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]


def must(command: list[str], env: dict[str, str] | None, cwd: Path | None = None) -> str:
    """What a command printed; where it fails, what it said is the last thing said."""
    done = subprocess.run(command, env=env, cwd=cwd, text=True, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}status {done.returncode} of: {' '.join(command)}")
    return done.stdout
