"""Lines of FRR's own language: canonical, judged, and with secrets that nobody sees."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga import render
from cloudify_quagga.model import Raw, Router, Secret, Secrets
from cloudify_quagga.model.given import Given
from tests.unit.refusals import sentence


def raw(value: object) -> Raw:
    return Raw.parse(Given("raw", value))


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("", []),
        (None, []),
        ([], []),
        ("! nothing\n\n# at all\n", []),
        ("router ospf\n", ["router ospf"]),
        (
            "router ospf\n    network  10.0.0.0/8 area 0\n",
            ["router ospf", " network 10.0.0.0/8 area 0", "exit"],
        ),
        (["router ospf", " redistribute static", "exit"], ["router ospf", " redistribute static", "exit"]),
        (
            "router bgp 1\n  address-family ipv4\n    redistribute static\n  exit-address-family\nbfd\n",
            [
                "router bgp 1",
                " address-family ipv4",
                "  redistribute static",
                " exit-address-family",
                "exit",
                "bfd",
            ],
        ),
        ("route-map a permit 1\nexit\n", ["route-map a permit 1", "exit"]),
        ("   router ospf\n     redistribute static", ["router ospf", " redistribute static", "exit"]),
    ],
)
def test_every_spelling_has_one_form(value: object, lines: list[str]) -> None:
    assert raw(value).to_json() == lines
    assert raw(lines) == raw(value)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ip route 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("no ip route 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("ip rou 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("ipv6  ROUTE ::/0 fe80::1", "is said by `routes`"),
        ("i r 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("n i rou 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("  ip route 10.0.0.0/8 1.1.1.1", "is said by `routes`"),
        ("ip forwarding", "is said by `forwarding`"),
        ("no ipv6 forw", "is said by `forwarding`"),
        ("interface eth0", "is said by `interfaces`"),
        ("int eth0", "is said by `interfaces`"),
        ("vrf blue", "opens another VRF; the router lives in the node's own"),
        ("end", "would end the file; leave it out"),
        ("do show version", "is no line of a configuration file"),
        ("conf t", "is no line of a configuration file"),
    ],
)
def test_what_a_property_says_is_refused(line: str, why: str) -> None:
    assert sentence(lambda: raw(f"! first\n{line}")) == f"raw line 2: {shown(line)} {why}"
    assert sentence(lambda: raw(["!", line])) == f"raw[1]: {shown(line)} {why}"


def shown(line: str) -> str:
    return line if line.strip() == line else repr(line)


@pytest.mark.parametrize(
    "line",
    [
        "router ospf",
        "ip router isis 1",
        "ip prefix-list a seq 5 permit 10.0.0.0/8",
        "passive-interface eth0",
        "route-map a permit 10",
        "ipv6 prefix-list a seq 5 permit any",
        "vni 5",
        "service password-encryption",
    ],
)
def test_what_only_looks_like_it_is_not(line: str) -> None:
    assert raw(line).lines == (line,)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "raw: 5 is no list; a list of lines, or a text of lines, is meant"),
        ([5], "raw[0]: 5 is no string; a line is meant: put it in quotes"),
        (["a\nb"], "raw[0]: 'a\\nb' is no line; printable characters and blanks make one"),
        ("a\tb", "raw line 1: 'a\\tb' is no line; printable characters and blanks make one"),
        (
            "show run | include x",
            "raw line 1: show run | include x holds a '|', which FRR takes",
        ),
        ("hostname ${", "raw line 1: hostname ${ holds a '${' that names no secret; ${name} does"),
        ("neighbor 1.1.1.1 password tomato", "raw line 1: what is given holds a password in clear"),
        ("ip ospf message-digest-key 1 md5 tomato", "raw line 1: what is given holds a password in clear"),
        ("key-string tomato", "raw line 1: what is given holds a password in clear"),
    ],
)
def test_lines_are_refused_in_a_sentence(value: object, said: str) -> None:
    refusal = sentence(lambda: raw(value))
    assert refusal.startswith(said)
    assert "tomato" not in refusal


@pytest.mark.parametrize(
    "line",
    [
        "neighbor 1.1.1.1 passw tomato",
        "neighbor 1.1.1.1 pass tomato",
        "neighbor 1.1.1.1 pas tomato",
        "n 1.1.1.1 PASSW tomato",
        "neighbor 1.1.1.1 password tomato ${x}",
        "neighbor 1.1.1.1 password ${x} tomato",
        "neighbor 1.1.1.1 password tomato${x}",
        "neighbor ${x} password tomato",
        "no neighbor 1.1.1.1 passw tomato",
        "key-string tomato ${x}",
        "key-s tomato",
        "key tomato",
        "password tomato | include x",
        "k tomato",
        "pas tomato",
        "password 8 tomato",
        "en pass tomato",
        "ip ospf mess 1 m tomato",
        "ip ospf message-digest-key 1 md5 tomato ${x}",
        "area 1 virtual-link 2.2.2.2 authentication message-digest message-d 1 md5 tomato",
        "area 1 virtual-link 2.2.2.2 authentication-k tomato 1.1.1.1",
        "area-passw clear tomato",
        "ip rip auth str tomato",
    ],
)
def test_a_password_in_clear_is_seen_however_it_is_written(line: str) -> None:
    refusal = sentence(lambda: raw([line]))
    assert refusal.startswith("raw[0]: what is given holds a password in clear")
    assert "tomato" not in refusal


@pytest.mark.parametrize(
    "line",
    [
        "neighbor 1.1.1.1 passw ${x}",
        "neighbor 1.1.1.1 pass",
        "neighbor 1.1.1.1 passive",
        "neighbor 1.1.1.1 port 1790",
        "key chain tomato",
        "key 1",
        "key-string ${x}",
        "password 8 ${x}",
        "enable password ${x}",
        "ip ospf message-digest-key 1 md5 ${x} 10.0.0.1",
        "area 1 virtual-link 2.2.2.2 authentication message-digest",
        "area 1 virtual-link 2.2.2.2 authentication message-digest message-digest-key 1 md5 ${x}",
        "area 1 virtual-link 2.2.2.2 authentication null",
        "no neighbor 1.1.1.1 password",
        "route-map pass permit 10",
        "passive-interface tomato",
    ],
)
def test_what_holds_no_password_is_taken(line: str) -> None:
    assert raw(line).lines == (line,)


def router(value: str, **properties: Any) -> Router:
    return Router.parse({"raw": ["password ${p}"], "secrets": {"p": value}, **properties})


def test_a_secret_stands_in_the_file_and_nowhere_else() -> None:
    made = router("tomato")
    assert "password tomato\n" in render.frr_conf(made)
    assert "tomato" not in repr(made)
    assert made.to_json()["secrets"] == {"p": None}


def test_one_that_nobody_gave_is_refused_by_name() -> None:
    refusal = sentence(lambda: Router.parse({"raw": ["password ${q}"], "secrets": {"p": "x"}}))
    assert refusal == "raw: ${q} names no secret; `secrets` has p"


@pytest.mark.parametrize("value", ["two\nlines", "a | b", " blank", "a  b", "x" * 257, 5, ["a"]])
def test_a_value_that_is_no_word_of_a_line_is_refused_unseen(value: Any) -> None:
    refusal = sentence(lambda: router(value))
    assert refusal.startswith("secrets.p: what is given ")


def test_a_value_that_would_become_a_command_is_refused_unseen() -> None:
    made = Router.parse({"raw": ["${p}"], "secrets": {"p": "ip route 0.0.0.0/0 1.1.1.1"}})
    assert sentence(lambda: render.frr_conf(made)) == "raw[0]: what is given is said by `routes`"


@pytest.mark.parametrize("name", ["", "a b", "1a", "a.b", "é"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    refusal = sentence(lambda: Router.parse({"secrets": {name: "tomato"}}))
    assert refusal.startswith("secrets: ")
    assert "tomato" not in refusal


def test_what_daemons_quote_is_masked_the_longest_value_first() -> None:
    secrets = Secrets((("a", Secret("tom")), ("b", Secret("tomato")), ("c", None)))
    assert secrets.masked("x tomato y tom") == "x ${b} y ${a}"


class TestAChange:
    BEFORE = Router.parse(
        {
            "node_selector": {"role": "router", "zone": "a"},
            "forwarding": {"ipv4": False, "ipv6": True},
            "routes": [{"prefix": "10.0.0.0/24", "blackhole": True}],
            "raw": ["password ${p}"],
            "secrets": {"p": None},
        }
    )
    SECRETS = Secrets((("p", Secret("tomato")),))

    def test_replaces_lists_whole_and_maps_by_key(self) -> None:
        after = self.BEFORE.changed({"routes": [], "forwarding": {"ipv4": True}}, self.SECRETS)
        assert after.routes == ()
        assert after.forwarding.to_json() == {"ipv4": True, "ipv6": True}
        assert after.node_selector == self.BEFORE.node_selector

    def test_but_labels_belong_together(self) -> None:
        after = self.BEFORE.changed({"node_selector": {"zone": "b"}}, self.SECRETS)
        assert after.to_json()["node_selector"] == {"zone": "b"}

    def test_has_the_values_of_the_nodes_properties(self) -> None:
        after = self.BEFORE.changed({"check_seconds": 5}, self.SECRETS)
        assert "password tomato" in render.frr_conf(after)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"secrets": {"p": "potato"}}, "properties: secrets is no key of a Router's change, which knows"),
            ({"rotues": []}, "properties: rotues is no key of a Router's change, which knows"),
            ({"routes": [{"prefix": "10.0.0.5/24"}]}, "routes[0].prefix: 10.0.0.5/24 has host bits set"),
            ({"forwarding": {"ipv5": True}}, "forwarding: ipv5 is no key of forwarding"),
            ("routes", "properties: routes is no map"),
        ],
    )
    def test_is_refused_in_a_sentence(self, changes: object, said: str) -> None:
        refusal = sentence(lambda: self.BEFORE.changed(changes, self.SECRETS))
        assert refusal.startswith(said)
        assert "potato" not in refusal
