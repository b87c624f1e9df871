"""100,000 values through every parser: refused in one sentence or accepted, soon, and nothing escapes."""

from __future__ import annotations

import base64
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloudify_quagga import manifest_file, overrides, render
from cloudify_quagga.cluster import connect
from cloudify_quagga.errors import Conflict, Refused
from cloudify_quagga.model import Access, LabeledNode, Labels, Raw, Router, Secret, Secrets
from cloudify_quagga.model.master import Master
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.names import Identity
from cloudify_quagga.proxy import Inheritance
from cloudify_quagga.ssh import keys
from cloudify_quagga.ssh.environment_file import Content
from cloudify_quagga.ssh.known_hosts import HostKey, KnownHosts
from router import addressees, admission, blocks, configuration, forwarding, grammar, metrics
from router.ending import Failed as ImageFailed
from router.ending import Refused as ImageRefused
from router.suite import FRR
from tests.hostile.test_model_anything import LINES
from tests.hostile.values import one_of
from tests.unit.refusals import checked
from tests.unit.test_image_change import AT_THE_PROMPT, PLAN

EACH = 5_600
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
POD = {
    "image": "quagga:1",
    "pull_secret": "registry",
    "pull_policy": "IfNotPresent",
    "node_selector": {"role": "router"},
    "kind": "Deployment",
    "security": "capabilities",
    "check_seconds": 30,
    "metrics": {"enabled": True, "port": 9342},
}
LINES_OF_BGP = [
    "router bgp 65001",
    " neighbor 172.16.0.1 remote-as 65002",
    " neighbor 172.16.0.1 password ${bgp}",
    "exit",
]
# One letter less of `way`, and the line is a static route.
SECRETS = {"bgp": "tomato", "way": "xip", "words": "two words"}
RAW = {
    "interfaces": ["eth0"],
    "routes": ROUTES[:1],
    "raw": [*LINES_OF_BGP, "${way} route 192.0.2.0/24 172.16.0.1", "banner motd line ${words}"],
    "secrets": SECRETS,
}
RAW_AS_TEXT = {"raw": "\n".join(LINES_OF_BGP), "secrets": SECRETS}
SSH = {
    "host": "10.0.0.1",
    "username": "ubuntu",
    "port": 22,
    "key_file": "/k",
    "kubelet": {"host": "10.0.0.2"},
}
SSH_OF_2017 = {
    "ssh_username": "ubuntu",
    "ssh_keyfilename": "/root/.ssh/agent_key.pem",
    "ssh_port": 22,
    "ssh_password": "tomato",
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
BEFORE = Router.parse({**ROUTER, "raw": LINES_OF_BGP, "secrets": SECRETS})
CHANGE = {"routes": ROUTES, "raw": RAW["raw"], "forwarding": {"ipv6": True}, "check_seconds": 10}
CHANGE_OF_POD = {key: one for key, one in POD.items() if key != "node_selector"}
VARIABLES = {"INTERFACES": "eth0,eth1", "ROUTES": "10.0.0.0/24 172.16.0.1,10.10.0.0/24 172.16.0.1 eth1 20"}


IDENTITY = Identity("router", "quagga", "quagga_abc123")


def router(value: Any) -> None:
    parsed = Router.parse(value if isinstance(value, dict) else {})
    assert Router.parse(parsed.to_json()).with_secrets(parsed.secrets) == parsed
    rendered(parsed)


def rendered(parsed: Router) -> None:
    """Whatever is accepted, the daemons read the lines that were meant, of characters that they know."""
    text, typed = render.frr_conf(parsed), render.frr_conf(replace(parsed, raw=Raw()))
    assert all(one.isprintable() and "|" not in one for one in text.split("\n")), text
    assert all(one.lstrip(" ") == " ".join(one.split()) for one in text.split("\n")), text
    assert all(any(line.fullmatch(one) for line in LINES) for one in typed.splitlines()), typed
    own = [revealed(line, parsed.secrets) for line in parsed.raw.lines]
    *before, end = unmarked(typed.splitlines())
    assert unmarked(text.split("\n")) == [*before, *unmarked(own), end, ""], text
    understood = configuration.parse(text)
    assert understood.hash == render.config_hash(text)
    # Lines of the author's own, and what was hidden in them, bring no route and no interface.
    assert replace(understood, text="") == replace(configuration.parse(typed), text="")


def unmarked(lines: Sequence[str]) -> list[str]:
    """Without the marks behind blocks."""
    return [line for line in lines if line != "!"]


def revealed(line: str, known: Secrets) -> str:
    """The line as it was written, with nothing but the values in the places of their names."""
    return re.sub(r"\$\{(.*?)\}", lambda found: known.reveal(found[1]), line)


def secrets(value: Any) -> None:
    router({**RAW, "secrets": value})


def pod(value: Any) -> None:
    parsed = Router.parse(value if isinstance(value, dict) else {})
    objects = json.dumps(render.objects(parsed, IDENTITY), allow_nan=False)
    assert Router.parse(parsed.to_json()) == parsed
    assert objects.isprintable()


def change(value: Any) -> None:
    rendered(BEFORE.changed(value, BEFORE.secrets))


def environment(value: Any) -> None:
    told = {key: one for key, one in value.items() if isinstance(one, str)} if isinstance(value, dict) else {}
    text = configuration.parse_environment(told, False).text
    assert all(any(line.fullmatch(one) for line in LINES) for one in text.splitlines()), text


def settings(value: Any) -> None:
    told = {key: one for key, one in value.items() if isinstance(one, str)} if isinstance(value, dict) else {}
    assert 1 <= admission.check_seconds(told) <= 3600
    offered = metrics.endpoint(told)
    assert offered is None or 1 <= offered.port <= 65535


def route(value: Any) -> None:
    parsed = grammar.parse_route("ROUTES[0]", str(value))
    assert re.fullmatch(r"(ip|ipv6) route [0-9a-f.:/]+ [\w.:@ -]+", parsed.line), parsed.line


# As the alias of `lo` keeps them.
ALIASES = [
    "quagga-router before: 4=1/eth0:0/br-lan.5:0 6=0 alias to the servers",
    "quagga-router before: 4=0",
    "quagga-router before: 6=0/all:1/default:1/eth0:1",
]


def before(value: Any) -> None:
    """What is remembered is kept when it is written again."""
    found = forwarding.parse_before(str(value))
    if found is None:
        raise ImageRefused("somebody else's")
    again = forwarding.parse_before(found.text)
    assert again is not None
    assert again.alias == found.alias
    assert again.families.keys() == found.families.keys() <= {4, 6}
    for version, values in found.families.items():
        kept = again.families[version]
        assert {name: kept.get(name, kept["all"]) for name in values} == values


def plan(value: Any) -> None:
    """Nothing is given or taken back that was not printed, and nothing empty."""
    printed = str(value)
    read = blocks.read_plan(printed)
    lines = [line.strip() for line in printed.split("\n")]
    commands = [*(line for words in read.away for line in words), *(line.strip() for line in read.new)]
    assert all(read.away)
    assert all(line and line in lines for line in commands), printed


TYPED = [(7, "interface eth1"), (8, " vrrp 1"), (9, " ip ospf cost 1"), (10, "exit"), (10, "configure")]


def addressed(value: Any) -> None:
    lines = [(0, "configure"), *TYPED]
    found = addressees.read(lines, str(value))
    assert {(one.number, one.line) for one in found} <= {(number, line.strip()) for number, line in lines}
    FRR.refuse_unserved("", found)


KUBECONFIG = Path(__file__).with_name("kubeconfig.yaml")
KEY = (
    Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIE5DKqpMbAYmVJ4kvmJ5vNlnGZ5wKmCFTQfHqPyY2Jcu"
LABELS_OF_THE_KUBELET = {"role": "router"}
# What a tag promises, its text need not keep.
TAGS = """
x-told: [!!bool yes, !!int 12, !!int 0b1, !!float 1.5, !!timestamp 2001-12-14, !!binary aGk=, !!null ~]
x-more: {a: &a {b: !!str 1, "c\\U0001F600": 'd'}, e: {<<: *a}}
x-rare: [!!set {g}, !!omap [i: 1], !!pairs [k: 1]]
"""
KUBELET_FILES = [
    'OTHER=1\nKUBELET_EXTRA_ARGS="--v=1 --node-labels=a=b"\n',
    str(Content.parse("KUBELET_EXTRA_ARGS=--v=1\n", "f").with_labels({"zone": "a"}, "f").text()),
]


def kubeconfig(value: Any) -> None:
    connect(
        Access(content=Secret(str(value)), said_at="client_config.configuration.file_content"), _nothing, str
    )


def _nothing(_: str) -> bytes:
    raise AssertionError("a kubeconfig that is a text is no file of the blueprint")


def private_key(value: Any) -> None:
    told = value if isinstance(value, dict) else {"key_content": str(value)}
    keys.private_key(Ssh.parse({"username": "ubuntu", **told}, host="10.0.0.1"))


def kubeconfig_file(value: Any) -> None:
    connect(Access(file=str(value), said_at="client_config.configuration.manager_file_path"), _nothing, str)


def known_hosts(value: Any) -> None:
    known = KnownHosts(Ssh.parse({**SSH, "known_hosts": str(value)}, host="10.0.0.1"))
    known.check(HostKey("ssh-ed25519", base64.b64decode(HOST_KEY)))


def kubelet_file(value: Any) -> None:
    """What was there before us comes back to the last byte, whatever it was."""
    before = Content.parse(str(value), "f")
    text = before.with_labels(LABELS_OF_THE_KUBELET, "f").text()
    assert Content.parse(text, "f").without_labels(LABELS_OF_THE_KUBELET).text() == before.text()


PARSERS: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
    "router": (router, [ROUTER]),
    "raw": (router, [RAW, RAW_AS_TEXT]),
    "secrets": (secrets, [SECRETS]),
    "pod": (pod, [POD]),
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
    "ssh of 2017": (
        lambda value: Ssh.from_properties(value if isinstance(value, dict) else {}, host="10.0.0.1"),
        [SSH_OF_2017, {**SSH_OF_2017, "ssh": SSH}],
    ),
    "master": (
        lambda value: Master.parse(str(value), "url"),
        ["https://[fd00::1]:6443/path", "http://m:8080"],
    ),
    "microservice": (lambda value: Microservice.parse(value if isinstance(value, dict) else {}), [SERVICE]),
    "overrides": (lambda value: overrides.parse_all("overrides", [str(value)]), OVERRIDES),
    "kubeconfig": (kubeconfig, [KUBECONFIG.read_text(), KUBECONFIG.read_text() + TAGS]),
    "kubeconfig's path": (kubeconfig_file, [str(KUBECONFIG), str(KUBECONFIG), "~/.kube/config", "/dev/null"]),
    "private key": (private_key, [{"key_content": KEY}, {"key_content": KEY}, {"key_file": "/k"}]),
    "known_hosts": (
        known_hosts,
        [f"10.0.0.1,[m]:2222 ssh-ed25519 {HOST_KEY} me", f"* ssh-ed25519 {HOST_KEY}"],
    ),
    "kubelet's file": (kubelet_file, KUBELET_FILES),
    "deployment proxy": (
        lambda value: Inheritance.parse(value if isinstance(value, dict) else {}),
        [{"deployment_id": "c", "inherit_outputs": ["a", "b"], "inherit_inputs": True, "timeout": 900}],
    ),
    "change": (change, [CHANGE, CHANGE_OF_POD]),
    "manifest file": (lambda value: manifest_file.documents("f", str(value)), [FILE, FILE + TAGS]),
}
OF_THE_IMAGE: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
    "environment": (environment, [VARIABLES]),
    "route": (
        route,
        ["10.0.0.0/24 172.16.0.1 eth1 20", "2001:db8::/48 fe80::1 eth0", "10.0.0.0/8 blackhole"],
    ),
    "configuration": (lambda value: configuration.parse(str(value)), [CONF]),
    "settings": (
        settings,
        [{"QUAGGA_CHECK_SECONDS": "30", "QUAGGA_METRICS_PORT": "9342", "QUAGGA_METRICS_ADDRESS": "fd00::1"}],
    ),
    "alias of lo": (before, ALIASES),
    "plan": (plan, [PLAN]),
    "addressees": (addressed, [AT_THE_PROMPT]),
}
# There is nothing that it could refuse: what is printed holds commands, or none.
TAKES_ANYTHING = {"plan"}
EVERYTHING = {**PARSERS, **OF_THE_IMAGE}


def test_it_is_a_hundred_thousand() -> None:
    assert EACH * len(PARSERS) >= 100_000


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the certificates that the kubernetes client writes down."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


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
        except (ImageRefused, ImageFailed, Conflict) as error:
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
    assert name in TAKES_ANYTHING or 0.05 * EACH < refused < 0.995 * EACH
