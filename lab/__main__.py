"""The lab's command line: `python -m lab up | down | hold | run | image | kubectl | status`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from lab import LabError, hosts, image, kubebuild, lifecycle, state


def main() -> int:
    """Do what the command line says."""
    arguments = _parser().parse_args()
    try:
        status: int = arguments.does(arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130
    return status


def _up(arguments: argparse.Namespace) -> int:
    print(f"KUBECONFIG={lifecycle.up(arguments.nodes, api_only=arguments.api_only)}")
    return 0


def _down(_: argparse.Namespace) -> int:
    lifecycle.down()
    return 0


def _hold(arguments: argparse.Namespace) -> int:
    """Leave the lab as it was found: up, with whatever is in it, or down."""
    stays = lifecycle.status()["up"]
    lifecycle.up(None, api_only=False)
    try:
        return subprocess.run(_without_dashes(arguments.command), check=False).returncode
    finally:
        if not stays:
            lifecycle.down()


def _run(arguments: argparse.Namespace) -> NoReturn:
    hosts.become(arguments.host, _without_dashes(arguments.command))


def _image(arguments: argparse.Namespace) -> int:
    image.publish(arguments.directory, arguments.name)
    return 0


def _kubectl(arguments: argparse.Namespace) -> NoReturn:
    lab = state.current()
    if not lab.kubeconfig.exists():
        raise LabError("the lab is down; `python -m lab up` brings it up")
    program = kubebuild.program("kubectl")
    # What it learns of this API server is of no use to the next one, nor to the user's ~/.kube.
    argv = [program, f"--cache-dir={lab.directory / 'kubectl'}", *_without_dashes(arguments.command)]
    os.execve(program, argv, os.environ | {"KUBECONFIG": str(lab.kubeconfig)})  # noqa: S606 - no shell


def _status(arguments: argparse.Namespace) -> int:
    status = lifecycle.status()
    if arguments.json:
        print(json.dumps(status, indent=2))
    else:
        for name, value in status.items():
            print(f"{name:<12}{_plain(value)}")
    return 0 if status["up"] else 1


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


def _without_dashes(command: list[str]) -> list[str]:
    return command[1:] if command[:1] == ["--"] else command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=sys.modules["lab"].__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="bring the lab up; the last line says how to reach it")
    up.add_argument("--nodes", type=int, metavar="N", help=f"how many nodes (default: {lifecycle.NODES})")
    up.add_argument("--api-only", action="store_true", help="only an API server, which needs no root")
    up.set_defaults(does=_up)

    down = commands.add_parser("down", help="take everything away that `up` made; the cache stays")
    down.set_defaults(does=_down)

    hold = commands.add_parser(
        "hold", help="run a command with the lab up; it goes down if it was down before"
    )
    hold.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    hold.set_defaults(does=_hold)

    run = commands.add_parser("run", help="run a command in a host: control, node1, ..., client, server")
    run.add_argument("host")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    run.set_defaults(does=_run)

    build = commands.add_parser("image", help="build DIR/Dockerfile and push it to the lab's registry")
    build.add_argument("directory", type=Path, metavar="DIR")
    build.add_argument("name", metavar="NAME")
    build.set_defaults(does=_image)

    kubectl = commands.add_parser("kubectl", help="kubectl with the lab's kubeconfig")
    kubectl.add_argument("command", nargs=argparse.REMAINDER, metavar="-- ARGUMENT ...")
    kubectl.set_defaults(does=_kubectl)

    status = commands.add_parser("status", help="what is there; exit status 1 when the lab is not up")
    status.add_argument("--json", action="store_true")
    status.set_defaults(does=_status)
    return parser


if __name__ == "__main__":
    sys.exit(main())
