"""Whatever a blueprint says is refused in one sentence, or rendered to lines that say what was meant.

The image's supervisor reads the same lines, and has to understand them as the plugin means them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from cloudify_quagga import render
from cloudify_quagga.model import Access, LabeledNode, Labels, Router
from cloudify_quagga.model.microservice import Microservice
from router import configuration, grammar
from tests.unit.refusals import accepted, sentence

Version = Literal[4, 6]

# A busy machine is no judge of speed.
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=30)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)


def strained(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is meant, sometimes with something stuck into it, sometimes anything."""
    stuck = st.sampled_from(
        ["", " ", "\n", "!", "\nip route 0.0.0.0/0 1.1.1.1", "|", "'", "/", "%eth0", "0", "\x00", "é"]
    )
    spoilt = st.builds(lambda text, more: f"{text}{more}" if isinstance(text, str) else text, right, stuck)
    # One in so many, or no whole router would ever be right.
    return st.integers(0, 19).flatmap(lambda n: {0: ANYTHING, 1: spoilt}.get(n, right))


def maps(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={key: strained(value) for key, value in fields.items()})


def prefixes(version: Version) -> st.SearchStrategy[str]:
    def of(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> st.SearchStrategy[str]:
        lengths = st.integers(0, address.max_prefixlen)
        return lengths.map(lambda length: str(ipaddress.ip_network((address, length), strict=False)))

    return st.ip_addresses(v=version).flatmap(of)


def addresses(version: Version) -> st.SearchStrategy[str]:
    """Neighbours of all sorts, the special ones often enough."""
    special = {4: ["172.16.0.1", "169.254.1.1"], 6: ["fd00::1", "fe80::1"]}
    return st.ip_addresses(v=version).map(str) | st.sampled_from(special[version])


PREFIXES = prefixes(4) | prefixes(6) | st.sampled_from(["10.0.0.5/24", "2001:DB8::/32", "fe80::/64"])
ADDRESSES = (
    addresses(4)
    | addresses(6)
    | st.sampled_from(["172.16.0.1", "169.254.1.1", "fe80::1", "fd00::1", "::ffff:1.2.3.4"])
)
GOOD_NAMES = st.sampled_from(["eth0", "eth1", "eth10", "br-lan.5", "bond0", "abcdefghijklmno"])
NAMES = GOOD_NAMES | st.sampled_from(["b", "null0", "10"]) | st.text(max_size=17)
DISTANCES = st.integers(1, 254)
WORDS = st.sampled_from(["exit", "end", "! x", "# y", "  the  servers ", '"', "ip route 0.0.0.0/0 1.1.1.1"])
DESCRIPTIONS = st.text(max_size=40) | WORDS

RAW_LINES = st.sampled_from(
    [
        "router ospf",
        "  redistribute static",
        " network 10.0.0.0/8 area 0",
        "exit",
        "! x",
        "",
        "ip prefix-list a seq 5 permit any",
        "i r 10.0.0.0/8 1.1.1.1",
        "no ip forwarding",
        " neighbor 10.0.0.1 password ${one}",
        "${other}",
        "int eth0",
    ]
) | st.text(max_size=20)

ANY_ROUTES = maps(
    prefix=PREFIXES,
    next_hop=ADDRESSES,
    next_hops=st.lists(ADDRESSES | maps(next_hop=ADDRESSES, interface=NAMES), max_size=3),
    interface=NAMES,
    blackhole=st.booleans(),
    distance=DISTANCES,
)
ROUTERS = maps(
    image=st.sampled_from(["quagga", "r.example/q:1"]),
    pull_secret=st.sampled_from(["", "registry"]),
    pull_policy=st.sampled_from(["Always", "Never"]),
    node_selector=st.just({"role": "router"}),
    kind=st.sampled_from(["DaemonSet", "Deployment", "Pod"]),
    interfaces=st.lists(strained(NAMES | maps(name=NAMES, description=DESCRIPTIONS)), max_size=3),
    routes=st.lists(strained(ANY_ROUTES), max_size=2),
    forwarding=maps(ipv4=st.booleans(), ipv6=st.booleans()),
    guard_prefixes=maps(allow=st.lists(PREFIXES, max_size=2)),
    raw=st.lists(strained(RAW_LINES), max_size=4) | st.lists(RAW_LINES).map("\n".join),
    secrets=maps(one=st.just("tomato"), other=st.text(max_size=12)),
    check_seconds=st.integers(1, 3600),
    metrics=maps(enabled=st.booleans(), port=st.integers(1, 65535)),
    security=st.sampled_from(["privileged", "capabilities"]),
    namespace=st.sampled_from(["default", "net"]),
)


def right_routes(version: Version) -> st.SearchStrategy[dict[str, Any]]:
    """Routes that have a fair chance: an address may still be, say, multicast."""
    address, name = addresses(version), GOOD_NAMES
    hop = st.fixed_dictionaries({"interface": name}, optional={"next_hop": address})
    hops = st.lists(address | hop, min_size=1, max_size=4).map(lambda some: {"next_hops": some})
    way = hop | hops | address.map(lambda one: {"next_hop": one}) | st.just({"blackhole": True})
    route = st.fixed_dictionaries({"prefix": prefixes(version)}, optional={"distance": DISTANCES})
    return st.builds(lambda one, other: {**one, **other}, route, way)


RIGHT_ROUTERS = st.fixed_dictionaries(
    {
        "routes": st.lists(right_routes(4) | right_routes(6), min_size=1, max_size=5),
        "interfaces": st.lists(
            st.fixed_dictionaries({"name": GOOD_NAMES}, optional={"description": DESCRIPTIONS}), max_size=2
        ),
        "forwarding": st.fixed_dictionaries({"ipv4": st.booleans(), "ipv6": st.booleans()}),
        "raw": st.lists(st.sampled_from(["router ospf", " redistribute static", "exit", "! x", "a ${one}"])),
        "secrets": st.just({"one": "tomato"}),
    }
)

V4 = r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+"
V6 = r"[0-9a-f:]*:[0-9a-f:]*"
INTERFACE = r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}"
LINES = [
    re.compile(line)
    for line in (
        r"frr defaults traditional",
        r"log stdout",
        r"(no )?ip(v6)? forwarding",
        r"service integrated-vtysh-config",
        r"!",
        rf"ip route {V4}/[0-9]+ (blackhole|{V4}|{INTERFACE}|{V4} {INTERFACE})( [0-9]+)?",
        rf"ipv6 route {V6}/[0-9]+ (blackhole|{V6}|{INTERFACE}|{V6} {INTERFACE})( [0-9]+)?",
        rf"interface {INTERFACE}",
        r" description [^ |][^|]*",
        r"exit",
        r"end",
    )
]


