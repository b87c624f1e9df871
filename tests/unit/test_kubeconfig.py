"""What is wrong with a kubeconfig, without ever showing its text."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudify_quagga import kubeconfig
from cloudify_quagga.errors import Refused

GOOD = {
    "current-context": "lab",
    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
    "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "admin", "user": {"token": "sesame"}}],
}


def at(server: object) -> dict[str, object]:
    """The good one with another server."""
    return {**GOOD, "clusters": [{"name": "lab", "cluster": {"server": server}}]}


def refusal(config: object, context: str | None = None) -> str:
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    with pytest.raises(Refused) as refused:
        kubeconfig.from_elsewhere(text, "client_config.configuration.file_content", "this text", context)
    assert "sesame" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("context", [None, "lab"])
def test_a_good_one(context: str | None) -> None:
    assert kubeconfig.from_text(yaml.safe_dump(GOOD), "client_config", "this text", context) == GOOD


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("users: [{token: sesame", "this text does not parse as YAML (line 1)"),
        ("sesame", "this text is no kubeconfig"),
        ({**GOOD, "contexts": None}, "this text is no kubeconfig"),
        ({**GOOD, "current-context": ""}, "has no usable current-context; name one of its contexts (lab)"),
        ({**GOOD, "clusters": []}, "does not describe the cluster 'lab' of its context 'lab'"),
        ({**GOOD, "clusters": 5}, "does not describe the cluster 'lab' of its context 'lab'"),
        ({**GOOD, "clusters": [{"name": "lab"}]}, "does not describe the cluster 'lab' of its context 'lab'"),
        ({**GOOD, "contexts": [{"name": "lab"}]}, "has no usable current-context; name one of its contexts"),
        ({**GOOD, "contexts": [{"name": "lab", "context": 3}]}, "has no usable current-context"),
        ({**GOOD, "contexts": [{"name": "lab", "context": {}}]}, "names no cluster in its context 'lab'"),
        (
            {**GOOD, "contexts": [{"name": "lab", "context": {"cluster": ["sesame"]}}]},
            "names no cluster in its context 'lab'",
        ),
        ({**GOOD, "current-context": ["lab"]}, "has no usable current-context"),
        ({**GOOD, "users": []}, "does not describe the user 'admin' of its context 'lab'"),
        ({**GOOD, "users": [{"name": "admin", "user": None}]}, "does not describe the user 'admin'"),
        (at(None), "gives the cluster 'lab' no server that could be used; a URL with a host is needed"),
        (at(["sesame"]), "no server that could be used; a URL"),
        (at("sesame:bar"), "no server that could be used; a URL"),
        (at("https://[sesame"), "no server that could be used; a URL"),
        (at("https://10.0.0.1:6443\n"), "no server that could be used; a URL"),
        (at("https://me:sesame@10.0.0.1"), "gives the cluster 'lab' a server that carries a user; credent"),
        (at("https://sesame@[x"), "gives the cluster 'lab' a server that carries a user; credentials"),
    ],
)
def test_a_bad_one(config: object, sentence: str) -> None:
    assert sentence in refusal(config)


def with_value(kind: str, key: str, value: object) -> dict[str, Any]:
    """The good one with something more, or something else, said of its cluster or user."""
    config: dict[str, Any] = yaml.safe_load(yaml.safe_dump(GOOD))
    config[f"{kind}s"][0][kind][key] = value
    return config


@pytest.mark.parametrize(
    ("kind", "key", "value", "needed"),
    [
        ("cluster", "certificate-authority-data", 5, "a text in quotes"),
        ("cluster", "certificate-authority-data", ["sesame"], "a text in quotes"),
        ("cluster", "certificate-authority", 5, "the path of a file"),
        ("cluster", "insecure-skip-tls-verify", "sesame", "true or false without quotes"),
        ("cluster", "tls-server-name", "a\0", "the name of a host"),
        ("cluster", "tls-server-name", ".a", "the name of a host"),
        ("user", "token", 20240101, "a text in quotes"),
        ("user", "tokenFile", {"sesame": 1}, "the path of a file"),
        ("user", "client-key", "-----BEGIN sesame-----\n", "the path of a file"),
        ("user", "username", 5, "a text in quotes, of Latin-1 only,"),
        ("user", "password", "sesame\u20ac", "a text in quotes, of Latin-1 only,"),
        ("user", "exec", "sesame", "a map"),
        ("user", "auth-provider", ["sesame"], "a map"),
    ],
)
def test_a_value_of_the_wrong_kind(kind: str, key: str, value: object, needed: str) -> None:
    name = {"cluster": "lab", "user": "admin"}[kind]
    sentence = f"this text gives the {kind} '{name}' a {key} of the wrong kind; {needed} is needed"
    assert refusal(with_value(kind, key, value)).endswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("&u {exec: *u}", "is nested deeper than 100 levels"),
        ("{exec: {x: !!binary aGk=}}", "user.exec.x: what is given is a bytes, which JSON does not have"),
        ('{token: "sesame\\ud800"}', "what is given holds half of a surrogate pair"),
        ("{exec: {sesame: 1, 5: sesame}}", "5 is a key that is no string"),
    ],
)
def test_what_json_does_not_have(text: str, sentence: str) -> None:
    config = yaml.safe_dump({**GOOD, "users": []}).replace("users: []", "")
    assert sentence in refusal(f"{config}\nusers: [{{name: admin, user: {text}}}]")


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("cluster", "server", "http://10.0.0.1:8001/k8s/me@lab"),
        ("cluster", "tls-server-name", "api.example.com."),
        ("cluster", "extensions", [{"name": "x", "extension": {1: "a"}}]),
        ("user", "client-certificate", "/etc/my\u00a0keys/me.crt"),
        ("user", "as-user-extra", {1: ["a"]}),
        ("user", "username", ""),
    ],
)
def test_what_kubectl_takes_is_taken(kind: str, key: str, value: object) -> None:
    assert kubeconfig.from_text(yaml.safe_dump(with_value(kind, key, value)), "p", "this", None)


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    text = yaml.safe_dump(GOOD) + "preferences: {}\npreferences: {}\n"
    assert kubeconfig.from_text(text, "p", "this", None)["current-context"] == "lab"


@pytest.mark.parametrize("asks", [True, False])
def test_what_a_program_asks_to_be_told_of_the_cluster(asks: bool) -> None:
    config = with_value("user", "exec", {"command": "x", "provideClusterInfo": asks})
    config["clusters"][0]["cluster"]["extensions"] = [{"name": "x"}]
    cluster = kubeconfig.from_text(yaml.safe_dump(config), "p", "this", None)["clusters"][0]["cluster"]
    assert ("extensions" in cluster) == asks


def test_it_is_read_as_kubectl_reads_it() -> None:
    config = yaml.safe_dump({**GOOD, "users": []}).replace("users: []", "")
    text = f"{config}\nusers: [{{name: admin, user: {{token: 2024-01-01}}}}]"
    assert kubeconfig.from_text(text, "p", "this", None)["users"][0]["user"] == {"token": "2024-01-01"}


def test_merge_keys_do_not_multiply() -> None:
    bomb = "a0: &a0 {k: x}\n" + "".join(
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: x}}\n" for n in range(1, 60)
    )
    assert kubeconfig.from_text(bomb + yaml.safe_dump(GOOD), "p", "this", None)["current-context"] == "lab"


def test_a_file_without_end_is_not_read_to_it() -> None:
    with pytest.raises(Refused, match="/dev/zero is longer than 4194304 characters; a kubeconfig is needed"):
        kubeconfig.from_file(Path("/dev/zero"), "p", None)


def test_a_name_is_shown_in_part_where_it_is_long() -> None:
    long = "n" * 100_000
    assert len(refusal({**GOOD, "contexts": [{"name": "lab", "context": {"cluster": long}}]})) < 1000


def test_an_alias_bomb_is_not_shown() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{now}: &{now} [{','.join([f'*{last}'] * 9)}]\n" for last, now in itertools.pairwise("abcdefgh")
    )
    config = yaml.safe_dump({**GOOD, "clusters": []}).replace("clusters: []", "")
    for cluster in ("{server: *h}", "{server: 'http://h', proxy-url: *h}"):
        said = refusal(f"{bomb}{config}\nclusters: [{{name: lab, cluster: {cluster}}}]")
        assert len(said) < 1000
    config = yaml.safe_dump({**GOOD, "users": []}).replace("users: []", "")
    for user in ("{username: *h}", "{exec: *h}", "{token: *h}"):
        assert len(refusal(f"{bomb}{config}\nusers: [{{name: admin, user: {user}}}]")) < 1000
    said = refusal(
        f"{bomb}{yaml.safe_dump({**GOOD, 'contexts': []}).replace('contexts: []', '')}"
        "\ncontexts: [{name: lab, context: {cluster: *h}}]"
    )
    assert len(said) < 1000


def test_only_one_context_is_handed_on_and_what_is_empty_is_left_out() -> None:
    config = with_value("user", "client-key-data", None)
    config["contexts"] = [5, None, {"name": "moon", "context": {"cluster": "moon"}}, *config["contexts"]]
    config["contexts"].append({"name": "lab", "context": {"cluster": "moon"}})
    config["clusters"].insert(0, {"name": "moon", "cluster": {"server": date(2024, 1, 1)}})
    config["users"].append(5)
    assert kubeconfig.from_text(yaml.safe_dump(config), "client_config", "this text", None) == GOOD


REACHING = {
    "certificate-authority": "/etc/ca.crt",
    "exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"},
    "auth-provider": {"name": "gcp"},
    "tokenFile": "/etc/token",
    "client-certificate": "/etc/a.crt",
    "client-key": "/etc/a.key",
}


@pytest.mark.parametrize("name", REACHING)
def test_what_reaches_out_to_the_machine_is_for_a_file_of_the_machine(name: str, tmp_path: Path) -> None:
    config = yaml.safe_load(yaml.safe_dump(GOOD))
    place = config["clusters"][0]["cluster"] if name.startswith("cert") else config["users"][0]["user"]
    place[name] = REACHING[name]
    assert f"this text has {name}, which only a kubeconfig on the machine's own disk may; " in refusal(config)
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    assert kubeconfig.from_file(file, "client_config", None) == config


def test_an_unknown_context_is_named_with_those_that_are_known() -> None:
    expected = "client_config.context: moon is no context of this text, which has lab"
    assert refusal(GOOD, "moon") == expected


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not exist"):
        kubeconfig.from_file(tmp_path / "none", "client_config", None)
    with pytest.raises(Refused, match="cannot be read"):
        kubeconfig.from_file(tmp_path, "client_config", None)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match="cannot be read"):
        kubeconfig.from_file(binary, "client_config", None)


def test_nobody_may_be_named() -> None:
    config = {**GOOD, "contexts": [{"name": "lab", "context": {"cluster": "lab"}}], "users": []}
    assert kubeconfig.from_text(yaml.safe_dump(config), "client_config", "this text", None) == config


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(part=st.sampled_from(sorted(GOOD)), value=JSON)
def test_any_part_of_any_shape_is_refused_or_good(part: str, value: object) -> None:
    # Anything but a refusal would be a traceback in the author's log.
    with suppress(Refused):
        kubeconfig.from_text(yaml.safe_dump({**GOOD, part: value}), "client_config", "this text", None)
