"""Ways to a cluster: what is accepted, what is refused, and that no secret shows itself."""

from __future__ import annotations

from typing import Any

import pytest

from cloudify_quagga.model import Access, Api, Secret
from tests.unit.refusals import sentence

HOST = "https://10.0.0.1:6443"


def configured(**way: object) -> Access:
    return Access.parse({"configuration": way})


@pytest.mark.parametrize(
    "nothing", [None, {}, "", {"configuration": {}}, {"configuration": {"file_content": ""}}]
)
def test_an_input_that_was_not_filled_in_says_nothing(nothing: object) -> None:
    assert not Access.parse(nothing).known


def test_every_way_is_known() -> None:
    ways = [
        configured(blueprint_file_name="resources/kubeconfig"),
        configured(manager_file_path="/etc/kubeconfig", file_content="", api_options={}),
        configured(file_content="apiVersion: v1"),
        configured(api_options={"host": HOST}),
        Access.parse({"in_cluster": True}),
        Access.from_info({"url": "http://10.0.0.1:8080"}),
        Access.from_info({"kubeconfig": "/etc/kubeconfig"}),
    ]
    assert all(way.known for way in ways)
    assert ways[0].blueprint_file == "resources/kubeconfig"
    assert ways[1].file == "/etc/kubeconfig"
    assert ways[1].said_at == "client_config.configuration.manager_file_path"
    assert ways[2].content == Secret("apiVersion: v1")
    assert ways[6].said_at == "kubernetes_info.kubeconfig"


def test_api_options_are_those_of_the_official_plugin() -> None:
    access = configured(
        api_options={
            "host": HOST + "/",
            "ssl_ca_cert": "/ca.pem",
            "cert_file": "/c.pem",
            "key_file": "/k.pem",
            "verify_ssl": False,
            "api_key": "topsecret",
        }
    )
    assert access.api == Api(
        host=HOST,
        ssl_ca_cert="/ca.pem",
        cert_file="/c.pem",
        key_file=Secret("/k.pem"),
        verify_ssl=False,
        api_key=Secret("topsecret"),
    )


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (
            {"kubeconfig": "x"},
            "client_config: kubeconfig is no key of client_config, which knows configuration, cont",
        ),
        (
            {"configuration": {"file": "x"}},
            "client_config.configuration: file is no key of configuration, which knows",
        ),
        (
            {"configuration": {"api_options": {"url": HOST}}},
            "client_config.configuration.api_options: url is no key of api_options, which knows host",
        ),
        ({"configuration": {"api_options": {"verify_ssl": True}}}, "api_options: what is given has no host"),
        (
            {"configuration": {"api_options": {"host": "10.0.0.1"}}},
            "api_options.host: 10.0.0.1 is no URL of an API",
        ),
        (
            {"configuration": {"api_options": {"host": "https://"}}},
            "api_options.host: https:// is no URL of an API",
        ),
        (
            {"configuration": {"api_options": {"host": "https://a:b"}}},
            "host: https://a:b is no URL of an API server",
        ),
        (
            {"configuration": {"api_options": {"host": "https://a b"}}},
            "host: https://a b is no URL of an API server",
        ),
        (
            {"configuration": {"api_options": {"host": HOST, "cert_file": "/c"}}},
            "has only one of cert_file and key_fi",
        ),
        (
            {"configuration": {"manager_file_path": 5}},
            "manager_file_path: 5 is no string; a name or a path is meant",
        ),
        (
            {"in_cluster": "yes"},
            "client_config.in_cluster: yes is a string; true or false is meant, without quotes",
        ),
        (
            {"configuration": {"manager_file_path": "/a", "file_content": "b"}},
            "client_config: manager_file_path and file_content are several ways to the cluster; say only one",
        ),
        (
            {"configuration": {"manager_file_path": "/a"}, "in_cluster": True},
            "client_config: manager_file_path and in_cluster are several ways to the cluster; say only one",
        ),
        (
            {"configuration": {"manager_file_path": "a\0"}},
            "manager_file_path: 'a\\x00' holds a zero byte, which ends a file's name",
        ),
        (
            {"configuration": {"api_options": {"host": HOST, "ssl_ca_cert": "-----BEGIN \ud800"}}},
            "ssl_ca_cert: '-----BEGIN \\ud800' holds half of a surrogate pair, which is no character",
        ),
        ({"context": ["a"]}, "client_config.context: ['a'] is no string; a name or a path is meant"),
    ],
)
def test_a_client_config_is_refused(value: object, refusal: str) -> None:
    assert refusal in sentence(lambda: Access.parse(value))


