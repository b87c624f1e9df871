"""The image's smaller parts: what forwarding was, who else is there, what vtysh says, what is needed."""

from __future__ import annotations

import json
import os
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import addressees, admission, ending, forwarding, holding, kernel, ports, relearning, vtysh
from router.command import Result
from router.ending import Failed, Refused
from router.forwarding import Before, parse_before
from router.kernel import Hop, KernelRoute
from router.namespace import suite_sockets
from router.ports import Listener
from router.report import Reporter
from router.status import Status
from router.suite import FRR, HELD
from router.vtysh import complaint_in

NAMES = st.text("abcdefgh0123456789.-_@", min_size=1, max_size=15)
VALUES = st.tuples(st.booleans(), st.dictionaries(NAMES, st.booleans(), max_size=4)).map(
    lambda both: {**both[1], "all": both[0]}
)


@given(
    st.dictionaries(st.sampled_from([4, 6]), VALUES),
    st.text(st.characters(exclude_characters="\0"), max_size=20),
)
def test_what_forwarding_was_is_read_as_it_was_kept(families: dict[int, dict[str, bool]], alias: str) -> None:
    before = parse_before(Before(families, alias).text)

    assert before is not None
    assert before.alias == alias
    for version, values in families.items():
        kept = before.families[version]
        assert {name: kept.get(name, kept["all"]) for name in values} == values


@pytest.mark.parametrize(
    "alias", ["", "uplink", "quagga-router", "quagga-router before: 4=2", "quagga-router before: x"]
)
def test_an_alias_of_somebody_else_is_none_of_ours(alias: str) -> None:
    assert parse_before(alias) is None


def test_the_words_that_keep_it_are_short() -> None:
    values = {"all": True, "default": True, "eth0": True, "eth1": False}

    assert (
        Before({4: values, 6: {"all": False}}, "rack 7").text
        == "quagga-router before: 4=1/eth1:0 6=0 alias rack 7"
    )


@pytest.fixture
def sysctls(tmp_path: Path) -> Path:
    for name, value in {"all": "1", "default": "1", "eth0": "1", "eth1": "0"}.items():
        folder = tmp_path / "ipv4" / "conf" / name
        folder.mkdir(parents=True)
        (folder / "forwarding").write_text(f"{value}\n")
    return tmp_path


def test_forwarding_is_wanted_everywhere_where_the_router_is(sysctls: Path) -> None:
    assert forwarding.differing(4, True, ["eth0"], sysctls) == []
    assert forwarding.differing(4, True, ["eth0", "eth1"], sysctls) == ["eth1"]
    assert forwarding.differing(4, False, ["eth0", "eth1"], sysctls) == ["all"]
    assert forwarding.differing(6, False, ["eth0"], sysctls) == []
    assert forwarding.differing(6, True, ["eth0"], sysctls) == ["all"]


UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 45678 /run/systemd/private
0000000000000000: 00000002 00000000 00010000 0001 01 45679 @cloudify-quagga-router
0000000000000000: 00000003 00000000 00000000 0001 03 45680
"""


@pytest.mark.parametrize(
    "path",
    [
        "/run/frr/zserv.api",
        "/var/run/frr/zserv.api",
        "/var/run/frr/blue/zebra.vty",
        "/run/quagga/zserv.api",
        "/x/frr/bgpd.vty",
    ],
)
def test_another_suite_is_seen_by_its_sockets(path: str) -> None:
    line = f"0000000000000000: 00000002 00000000 00010000 0001 01 45681 {path}\n"

    assert suite_sockets(UNIX) == []
    assert suite_sockets(UNIX + line) == [path]


WAITING = "% Can't enter config; running datastore locked by another session"
SAID = [
    (Result(0, "[22|mgmtd] sending configuration\n[22|mgmtd] done\n", ""), None),
    (Result(0, "line 4: % Unknown command: foo\n", ""), "line 4: % Unknown command: foo"),
    (Result(0, "% Configuration failed.\n", ""), "% Configuration failed."),
    (
        Result(0, "", "Can't lock running datastore, error: locked"),
        "Can't lock running datastore, error: locked",
    ),
    (Result(2, "", ""), "vtysh ended with 2"),
    (
        Result(0, "% Configuration failed.\n\nRoute cannot have two\n[9|x] done\n", ""),
        "% Route cannot have two",
    ),
    (Result(0, "% Refusing to remove a non-existent route\n", ""), None),
    (Result(0, f"{WAITING}\n{WAITING}\n", ""), None),
    (Result(0, f"{WAITING}\n% Unknown: x\n", ""), "% Unknown: x"),
    (Result(0, f"line 2: % Unknown command: {WAITING}\n", ""), f"line 2: % Unknown command: {WAITING}"),
    (
        Result(13, f"AS is 65000\n{WAITING}\n{WAITING}\n", "line 3: Failure to communicate[13] to bgpd\n"),
        "AS is 65000",
    ),
    (
        Result(
            13, "[1|bgpd] sending\nAS is 65000\n", "line 3: Failure to communicate[13] to bgpd, line: x\n"
        ),
        "AS is 65000",
    ),
    (
        Result(2, "", "line 2: % Unknown command: neighbor 1 password x"),
        "line 2: % Unknown command: neighbor 1 password ***",
    ),
]


@pytest.mark.parametrize(("result", "complaint"), SAID)
def test_what_vtysh_complains_about(result: Result, complaint: str | None) -> None:
    assert complaint_in(result) == complaint


def test_daemons_are_started_when_the_configuration_has_their_block() -> None:
    assert [daemon.name for daemon in FRR.needed("ip forwarding\n")] == ["zebra", "mgmtd", "staticd"]
    text = "router ospf\nexit\nrouter bgp 65000\nexit\n ! router rip\n"
    assert [daemon.name for daemon in FRR.needed(text)] == ["zebra", "mgmtd", "staticd", "bgpd", "ospfd"]


def test_what_learns_routes_is_stopped_before_what_holds_them() -> None:
    assert FRR.stopping(["zebra", "mgmtd", "staticd", "bgpd"]) == ["bgpd", "staticd", "zebra", "mgmtd"]
    assert FRR.stopping(["mgmtd", "zebra"]) == ["zebra", "mgmtd"]
    assert FRR.stopping([]) == []


def test_every_route_of_the_suite_is_known_by_its_number() -> None:
    assert {11, 196, 186, 188, 189, HELD} <= FRR.protocols
    assert FRR.static_protocols == {196}


@pytest.mark.parametrize("text", ["1", "30", "3600"])
def test_seconds_between_checks(text: str) -> None:
    assert admission.check_seconds({"QUAGGA_CHECK_SECONDS": text}) == int(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "3601", "1.5", "soon", "٣", "9" * 50])
def test_no_seconds_between_checks(text: str) -> None:
    with pytest.raises(Refused, match=r"^QUAGGA_CHECK_SECONDS: .* is no number of seconds; 1 to 3600 are$"):
        admission.check_seconds({"QUAGGA_CHECK_SECONDS": text})


def test_an_absent_interface_is_named_with_those_that_are_there() -> None:
    with pytest.raises(Refused) as refused:
        admission.refuse_absent(
            {"eth0": "INTERFACES[0]", "eth9": "INTERFACES[1]"}, ["lo", "eth1", "eth0"], "node1"
        )

    assert (
        str(refused.value) == "INTERFACES[1]: 'eth9' is not an interface of node1, which has eth0, eth1, lo"
    )


def test_a_long_value_does_not_drown_the_sentence() -> None:
    sentence = str(ending.refusal("ROUTES[0]", "x" * 10_000, "is no prefix"))

    assert len(sentence) < 200
    assert sentence.endswith("...' is no prefix")


def test_the_last_words_are_left_where_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "last-words"
    monkeypatch.setenv("TERMINATION_LOG", str(target))

    ending.write_last_words("refused: é" + "x" * 5000)

    assert target.read_bytes().startswith("refused: é".encode())
    assert len(target.read_bytes()) == 4096
    assert capsys.readouterr().err.startswith("refused: é")


def test_the_status_is_two_files(tmp_path: Path) -> None:
    status = Status(tmp_path)

    status.write("the router is starting", {"suite": "FRR 10.3"})
    assert (tmp_path / "unready").read_text() == "the router is starting\n"
    assert json.loads((tmp_path / "status.json").read_text())["ready"] is False

    status.write(None, {"node": "node1"})
    assert not (tmp_path / "unready").exists()
    found = json.loads((tmp_path / "status.json").read_text())
    assert found.pop("updated").endswith("Z")
    assert found == {"suite": "FRR 10.3", "node": "node1", "ready": True, "reason": None}


@pytest.mark.parametrize(
    "written",
    [
        '{"daemons": {"zebra": {"pid": 7',
        "[" * 100_000,
        "",
        "[1]",
        "null",
        '{"daemons": [1]}',
        '{"daemons": null}',
        '{"daemons": {"zebra": null}}',
        '{"daemons": {"zebra": {}}}',
        '{"daemons": {"tomato": {"pid": 7}}}',
        '{"refused": "x"}',
        '{"refused": {"hash": "ab12"}}',
    ],
    ids=lambda text: text[:40] or "nothing",
)
def test_a_status_that_no_supervisor_writes_is_told_in_a_sentence(tmp_path: Path, written: str) -> None:
    status = tmp_path / "status.json"
    reporter = Reporter(FRR, status)
    assert reporter.written() == {}
    status.write_text(written)
    with pytest.raises(Failed) as failed:
        reporter.report()
    assert str(failed.value) == f"{status} is not as the router writes it, which it does at each of its looks"


def test_a_status_that_a_supervisor_writes_is_read(tmp_path: Path) -> None:
    facts = {"daemons": {"zebra": {"pid": 7, "since": None, "restarts": 0}}, "refused": None}
    Status(tmp_path).write(None, facts)
    assert Reporter(FRR, tmp_path / "status.json").written().items() >= facts.items()


@pytest.fixture
def alias(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The alias of lo, kept here instead of in this machine's kernel."""
    kept = [""]
    monkeypatch.setattr(forwarding, "_read_alias", lambda: kept[0])
    monkeypatch.setattr(forwarding, "_write_alias", lambda text: kept.__setitem__(0, text))
    return kept


