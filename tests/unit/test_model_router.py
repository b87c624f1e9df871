"""A router's properties as a whole: defaults, refusals, and what the guard keeps off."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest

from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Forwarding, GuardPrefixes, Interface, NextHop, Route, Router
from tests.unit.refusals import sentence

CANONICAL: dict[str, Any] = {
    "image": "quagga",
    "pull_secret": None,
    "pull_policy": None,
    "node_selector": {"role": "router"},
    "kind": "DaemonSet",
    "interfaces": ["eth0", {"name": "eth1", "description": "to the servers"}],
    "routes": [
        {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"},
        {"prefix": "10.10.0.0/24", "next_hops": ["172.16.0.1", "172.16.0.2"], "distance": 10},
        {"prefix": "192.0.2.0/24", "blackhole": True},
        {"prefix": "2001:db8::/48", "interface": "eth1"},
    ],
    "forwarding": {"ipv4": True, "ipv6": False},
    "guard_prefixes": {"allow": []},
    "raw": ["router ospf", " redistribute static", "exit"],
    "secrets": {},
    "check_seconds": 30,
    "metrics": {"enabled": False, "port": 9342},
    "security": "privileged",
    "namespace": "default",
}


class Wrapped(dict[str, Any]):
    """Node properties come as a subclass of dict."""


def test_the_canonical_form_stays_as_it_is() -> None:
    assert Router.parse(CANONICAL).to_json() == CANONICAL


def test_everything_has_a_default() -> None:
    assert Router.parse({}) == Router()
    assert Router.parse(Router().to_json()) == Router()


def test_what_cloudify_hands_over_is_parsed() -> None:
    properties = Wrapped(
        routes=[OrderedDict(prefix="10.0.0.0/24", next_hop="172.16.0.1")],
        interfaces=("eth0",),
        forwarding=Wrapped(ipv6=True),
        guard_prefixes=Wrapped(allow=["10.0.0.0/24"]),
        client_config=Wrapped(),
        pull_secret="",
        pull_policy="",
        node_selector={},
    )
    assert Router.parse(properties) == Router(
        routes=(Route("10.0.0.0/24", (NextHop("172.16.0.1"),)),),
        interfaces=(Interface("eth0"),),
        forwarding=Forwarding(ipv4=True, ipv6=True),
        guard_prefixes=GuardPrefixes(("10.0.0.0/24",)),
    )


@pytest.mark.parametrize(
    "image",
    [
        "quagga",
        "quagga:1.0",
        "net/quagga",
        "localhost/quagga",
        "localhost:5000/quagga",
        "10.200.0.1:5000/library/quagga:latest",
        "[fd00::1]:5000/quagga",
        "Registry.Example/a_b/c__d.e-f--g:V1_2",
        "quagga@sha256:" + "0" * 64,
    ],
)
def test_an_image_is_accepted(image: str) -> None:
    assert Router.parse({"image": image}).image == image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "Quagga",
        "quagga:",
        "quagga latest",
        "http://r/quagga",
        "r.example/",
        "a//b",
        "Net/quagga",
        "quagga\n",
        "quagga@sha256:0",
        "quagga:" + "a" * 129,
        "a" * 256,
        "-q",
        "q_",
        "$(reboot)",
        "r.example:x/q",
    ],
)
def test_an_image_is_refused(image: str) -> None:
    refusal = sentence(lambda: Router.parse({"image": image}))
    assert refusal.startswith("image: ")
    assert refusal.endswith("is no image; quagga or registry.example:5000/net/quagga:1.0 would be one")


@pytest.mark.parametrize(
    ("properties", "refusal"),
    [
        ({"kind": "Daemonset"}, "kind: Daemonset is none of DaemonSet, Deployment, Pod"),
        ({"kind": None}, "kind: null is none of DaemonSet, Deployment, Pod"),
        ({"security": "none"}, "security: none is none of privileged, capabilities"),
        ({"security": True}, "security: true is none of privileged, capabilities"),
        ({"pull_policy": "always"}, "pull_policy: always is none of Always, IfNotPresent, Never"),
        ({"pull_secret": "My_Secret"}, "pull_secret: My_Secret is no name of a Secret; lower-case letters"),
        ({"pull_secret": 5}, "pull_secret: 5 is no string; the name of a Secret is meant: put it in quotes"),
        ({"namespace": "Default"}, "namespace: Default is no namespace; lower-case letters"),
        ({"namespace": "a.b"}, "namespace: a.b is no namespace"),
        ({"namespace": "a" * 64}, "is no namespace"),
        ({"namespace": ""}, "namespace: '' is no namespace"),
        ({"namespace": None}, "namespace: null is no string; a namespace is meant"),
        ({"image": None}, "image: null is no string; an image is meant"),
        (
            {"node_selector": {"role": 1}},
            "node_selector.role: 1 is no string; a label's value is meant: put it in",
        ),
        ({"node_selector": "role=router"}, "node_selector: role=router is no map"),
        ({"interfaces": "eth0,eth1"}, "interfaces: eth0,eth1 is no list; a list of interfaces is meant"),
        ({"interfaces": None}, "interfaces: null is no list; a list of interfaces is meant"),
        (
            {"interfaces": ["eth0", {"name": "eth0"}]},
            "interfaces[1]: eth0 is interfaces[0] too; name it once",
        ),
        ({"routes": None}, "routes: null is no list; a list of routes is meant"),
        ({"routes": {}}, "routes: {} is no list; a list of routes is meant"),
        (
            {"routes": [CANONICAL["routes"][0], {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.2"}]},
            "routes[1].prefix: 10.0.0.0/24 is the prefix of routes[0] too; "
            "several next hops of one are said by next_hops",
        ),
        (
            {
                "routes": [
                    {"prefix": "2001:db8::/32", "blackhole": True},
                    {"prefix": "2001:DB8:0::/32", "interface": "eth0"},
                ]
            },
            "routes[1].prefix: 2001:db8::/32 is the prefix of routes[0] too",
        ),
        ({"forwarding": {"ip4": True}}, "forwarding: ip4 is no key of forwarding, which knows ipv4, ipv6"),
        (
            {"forwarding": {"ipv4": "true"}},
            "forwarding.ipv4: true is a string; true or false is meant, without",
        ),
        ({"forwarding": True}, "forwarding: true is no map; forwarding is meant"),
        (
            {"guard_prefixes": {"deny": []}},
            "guard_prefixes: deny is no key of guard_prefixes, which knows allow",
        ),
        ({"guard_prefixes": {"allow": "0.0.0.0/0"}}, "guard_prefixes.allow: 0.0.0.0/0 is no list; a list of"),
        (
            {"guard_prefixes": {"allow": ["10.0.0.1/8"]}},
            "guard_prefixes.allow[0]: 10.0.0.1/8 has host bits set; 10.",
        ),
    ],
)
def test_a_router_is_refused(properties: dict[str, Any], refusal: str) -> None:
    assert refusal in sentence(lambda: Router.parse(properties))


PROTECTED = [
    ("10.200.0.11", "node1"),
    ("fd00:200::11", "node1"),
    ("10.244.0.0/24", "the pods of node1"),
    ("10.96.0.1", "the API server"),
]


def guarded(*prefixes: str, allow: tuple[str, ...] = ()) -> None:
    routes = [{"prefix": prefix, "blackhole": True} for prefix in prefixes]
    Router.parse({"routes": routes, "guard_prefixes": {"allow": list(allow)}}).guard(PROTECTED)


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("0.0.0.0/0", "is the default route of the node"),
        ("::/0", "is the default route of the node"),
        ("10.200.0.11/32", "would draw away the packets to node1 (10.200.0.11/32)"),
        ("10.200.0.0/24", "would draw away the packets to node1 (10.200.0.11/32)"),
        ("10.0.0.0/8", "would draw away the packets to node1 (10.200.0.11/32)"),
        ("0.0.0.0/1", "would draw away the packets to node1 (10.200.0.11/32)"),
        ("fd00:200::/64", "would draw away the packets to node1 (fd00:200::11/128)"),
        ("10.244.0.128/25", "would draw away the packets to the pods of node1 (10.244.0.0/24)"),
        ("10.96.0.0/16", "would draw away the packets to the API server (10.96.0.1/32)"),
    ],
)
def test_the_guard_refuses_what_would_cut_off_the_cluster(prefix: str, why: str) -> None:
    refusal = sentence(lambda: guarded("192.0.2.0/24", prefix))
    remedy = f'if that is meant, say guard_prefixes: {{allow: ["{prefix}"]}}'
    assert refusal == f"routes[1].prefix: {prefix} {why}; {remedy}"
    guarded("192.0.2.0/24", prefix, allow=(prefix,))


def test_the_guard_lets_other_routes_pass() -> None:
    guarded("10.0.0.0/24", "10.200.0.12/32", "10.244.1.0/24", "2001:db8::/48")


def test_allowing_one_prefix_allows_no_other() -> None:
    with pytest.raises(Refused):
        guarded("10.200.0.0/24", allow=("0.0.0.0/0", "10.200.0.0/16", "10.200.0.0/25"))
