"""Debian packages, unpacked into the cache instead of installed: no service starts, the machine stays as is.

apt does the finding, checking and downloading, with lists, archives and sources of its own; the sources are
those of the machine's configuration that belong to its Debian release.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import LabError, cache, progress

RELEASE = "bookworm"
WANTED = (
    "buildah",
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "docker-registry",
    "etcd-server",
    "iproute2",
    "iptables",
    "iputils-ping",
    "openssh-server",
    "runc",
    "skopeo",
    "socat",
    "sudo",
    "traceroute",
)
# What update-alternatives would link when a package is installed.
ALTERNATIVES = {
    "usr/bin/traceroute": "traceroute.db",
    "usr/sbin/iptables": "xtables-nft-multi",
    "usr/sbin/iptables-restore": "xtables-nft-multi",
    "usr/sbin/iptables-save": "xtables-nft-multi",
    "usr/sbin/ip6tables": "xtables-nft-multi",
    "usr/sbin/ip6tables-restore": "xtables-nft-multi",
    "usr/sbin/ip6tables-save": "xtables-nft-multi",
}
FRESH = 3600.0


@dataclass(frozen=True)
class Mirror:
    """Where this machine has its Debian packages from, for debootstrap."""

    uri: str
    environment: dict[str, str]


def root() -> Path:
    """The directory that holds what the lab needs and the machine lacks."""
    return cache.entry("packages", _version(WANTED), lambda into: unpack(WANTED, into, "Debian packages"))


def tool(name: str) -> str:
    """A program's absolute path; the unpacked one, whose version is known, goes before the machine's."""
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        raise LabError(f"{name} is neither in {root()} nor on this machine; remove that directory, try again")
    return found


def environment() -> dict[str, str]:
    """The environment in which programs from the unpacked packages find their libraries and each other."""
    return os.environ | environment_of(root())


def environment_of(unpacked: Path) -> dict[str, str]:
    """The variables that make a directory of unpacked packages usable."""
    libraries = f"{platform.machine()}-linux-gnu"
    programs = [unpacked / part for part in ("usr/sbin", "usr/bin", "sbin", "bin")]
    return {
        "PATH": ":".join([*map(str, programs), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
        "LD_LIBRARY_PATH": ":".join(str(unpacked / part / libraries) for part in ("usr/lib", "lib")),
        "XTABLES_LIBDIR": str(unpacked / "usr/lib" / libraries / "xtables"),
        "DEBOOTSTRAP_DIR": str(unpacked / "usr/share/debootstrap"),
    }


def mirror() -> Mirror:
    """The archive that apt uses on this machine, and its proxy if it has one."""
    with _apt() as apt:
        columns = "$(ORIGIN) $(CODENAME) $(REPO_URI)"
        targets = apt.run("indextargets", "--format", columns, "Created-By: Packages")
        proxy = apt.config("Acquire::http::Proxy")
    for line in targets.splitlines():
        origin, codename, uri = line.split(" ", 2)
        if (origin, codename) == ("Debian", RELEASE):
            return Mirror(uri, {"http_proxy": proxy} if proxy not in ("", "DIRECT") else {})
    raise LabError(f"apt's sources on this machine hold no archive of Debian {RELEASE}: see /etc/apt")


def unpack(names: tuple[str, ...], into: Path, title: str) -> None:
    """Download the packages, with those they depend on and the machine lacks, and unpack them."""
    with progress.step(title, total=100) as step, _apt() as apt:
        archives = into / ".archives"
        (archives / "partial").mkdir(parents=True)
        for percent in apt.download(names, archives):
            step.reach(percent * 0.6)
        debs = sorted(archives.glob("*.deb"))
        # As few at once as there are processors; xz keeps each one busy.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda deb: _run(["dpkg-deb", "-x", str(deb), str(into)]), debs):
                step.advance(40 / len(debs))
        shutil.rmtree(archives)
    for link, target in ALTERNATIVES.items():
        path = into / link
        if path.with_name(target).exists() and not os.path.lexists(path):
            path.symlink_to(target)


def source(name: str, into: Path) -> list[Path]:
    """Download a source package's files."""
    with _apt() as apt:
        apt.run("source", "--download-only", name, directory=into)
    return sorted(into.iterdir())


def release_sources(release: str, configuration: Path = Path("/etc/apt")) -> str:
    """The machine's sources of this release, of both forms, as deb822 with source packages."""
    stanzas: list[dict[str, str]] = []
    for file in sorted(configuration.glob("sources.list.d/*.sources")):
        stanzas += _deb822(file.read_text())
    for file in [configuration / "sources.list", *sorted(configuration.glob("sources.list.d/*.list"))]:
        stanzas += _one_line(file.read_text()) if file.exists() else []
    return "\n".join(_stanza(stanza, release) for stanza in stanzas if _belongs(stanza, release))


def _deb822(text: str) -> list[dict[str, str]]:
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [_fields(stanza) for stanza in re.split(r"\n\s*\n", lines) if stanza.strip()]


def _fields(stanza: str) -> dict[str, str]:
    found = re.findall(r"^([\w-]+):((?:.*\n?)(?:[ \t].*\n?)*)", stanza, re.MULTILINE)
    return {name.title(): value.strip() for name, value in found}