def read_back(line: str) -> tuple[str, str | None, str | None, int]:
    """Prefix, address, interface and distance, as a reader of frr.conf takes them."""
    _, _, prefix, *words = line.split(" ")
    distance = int(words.pop()) if len(words) > 1 and words[-1].isdigit() else 1
    address = words.pop(0) if re.fullmatch(rf"{V4}|{V6}", words[0]) else None
    return prefix, address, words[0] if words else None, distance


def hop_of(route: grammar.Route) -> tuple[str | None, str | None]:
    """Address and interface, as `read_back` has them."""
    if route.blackhole:
        return None, "blackhole"
    return str(route.next_hop) if route.next_hop else None, route.interface


def meant(router: Router) -> set[tuple[str, str | None, str | None, int]]:
    """The same, of the model."""
    ways = {(r.prefix, hop.address, hop.interface, r.distance) for r in router.routes for hop in r.hops}
    return ways | {(r.prefix, None, "blackhole", r.distance) for r in router.routes if r.blackhole}


@settings(QUICK, max_examples=300)
@given(RIGHT_ROUTERS | ROUTERS)
def test_a_router_is_refused_in_a_sentence_or_rendered_as_meant(properties: dict[str, Any]) -> None:
    router = accepted(lambda: Router.parse(properties))
    event("refused" if router is None else f"{len(router.routes)} routes")
    if router is None:
        return
    assert Router.parse(router.to_json()).with_secrets(router.secrets) == router
    assert "tomato" not in repr(router)
    text = accepted(lambda: render.frr_conf(router))
    if text is None:
        return
    lines = text.splitlines()
    assert text == "\n".join(lines) + "\n"
    raw = router.raw.revealed(router.secrets.reveal)
    assert all(one in raw or any(line.fullmatch(one) for line in LINES) for one in lines), text
    routes = [line for line in lines if line.startswith(("ip route ", "ipv6 route "))]
    assert sorted(map(repr, map(read_back, routes))) == sorted(map(repr, meant(router)))
    understood = configuration.parse(text)
    assert {(str(r.prefix), *hop_of(r), r.distance) for r in understood.routes} == meant(router)
    assert understood.forwarding == {4: router.forwarding.ipv4, 6: router.forwarding.ipv6}
    assert understood.interfaces.keys() >= {interface.name for interface in router.interfaces}
    assert understood.hash == render.config_hash(text)
    blocks = [line.removeprefix("interface ") for line in lines if line.startswith("interface ")]
    assert sorted(blocks) == sorted(interface.name for interface in router.interfaces)


