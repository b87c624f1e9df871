"""Logging in: every type of key, every way to be refused, and host keys."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cloudify_quagga.errors import NotPermitted, QuaggaError, Refused, Unavailable
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh import session
from lab import packages
from tests.ssh.openssh import PASSWORD, OpenSsh, keygen

KEYS = ("ed25519", "ecdsa", "ecdsa521", "rsa", "rsa-PEM", "rsa-PKCS8")
LOCKED = ("ed25519-locked", "ecdsa-locked", "rsa-locked", "rsa-PEM-locked", "rsa-PKCS8-locked")


def _whoami(given: dict[str, Any]) -> str:
    with session.session(Ssh.parse(given)) as transport, transport.open_session() as channel:
        channel.exec_command("id -un")
        return channel.makefile().read().decode().strip()


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type_and_form(given: dict[str, Any], server: OpenSsh, kind: str) -> None:
    assert _whoami(given | {"key_file": str(server.keys / kind)}) == "ubuntu"


def test_rsa_signs_with_sha2(
    given: dict[str, Any], server: OpenSsh, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "paramiko"):
        _whoami(given | {"key_file": str(server.keys / "rsa")})
    assert "Agreed upon 'rsa-sha2-512' pubkey algorithm" in caplog.text


@pytest.mark.parametrize("kind", LOCKED)
def test_passphrases_open_keys(given: dict[str, Any], server: OpenSsh, kind: str) -> None:
    given |= {"key_file": str(server.keys / kind), "key_passphrase": "open sesame"}
    assert _whoami(given) == "ubuntu"


@pytest.mark.parametrize("kind", LOCKED)
def test_a_wrong_passphrase(given: dict[str, Any], server: OpenSsh, kind: str) -> None:
    given |= {"key_file": str(server.keys / kind), "key_passphrase": "hunter2"}
    with pytest.raises(
        Refused, match=r"ssh.key_passphrase: the passphrase does not open /\S+-locked"
    ) as refusal:
        _whoami(given)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("kind", LOCKED)
def test_a_missing_passphrase(given: dict[str, Any], server: OpenSsh, kind: str) -> None:
    given |= {"key_file": str(server.keys / kind)}
    with pytest.raises(
        Refused, match=r"ssh.key_passphrase: nothing opens /\S+-locked, which has a passphrase"
    ):
        _whoami(given)


def test_a_key_given_as_its_content(given: dict[str, Any], server: OpenSsh) -> None:
    given |= {"key_file": (server.keys / "ed25519").read_text().strip()}
    assert _whoami(given) == "ubuntu"


def test_a_superfluous_passphrase_does_no_harm(given: dict[str, Any]) -> None:
    assert _whoami(given | {"key_passphrase": "x"}) == "ubuntu"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("no key at all\n", "holds no private key that can be used; an Ed25519, ECDSA or RSA key is needed"),
        ("ssh-ed25519 AAAA me\n", "and this is a public one"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "holds no private key",
        ),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "holds no private key"),
        ("", "holds no private key"),
    ],
)
def test_what_is_no_private_key(given: dict[str, Any], tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(Refused, match=f"^ssh.key_file: {re.escape(str(file))} .*{re.escape(sentence)}"):
        _whoami(given | {"key_file": str(file)})


def test_no_such_key(given: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"ssh.key_file: /no/such/key does not exist"):
        _whoami(given | {"key_file": "/no/such/key"})


def test_a_key_that_the_host_does_not_know(given: dict[str, Any], server: OpenSsh) -> None:
    key = server.keys / "stranger"
    fingerprint = keygen("-l", "-f", f"{key}.pub").split()[1]
    with pytest.raises(NotPermitted) as refusal:
        _whoami(given | {"key_file": str(key)})
    assert str(refusal.value) == (
        f"ubuntu@127.0.0.1:{server.port} does not let us in with the key ssh-ed25519 {fingerprint} ({key}); "
        "see that user's authorized_keys there"
    )


def test_a_password(given: dict[str, Any]) -> None:
    del given["key_file"]
    assert _whoami(given | {"password": PASSWORD}) == "ubuntu"


def test_a_password_after_a_key_that_is_not_known(given: dict[str, Any], server: OpenSsh) -> None:
    assert _whoami(given | {"key_file": str(server.keys / "stranger"), "password": PASSWORD}) == "ubuntu"


def test_a_wrong_password(given: dict[str, Any]) -> None:
    del given["key_file"]
    with pytest.raises(NotPermitted, match="does not let us in with the password") as refusal:
        _whoami(given | {"password": "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_a_host_that_wants_both(given: dict[str, Any]) -> None:
    assert _whoami(given | {"username": "both", "password": PASSWORD}) == "both"
    with pytest.raises(NotPermitted, match=r"with the key .*; it wants password$"):
        _whoami(given | {"username": "both"})


def test_the_agent_is_asked_only_on_request(
    given: dict[str, Any], server: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = packages.environment() | {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
    agent = subprocess.Popen(
        [packages.tool("ssh-agent"), "-D", "-a", environment["SSH_AUTH_SOCK"]],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "agent").exists():
            assert agent.poll() is None
        add = [packages.tool("ssh-add"), "-q", str(server.keys / "ed25519")]
        subprocess.run(add, env=environment, check=True)
        monkeypatch.setenv("SSH_AUTH_SOCK", environment["SSH_AUTH_SOCK"])
        stranger = given | {"key_file": str(server.keys / "stranger")}
        with pytest.raises(NotPermitted, match=r"with the key ssh-ed25519 \S+ \(\S+\); see"):
            _whoami(stranger)
        assert _whoami(stranger | {"use_agent": True}) == "ubuntu"
    finally:
        agent.terminate()
        agent.wait(5)


def test_no_key_is_looked_for(
    given: dict[str, Any], server: OpenSsh, tmp_path: Path, monkeypatch: Any
) -> None:
    """A key in ~/.ssh that would fit is not used."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").write_bytes((server.keys / "ed25519").read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NotPermitted):
        _whoami(given | {"key_file": str(server.keys / "stranger")})


