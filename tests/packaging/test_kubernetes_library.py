"""The plugin loads what it uses of Kubernetes' own library, and others may have the whole of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def python(script: str, *arguments: str, **env: str) -> str:
    """What a script prints in an interpreter that has imported nothing yet."""
    argv = [sys.executable, "-c", script, *arguments]
    # Without an environment: a proxy for the machine is none for the loopback.
    done = subprocess.run(argv, cwd=PROJECT, env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_loads_no_models_and_leaves_nothing_of_the_library_behind() -> None:
    script = (
        "import sys, cloudify_quagga.operations.router\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'kubernetes'])"
    )
    assert python(script) == "[]\n"


def test_who_imports_the_library_afterwards_has_all_of_it() -> None:
    script = (
        "import cloudify_quagga.cluster, kubernetes\n"
        "from kubernetes import client, config, watch\n"
        "print(client.V1Pod().to_dict()['spec'], client.CoreV1Api(client.ApiClient()).list_node.__name__,\n"
        "      config.load_kube_config.__name__, watch.Watch.__name__)"
    )
    assert python(script) == "None list_node load_kube_config Watch\n"


@pytest.mark.parametrize("before", ["kubernetes", "kubernetes.client.models", "kubernetes.config"])
def test_takes_the_library_of_who_has_imported_it_before(before: str) -> None:
    script = (
        f"import {before}\n"
        "from cloudify_quagga import kubernetes_library as ours\n"
        "import kubernetes.client.rest, kubernetes.config.kube_config\n"
        "print(ours.Configuration is kubernetes.client.Configuration,\n"
        "      ours.RESTClientObject is kubernetes.client.rest.RESTClientObject,\n"
        "      ours.ConfigException is kubernetes.config.ConfigException,\n"
        "      ours.KubeConfigLoader is kubernetes.config.kube_config.KubeConfigLoader)"
    )
    assert python(script) == "True True True True\n"


def test_says_it_where_the_library_is_not_installed() -> None:
    script = (
        "import sys\n"
        "sys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
        "try:\n"
        "    import cloudify_quagga.kubernetes_library\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name, error)\n"
    )
    assert python(script) == "kubernetes No module named 'kubernetes'\n"


class FakeIssuer(ThreadingHTTPServer):
    """A stand-in for an issuer of OpenID Connect: one ID token for whoever brings a refresh token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FakeIssuerHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.token = id_token(time.time() + 3600)


class FakeIssuerHandler(BaseHTTPRequestHandler):
    """Its two pages."""

    server: FakeIssuer

    def do_GET(self) -> None:
        """Where tokens are."""
        self._answer({"token_endpoint": f"{self.server.url}/token"})

    def do_POST(self) -> None:
        """A new one."""
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert "refresh_token=once" in said
        self._answer({"access_token": "a", "id_token": self.server.token, "refresh_token": "twice"})

    def _answer(self, said: object) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def id_token(expires: float) -> str:
    """An ID token that says no more than when it expires."""
    parts: tuple[dict[str, object], ...] = ({"alg": "none"}, {"exp": int(expires)}, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    """One that answers."""
    with FakeIssuer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_token_of_openid_connect_is_renewed(issuer: FakeIssuer, tmp_path: Path) -> None:
    """What needs the library's client, and with it all models, is the one thing that still imports them."""
    given = {
        "idp-issuer-url": issuer.url,
        "client-id": "plugin",
        "client-secret": "sesame",
        "id-token": id_token(time.time() - 3600),
        "refresh-token": "once",
    }
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": given}}}],
    }
    (tmp_path / "config").write_text(json.dumps(kubeconfig))
    script = (
        "import sys\n"
        "from cloudify_quagga.cluster import connect\n"
        "from cloudify_quagga.model import Access\n"
        "print(connect(Access(file=sys.argv[1]), None, None)._authorization()['Authorization'])"
    )
    # The issuer of a test has no certificate.
    said = python(script, str(tmp_path / "config"), OAUTHLIB_INSECURE_TRANSPORT="1")
    assert said == f"Bearer {issuer.token}\n"
    assert issuer.asked == ["GET /.well-known/openid-configuration", "POST /token"]