def _one_line(text: str) -> list[dict[str, str]]:
    options = r"(?:[ \t]+\[(?P<options>[^]]*)\])?"
    pattern = rf"^deb{options}[ \t]+(?P<uri>\S+)[ \t]+(?P<suite>\S+)(?P<components>[^#\n]*)"
    return [
        {"Uris": match["uri"], "Suites": match["suite"], "Components": match["components"].strip()}
        | _options(match["options"] or "")
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


def _options(text: str) -> dict[str, str]:
    names = {"signed-by": "Signed-By", "trusted": "Trusted", "arch": "Architectures"}
    pairs = [option.partition("=") for option in text.split()]
    return {names[name]: value.replace(",", " ") for name, _, value in pairs if name in names}


def _belongs(stanza: dict[str, str], release: str) -> bool:
    enabled = stanza.get("Enabled", "yes").lower() not in ("no", "false", "0")
    return enabled and "main" in stanza.get("Components", "").split() and bool(_suites(stanza, release))


def _suites(stanza: dict[str, str], release: str) -> list[str]:
    ours = (release, f"{release}-updates", f"{release}-security")
    return [suite for suite in stanza.get("Suites", "").split() if suite in ours]


def _stanza(stanza: dict[str, str], release: str) -> str:
    names = ("Uris", "Signed-By", "Trusted", "Architectures")
    kept = {name: stanza[name] for name in names if name in stanza}
    suites = " ".join(_suites(stanza, release))
    fields = {"Types": "deb deb-src", "Suites": suites, "Components": "main"} | kept
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


class _Apt:
    """apt, told by a configuration file of its own to keep its hands off the machine's state."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = os.environ | {"APT_CONFIG": str(directory / "apt.conf"), "LC_ALL": "C"}

    def configure(self) -> None:
        """Write the configuration and fetch the lists, unless they are fresh."""
        sources = release_sources(RELEASE)
        if not sources:
            raise LabError(f"apt has no source of Debian {RELEASE} on this machine: see /etc/apt")
        for part in ("lists/partial", "cache/archives/partial", "sources"):
            (self._directory / part).mkdir(parents=True, exist_ok=True)
        file = self._directory / "sources/lab.sources"
        stamp = self._directory / "fetched"
        unchanged = file.exists() and file.read_text() == sources
        (self._directory / "apt.conf").write_text(self._configuration())
        if unchanged and stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH:
            return
        file.write_text(sources)
        with progress.step("lists of Debian packages"):
            self.run("update", "--error-on=any")
        stamp.touch()

    def run(self, *arguments: str, directory: Path | None = None) -> str:
        """The output of an apt-get command."""
        return _run(["apt-get", "-q", *arguments], self._environment, directory)

    def config(self, key: str) -> str:
        """A setting of the machine's apt."""
        return _run(["apt-config", "dump", "--format", "%v", key], self._environment).strip()

    def download(self, names: tuple[str, ...], archives: Path) -> Iterator[float]:
        """Download packages and what they need; yields how many per cent are there."""
        reader, writer = os.pipe()
        options = ["-o", f"APT::Status-Fd={writer}", "-o", f"Dir::Cache::Archives={archives}/"]
        process = subprocess.Popen(
            ["apt-get", "-qqy", "--no-install-recommends", "--download-only", *options, "install", *names],
            env=self._environment,
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            os.close(writer)
            with os.fdopen(reader) as status:
                for line in status:
                    if line.startswith("dlstatus:"):
                        yield float(line.split(":")[2])
            errors = process.stderr.read() if process.stderr else ""
        if process.returncode:
            raise LabError(f"apt could not download {', '.join(names)}: {errors.strip()}")

    def _configuration(self) -> str:
        inherited = os.environ.get("APT_CONFIG")
        return "\n".join([
            f'#include "{inherited}";' if inherited else "",
            'Dir::Etc::SourceList "/dev/null";',
            f'Dir::Etc::SourceParts "{self._directory}/sources";',
            f'Dir::State::Lists "{self._directory}/lists";',
            f'Dir::Cache "{self._directory}/cache";',
            'Debug::NoLocking "true";',
            'APT::Sandbox::User "";',
            # Hooks of the machine are for the machine's packages.
            "#clear APT::Update::Pre-Invoke;",
            "#clear APT::Update::Post-Invoke;",
            "#clear APT::Update::Post-Invoke-Success;",
            "",
        ])  # fmt: skip


@contextmanager
def _apt() -> Iterator[_Apt]:
    directory = cache.directory() / "apt"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        apt = _Apt(directory)
        apt.configure()
        yield apt


@functools.cache
def _version(names: tuple[str, ...]) -> str:
    """What is unpacked depends on what is wanted and on which of it the machine has."""
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{RELEASE}-{hashlib.sha256((' '.join(names) + listed.stdout).encode()).hexdigest()[:12]}"


def _run(argv: list[str], environment: dict[str, str] | None = None, directory: Path | None = None) -> str:
    done = subprocess.run(argv, env=environment, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(argv[:3])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
