"""A microservice's properties: 2017's defaults, what wins, and the sentence that refuses the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudify_quagga.model.microservice import ConfigFile, EnvVariable, Microservice
from tests.unit.refusals import accepted, sentence

NGINX = {"name": "nginx", "image": "nginx"}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}

# As the DSL parser hands over what the type of 2017 left to its defaults.
DEFAULTS_2017: dict[str, Any] = {
    "image": "",
    "port": -1,
    "target_port": -1,
    "protocol": "TCP",
    "replicas": 1,
    "run_overrides": "",
    "expose_overrides": "",
    "config": {},
    "config_files": [],
    "ssh_username": "",
    "ssh_password": "",
    "ssh_keyfilename": "",
    "ssh_port": 22,
    "install_docker": False,
    "install": True,
}
FULL: dict[str, Any] = {
    "name": "nginx",
    "image": "nginx:1.27",
    "port": 80,
    "target_port": 8080,
    "protocol": "UDP",
    "replicas": 3,
    "run_overrides": {"spec": {"template": {"spec": {"hostNetwork": True}}}},
    "expose_overrides": {"spec": {"type": "NodePort"}},
    "config": {},
    "config_files": [{"file": "pod.yaml", "overrides": ["['spec']['replicas']=3"]}],
    "env": {"A": "1", "B": {"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}},
    "template_variables": {"colour": "blue"},
    "namespace": "web",
    "install_docker": True,
    "install": False,
}


def refused(**properties: object) -> str:
    return sentence(lambda: Microservice.parse({**NGINX, **properties}))


def test_the_router_of_the_post() -> None:
    properties = {
        **DEFAULTS_2017,
        "name": "nginx",
        "ssh_username": "ubuntu",
        "ssh_keyfilename": "/root/.ssh/agent_key.pem",
        "config_files": [{"file": "resources/kubernetes/pod.yaml"}],
    }
    microservice = Microservice.parse(properties)
    assert microservice == Microservice("nginx", config_files=(ConfigFile("resources/kubernetes/pod.yaml"),))
    assert microservice.source == "config_files"


@pytest.mark.parametrize(
    "properties", [NGINX, {**DEFAULTS_2017, **NGINX}, {**NGINX, "env": None, "config": None}]
)
def test_what_is_left_out_has_the_defaults_of_2017(properties: Mapping[str, Any]) -> None:
    assert Microservice.parse(properties) == Microservice("nginx", "nginx")


def test_the_target_port_is_the_port_unless_it_is_said() -> None:
    assert Microservice.parse({**NGINX, "port": 80}).target_port == 80
    assert Microservice.parse({**NGINX, "port": 80, "target_port": None}).target_port == 80
    assert Microservice.parse({**NGINX, "port": "80", "target_port": "8080"}).target_port == 8080


@pytest.mark.parametrize(
    ("properties", "source"),
    [
        ({"config": POD, "config_files": ["pod.yaml"], "image": "nginx"}, "config"),
        ({"config": {}, "config_files": ["pod.yaml"], "image": "nginx"}, "config_files"),
        ({"config": {}, "config_files": [], "image": "nginx"}, "image"),
    ],
)
def test_config_wins_over_files_and_files_over_an_image(properties: dict[str, Any], source: str) -> None:
    assert Microservice.parse({"name": "nginx", **properties}).source == source


def test_the_canonical_form_stays_as_it_is() -> None:
    assert Microservice.parse(FULL).to_json() == FULL
    assert Microservice.parse(Microservice.parse(NGINX).to_json()) == Microservice.parse(NGINX)


def test_overrides_may_be_one_string() -> None:
    parsed = Microservice.parse(
        {"name": "n", "config_files": [{"file": "a.yaml", "overrides": "['x']=1"}, "b.yaml"]}
    )
    assert parsed.config_files == (ConfigFile("a.yaml", ("['x']=1",)), ConfigFile("b.yaml"))


@pytest.mark.parametrize(
    "text", ['{"spec": {"replicas": 2}}', '\'{"spec": {"replicas": 2}}\'', ' {"spec":{"replicas":2}} ']
)
def test_overrides_for_kubectl_are_json_even_in_a_shells_quotes(text: str) -> None:
    overrides = Microservice.parse({**NGINX, "run_overrides": text}).run_overrides
    assert overrides is not None
    assert overrides.data == {"spec": {"replicas": 2}}


def test_variables() -> None:
    parsed = Microservice.parse(
        {**NGINX, "env": {"ROUTES": ["10.0.0.0/24 eth1", "10.1.0.0/24 eth1"], "PORT": 80, "E": ""}}
    )
    assert [one.manifest() for one in parsed.env] == [
        {"name": "ROUTES", "value": "10.0.0.0/24 eth1,10.1.0.0/24 eth1"},
        {"name": "PORT", "value": "80"},
        {"name": "E", "value": ""},
    ]
    assert "eth1" not in repr(parsed)


def test_a_variable_may_be_found_by_the_kubelet() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    (variable,) = Microservice.parse({**NGINX, "env": {"TOKEN": {"valueFrom": source}}}).env
    assert variable.manifest() == {"name": "TOKEN", "valueFrom": source}
    assert variable != EnvVariable("TOKEN", "")


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"name": ""}, "name: '' is no name; one is needed"),
        ({"name": 7}, "name: 7 is no string; a name is meant: put it in quotes"),
        ({"name": "Nginx"}, "name: Nginx is no name of a Service: "),
        ({"name": "1nginx"}, "name: 1nginx is no name of a Service: "),
        ({"image": ""}, "image: '' is no image; without config and config_files one is needed"),
        ({"image": "ngi nx"}, "image: ngi nx is no image; "),
        ({"port": 0}, "port: 0 is out of range; a number from 1 to 65535"),
        ({"port": 65536}, "port: 65536 is out of range; a number from 1 to 65535"),
        ({"port": True}, "port: true is no whole number; one from 1 to 65535"),
        ({"port": "http"}, "port: http is a string; a number from 1 to 65535"),
        ({"target_port": 1.5}, "target_port: 1.5 is no whole number; one from 1 to 65535"),
        ({"protocol": "tcp"}, "protocol: tcp is none of TCP, UDP, SCTP"),
        ({"replicas": -1}, "replicas: -1 is out of range; a number from 0 to 2147483647"),
        ({"run_overrides": "{'a': 1}"}, "run_overrides: what is given is no JSON: Expecting property name"),
        ({"run_overrides": "[1]"}, "run_overrides: what is given is no map"),
        (
            {"run_overrides": '{"a": NaN}'},
            "run_overrides.a: what is given is a float, which JSON does not have",
        ),
        ({"run_overrides": "[" * 100_000}, "run_overrides: what is given is no JSON that can be read"),
        (
            {"expose_overrides": {"a": 1}},
            "expose_overrides: what is given changes a Service, which only a port makes",
        ),
        ({"config": "pod.yaml"}, "config: what is given is no map"),
        ({"config": {"spec": {1: 2}}}, "config.spec: 1 is a key that is no string; put it in quotes"),
        (
            {"config_files": "pod.yaml"},
            "config_files: what is given is no list; a list of {file, overrides} is meant",
        ),
        ({"config_files": [{}]}, "config_files[0]: what is given has no file; "),
        ({"config_files": [{"file": ""}]}, "config_files[0].file: what is given is not the name of a file"),
        (
            {"config_files": [{"path": "a"}]},
            "config_files[0]: path is no key of an element of config_files",
        ),
        (
            {"config_files": ["a", {"file": "b", "overrides": [1]}]},
            "config_files[1].overrides[0]: what is given is no string",
        ),
        ({"env": ["A=1"]}, "env: what is given is no map; a map of variables to values is meant"),
        (
            {"env": {"A": True}},
            "env.A: what is given is no string; the value of a variable is meant: put it in quotes",
        ),
        ({"env": {"A": None}}, "env.A: what is given is no string; the value of a variable is meant"),
        ({"env": {"A": ["a", {}]}}, "env.A[1]: what is given is no string; the value of a variable is meant"),
        (
            {"env": {"A": {"value": 1}}},
            "env.A: value is no key of a variable of env, which knows valueFrom",
        ),
        ({"env": {"1A": "x"}}, "env.1A: 1A is no name of a variable"),
        ({"template_variables": ["x"]}, "template_variables: what is given is no map"),
        ({"namespace": "Web"}, "namespace: Web is no namespace; "),
        ({"install": "yes"}, "install: yes is a string; true or false is meant, without quotes"),
    ],
)
def test_refusals(properties: dict[str, Any], said: str) -> None:
    assert refused(**properties).startswith(said)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"name": st.just("n") | ANYTHING}, optional=dict.fromkeys(FULL.keys() - {"name"}, ANYTHING)
    )
)
def test_whatever_is_said_is_parsed_or_refused_in_one_line(properties: dict[str, Any]) -> None:
    microservice = accepted(lambda: Microservice.parse(properties))
    if microservice is not None:
        assert Microservice.parse(microservice.to_json()) == microservice


@given(st.sampled_from(sorted(FULL)), ANYTHING)
def test_one_wrong_property_is_enough(name: str, value: object) -> None:
    microservice = accepted(lambda: Microservice.parse({**FULL, name: value}))
    if microservice is not None:
        assert Microservice.parse(microservice.to_json()) == microservice
