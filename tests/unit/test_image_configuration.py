"""What the image makes of its environment and of a mounted file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router import configuration
from router.configuration import Configuration
from router.ending import Refused

NOWHERE = Path("/nonexistent/frr.conf")

OF_2017 = {"INTERFACES": "eth0,eth1", "ROUTES": "10.0.0.0/24 172.16.0.1,10.10.0.0/24 172.16.0.1"}
CANONICAL = """\
frr defaults traditional
log stdout
ip forwarding
no ipv6 forwarding
service integrated-vtysh-config
!
ip route 10.0.0.0/24 172.16.0.1
ip route 10.10.0.0/24 172.16.0.1
!
interface eth0
exit
!
interface eth1
exit
!
end
"""


def read(environment: dict[str, str], mounted: Path = NOWHERE) -> Configuration:
    return configuration.read(environment, False, mounted)


def test_the_environment_of_2017_becomes_the_canonical_text() -> None:
    found = read(OF_2017)

    assert found.text == CANONICAL
    assert found.interfaces == {"eth0": "INTERFACES[0]", "eth1": "INTERFACES[1]"}
    assert found.forwarding == {4: True, 6: False}


def test_forwarding_of_ipv6_stays_as_it_is() -> None:
    assert "\nipv6 forwarding\n" in configuration.read(OF_2017, True, NOWHERE).text


def test_a_file_and_the_environment_are_read_alike(tmp_path: Path) -> None:
    mounted = tmp_path / "frr.conf"
    mounted.write_text(CANONICAL)
    by_file, by_environment = read({}, mounted), read(OF_2017)

    assert by_file.hash == by_environment.hash
    assert set(by_file.routes) == set(by_environment.routes)
    assert by_file.interfaces == {"eth0": "frr.conf line 10", "eth1": "frr.conf line 13"}


@pytest.mark.parametrize(
    "environment", [{"INTERFACES": "eth0"}, {"INTERFACES": "eth0", "ROUTES": ""}, {"ROUTES": " "}]
)
def test_a_router_without_static_routes_forwards(environment: dict[str, str]) -> None:
    found = read(environment)

    assert found.routes == ()
    assert "route" not in found.text


def test_a_route_through_an_interface_needs_it() -> None:
    assert read({"ROUTES": "10.0.0.0/24 eth7"}).interfaces == {"eth7": "ROUTES[0]"}
    text = CANONICAL.replace("172.16.0.1\n!", "fe80::1\n!").replace(
        "ip route 10.10.0.0/24 fe80::1", "ip route 10.10.0.0/24 eth7"
    )
    assert configuration.parse(text).interfaces["eth7"] == "frr.conf line 8"


REFUSED_FILES = [
    (
        CANONICAL.replace("no ipv6 forwarding\n", ""),
        "frr.conf: neither 'ipv6 forwarding' nor 'no ipv6 forwarding' is said",
    ),
    (CANONICAL.replace("10.0.0.0/24", "10.0.0.1/24"), "frr.conf line 7: '10.0.0.1/24' has host bits set"),
    (
        CANONICAL.replace("ip route 10.0", "ipv6 route 10.0"),
        "frr.conf line 7: '10.0.0.0/24' is no prefix for 'ipv6 route'",
    ),
    (
        CANONICAL.replace("interface eth0", "interface eth0 vrf x"),
        "frr.conf line 10: 'eth0 vrf x' is no interface name",
    ),
    (
        CANONICAL.replace("ip route 10.0", "no ip route 10.0"),
        "frr.conf line 7: 'no ip route 10.0.0.0/24 172.16.0.1' is not",
    ),
    (
        CANONICAL.replace("ip route 10.0", "ip ro 10.0"),
        "frr.conf line 7: 'ip ro 10.0.0.0/24 172.16.0.1' is not",
    ),
    (
        CANONICAL.replace("interface eth0", "vrf red\n ip route 1.0.0.0/8 eth0"),
        "frr.conf line 10: 'vrf red' is not",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED_FILES, ids=[sentence for _, sentence in REFUSED_FILES])
def test_a_file_with_a_fault_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)):
        configuration.parse(text)


@pytest.mark.parametrize(
    "line", ["ip router-id 1.2.3.4", "router bgp 65000", "ip routing", "! ip route x", "# ip route x"]
)
def test_other_lines_are_the_daemons_to_judge(line: str) -> None:
    assert (
        len(configuration.parse(CANONICAL.replace("!\ninterface eth0", f"{line}\n!\ninterface eth0")).routes)
        == 2
    )


def test_several_lines_of_one_prefix_are_several_ways() -> None:
    line = "ip route 10.0.0.0/24 172.16.0.1\n"
    found = configuration.parse(CANONICAL.replace(line, line + line.replace("0.1", "0.2") + line))

    assert [str(route) for route in found.routes][:2] == [
        "10.0.0.0/24 via 172.16.0.1",
        "10.0.0.0/24 via 172.16.0.2",
    ]
    assert len(found.routes) == 3


def test_one_source_and_not_two(tmp_path: Path) -> None:
    mounted = tmp_path / "frr.conf"
    mounted.write_text(CANONICAL)

    with pytest.raises(Refused, match=r"^both .*/frr.conf and ROUTES are given"):
        read({"ROUTES": ""}, mounted)
    with pytest.raises(Refused, match=r"^neither .* nor INTERFACES and ROUTES are given"):
        read({})


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    mounted = tmp_path / "frr.conf"
    mounted.write_bytes(b"abc\xff")

    with pytest.raises(Refused, match=r"frr.conf: byte 3 is not UTF-8$"):
        read({}, mounted)


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Is a directory"):
        read({}, tmp_path)


PIECES = st.sampled_from(
    [
        "eth0",
        "eth1",
        ",",
        " ",
        "\n",
        "10.0.0.0/24",
        "172.16.0.1",
        "blackhole",
        "2001:db8::/48",
        "5",
        ";reboot",
        "$(id)",
        "!",
        "end",
    ]
)
# What an environment can hold: anything but NUL, and bytes that are no UTF-8 as Python shows them.
HOSTILE = st.lists(PIECES | st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=12).map(
    "".join
)
LINE = re.compile(
    r"frr defaults traditional|log stdout|(no )?ip(v6)? forwarding|service integrated-vtysh-config|!|exit|end"
    r"|ip route [0-9./]+ [0-9A-Za-z_.@ -]+|ipv6 route [0-9a-f:/.]+ [0-9A-Za-z_.:@ -]+"
    r"|interface [0-9A-Za-z_.@-]+"
)


@given(HOSTILE, HOSTILE)
def test_a_hostile_environment_is_refused_in_one_sentence_or_harmless(interfaces: str, routes: str) -> None:
    found = outcome(lambda: read({"INTERFACES": interfaces, "ROUTES": routes}))
    if isinstance(found, Refused):
        assert "\n" not in str(found)
        assert re.match(r"(INTERFACES|ROUTES)\[\d+\]: ", str(found))
        return
    assert all(LINE.fullmatch(line) for line in found.text.splitlines())
    again = configuration.parse(found.text)
    assert set(again.routes) == set(found.routes)
    assert set(again.interfaces) == set(found.interfaces)


@given(st.text())
def test_a_hostile_file_is_refused_in_one_sentence_or_read(text: str) -> None:
    found = outcome(lambda: configuration.parse(f"ip forwarding\nno ipv6 forwarding\n{text}\n"))

    assert "\n" not in str(found) if isinstance(found, Refused) else text in found.text


def outcome(call: Callable[[], Configuration]) -> Configuration | Refused:
    try:
        return call()
    except Refused as refused:
        return refused
