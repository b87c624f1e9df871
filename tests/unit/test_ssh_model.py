"""The ssh settings: what they accept, what they refuse, and that a secret in them shows itself to nobody."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudify_quagga.errors import Conflict, Refused
from cloudify_quagga.model.secret import Secret
from cloudify_quagga.model.ssh import Kubelet, Ssh, refuse_kubelet_labels
from cloudify_quagga.ssh.environment_file import MARK, Content

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n"
LINE = "10.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ"
SMALL: dict[str, Any] = {"host": "10.0.0.1", "username": "ubuntu", "key_file": "~/.ssh/id_ed25519"}


def test_little_has_to_be_said() -> None:
    ssh = Ssh.parse(SMALL)
    assert (ssh.port, ssh.host_key_policy, ssh.use_agent) == (22, "strict", False)
    assert ssh.kubelet == Kubelet(None, "systemctl restart kubelet")
    assert ssh.address == "ubuntu@10.0.0.1:22"
    assert ssh.host_name == "10.0.0.1"


def test_the_properties_of_2017_are_understood() -> None:
    properties = {
        "ssh_username": "ubuntu",
        "ssh_keyfilename": "/root/.ssh/agent_key.pem",
        "ssh_password": "",
        "ssh_port": 22,
    }
    assert Ssh.from_properties(properties, "10.0.0.1") == Ssh(
        "10.0.0.1", "ubuntu", key_file="/root/.ssh/agent_key.pem"
    )


def test_their_defaults_say_nothing() -> None:
    empty = {"ssh_username": "", "ssh_keyfilename": "", "ssh_password": "", "ssh_port": 22, "ssh": {}}
    assert Ssh.from_properties(empty, "10.0.0.1") is None


def test_both_ways_may_be_mixed_and_ssh_wins() -> None:
    properties = {"ssh_username": "ubuntu", "ssh_password": "x", "ssh": {"username": "core", "port": 2222}}
    ssh = Ssh.from_properties(properties, "fd00::1")
    assert ssh is not None
    assert ssh.address == "core@[fd00::1]:2222"
    assert ssh.host_name == "[fd00::1]:2222"
    assert (ssh.place("username"), ssh.place("password")) == ("ssh.username", "ssh_password")


def test_the_host_may_come_from_elsewhere() -> None:
    assert Ssh.parse({"username": "u", "password": "p"}, host="10.0.0.9").host == "10.0.0.9"


@pytest.mark.parametrize("where", ["key_file", "key_content"])
def test_a_key_may_stand_where_its_path_would(where: str) -> None:
    ssh = Ssh.parse({"host": "h", "username": "u", where: KEY})
    assert ssh.key_file is None
    assert ssh.key_content == Secret(KEY)


@pytest.mark.parametrize("value", [f"# a comment\n{LINE}\n\n{LINE}", [LINE, LINE]])
def test_known_hosts_may_be_lines(value: object) -> None:
    assert Ssh.parse(SMALL | {"known_hosts": value}).known_host_lines == (LINE, LINE)


def test_known_hosts_may_be_a_file() -> None:
    assert Ssh.parse(SMALL | {"known_hosts": "~/hosts"}).known_hosts == "~/hosts"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"host": None}, "ssh.host: null is no address of a host; 10.0.0.1 would be one"),
        ({"host": "ubuntu@10.0.0.1"}, "ssh.host: ubuntu@10.0.0.1 is no address of a host"),
        ({"host": "-oProxyCommand=x"}, "ssh.host: -oProxyCommand=x is no address"),
        ({"host": "master..example"}, "ssh.host: master..example is no name of a host; 1 to 63 characters"),
        ({"host": "m" * 64}, f"ssh.host: {'m' * 64} is no name of a host"),
        ({"host": "\u00fc" * 60}, "is no name of a host"),
        ({"host": ".".join(["m"] * 128)}, "is no name of a host"),
        ({"kubelet": {"host": ".node1"}}, "ssh.kubelet.host: .node1 is no name of a host"),
        ({"username": ""}, "ssh.username: null is no name of a user; ubuntu would be one"),
        ({"username": "a b"}, "ssh.username: a b is no name of a user"),
        ({"port": 0}, "ssh.port: 0 is out of range"),
        ({"port": "22"}, "ssh.port: 22 is a string"),
        ({"key_file": None}, "ssh: ubuntu@10.0.0.1:22 has nothing to log in with"),
        ({"key_content": KEY}, "ssh.key_content: what is given is a second key beside ssh.key_file"),
        ({"key_file": None, "password": "p", "key_passphrase": "x"}, "ssh.key_passphrase: a passphrase"),
        ({"host_key_policy": "no"}, "ssh.host_key_policy: no is none of strict, accept-new"),
        ({"host_key_policy": "accept-new", "known_hosts": [LINE]}, "ssh.host_key_policy: accept-new has"),
        ({"known_hosts": ["10.0.0.1 ssh-ed25519"]}, "is no line of known_hosts"),
        ({"known_hosts": "# only\n# comments"}, "holds no host key"),
        ({"kubeconfig": "admin.conf"}, "ssh.kubeconfig: admin.conf is no path on the master"),
        ({"kubelet": {"file": "kubelet"}}, "ssh.kubelet.file: kubelet is no absolute path"),
        ({"kubelet": {"file": "/etc/kubelet.conf"}}, "is no file of NAME=value lines"),
        ({"kubelet": {"command": "x"}}, "ssh.kubelet: command is no key of kubelet"),
        ({"use_agent": "yes"}, "ssh.use_agent: yes is a string; true or false is meant"),
        ({"keyfile": "x"}, "ssh: keyfile is no key of ssh"),
    ],
)  # fmt: skip
def test_refusals_name_path_and_value(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)):
        Ssh.parse(SMALL | changed)


@pytest.mark.parametrize(
    "host", ["m" * 63, "master.example.", "m\u00fcller.example", "fd00::1", "fe80::1%eth0"]
)
def test_hosts_that_can_be_looked_up(host: str) -> None:
    assert Ssh.parse(SMALL | {"host": host}).host == host


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "hunter2\ud800"},
        {"key_passphrase": "hunter2\ud800"},
        {"key_file": None, "key_content": f"{KEY}\ud800"},
        {"key_file": f"{KEY}\ud800"},
    ],
)
def test_a_secret_is_made_of_whole_characters(changed: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="what is given holds half of a surrogate pair") as refusal:
        Ssh.parse(SMALL | changed)
    # Nor does a cause show it, as the codec's error would.
    assert refusal.value.__context__ is None


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        SMALL | {"password": ["hunter2"]},
        SMALL | {"key_passphrase": {"a": "hunter2"}},
        SMALL | {"key_file": "first\nhunter2"},
        SMALL | {"key_file": None, "key_content": ["hunter2"]},
        SMALL | {"key_content": f"{KEY}hunter2"},
    ],
)
def test_a_refusal_shows_no_secret(value: object) -> None:
    with pytest.raises(Refused) as refusal:
        Ssh.parse(value)
    assert "hunter2" not in str(refusal.value) + repr(refusal.value)


def test_the_settings_show_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    said = {"password": "hunter2", "key_passphrase": "hunter3", "key_content": KEY, "key_file": None}
    ssh = Ssh.parse(SMALL | said)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(__name__).info("%s %r %s", ssh, ssh, [ssh.password])
    shown = caplog.text + f"{ssh}{ssh!r}{ssh.password}" + json.dumps(ssh.to_json())
    assert dataclasses.astuple(ssh.kubelet)
    assert not [secret for secret in ("hunter2", "hunter3", "bm90IGEga2V5") if secret in shown]


@pytest.mark.parametrize(
    "key",
    [
        "role",
        "example.com/role",
        "node.kubernetes.io/router",
        "x.node.kubernetes.io/y",
        "topology.kubernetes.io/zone",
        "notkubernetes.io/x",
    ],
)
def test_labels_that_a_kubelet_may_set(key: str) -> None:
    refuse_kubelet_labels([key])


@pytest.mark.parametrize(
    "key",
    ["node-role.kubernetes.io/router", "node-restriction.kubernetes.io/x", "kubernetes.io/x", "a.k8s.io/x"],
)
def test_labels_that_a_kubelet_would_not_start_with(key: str) -> None:
    with pytest.raises(Refused, match=re.escape(key)):
        refuse_kubelet_labels(["role", key])


ROLE = {"role": "router"}
WORD = "--node-labels=role=router"


def _written(text: str | None, labels: dict[str, str] | None = None) -> str:
    written = Content.parse(text, "F").with_labels(ROLE if labels is None else labels, "F").text()
    assert written is not None
    return written


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if not line.startswith(MARK)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("KUBELET_EXTRA_ARGS=", f"KUBELET_EXTRA_ARGS={WORD}"),
        ("KUBELET_EXTRA_ARGS=--v=2", f'KUBELET_EXTRA_ARGS="{WORD} --v=2"'),
        ('KUBELET_EXTRA_ARGS="--v=2 --x"', f'KUBELET_EXTRA_ARGS="{WORD} --v=2 --x"'),
        ("KUBELET_EXTRA_ARGS='--v=2'", f"KUBELET_EXTRA_ARGS='{WORD} --v=2'"),
        ('KUBELET_EXTRA_ARGS=--a="b c"', f'KUBELET_EXTRA_ARGS={WORD} --a="b c"'),
        ("KUBELET_EXTRA_ARGS=--v=2 \\\n  --x", f"KUBELET_EXTRA_ARGS={WORD} --v=2 \\\n  --x"),
        (
            "KUBELET_EXTRA_ARGS=1\nKUBELET_EXTRA_ARGS=2",
            f'KUBELET_EXTRA_ARGS=1\nKUBELET_EXTRA_ARGS="{WORD} 2"',
        ),
        ("A=1 \\\nKUBELET_EXTRA_ARGS=2", f"KUBELET_EXTRA_ARGS={WORD}\nA=1 \\\nKUBELET_EXTRA_ARGS=2"),
        ("#KUBELET_EXTRA_ARGS=2", f"KUBELET_EXTRA_ARGS={WORD}\n#KUBELET_EXTRA_ARGS=2"),
    ],
)
def test_the_word_goes_where_the_kubelet_reads_it(line: str, expected: str) -> None:
    assert "\n".join(_lines(_written(line))) == expected


def test_a_file_that_was_not_there_goes_again() -> None:
    written = _written(None)
    assert _lines(written) == [f"KUBELET_EXTRA_ARGS={WORD}", ""]
    assert Content.parse(written, "F").without_labels(ROLE).text() is None


def test_an_empty_file_stays() -> None:
    assert Content.parse(_written(""), "F").without_labels(ROLE).text() == ""


def test_what_was_added_to_our_file_stays() -> None:
    text = _written(None) + "OTHER=1\n"
    assert Content.parse(text, "F").without_labels(ROLE).text() == "OTHER=1\n"


def test_a_line_that_was_changed_since_stays_changed() -> None:
    text = _written("KUBELET_EXTRA_ARGS=--v=2\n").replace(' --v=2"', ' --v=4"')
    assert Content.parse(text, "F").without_labels(ROLE).text() == 'KUBELET_EXTRA_ARGS="--v=4"\n'
    assert f'"{WORD} --v=4"' in _written(text)


def test_another_owner_of_the_label_is_named() -> None:
    text = 'KUBELET_EXTRA_ARGS="--node-labels=a=b,role=worker"\n'
    with pytest.raises(
        Conflict, match="KUBELET_EXTRA_ARGS in F already says role=worker, role=router is wanted"
    ):
        _written(text)


def test_the_same_label_of_another_owner_survives_us() -> None:
    text = "KUBELET_EXTRA_ARGS=--node-labels role=router\n"
    assert Content.parse(_written(text), "F").without_labels(ROLE).text() == text


def test_two_sets_of_labels_are_taken_back_in_either_order() -> None:
    text = "A=1\nKUBELET_EXTRA_ARGS=--v=2"
    both = _written(_written(text), {"zone": "a"})
    assert "--node-labels=role=router,zone=a" in both
    without = Content.parse(both, "F").without_labels(ROLE).text()
    assert without == _written(text, {"zone": "a"})
    assert Content.parse(without, "F").without_labels({"zone": "a"}).text() == text


def test_only_the_value_that_was_written_is_taken_back() -> None:
    text = _written(_written("A=1"), {"role": "edge"})
    assert Content.parse(text, "F").without_labels(ROLE).text() == text


def test_a_spoilt_comment_is_not_guessed_at() -> None:
    text = _written("A=1\n").replace('"line"', '"lin"')
    with pytest.raises(Conflict, match="F, line 1"):
        Content.parse(text, "F")


FILES = st.lists(
    st.sampled_from([
        "", "A=1", "KUBELET_EXTRA_ARGS=", "KUBELET_EXTRA_ARGS=--v=2", 'KUBELET_EXTRA_ARGS="--v=2"',
        "# x \\", " KUBELET_EXTRA_ARGS='a", "KUBELET_EXTRA_ARGS=--a \\", "b\\\\", "\udcff", "A=\r",
        "KUBELET_EXTRA_ARGS=\r", "\\",
    ])
).map("\n".join)  # fmt: skip


@given(
    st.none() | FILES,
    st.dictionaries(st.sampled_from(["a", "b/c"]), st.sampled_from(["", "x", "y.z"]), min_size=1),
)
def test_whatever_the_file_holds_is_given_back(text: str | None, labels: dict[str, str]) -> None:
    written = _written(text, labels)
    assert written != text
    assert _written(written, labels) == written
    assert Content.parse(written, "F").without_labels(labels).text() == text
