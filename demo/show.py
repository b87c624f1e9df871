"""What a person sees of the demo: every command as it could be typed, and what it printed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)


class DemoFailed(Exception):
    """A step of the demo did not do what it is there to show."""


def heading(text: str) -> None:
    """Announce the next step."""
    console.print(f"\n[bold cyan]{text}[/]")


def say(text: str) -> None:
    """Print a line as it is; what comes from a router may hold square brackets."""
    console.print(text, markup=False)


def run(
    argv: Sequence[str],
    *,
    typed: Sequence[str] | None = None,
    where: str = "",
    env: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the open.

    :param typed: the words shown, where a person would type others (`cfy` for its full path).
    :param where: the host it runs in, shown as the prompt.
    :param quiet: show the output only if the command fails.
    """
    console.print(f"[bold]{where}$[/] [green]{shlex.join(typed or argv)}[/]", markup=True)
    done = subprocess.run(
        argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.stdout and (done.returncode != 0 or not quiet):
        say("  " + done.stdout.rstrip().replace("\n", "\n  "))
    return done


def must(done: subprocess.CompletedProcess[str], what: str) -> subprocess.CompletedProcess[str]:
    """The command's result, if it succeeded."""
    if done.returncode != 0:
        raise DemoFailed(f"{what}: the command above ended with {done.returncode}.")
    return done
