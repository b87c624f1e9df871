"""The lab's registry on the control host; the nodes take docker.io's images from it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from lab import LabError, enclosure, hosts, network, packages, pause, process, state

NAME = "registry"
ADDRESS = "10.200.0.1:5000"
# What docker.io takes: an optional owner, a name, an optional tag.
_REFERENCE = re.compile(
    r"(?:docker\.io/)?(?P<repository>[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)?)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
)


def up() -> None:
    """Start the registry; what was pushed to it before is still there."""
    if process.alive(NAME):
        return
    storage().mkdir(parents=True, exist_ok=True)
    lab = state.current()
    file = lab.directory / "registry.yml"
    file.write_text(configuration(storage()))
    program = packages.tool("docker-registry")
    _forget_replaced(program, file)
    log = lab.logs / f"{NAME}.log"
    process.spawn(NAME, [program, "serve", str(file)], log=log, netns=network.namespace(network.CONTROL))
    process.wait_until(_answers, "the registry does not answer", 60, daemons=[NAME])
    push(pause.layout(), pause.NAME)


def down() -> None:
    """Stop the registry."""
    process.stop(NAME)


def storage() -> Path:
    """Where the images are kept."""
    return state.current().cache / f"registry{state.suffix()}"


def push(layout: Path, name: str) -> str:
    """Push an OCI image layout under a docker.io name, unless it is there already; returns the full name.

    :raises LabError: if the name is none, or the registry does not run.
    """
    repository, tag = parse(name)
    reference = f"docker.io/{repository}:{tag}"
    if not process.alive(NAME):
        raise LabError(f"{reference} cannot be pushed, the lab is down; `python -m lab up` brings it up")
    if pushed(repository, tag) == digest(layout):
        return reference
    target = f"docker://{ADDRESS}/{repository}:{tag}"
    argv = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false", f"oci:{layout}:latest", target]
    done = subprocess.run(
        enclosure.enter(hosts.command(network.CONTROL, argv)),
        env=packages.environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{reference} could not be pushed: {done.stderr.strip()}")
    return reference


def parse(name: str) -> tuple[str, str]:
    """The repository and the tag that a name such as `quagga` stands for."""
    match = _REFERENCE.fullmatch(name)
    if match is None:
        raise LabError(f"image {name!r}: it is a docker.io name such as quagga, quagga:1.0 or someone/quagga")
    repository = match["repository"]
    return repository if "/" in repository else f"library/{repository}", match["tag"] or "latest"


def digest(layout: Path) -> str:
    """The digest of the one image in an OCI layout."""
    (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
    return str(manifest["digest"])


def pushed(repository: str, tag: str) -> str | None:
    """The digest that a tag has in the registry, read where the registry keeps it."""
    link = (
        storage() / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag / "current/link"
    )
    return link.read_text().strip() if link.exists() else None


def configuration(directory: Path) -> str:
    """The registry's configuration file; JSON is YAML."""
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(directory)}, "delete": {"enabled": True}},
            "http": {
                "addr": ADDRESS,
                "secret": "the lab has one registry and nobody resumes an upload elsewhere",
            },
        },
        indent=2,
    )


def _forget_replaced(program: str, file: Path) -> None:
    """Throw away what no name leads to any more, as long as nobody is pushing."""
    done = subprocess.run(
        [program, "garbage-collect", "--delete-untagged", str(file)],
        env=packages.environment(),
        text=True,
        capture_output=True,
        check=False,
    )
    # A registry that nothing was pushed to yet has nothing to look through, and says so.
    if done.returncode != 0 and (storage() / "docker").exists():
        raise LabError(f"{storage()} cannot be tidied up: {done.stderr.strip()}")


def _answers() -> bool:
    host, _, port = ADDRESS.partition(":")
    return hosts.run(network.CONTROL, ["bash", "-c", f": > /dev/tcp/{host}/{port}"]).returncode == 0
