"""`python -m demo up` and `python -m demo down`: what `make demo` and `make demo-down` run."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from demo import blueprints, place, show

SERVERS = ("10.0.0.1", "10.10.0.1")
TRY_NEXT = """\
Try next:
  .venv/bin/python -m lab run client -- ping -c 3 10.10.0.1
  .venv/bin/python -m lab run node1 -- ip route
  .venv/bin/python -m lab kubectl -- get daemonsets,pods -o wide
  .venv/bin/python -m lab kubectl -- exec daemonset/NAME -- vtysh -c 'show ip route'
  export CFY_WORKDIR=.demo/lab PATH=$PWD/.venv/bin:$PATH
  cfy deployments outputs -b router
  cfy executions start quagga_show -b router
  cfy executions start quagga_update -b router -p \\
    '{"properties": {"routes": [{"prefix": "192.0.2.0/24", "blackhole": true}]}}'
  cfy executions start quagga_update -b router
  make demo-down                    takes all of it back
  make test                         every test, on the real thing"""


def up() -> None:
    """Show the way from a client that reaches nothing to one that does, through a router made by TOSCA."""
    here = place.open_place()
    deployments = here.deployments
    _settle_what_was_before(here)
    if here.has_hosts:
        show.heading("Before: the client's packets go to node1, which does not route")
        show.must(_on("node1", "ip", "route"), "The node's routes cannot be shown")
        _reach(expected=deployments.installed(blueprints.ROUTER))
    show.heading("Two TOSCA blueprints: one labels the node, one puts a router on it")
    deployments.remember(here.identity(), here.kubeconfig)
    deployments.install(
        {"kubeconfig": str(here.kubeconfig), "node": here.node},
        {"cluster_deployment": blueprints.CLUSTER, **here.router_inputs},
    )
    deployments.outputs(blueprints.ROUTER)
    if not here.has_hosts:
        show.say("\nNot run: ping and traceroute through the router; they need the lab's client and server.")
        show.say("QUAGGA_KUBECONFIG=... make demo-down takes it back.")
        return
    show.heading("After: it does, and the servers answer")
    _reach(expected=True)
    _first_hop()
    show.must(_on("node1", "ip", "route"), "The node's routes cannot be shown")
    show.say("\n'proto 196' is FRR's staticd: these routes came from the blueprint, through the daemons.\n")
    show.say(TRY_NEXT)


def _settle_what_was_before(here: place.Place) -> None:
    """A lab that is no more is forgotten; what stands on another cluster of somebody's own never is."""
    before = here.deployments.cluster
    if before.get("uid", here.identity()) == here.identity():
        return
    if here.deployments is blueprints.OWN:
        raise show.DemoFailed(f"The demo still stands on another cluster; {_taken_back_by(before)} first.")
    here.deployments.forget()


def down(*, keep_lab: bool) -> None:
    """Take back what `up` did; says so if there was nothing."""
    if named := os.environ.get("QUAGGA_KUBECONFIG"):
        _down_on_own(Path(named).resolve())
        return
    if blueprints.LAB.cluster.get("uid") != place.lab_identity():
        blueprints.LAB.forget()
    if blueprints.LAB.uninstall():
        show.say("Uninstalled; what node1 has now:")
        show.must(_on("node1", "ip", "route"), "The node's routes cannot be shown")
    if before := blueprints.OWN.cluster:
        show.say(f"The demo also stands on a cluster of your own; {_taken_back_by(before)}.")
    if not keep_lab:
        subprocess.run([*place.LAB, "down"], cwd=place.PROJECT, check=True)


def _down_on_own(kubeconfig: Path) -> None:
    before = blueprints.OWN.cluster
    if not before:
        show.say("There was no demo to take back.")
    elif before["kubeconfig"] != str(kubeconfig):
        raise show.DemoFailed(f"The demo stands on another cluster; {_taken_back_by(before)}.")
    else:
        blueprints.OWN.uninstall()
        show.say("The demo is gone from the cluster.")


def _taken_back_by(before: dict[str, str]) -> str:
    return f"`QUAGGA_KUBECONFIG={before['kubeconfig']} make demo-down` takes it back"


def _reach(*, expected: bool) -> None:
    """Ping both servers from the client and hold the answer against what the demo is there to show."""
    for server in SERVERS:
        answered = _on("client", "ping", "-c", "2", "-W", "1", server).returncode == 0
        if answered != expected:
            raise show.DemoFailed(
                f"{server} {'answered' if answered else 'did not answer'}, against expectation."
            )


def _first_hop() -> None:
    traced = show.must(_on("client", "traceroute", "-n", "-m", "3", SERVERS[0]), "No traceroute")
    if "10.200.0.11" not in traced.stdout:
        raise show.DemoFailed("The first hop was not node1 (10.200.0.11).")


def _on(host: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return show.run([*place.LAB, "run", host, "--", *argv], typed=argv, where=host)


def _do(options: argparse.Namespace) -> None:
    if options.command == "up":
        up()
    elif options.command == "down":
        down(keep_lab=options.keep_lab)
    else:
        place.ask(Path(os.environ.get("QUAGGA_KUBECONFIG", "")))


def main() -> int:
    """Parse the command line and do it; 1 and a sentence if the demo could not be shown."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring up the lab, install both blueprints, show the packets")
    undo = commands.add_parser("down", help="take all of it back")
    undo.add_argument("--keep-lab", action="store_true", help="only the blueprints; the lab stays")
    commands.add_parser("ask", help="show the cluster that QUAGGA_KUBECONFIG names and have it confirmed")
    options = parser.parse_args()
    try:
        _do(options)
    except show.DemoFailed as failure:
        show.say(f"\n{failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
