"""What is wrong with a kubeconfig, without ever showing its text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

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
        ({**GOOD, "contexts": [{"name": "lab", "context": {}}]}, "does not describe the cluster None"),
        ({**GOOD, "current-context": ["lab"]}, "has no usable current-context"),
        ({**GOOD, "users": []}, "does not describe the user 'admin' of its context 'lab'"),
        ({**GOOD, "users": [{"name": "admin", "user": None}]}, "does not describe the user 'admin'"),
        (at(None), "gives the cluster 'lab' the server None; a URL with a host is needed"),
        (at("foo:bar"), "the server 'foo:bar'; a URL"),
        (at("https://[x"), "the server 'https://[x'; a URL"),
    ],
)
def test_a_bad_one(config: object, sentence: str) -> None:
    assert sentence in refusal(config)


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
