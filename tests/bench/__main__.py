"""`python -m tests.bench`: measures on the lab, prints the table and keeps it in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lab import kubebuild, state
from tests.bench import changes, lives, report, scale
from tests.bench.weighed import WeighedCfy
from tests.lab.cfy import PROJECT

ROUNDS = 5


def main() -> None:
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"with less than {ROUNDS} nothing is written"
    )
    parser.add_argument("--only", choices=["changes", "lives", "scale"], help="then nothing is written")
    asked = parser.parse_args()
    for name, directory in (("quagga", "docker/quagga"), (lives.OLD_IMAGE, "tests/bench/image-2017")):
        subprocess.run([sys.executable, "-m", "lab", "image", directory, name], cwd=PROJECT, check=True)
    kubeconfig = state.current().kubeconfig
    with tempfile.TemporaryDirectory() as directory:
        cfy = WeighedCfy(Path(directory))
        try:
            parts = {
                "lives": lambda: lives.figures(cfy, _kubectl, kubeconfig, asked.rounds),
                "changes": lambda: changes.figures(cfy, _kubectl, kubeconfig, asked.rounds),
                "scale": lambda: scale.figures(cfy, kubeconfig, asked.rounds),
            }
            chosen = [asked.only] if asked.only else list(parts)
            figures = [figure for name in chosen for figure in parts[name]()]
        finally:
            cfy.uninstall_the_rest()
    report.printed(figures)
    if not asked.only and asked.rounds >= ROUNDS:
        report.written(figures, asked.rounds)


def _kubectl(*arguments: str, stdin: str | None = None) -> str:
    env = {**os.environ, "KUBECONFIG": str(state.current().kubeconfig)}
    # The program itself: what is compared with is not to pay for a Python around it.
    argv = [kubebuild.program("kubectl"), *arguments]
    done = subprocess.run(argv, env=env, text=True, capture_output=True, check=False, input=stdin)
    if done.returncode != 0:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