def _lines(server: OpenSsh, *kinds: str, name: str | None = None) -> list[str]:
    return [f"{name or f'[127.0.0.1]:{server.port}'} {server.host_key(kind)}" for kind in kinds]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_type_that_is_known_is_asked_for(given: dict[str, Any], server: OpenSsh, kind: str) -> None:
    assert _whoami(given | {"known_hosts": _lines(server, kind)}) == "ubuntu"


def test_hashed_names(given: dict[str, Any], server: OpenSsh, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("other ssh-ed25519 AAAA\n" + _lines(server, "rsa")[0] + "\n")
    keygen("-H", "-f", str(file))
    assert "127.0.0.1" not in file.read_text()
    assert _whoami(given | {"known_hosts": str(file)}) == "ubuntu"


@pytest.mark.parametrize("name", ["[127.0.0.*]:*", "a,[127.0.0.1]:{port},b", "*,!10.*"])
def test_patterns(given: dict[str, Any], server: OpenSsh, name: str) -> None:
    lines = _lines(server, "ed25519", name=name.format(port=server.port))
    assert _whoami(given | {"known_hosts": lines}) == "ubuntu"


@pytest.mark.parametrize("name", ["127.0.0.1", "[127.0.0.1]:1", "*,![127.0.0.1]:*", "|1|AAAA|AAAA", "|1|x"])
def test_an_unknown_host_says_how_to_know_it(given: dict[str, Any], server: OpenSsh, name: str) -> None:
    with pytest.raises(Refused) as refusal:
        _whoami(given | {"known_hosts": _lines(server, "ed25519", name=name)})
    assert str(refusal.value) == (
        f"ssh.known_hosts: [127.0.0.1]:{server.port} shows the host key ssh-ed25519 "
        f"{server.fingerprint('ed25519')}, which is not known; if this is its fingerprint, add the line "
        f"'{_lines(server, 'ed25519')[0]}', or set ssh.host_key_policy to accept-new"
    )


@pytest.mark.parametrize("policy", ["strict", "accept-new"])
def test_a_changed_host_key(given: dict[str, Any], server: OpenSsh, tmp_path: Path, policy: str) -> None:
    file = tmp_path / "known_hosts"
    stranger = (server.keys / "stranger.pub").read_text()
    file.write_text(f"# a comment\n[127.0.0.1]:{server.port} {stranger}")
    before = file.read_text()
    with pytest.raises(Refused) as refusal:
        _whoami(given | {"known_hosts": str(file), "host_key_policy": policy})
    known = keygen("-l", "-f", str(server.keys / "stranger.pub")).split()[1]
    assert f"shows the host key ssh-ed25519 {server.fingerprint('ed25519')}, but known is" in str(
        refusal.value
    )
    assert f"known is ssh-ed25519 {known} ({file}:2); if the host is known to have" in str(refusal.value)
    assert file.read_text() == before


def test_a_key_of_another_type_is_a_changed_key(
    given: dict[str, Any], server: OpenSsh, tmp_path: Path
) -> None:
    file = tmp_path / "known_hosts"
    keygen("-q", "-N", "", "-t", "dsa", "-f", str(tmp_path / "old"))
    file.write_text(f"[127.0.0.1]:{server.port} {(tmp_path / 'old.pub').read_text()}")
    with pytest.raises(Refused, match="but known is ssh-dss SHA256:"):
        _whoami(given | {"known_hosts": str(file), "host_key_policy": "accept-new"})


def test_a_revoked_key(given: dict[str, Any], server: OpenSsh) -> None:
    lines = _lines(server, "ed25519")
    with pytest.raises(Refused, match=r"which ssh.known_hosts revokes"):
        _whoami(given | {"known_hosts": [*lines, f"@revoked * {server.host_key('ed25519')}"]})


@pytest.mark.parametrize("content", [None, "", "other ssh-ed25519 AAAA"])
def test_a_new_host_is_written_down_on_request(
    given: dict[str, Any], server: OpenSsh, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "new" / "known_hosts"
    if content is not None:
        file.parent.mkdir()
        file.write_text(content)
    accepting = given | {"known_hosts": str(file), "host_key_policy": "accept-new"}
    assert _whoami(accepting) == "ubuntu"
    once = file.read_text()
    assert once == (f"{content}\n" if content else "") + _lines(server, "ed25519")[0] + "\n"
    assert _whoami(accepting) == "ubuntu"
    assert file.read_text() == once
    assert _whoami(accepting | {"host_key_policy": "strict"}) == "ubuntu"


def test_known_hosts_that_does_not_exist(given: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"ssh.known_hosts: /no/such/file does not exist"):
        _whoami(given | {"known_hosts": "/no/such/file"})


def test_without_the_property_the_users_own_file_counts(
    given: dict[str, Any], server: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    del given["known_hosts"]
    with pytest.raises(Refused, match="which is not known"):
        _whoami(given)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/known_hosts").write_bytes(server.known_hosts.read_bytes())
    assert _whoami(given) == "ubuntu"


def test_a_refused_port(given: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(
            Unavailable, match=f"ubuntu@127.0.0.1:{port} cannot be reached: Connection refused"
        ):
            _whoami(given | {"port": port})


def test_a_host_that_no_name_server_knows(given: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match=r"the name no-such-host.invalid is not known"):
        _whoami(given | {"host": "no-such-host.invalid"})


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_on_the_port(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    monkeypatch.setattr(session, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unavailable, match="does not answer as an SSH server"):
            _run_beside(other, says, given | {"port": port})


def _run_beside(other: socket.socket, says: bytes, given: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        connection, _ = other.accept()
        connection.sendall(says)
        if not says:
            connection.recv(1000)
            connection.recv(1000)
        os._exit(0)
    try:
        _whoami(given)
    finally:
        os.waitpid(pid, 0)


def test_a_host_that_does_not_answer(given: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_SECONDS", 0.3)
    # A full backlog answers nothing, as a firewall does.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with pytest.raises(Unavailable, match=r"does not answer within 0.3 s"):
            _whoami(given | {"port": port})
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("good", [True, False])
def test_nothing_that_is_logged_holds_a_secret(
    given: dict[str, Any], server: OpenSsh, caplog: pytest.LogCaptureFixture, good: bool
) -> None:
    key = (server.keys / "rsa-locked").read_text()
    secrets = {
        "password": PASSWORD if good else "hunter2",
        "key_passphrase": "open sesame",
        "key_content": key,
    }
    del given["key_file"]
    said = given | secrets | {"username": "both"}
    with caplog.at_level(0), caplog.at_level(0, "paramiko"):
        try:
            _whoami(said)
        except QuaggaError:
            logging.getLogger(__name__).exception("It failed.")
            assert not good
    assert "paramiko.transport" in {record.name for record in caplog.records}
    shown = caplog.text + "".join(str(record.args) for record in caplog.records)
    inner = [line for line in key.splitlines() if not line.startswith("-")]
    assert not [secret for secret in (secrets["password"], "open sesame", *inner) if secret in shown]