@QUICK
@given(st.dictionaries(st.sampled_from(list(Router().to_json())), ANYTHING, max_size=2))
def test_anything_is_refused_in_a_sentence_or_parsed(properties: dict[str, Any]) -> None:
    router = accepted(lambda: Router.parse(properties))
    assert router is None or Router.parse(router.to_json()).to_json() == router.to_json()


@QUICK
@given(ANYTHING | st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_labels_are_refused_in_a_sentence_or_parsed(value: object) -> None:
    labels = accepted(lambda: Labels.parse(value))
    assert labels is None or Labels.parse(labels.to_json()) == labels


@QUICK
@given(st.fixed_dictionaries({"labels": st.just({"a": "b"})}, optional={"node": ADDRESSES | ANYTHING}))
def test_a_labeled_node_is_refused_in_a_sentence_or_parsed(properties: dict[str, Any]) -> None:
    node = accepted(lambda: LabeledNode.parse(properties))
    assert node is None or LabeledNode.parse(node.to_json()) == node


API_OPTIONS = maps(
    host=st.just("https://10.0.0.1:6443") | st.text(max_size=20).map(lambda rest: f"https://{rest}"),
    verify_ssl=st.booleans(),
    api_key=st.just("topsecret"),
    key_file=st.just("topsecret"),
    cert_file=st.just("/c"),
)
CONFIGURATIONS = maps(
    manager_file_path=st.just("/k"), file_content=st.just("topsecret"), api_options=API_OPTIONS
)


@QUICK
@given(ANYTHING | maps(configuration=CONFIGURATIONS, context=st.text(max_size=5), in_cluster=st.booleans()))
def test_an_access_is_refused_in_a_sentence_or_parsed(value: object) -> None:
    access = accepted(lambda: Access.parse(value))
    assert access is None or "topsecret" not in repr(access)
    accepted(lambda: Access.from_info(value))


# Python itself writes no number of so many digits.
LARGE = 1 << 20000


@pytest.mark.parametrize(
    "parse",
    [
        lambda: Router.parse({"image": LARGE}),
        lambda: Router.parse({"check_seconds": -LARGE}),
        lambda: Router.parse({"node_selector": {"a": LARGE}}),
        lambda: Router.parse({"routes": [{"prefix": LARGE, "distance": LARGE}]}),
        lambda: Router.parse({"raw": [LARGE]}),
        lambda: Router.parse({"secrets": {"a": LARGE}}),
        lambda: Labels.parse({LARGE: "a"}),
        lambda: LabeledNode.parse({"node": LARGE, "labels": {"a": "b"}}),
        lambda: Access.parse({"configuration": {"api_options": {"host": LARGE}}}),
        lambda: Access.from_info({"url": LARGE}),
        lambda: Microservice.parse({"name": "x", "image": "y", "replicas": LARGE}),
        lambda: Microservice.parse({"name": "x", "image": "y", "env": {"A": LARGE}}),
        lambda: Microservice.parse({"name": "x", "config": {"a": LARGE}}),
        lambda: Microservice.parse({"name": "x", "config": {LARGE: "a"}}),
    ],
)
def test_a_number_that_nobody_can_write_is_refused(parse: Callable[[], object]) -> None:
    sentence(parse)
