"""What is wrong with a kubeconfig, without ever showing its text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cloudify_quagga import kubeconfig
from cloudify_quagga.errors import Refused

GOOD = {
    "current-context": "lab",
    "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
    "clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "admin", "user": {"token": "sesame"}}],
}


def refusal(config: object, context: str | None = None) -> str:
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    with pytest.raises(Refused) as refused:
        kubeconfig.from_text(text, "client_config.configuration.file_content", "this text", context)
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
        ({**GOOD, "contexts": [{"name": "lab"}]}, "does not describe the cluster None"),
    ],
)
def test_a_bad_one(config: object, sentence: str) -> None:
    assert sentence in refusal(config)


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
