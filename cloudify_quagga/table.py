"""A router's live state as a table that one reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

_HEADS = ("NODE", "READY", "DAEMONS", "WANTED", "INSTALLED", "MISSING", "UNEXPECTED", "LAST CHANGE")
_SHOWN_TIME = "%Y-%m-%d %H:%M:%S"
_SHORT_HASH = 8
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def of(live: Mapping[str, Any]) -> str:
    """The table, and below it whatever is wrong, a line each.

    :param live: what the operation `pull` told.
    """
    at = datetime.fromisoformat(live["at"])
    rows = [_row(router, at) for router in live["routers"]]
    lines = [*_aligned([_HEADS, *rows]), *_remarks(live)]
    return "\n".join(lines)


def _row(router: Mapping[str, Any], at: datetime) -> Sequence[str]:
    routes = router.get("routes") or {}
    counts = [
        routes.get("wanted"),
        routes.get("installed"),
        _count(routes, "missing"),
        _count(routes, "unexpected"),
    ]
    return (
        str(router.get("node") or router["pod"]),
        "yes" if router.get("ready") else "no",
        _daemons(router.get("daemons") or {}, at),
        *("-" if one is None else str(one) for one in counts),
        _change(router.get("last_change")),
    )


def _count(routes: Mapping[str, Any], kind: str) -> int | None:
    said = routes.get(f"{kind}_count", routes.get(kind))
    return len(said) if isinstance(said, list) else said


def _daemons(daemons: Mapping[str, Any], at: datetime) -> str:
    return ", ".join(f"{name} {_uptime(state, at)}" for name, state in daemons.items()) or "-"


def _uptime(state: Mapping[str, Any], at: datetime) -> str:
    if not state.get("pid"):
        return "down"
    since = _moment(state.get("since"))
    restarts = f" ({state['restarts']} restarts)" if state.get("restarts") else ""
    return (_span((at - since).total_seconds()) if since else "up") + restarts


def _moment(said: object) -> datetime | None:
    """A time as the router writes it: seconds, or in ISO 8601."""
    try:
        if isinstance(said, (int, float)):
            return datetime.fromtimestamp(said, timezone.utc)
        moment = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        # The last two are the system's, for a year that its calendar has not.
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _span(seconds: float) -> str:
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds // unit:.0f}{letter}"
    return f"{max(0, seconds):.0f}s"


def _change(change: Mapping[str, Any] | None) -> str:
    if not change:
        return "none"
    moment = _moment(change.get("at"))
    when = f"{moment:{_SHOWN_TIME}}" if moment else str(change.get("at"))
    counts = f"+{change.get('added', 0)} -{change.get('removed', 0)}"
    return f"{when} {counts} in {change.get('seconds', '?')} s ({str(change.get('hash'))[:_SHORT_HASH]})"


def _remarks(live: Mapping[str, Any]) -> Iterator[str]:
    for router in live["routers"]:
        name = router.get("node") or router["pod"]
        if not router.get("ready"):
            yield f"{name} is not ready: {router.get('reason')}"
        for kind in ("missing", "unexpected"):
            if named := (router.get("routes") or {}).get(kind):
                yield f"{name}, {kind}: {', '.join(named)}"
        if router.get("last_error"):
            moment = _moment(router.get("last_error_at"))
            when = f" (at {moment:{_SHOWN_TIME}})" if moment else ""
            yield f"{name}, last error: {router['last_error']}{when}"
    if not live["routers"]:
        yield "no pod of the router is there"
    for node in live.get("nodes_without_router") or []:
        yield f"{node} has no router"
    if live.get("not_shown"):
        yield f"{live['not_shown']} more are not shown"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
