"""A mount namespace for programs that would leave traces on the machine, or look for libraries there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import cache, packages

# /mnt is in every Debian; it only lends its name while the cache moves over to the covered side.
_SCRIPT = """
set -e
mount --bind "$1" /etc/ld.so.cache
mount --bind "$2" /mnt
mount -t tmpfs -o mode=0755 lab /var/lib
mkdir -p "$2"
mount --move /mnt "$2"
shift 2
exec "$@"
"""


def enter(argv: list[str]) -> list[str]:
    """The command that runs `argv` where /var/lib is empty and the lab's libraries belong to the system.

    buildah and skopeo keep notes in /var/lib; buildah starts itself anew without LD_LIBRARY_PATH.
    """
    script = ["sh", "-c", _SCRIPT, "sh", str(libraries()), str(cache.directory())]
    return ["unshare", "--mount", "--", *script, *argv]


def libraries() -> Path:
    """What to mount over /etc/ld.so.cache so that every program finds the libraries of the lab's packages."""
    return cache.entry("libraries", packages.root().name, _list_libraries) / "ld.so.cache"


def _list_libraries(into: Path) -> None:
    configuration = into / "ld.so.conf"
    configuration.write_text(packages.environment()["LD_LIBRARY_PATH"].replace(":", "\n") + "\n")
    command = ["/sbin/ldconfig", "-X", "-f", str(configuration), "-C", str(into / "ld.so.cache")]
    subprocess.run(command, check=True, capture_output=True)
