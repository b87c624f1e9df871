"""A mount namespace for programs that would leave traces on the machine, or look for libraries there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab import cache, packages

# /mnt is in every Debian; it only lends its name while the cache moves over to the covered side.
_COVER = """
set -e
mount --bind "$1" /mnt
mount -t tmpfs -o mode=0755 lab /var/lib
mount -t tmpfs -o mode=0755 lab /var/cache
mkdir -p "$1"
mount --move /mnt "$1"
shift
exec "$@"
"""
_USE_LIBRARIES = 'mount --bind "$1" /etc/ld.so.cache && shift && exec "$@"'


def enter(argv: list[str]) -> list[str]:
    """The command that runs `argv` without notes in /var, and with the lab's libraries as the system's.

    buildah and skopeo write such notes; buildah starts itself anew without LD_LIBRARY_PATH.
    """
    return _covered(["sh", "-c", _USE_LIBRARIES, "sh", str(libraries()), *argv])


def libraries() -> Path:
    """What to mount over /etc/ld.so.cache so that every program finds the libraries of the lab's packages."""
    return cache.entry("libraries", packages.root().name, _list_libraries) / "ld.so.cache"


def _covered(argv: list[str]) -> list[str]:
    """The command that runs `argv` where /var/lib and /var/cache are empty but for the lab's cache."""
    return ["unshare", "--mount", "--", "sh", "-c", _COVER, "sh", str(cache.directory()), *argv]


def _list_libraries(into: Path) -> None:
    configuration = into / "ld.so.conf"
    configuration.write_text(packages.environment()["LD_LIBRARY_PATH"].replace(":", "\n") + "\n")
    command = ["/sbin/ldconfig", "-X", "-f", str(configuration), "-C", str(into / "ld.so.cache")]
    subprocess.run(_covered(command), check=True, capture_output=True)
