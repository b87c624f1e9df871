"""Whether a router is ready, and if not, why, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from router.comparison import Comparison
from router.kernel import OWN

_NAMED: Final = 3


@dataclass(frozen=True)
class Observation:
    """What was seen at one moment."""

    node: str
    comparison: Comparison
    settling: bool
    """Routes are still coming in."""
    mended: str
    """What was mended so short a time ago that it has to stay visible; empty if nothing was."""
    wanted_hash: str
    applied_hash: str
    refused: Mapping[str, str] | None
    """Hash and reason of a changed configuration that was not taken."""
    forwarding: Mapping[int, list[str]]
    """IP version -> sysctl entries that are not as wanted."""
    stuck: str | None = None
    """Why the router cannot set them itself."""


def reason(seen: Observation) -> str | None:
    """Why the router is not ready; None if it is."""
    if seen.mended:
        return seen.mended
    if seen.wanted_hash != seen.applied_hash:
        return _not_applied(seen)
    if seen.stuck is not None:
        return seen.stuck
    for version, names in seen.forwarding.items():
        if names:
            return f"forwarding of IPv{version} is not as wanted on {', '.join(names)}"
    if seen.comparison.missing:
        return _missing(seen)
    return "routes are being installed" if seen.settling else None


def _not_applied(seen: Observation) -> str:
    wanted, applied = seen.wanted_hash[:16], seen.applied_hash[:16]
    if refused := refusal_of(seen.wanted_hash, seen.refused):
        return f"the configuration {wanted} was refused and {applied} stays: {refused['reason']}"
    return f"the configuration is being changed from {applied} to {wanted}"


def refusal_of(wanted_hash: str, refused: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """The refusal, if it was of what is wanted now."""
    return refused if refused and refused["hash"] == wanted_hash else None


def _missing(seen: Observation) -> str:
    count, wanted = len(seen.comparison.missing_prefixes), seen.comparison.wanted
    named = ", ".join(seen.comparison.missing[:_NAMED])
    more = (
        f" and {len(seen.comparison.missing) - _NAMED} more" if len(seen.comparison.missing) > _NAMED else ""
    )
    if seen.settling:
        return f"routes are being installed; {count} of {wanted} are not in the kernel yet: {named}{more}"
    return f"{count} of {wanted} routes are not in the kernel as wanted: {named}{more}; {_remedy(seen)}"


def _remedy(seen: Observation) -> str:
    if not seen.comparison.rivals:
        return f"does {seen.node} reach the next hop, and is the interface up?"
    # What can be taken away is told first: the others stay.
    rival = min(seen.comparison.rivals, key=lambda one: one.protocol == OWN)
    if rival.protocol == OWN:
        return (
            f"{rival.prefix} is a network of {seen.node} itself, before which no route comes: want none to it"
        )
    return f"`ip route del {' '.join(rival.key)}` on {seen.node} lets ours in"