def test_what_is_refused_for_one_ip_version_is_not_begun_for_the_other(
    tmp_path: Path, alias: list[str]
) -> None:
    for version in (4, 6):
        for number, name in enumerate(["all", "default", "eth0", *(f"cali{n:011x}" for n in range(30))]):
            folder = tmp_path / f"ipv{version}" / "conf" / name
            folder.mkdir(parents=True)
            (folder / "forwarding").write_text(str(int(version == 6 and number % 2 == 0)))
    with pytest.raises(Refused, match="IPv4 and IPv6 differs on so many interfaces"):
        forwarding.enforce({4: True, 6: False}, ["eth0"], tmp_path)
    assert not forwarding.current(4, tmp_path)["all"]
    assert forwarding.current(6, tmp_path)["all"]
    assert alias == [""]


HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def as_in_proc(address: str, state: str, uid: int, inode: int) -> str:
    """A socket as /proc/net/tcp has it."""
    return (
        f"   0: {address} {'0' * 8}:0000 {state} 00000000:00000000 00:00000000 00000000 {uid}   0 {inode} 1"
    )


TCP = [
    HEAD,
    as_in_proc("0100007F:0A29", "0A", 997, 226),
    as_in_proc("0B00C80A:00B3", "01", 0, 227),
    as_in_proc("0B00C80A:00B3", "0A", 0, 228),
]
TCP6 = [HEAD, as_in_proc(f"B80D0120{'0' * 16}01000000:00B3", "0A", 997, 9)]


