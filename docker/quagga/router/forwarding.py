"""Whether the node forwards packets: set as wanted, and set back to what it was.

The values of before have to outlive a container that is killed, and a pod may have no volume. So they are
kept in the network namespace itself, as the alias of its loopback interface, until the router ended in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from router.command import output_of
from router.ending import Failed, Refused

SYSCTLS: Final = Path("/proc/sys/net")

_MARK: Final = "quagga-router before:"
_ALIAS_LIMIT: Final = 255
_FAMILY: Final = re.compile(r"([46])=([01])((?:/[^/ ]+:[01])*)")
_BEFORE: Final = re.compile(rf"{_MARK}(?P<families>(?: [^ ]+)*?)(?: alias (?P<alias>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Before:
    """What stood in the sysctls of each IP version before we wrote, and the alias that stood in our place."""

    families: Mapping[int, Mapping[str, bool]] = field(default_factory=dict)
    """IP version -> interface (or `all`, `default`) -> forwarding. Interfaces like `all` may be left out."""
    alias: str = ""

    @property
    def text(self) -> str:
        """The alias in which this is kept."""
        words = [_MARK, *(_family_text(version, values) for version, values in sorted(self.families.items()))]
        return " ".join([*words, "alias", self.alias] if self.alias else words)


def parse_before(alias: str) -> Before | None:
    """What an alias remembers; None if it is somebody else's."""
    found = _BEFORE.fullmatch(alias)
    if found is None:
        return None
    families: dict[int, dict[str, bool]] = {}
    for word in found["families"].split():
        family = _FAMILY.fullmatch(word)
        if family is None:
            return None
        exceptions = (entry.rpartition(":") for entry in family[3].split("/") if entry)
        families[int(family[1])] = {
            "all": family[2] == "1",
            **{name: value == "1" for name, _, value in exceptions},
        }
    return Before(families, found["alias"] or "")


def current(version: int, root: Path = SYSCTLS) -> dict[str, bool]:
    """Interface (and `all` and `default`) -> forwarding; empty where the kernel has no such IP version."""
    files = (root / f"ipv{version}" / "conf").glob("*/forwarding")
    return {path.parent.name: path.read_text().strip() != "0" for path in sorted(files)}


def differing(version: int, on: bool, interfaces: Iterable[str], root: Path = SYSCTLS) -> list[str]:
    """The entries that are not as wanted: `all`, or the router's interfaces that do not follow it."""
    values = current(version, root)
    if values.get("all", False) != on:
        return ["all"]
    return [name for name in interfaces if on and not values.get(name, False)]


def enforce(wanted: Mapping[int, bool], interfaces: Iterable[str], root: Path = SYSCTLS) -> list[str]:
    """Make the sysctls as wanted, after remembering what they were.

    Returns what was changed, as sysctl(8) says it.
    """
    names = sorted(set(interfaces))
    _be_sure(wanted, names, root)
    return [change for version, on in wanted.items() for change in _enforce(version, on, names, root)]


def refuse_what_cannot_be(
    wanted: Mapping[int, bool], interfaces: Iterable[str], root: Path = SYSCTLS
) -> None:
    """Refuse what would have to be written and cannot be, without writing anything."""
    names = sorted(set(interfaces))
    for version, on in wanted.items():
        _refuse_what_cannot_be_written(version, on, differing(version, on, names, root), root)


def _be_sure(wanted: Mapping[int, bool], names: list[str], root: Path) -> None:
    """Refuse for every IP version, and remember all that is going to change, before anything is written."""
    found = {}
    for version, on in wanted.items():
        if changes := differing(version, on, names, root):
            _refuse_what_cannot_be_written(version, on, changes, root)
            found[version] = current(version, root)
    if found:
        _remember(found)


def _enforce(version: int, on: bool, names: list[str], root: Path) -> list[str]:
    changed: list[str] = []
    # Setting `all` sets every interface, so what is still to be done is asked for again.
    for changes in (differing(version, on, names, root) for _ in range(2)):
        for name in changes:
            _write(version, name, on, root)
        changed += [_setting(version, name, on) for name in changes]
    return changed


def restore(root: Path = SYSCTLS) -> list[str]:
    """Set everything back that was remembered, and forget it; returns what was changed."""
    before = parse_before(_read_alias())
    if before is None:
        return []
    changed = []
    for version, values in before.families.items():
        ordered = sorted(current(version, root), key=lambda name: name != "all")
        for name in ordered:
            on = values.get(name, values["all"])
            if current(version, root).get(name, on) != on:
                _write(version, name, on, root)
                changed.append(_setting(version, name, on))
    _write_alias(before.alias)
    return changed


def changed() -> list[int]:
    """The IP versions whose forwarding this router has switched, and will switch back at its end."""
    before = parse_before(_read_alias())
    families = before.families if before else {}
    return [v for v, values in sorted(families.items()) if current(v).get("all") != values["all"]]


def _remember(found: Mapping[int, Mapping[str, bool]]) -> None:
    """Keep what was found; what an earlier life of this router kept already is older and stays."""
    alias = _read_alias()
    known = parse_before(alias) or Before(alias=alias)
    if set(found) <= set(known.families):
        return
    before = Before({**found, **known.families}, known.alias)
    if len(before.text.encode()) > _ALIAS_LIMIT:
        versions = " and ".join(f"IPv{version}" for version in sorted(found))
        raise Refused(
            f"forwarding of {versions} differs on so many interfaces that it could not be set back"
            " as it was; set it on the node as the router needs it and start the router again"
        )
    _write_alias(before.text)


def _refuse_what_cannot_be_written(version: int, on: bool, names: list[str], root: Path) -> None:
    """Without privileges /proc/sys is read-only; then the node's owner has to do it."""
    for name in names:
        path = _path(version, name, root)
        try:
            path.open("r+").close()
        except OSError as error:
            command = f"sysctl -w {' '.join(_setting(version, each, on) for each in names)}"
            raise Refused(
                f"forwarding: {path} cannot be written ({error.strerror}); run on the node: {command}"
            ) from error


def _write(version: int, name: str, on: bool, root: Path) -> None:
    path = _path(version, name, root)
    try:
        path.write_text("1" if on else "0")
    except FileNotFoundError:
        return  # an interface that has gone since it was listed
    except OSError as error:
        raise Failed(f"forwarding: {path} cannot be written: {error.strerror}") from error


def _family_text(version: int, values: Mapping[str, bool]) -> str:
    base = values["all"]
    exceptions = "".join(f"/{name}:{int(on)}" for name, on in sorted(values.items()) if on != base)
    return f"{version}={int(base)}{exceptions}"


def _path(version: int, name: str, root: Path) -> Path:
    return root / f"ipv{version}" / "conf" / name / "forwarding"


def _setting(version: int, name: str, on: bool) -> str:
    return f"net.ipv{version}.conf.{name.replace('.', '/')}.forwarding={int(on)}"


def _read_alias() -> str:
    return str(json.loads(output_of(["ip", "-j", "link", "show", "dev", "lo"]))[0].get("ifalias", ""))


def _write_alias(text: str) -> None:
    output_of(["ip", "link", "set", "dev", "lo", "alias", text])
