"""The master's kubeconfig: where it is looked for, what is made of it, and a cluster reached by it."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes import client, config

from cloudify_quagga.errors import NotPermitted, PermanentError, Refused
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.ssh import cluster, read_kubeconfig
from tests.ssh.conftest import API_ADDRESS, Api, make_certificate
from tests.ssh.openssh import USERS, OpenSsh

ADMIN = "/etc/kubernetes/admin.conf"
K3S = "/etc/rancher/k3s/k3s.yaml"
HOME = "/home/ubuntu/.kube/config"


class Master:
    """Puts files on the master, and takes them away again."""

    def __init__(self, server: OpenSsh) -> None:
        self._server = server
        self._files: list[Path] = []

    def put(self, path: str, content: object, owner: str = "root") -> None:
        file = self._server.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        file.chmod(0o600)
        os.chown(file, USERS[owner], USERS[owner])
        self._files.append(file)

    def clear(self) -> None:
        for file in self._files:
            file.unlink()


@pytest.fixture
def master(server: OpenSsh) -> Iterator[Master]:
    one = Master(server)
    yield one
    one.clear()


def test_the_users_own_goes_first(settings: Ssh, api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig(server="https://10.0.0.1"))
    master.put(HOME, api.kubeconfig(), owner="ubuntu")
    found = read_kubeconfig(settings)
    assert (found.path, found.target) == ("~/.kube/config", (API_ADDRESS, api.port))


@pytest.mark.parametrize("path", [ADMIN, K3S])
def test_what_only_root_may_read_is_read_by_sudo(settings: Ssh, api: Api, master: Master, path: str) -> None:
    master.put(path, api.kubeconfig())
    assert read_kubeconfig(settings).path == path


def test_root_needs_no_sudo(given: dict[str, Any], api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig())
    assert read_kubeconfig(Ssh.parse(given | {"username": "root"})).path == ADMIN


def test_the_property_names_another(given: dict[str, Any], api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig())
    master.put("/home/ubuntu/it's mine", api.kubeconfig(), owner="ubuntu")
    assert read_kubeconfig(Ssh.parse(given | {"kubeconfig": "~/it's mine"})).path == "~/it's mine"
    assert read_kubeconfig(Ssh.parse(given), path=ADMIN).path == ADMIN


def test_none_at_all(settings: Ssh, server: OpenSsh) -> None:
    with pytest.raises(PermanentError) as error:
        read_kubeconfig(settings)
    assert str(error.value) == (
        f"ssh.kubeconfig: no kubeconfig on ubuntu@127.0.0.1:{server.port}: ~/.kube/config does not exist, "
        f"{ADMIN} does not exist, {K3S} does not exist"
    )


def test_none_that_may_be_read(given: dict[str, Any], api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig())
    with pytest.raises(
        PermanentError, match=rf"{ADMIN} cannot be read \(Permission denied\), {K3S} does not exist"
    ):
        read_kubeconfig(Ssh.parse(given | {"username": "plain"}))


def test_the_one_named_is_not_there(given: dict[str, Any], api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig())
    with pytest.raises(PermanentError, match=r": /no/such does not exist$"):
        read_kubeconfig(Ssh.parse(given | {"kubeconfig": "/no/such"}))


def test_a_host_without_sftp(given: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match=r"nofiles@\S+ offers no SFTP"):
        read_kubeconfig(Ssh.parse(given | {"username": "nofiles"}))


def test_files_it_refers_to_come_with_it(settings: Ssh, api: Api, master: Master) -> None:
    wanted = api.kubeconfig()
    wanted["clusters"][0]["cluster"] = {"server": "https://h", "certificate-authority": "pki/ca.crt"}
    wanted["users"][0]["user"] = {"client-key": "/etc/kubernetes/key", "tokenFile": "/etc/kubernetes/token"}
    master.put(ADMIN, wanted)
    master.put("/etc/kubernetes/pki/ca.crt", api.authority)
    master.put("/etc/kubernetes/key", "a key")
    master.put("/etc/kubernetes/token", "a token\n")
    whole = json.loads(read_kubeconfig(settings).content.reveal())
    authority = base64.b64encode(api.authority.encode()).decode()
    assert whole["clusters"][0]["cluster"] == {"server": "https://h", "certificate-authority-data": authority}
    key = base64.b64encode(b"a key").decode()
    assert whole["users"][0]["user"] == {"client-key-data": key, "token": "a token"}


def test_one_context_is_all_that_is_taken(settings: Ssh, api: Api, master: Master) -> None:
    many = api.kubeconfig()
    many["contexts"].append({"name": "b", "context": {"cluster": "there"}})
    many["clusters"].append({"name": "there", "cluster": {"server": "http://[fd00::1]:8080/prefix"}})
    many["users"].append({"name": "broken", "user": {"client-key": "/no/such"}})
    master.put(ADMIN, many)
    found = read_kubeconfig(settings, context="b")
    assert found.target == ("fd00::1", 8080)
    through = json.loads(found.through(1234).reveal())
    assert through["clusters"] == [{"name": "there", "cluster": {"server": "http://127.0.0.1:1234/prefix"}}]
    assert "users" not in through


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ("a: [", "does not parse as YAML"),
        ("[]", "is no kubeconfig"),
        ({"current-context": "none"}, "has no usable current-context"),
        (
            {"users": [{"name": "admin", "user": {"exec": {"command": "aws"}}}]},
            r"a program of the master \(exec\)",
        ),
        (
            {"users": [{"name": "admin", "user": {"client-key": "gone"}}]},
            "refers to gone, which cannot be read",
        ),
        ({"clusters": [{"name": "here", "cluster": {"server": "here:8080"}}]}, "a URL with a host is needed"),
        ({"clusters": [{"name": "here", "cluster": {"server": "https://a:b@h"}}]}, "carries a user"),
        (
            {"users": [{"name": "admin", "user": {"tokenFile": {"a": 1}}}]},
            "tokenFile of the wrong kind; the path of a file is needed",
        ),
        (
            {"users": [{"name": "admin", "user": {"token": 20240101}}]},
            "a token of the wrong kind; a text in quotes is needed",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said(
    settings: Ssh, api: Api, master: Master, changed: str | dict[str, Any], sentence: str
) -> None:
    master.put(ADMIN, changed if isinstance(changed, str) else api.kubeconfig() | changed)
    with pytest.raises(Refused, match=rf"^ssh.kubeconfig: {ADMIN} on ubuntu@\S+ .*{sentence}"):
        read_kubeconfig(settings)


def _version(kubeconfig: str) -> dict[str, Any]:
    configuration = client.Configuration()
    config.load_kube_config_from_dict(json.loads(kubeconfig), client_configuration=configuration)
    api_client = client.ApiClient(configuration)
    try:
        headers = {"Authorization": configuration.api_key["authorization"]}
        answer = api_client.rest_client.pool_manager.request(
            "GET", f"{configuration.host}/version", headers=headers, retries=False
        )
        return dict(answer.json())
    finally:
        api_client.rest_client.pool_manager.clear()


def test_the_cluster_is_reached(settings: Ssh, api: Api, master: Master) -> None:
    master.put(ADMIN, api.kubeconfig())
    with cluster(settings) as way:
        assert way.address == f"https://{API_ADDRESS}:{api.port}".replace(API_ADDRESS, "127.0.0.1")
        assert _version(way.kubeconfig.reveal())["token"] == "Bearer s3cr3t-token"


@pytest.mark.parametrize(
    ("name", "other_authority", "sentence"),
    [("127.0.0.9", False, "IP address mismatch"), (API_ADDRESS, True, "certificate verify failed")],
)
def test_another_server_is_not_believed(
    settings: Ssh, api: Api, master: Master, tmp_path: Path, name: str, other_authority: bool, sentence: str
) -> None:
    authority = make_certificate(tmp_path / "other.pem") if other_authority else api.authority
    encoded = base64.b64encode(authority.encode()).decode()
    master.put(ADMIN, api.kubeconfig(**{"tls-server-name": name, "certificate-authority-data": encoded}))
    with pytest.raises(urllib3.exceptions.SSLError, match=sentence), cluster(settings) as way:
        _version(way.kubeconfig.reveal())


def test_a_kubeconfig_shows_itself_to_nobody(
    settings: Ssh, api: Api, master: Master, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = api.kubeconfig()
    wanted["users"][0]["user"]["client-key-data"] = "c2VjcmV0"
    master.put(ADMIN, wanted)
    with caplog.at_level(0), caplog.at_level(0, "paramiko"):
        found = read_kubeconfig(settings)
        logging.getLogger(__name__).info("%s %r %s", found, found, found.through(1))
    shown = caplog.text + "".join(str(record.args) for record in caplog.records)
    assert "paramiko.transport" in {record.name for record in caplog.records}
    assert re.search("s3cr3t|c2VjcmV0", found.content.reveal())
    assert not re.search("s3cr3t|c2VjcmV0", shown)


def test_not_permitted_is_what_a_missing_kubeconfig_is_not(settings: Ssh) -> None:
    with pytest.raises(PermanentError) as error:
        read_kubeconfig(settings)
    assert not isinstance(error.value, NotPermitted)