def test_who_waits_for_connections_is_seen(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("\n".join(TCP))
    assert [listener.port for listener in ports.listeners(tmp_path)] == [2601, 179]
    (tmp_path / "net" / "tcp6").write_text("\n".join(TCP6))
    _, bird, bgpd = ports.listeners(tmp_path)

    assert bird == Listener("10.200.0.11", 179, 0, 228)
    assert bgpd == Listener("2001:db8::1", 179, 997, 9)
    assert ports.holder_of(bird, tmp_path) == "a program outside of this container (user 0)"
    (tmp_path / "41" / "fd").mkdir(parents=True)
    (tmp_path / "41" / "comm").write_text("bird\n")
    (tmp_path / "41" / "fd" / "7").symlink_to("socket:[228]")
    assert ports.holder_of(bird, tmp_path) == "bird (pid 41)"


def test_a_port_that_somebody_else_holds_is_refused() -> None:
    bgpd = FRR.daemon("bgpd")
    admission.refuse_others({179: bgpd}, [Listener("0.0.0.0", 178, 0, 0)], "node1")

    with pytest.raises(
        Refused, match=r"^router bgp: port 179 of node1, where neighbours call, is held by .* at 0.0.0.0; "
    ):
        admission.refuse_others({179: bgpd}, [Listener("0.0.0.0", 179, 0, 0)], "node1")


def test_what_is_judged_is_on_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(path: Path, private: bool = False) -> None:
        seen.append((os.readlink(path), path.read_text(), private))

    monkeypatch.setattr(vtysh, "refuse_faults", look)
    monkeypatch.setattr(forwarding, "refuse_what_cannot_be", lambda *_: None)
    monkeypatch.setattr(admission, "ports_of_others", lambda _: [])
    monkeypatch.setattr(addressees, "of", lambda _: [])
    text = "ip forwarding\nno ipv6 forwarding\nrouter bgp 1\n neighbor 172.16.0.1 password hunter2\nend\n"
    admission.judge(text.encode(), FRR, "node1", private=True)
    [(where, judged, private)] = seen
    assert where.startswith("/memfd:")
    assert "hunter2" in judged
    assert private


TAUGHT = KernelRoute(ip_network("10.50.0.0/24"), 186, 20, hops=(Hop("172.16.0.1", "eth1"),))
SPEAKS_BGP = "router bgp 65000\n"


def test_what_was_taught_is_kept_until_it_is_taught_again_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, said, table = [1000.0], list[str](), {holding.twin(TAUGHT)}
    monkeypatch.setattr("router.relearning.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(relearning, "say", said.append)
    monkeypatch.setattr(kernel, "remove", table.difference_update)
    kept = relearning.Relearning(FRR)
    kept.begin()
    assert not kept.release(SPEAKS_BGP, table)
    assert kept.left == 1
    now[0] += relearning.SECONDS - 1
    assert not kept.release(SPEAKS_BGP, table)
    now[0] += 2
    assert kept.release(SPEAKS_BGP, table)
    assert (kept.left, table) == (0, set())
    kept.begin()
    table |= {holding.twin(TAUGHT), TAUGHT}
    assert kept.release(SPEAKS_BGP, table)
    assert table == {TAUGHT}
    assert said == [
        "keeping 1 routes until neighbours have taught them again",
        "1 routes go, for no neighbour has taught them again in 120 s",
    ]


def test_what_nobody_can_teach_any_more_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {holding.twin(TAUGHT)}
    monkeypatch.setattr(kernel, "remove", table.difference_update)
    kept = relearning.Relearning(FRR)
    kept.begin()
    assert kept.release("router ospf\n", table)
    assert table == set()