@pytest.mark.parametrize(
    "value",
    [
        "topsecret",
        ["topsecret"],
        {"configuration": "topsecret"},
        {"configuration": {"file_content": {"token": "topsecret"}}},
        {"configuration": {"api_options": "topsecret"}},
        {"configuration": {"api_options": {"api_key": "topsecret"}}},
        {"configuration": {"api_options": {"host": HOST, "api_key": ["topsecret"]}}},
        {"configuration": {"api_options": {"host": HOST, "key_file": "topsecret"}}},
        {"configuration": {"api_options": {"host": "https://me:topsecret@10.0.0.1"}}},
        {"configuration": {"file_content": "topsecret", "manager_file_path": "/a"}},
        {"configuration": {"file_content": "topsecret\ud800"}},
        {"configuration": {"api_options": {"host": HOST, "api_key": "topsecret\0"}}},
    ],
)
def test_a_refusal_shows_no_secret(value: object) -> None:
    assert "topsecret" not in sentence(lambda: Access.parse(value))


def test_an_access_shows_no_secret() -> None:
    ways = [
        configured(file_content="topsecret"),
        configured(api_options={"host": HOST, "api_key": "topsecret"}),
        configured(api_options={"host": HOST, "cert_file": "/c", "key_file": "topsecret"}),
    ]
    for access in ways:
        assert "topsecret" not in f"{access!r} {access} {access.to_json()}"


@pytest.mark.parametrize(
    ("info", "refusal"),
    [
        ("http://10.0.0.1:8080", "kubernetes_info: what is given is no map; kubernetes_info is meant"),
        (
            {"url": "10.0.0.1:8080"},
            "kubernetes_info.url: 10.0.0.1:8080 is no URL of an API server; https://10.0.0.1",
        ),
        (
            {"url": 8080},
            "kubernetes_info.url: what is given is no string; the API server's URL is meant: put it",
        ),
        (
            {"kubeconfig": {"a": 1}},
            "kubernetes_info.kubeconfig: {'a': 1} is no string; a name or a path is meant",
        ),
    ],
)
def test_a_kubernetes_info_is_refused(info: object, refusal: str) -> None:
    assert refusal in sentence(lambda: Access.from_info(info))


def test_other_keys_of_kubernetes_info_are_somebody_elses() -> None:
    info = {"url": HOST, "node_selector": {"role": "router"}, "dashboard": ["x"]}
    assert Access.from_info(info).api == Api(host=HOST)


INFO: dict[str, Any] = {"url": HOST, "ca_cert": "/ca.pem", "token_secret": "token", "context": "lab"}


def test_the_target_supplies_what_the_node_leaves_out() -> None:
    target = Access.from_info(INFO)
    assert Access.parse({}).or_else(target) == target
    assert Access.parse({"context": "mine"}).or_else(target).context == "mine"
    api = configured(api_options={"host": HOST}).or_else(target).api
    assert api == Api(host=HOST, ssl_ca_cert="/ca.pem", token_secret="token")


def test_what_the_node_says_itself_wins() -> None:
    own = configured(manager_file_path="/etc/kubeconfig")
    assert own.or_else(Access.from_info(INFO)) == own
    keyed = configured(api_options={"host": HOST, "api_key": "k"}).or_else(Access.from_info(INFO)).api
    assert keyed == Api(host=HOST, ssl_ca_cert="/ca.pem", api_key=Secret("k"))


def test_credentials_do_not_go_along_to_another_host() -> None:
    own = configured(api_options={"host": "https://elsewhere:6443"})
    assert own.or_else(Access.from_info(INFO)) == own
