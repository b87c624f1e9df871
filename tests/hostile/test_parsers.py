"""100,000 values through every parser: refused in one sentence or accepted, soon, and nothing escapes."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cloudify_quagga import manifest_file, overrides, render
from cloudify_quagga.errors import Refused
from cloudify_quagga.model import Access, LabeledNode, Labels, Router
from cloudify_quagga.model.master import Master
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.model.ssh import Ssh
from router import configuration, grammar
from router.ending import Refused as ImageRefused
from tests.hostile.values import one_of
from tests.unit.refusals import checked
from tests.unit.test_model_anything import LINES

EACH = 9_100
LONGEST = 2.0
"""Seconds for one value; a quick machine takes a thousandth of it."""

ROUTES = [
    {"prefix": "10.0.0.0/24", "next_hop": "172.16.0.1"},
    {"prefix": "10.10.0.0/24", "next_hops": ["172.16.0.1", {"next_hop": "172.16.0.2", "interface": "eth1"}]},
    {"prefix": "192.0.2.0/24", "blackhole": True, "distance": 10},
    {"prefix": "2001:db8::/48", "next_hop": "fe80::1", "interface": "eth1"},
]
ROUTER = {
    "image": "registry.example.com:5000/net/quagga:1",
    "node_selector": {"role": "router"},
    "interfaces": ["eth0", {"name": "eth1", "description": "to the servers"}],
    "routes": ROUTES,
    "forwarding": {"ipv4": True, "ipv6": False},
    "namespace": "default",
    "guard_prefixes": {"allow": ["0.0.0.0/0"]},
}
RAW = {"raw": ["router ospf", " network 172.16.0.0/24 area 0", "exit", "router bgp 65001"], **ROUTER}
SSH = {
    "host": "10.0.0.1",
    "username": "ubuntu",
    "port": 22,
    "key_file": "/k",
    "kubelet": {"host": "10.0.0.2"},
}
CONFIG = {"configuration": {"manager_file_path": "/etc/kubeconfig"}, "context": "admin"}
API = {"configuration": {"api_options": {"host": "https://10.0.0.1:6443", "api_key": "x"}}}
SERVICE = {
    "name": "nginx",
    "image": "nginx:1",
    "port": 80,
    "config_files": [{"file": "pod.yaml", "overrides": ["['spec']['replicas']=3"]}],
    "env": {"INTERFACES": "eth0"},
}
OVERRIDES = [
    "['spec']['template']['spec']['containers'][0]['image']=\"x\"",
    "['metadata']['name'] = '@{node, prop, nested}'",
    "['a'][0]={'b': [1, 2.5, true, None, '%{node.id}']}",
]
FILE = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: x, labels: &a {b: c}}\nspec: {<<: *a, n: 0x1f, t: 12:30}\n"
)
CONF = render.frr_conf(Router.parse(ROUTER))
VARIABLES = {"INTERFACES": "eth0,eth1", "ROUTES": "10.0.0.0/24 172.16.0.1,10.10.0.0/24 172.16.0.1 eth1 20"}


def router(value: Any) -> None:
    parsed = Router.parse(value if isinstance(value, dict) else {})
    assert Router.parse(parsed.to_json()) == parsed
    text = render.frr_conf(parsed)
    understood = configuration.parse(text)
    assert understood.hash == render.config_hash(text)
    if not parsed.raw.lines:
        lines = text.splitlines()
        assert text == "\n".join(lines) + "\n"
        assert all(any(line.fullmatch(one) for line in LINES) for one in lines), text
    # Whatever is accepted, the daemons read as many lines as we have written, in characters that they know.
    assert all(one.isprintable() for one in text.split("\n")), text


def environment(value: Any) -> None:
    told = {key: one for key, one in value.items() if isinstance(one, str)} if isinstance(value, dict) else {}
    text = configuration.parse_environment(told, False).text
    assert all(any(line.fullmatch(one) for line in LINES) for one in text.splitlines()), text


def route(value: Any) -> None:
    parsed = grammar.parse_route("ROUTES[0]", str(value))
    assert re.fullmatch(r"(ip|ipv6) route [0-9a-f.:/]+ [\w.:@ -]+", parsed.line), parsed.line


PARSERS: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
    "router": (router, [ROUTER]),
    "raw": (router, [RAW]),
    "labels": (Labels.parse, [{"role": "router", "example.com/zone": "a.b-c_d"}, [{"role": "router"}]]),
    "labeled node": (
        lambda value: LabeledNode.parse(value if isinstance(value, dict) else {}),
        [{"node": "node1", "labels": {"role": "router"}}, {"node": "10.200.0.11", "labels": [{"a": "b"}]}],
    ),
    "access": (Access.parse, [CONFIG, API]),
    "info": (Access.from_info, [{"url": "https://10.0.0.1:6443", "ca_cert": "x", "token_secret": "y"}]),
    "ssh": (
        lambda value: Ssh.parse(value, host="10.0.0.1"),
        [SSH, {**SSH, "known_hosts": "a ssh-ed25519 b"}],
    ),
    "master": (
        lambda value: Master.parse(str(value), "url"),
        ["https://[fd00::1]:6443/path", "http://m:8080"],
    ),
    "microservice": (lambda value: Microservice.parse(value if isinstance(value, dict) else {}), [SERVICE]),
    "overrides": (lambda value: overrides.parse_all("overrides", [str(value)]), OVERRIDES),
    "manifest file": (lambda value: manifest_file.documents("f", str(value)), [FILE]),
}
OF_THE_IMAGE: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
    "environment": (environment, [VARIABLES]),
    "route": (
        route,
        ["10.0.0.0/24 172.16.0.1 eth1 20", "2001:db8::/48 fe80::1 eth0", "10.0.0.0/8 blackhole"],
    ),
    "configuration": (lambda value: configuration.parse(str(value)), [CONF]),
}
EVERYTHING = {**PARSERS, **OF_THE_IMAGE}


def test_it_is_a_hundred_thousand() -> None:
    assert EACH * len(PARSERS) >= 100_000


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_value_is_refused_in_a_sentence_or_accepted(name: str) -> None:
    parse, rights = EVERYTHING[name]
    chance = random.Random(name)
    refused = 0
    for _ in range(EACH):
        value = one_of(chance, rights)
        began = time.perf_counter()
        try:
            parse(value)
        except Refused as error:
            checked(error)
            refused += 1
        except ImageRefused as error:
            text = str(error)
            assert "\n" not in text
            assert len(text) < 1000
            refused += 1
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"{name}: {value!r}") from error
        assert time.perf_counter() - began < LONGEST, repr(value)[:200]
    # Both happen, or it would be no test of either.
    assert 0.05 * EACH < refused < 0.995 * EACH
