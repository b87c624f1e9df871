"""What quagga_show prints."""

from __future__ import annotations

import pytest

from cloudify_quagga import table

LIVE = {
    "at": "2026-11-26T08:00:00+00:00",
    "wanted_hash": "abc",
    "routers": [
        {
            "pod": "router-1",
            "node": "node1",
            "ready": True,
            "reason": None,
            "daemons": {
                "zebra": {"pid": 7, "since": "2026-11-26T07:00:00Z", "restarts": 0},
                "staticd": {"pid": 8, "since": 1795679990, "restarts": 2},
            },
            "routes": {"wanted": 1000, "installed": 1000, "missing_count": 0, "unexpected_count": 0},
            "last_change": {
                "hash": "0123456789abcdef",
                "at": "2026-11-26T07:59:58Z",
                "seconds": 0.4,
                "added": 1,
                "removed": 1,
            },
            "last_error": None,
        },
        {
            "pod": "router-2",
            "node": "node2",
            "ready": False,
            "reason": "1 of 2 routes are not in the kernel",
            "daemons": {"zebra": {"pid": None, "since": None, "restarts": 1}},
            "routes": {
                "wanted": 2,
                "installed": 1,
                "missing": ["10.0.0.0/24 via 172.16.0.1"],
                "unexpected": [],
            },
            "last_change": None,
            "last_error": "zebra ended (signal 9)",
            "last_error_at": "2026-11-26T07:58:00Z",
        },
        {"pod": "router-3", "node": "node3", "ready": False, "reason": "it does not answer"},
    ],
    "not_shown": 2,
    "nodes_without_router": ["node4"],
}

SHOWN = [
    "NODE READY DAEMONS WANTED INSTALLED MISSING UNEXPECTED LAST CHANGE",
    "node1 yes zebra 1h, staticd 10s (2 restarts) 1000 1000 0 0 "
    "2026-11-26 07:59:58 +1 -1 in 0.4 s (01234567)",
    "node2 no zebra down 2 1 1 0 none",
    "node3 no - - - - - none",
    "node2 is not ready: 1 of 2 routes are not in the kernel",
    "node2, missing: 10.0.0.0/24 via 172.16.0.1",
    "node2, last error: zebra ended (signal 9) (at 2026-11-26 07:58:00)",
    "node3 is not ready: it does not answer",
    "node4 has no router",
    "2 more are not shown",
]


def test_the_table() -> None:
    assert [" ".join(line.split()) for line in table.of(LIVE).splitlines()] == SHOWN


@pytest.mark.parametrize("since", [1e30, -1e30, 1e15, float("nan"), float("inf"), "tomorrow", None, [1]])
def test_a_time_that_no_calendar_has_is_left_out(since: object) -> None:
    router = {"pod": "router-1", "ready": True, "daemons": {"zebra": {"pid": 7, "since": since}}}
    change = {"last_change": {"at": since, "hash": "ab12"}}
    _, row = table.of({**LIVE, "routers": [{**router, **change}]}).splitlines()[:2]
    assert "zebra up" in row


def test_its_columns_stand_below_each_other() -> None:
    head, *rows = table.of(LIVE).splitlines()[:4]
    for row, count in zip(rows, ("1000", "2", "-"), strict=True):
        assert row[head.index("WANTED") :].split()[0] == count


def test_a_router_without_pods_has_a_table_too() -> None:
    nothing = {**LIVE, "routers": [], "not_shown": 0, "nodes_without_router": []}
    assert table.of(nothing).splitlines()[1:] == ["no pod of the router is there"]
