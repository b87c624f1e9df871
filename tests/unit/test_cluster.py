"""The wire to an API server: a small server on loopback answers what a real one rarely does."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

from cloudify_quagga import cluster as module
from cloudify_quagga.cluster import (
    Absent,
    Broken,
    Cluster,
    NoApiServer,
    Reference,
    Right,
    connect,
    connect_through,
)
from cloudify_quagga.errors import Conflict, NotPermitted, PermanentError, QuaggaError, Refused, Unavailable
from cloudify_quagga.kubernetes_library import KubeConfigLoader
from cloudify_quagga.model import Access, Api
from cloudify_quagga.model.secret import Secret

RESOURCES = [
    {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list", "delete"]},
    {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": None},
    {"name": "nodes", "kind": "Node", "namespaced": False, "verbs": ["list"]},
]
NODE = Reference("v1", "Node", "node1")


class Answers(BaseHTTPRequestHandler):
    """Discovery works; everything else answers as the test says."""

    code = 200
    body: bytes = b'{"metadata": {}}'
    patched: tuple[int, bytes] | None = None
    retry_after: str | None = None
    seen: list[tuple[str, str, dict[str, str], bytes]]

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        if self.path == "/api/v1":
            self.send(200, json.dumps({"resources": RESOURCES}).encode())
        elif self.command == "PATCH" and self.patched:
            self.send(*self.patched)
        else:
            self.send(self.code, self.body)

    do_GET = do_PATCH = do_POST = do_DELETE = answer  # noqa: N815

    def send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if self.retry_after:
            self.send_header("Retry-After", self.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answers() -> type[Answers]:
    return type("ThisTestsAnswers", (Answers,), {"seen": []})


@pytest.fixture
def cluster(answers: type[Answers]) -> Iterator[Cluster]:
    with served(answers) as made:
        yield made


@contextmanager
def served(answers: type[Answers], token: str = "sesame") -> Iterator[Cluster]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    api = Api(f"http://127.0.0.1:{server.server_port}", api_key=Secret(token))
    with closing(connect(Access(api=api), lambda _: b"", str)) as made:
        yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTING_SECONDS", 0.0)


def status(message: str) -> bytes:
    said = {"kind": "Status", "metadata": {}, "message": message, "reason": "SomeReason"}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, NotPermitted),
        (403, NotPermitted),
        (409, Conflict),
        (422, PermanentError),
        (400, PermanentError),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_every_code_has_its_remedy(
    code: int, kind: type[QuaggaError], cluster: Cluster, answers: type[Answers]
) -> None:
    answers.code, answers.body = code, status("because I say so")
    with pytest.raises(kind) as raised:
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}, "me")
    assert kind in (type(raised.value), *type(raised.value).__bases__)
    assert "patch nodes 'node1'" in str(raised.value)
    assert "because I say so" in str(raised.value)
    assert str(code) in str(raised.value)


@pytest.mark.parametrize(
    ("reason", "kind"), [({}, PermanentError), ({"reason": "InternalError"}, Unavailable)]
)
def test_a_manifest_that_does_not_fit_its_schema_is_told_from_an_ill_server(
    reason: dict[str, str], kind: type[QuaggaError], cluster: Cluster, answers: type[Answers]
) -> None:
    # An API server of 1.20 answers 500 to both; that it can be read tells them apart.
    said = {"message": ".spec.foo: field not declared in schema", **reason}
    answers.patched = 500, json.dumps(said).encode()
    with pytest.raises(kind, match=r"\.spec\.foo: field not declared in schema") as raised:
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}, "me")
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("said", "expected"),
    [(None, 5.0), ("17", 17.0), ("9" * 40, 600.0), ("\xb2", 5.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 5.0)],
)
def test_the_server_says_when_to_come_back(
    said: str | None, expected: float, cluster: Cluster, answers: type[Answers]
) -> None:
    answers.code, answers.retry_after = 429, said
    with pytest.raises(Unavailable) as raised:
        cluster.get(NODE)
    assert raised.value.retry_after == expected


def test_what_is_not_there_is_none_to_whoever_asks_for_it(cluster: Cluster, answers: type[Answers]) -> None:
    answers.code, answers.body = 404, status("not found")
    assert cluster.get(NODE) is None
    assert cluster.delete(NODE) is False
    with pytest.raises(Absent):
        cluster.find("v1", "Node")


@pytest.mark.parametrize(
    "body",
    [b"<html>Bad gateway</html>", b"", b'"words"', b"\xff", b"[" * 100_000, b'{"message": 5}'],
    ids=range(6),
)
def test_an_answer_that_is_no_status(body: bytes, cluster: Cluster, answers: type[Answers]) -> None:
    answers.code, answers.body = 502, body
    with pytest.raises(Unavailable, match="502: Bad Gateway"):
        cluster.get(NODE)


@pytest.mark.parametrize("body", [b"", b"\n", b'{"gitVers', b'{"gitVersion": "v1.20.2"'])
def test_an_answer_that_ends_early_is_asked_for_again(
    body: bytes, cluster: Cluster, answers: type[Answers]
) -> None:
    answers.body = body
    with pytest.raises(
        Unavailable, match=r"the connection to the API server at http://.* broke: no more came"
    ):
        cluster.version()


ODD = [b"<html>please log in</html>", b"null", b"[" * 100_000, b"5", b'{"kind": "x"}', b"\xff"]


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_an_answer_of_what_is_no_api_server(body: bytes, cluster: Cluster, answers: type[Answers]) -> None:
    answers.body = body
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
    for ask in (
        cluster.version,
        lambda: cluster.get(NODE),
        lambda: cluster.find("v1", "Node"),
        lambda: cluster.observe("v1", "Node", None),
        lambda: cluster.apply(node, "me"),
        lambda: cluster.patch(NODE, []),
        lambda: cluster.may(Right("get", "v1", "Node")),
        lambda: cluster.missing([Right("get", "v1", "Pod", "default")]),
        lambda: list(cluster.kinds()),
        lambda: cluster.plural("apps/v1", "DaemonSet"),
    ):
        with pytest.raises(NoApiServer, match=r"^client_config: http://.* does not answer as an API server"):
            ask()


ODDER: list[dict[str, Any]] = [
    {"items": 5, "metadata": {"resourceVersion": "1"}},
    {"items": [5], "metadata": {"resourceVersion": "1"}},
    {"items": [{}], "metadata": {"resourceVersion": "1"}},
    {"items": [], "metadata": {}},
    {"items": [], "metadata": None},
]


@pytest.mark.parametrize("body", ODDER)
def test_a_list_that_is_none(body: dict[str, Any], cluster: Cluster, answers: type[Answers]) -> None:
    answers.body = json.dumps(body).encode()
    with pytest.raises(NoApiServer):
        cluster.find("v1", "Node")


def test_a_list_without_items_may_be_null(cluster: Cluster, answers: type[Answers]) -> None:
    answers.body = b'{"items": null, "metadata": {"resourceVersion": "1"}}'
    assert cluster.find("v1", "Node") == []


def test_a_group_whose_server_speaks_otherwise_has_no_kinds(cluster: Cluster, answers: type[Answers]) -> None:
    groups = [{"preferredVersion": {"groupVersion": "metrics.k8s.io/v1"}}]
    answers.body = json.dumps({"groups": groups, "gitVersion": "v1.30.0"}).encode()
    assert list(cluster.kinds()) == [("v1", "Pod")]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (
        closing(connect(Access(api=Api(f"http://127.0.0.1:{port}")), lambda _: b"", str)) as cluster,
        pytest.raises(Unavailable, match=f"the API server at http://127.0.0.1:{port} cannot be reached"),
    ):
        cluster.get(NODE)


def test_an_unknown_kind(cluster: Cluster) -> None:
    with pytest.raises(PermanentError, match="knows no Teapot of v1"):
        cluster.get(Reference("v1", "Teapot", "short-and-stout"))


def test_a_version_is_asked_once_for_all_its_kinds(cluster: Cluster, answers: type[Answers]) -> None:
    for kind in ("Pod", "Node"):
        cluster.plural("v1", kind)
    assert [path for _, path, *_ in answers.seen] == ["/api/v1"]


def test_what_is_sent(cluster: Cluster, answers: type[Answers]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "router", "namespace": "net"}}
    cluster.apply(manifest, "me: & you", dry_run=True)
    method, path, headers, body = answers.seen[-1]
    assert method == "PATCH"
    assert path == "/api/v1/namespaces/net/pods/router?fieldManager=me%3A+%26+you&force=false&dryRun=All"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert headers["Authorization"] == "Bearer sesame"
    assert json.loads(body) == manifest


def test_a_token_is_sent_without_the_white_space_around_it(answers: type[Answers]) -> None:
    with served(answers, " sesame\n") as cluster:
        cluster.get(NODE)
    assert answers.seen[-1][2]["Authorization"] == "Bearer sesame"


def with_user(**user: object) -> Access:
    config = {
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": user}],
        "current-context": "here",
    }
    return Access(content=Secret(json.dumps(config)), said_at="client_config.configuration.file_content")


@pytest.mark.parametrize("token", ["ses ame", "ses\name", "sesam\xe9", "sesam\u20ac", "sesame\x00", " \n"])
def test_a_token_that_fits_into_no_header_is_refused_before_anything_is_asked(token: str) -> None:
    ways = [
        with_user(token=token),
        Access(api=Api("http://127.0.0.1:1", api_key=Secret(token))),
        Access(api=Api("http://127.0.0.1:1", token_secret=token)),
    ]
    for way in ways:
        with pytest.raises(Refused) as refused:
            connect(way, lambda _: b"", str)
        assert str(refused.value) == (
            f"{way.said_at}: what is given comes with a token that fits into no HTTP header; "
            "it is printable ASCII without blanks"
        )
        assert refused.value.__cause__ is None


def test_a_name_and_a_password_fit_always() -> None:
    with closing(connect(with_user(username="me", password="sesam\xe9\n"), lambda _: b"", str)) as cluster:
        assert cluster._authorization() == {"Authorization": "Basic bWU6c2VzYW3pCg=="}


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ({"client-certificate-data": "x"}, ": "),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": 5}}}, ": a value is of no use"),
        ({"auth-provider": {"name": "oidc", "config": {"id-token": "a.bb.c"}}}, ": a value is of no use"),
        ({"auth-provider": {"name": "gcp", "config": {"access-token": "a", "expiry": "b"}}}, ": "),
        ({"tokenFile": "none"}, ": .*No such file or directory"),
    ],
)
def test_what_the_kubernetes_client_makes_nothing_of(
    user: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "config:file"
    config = json.loads(with_user(**user).content.reveal())  # type: ignore[union-attr]
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    file.write_text(json.dumps(config))
    with pytest.raises(Refused, match=f"^client_config: {file} cannot be used as a kubeconfig{sentence}"):
        connect(Access(file=str(file)), lambda _: b"", str)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("Max retries exceeded"),
        MaxRetryError(HTTPConnectionPool("issuer"), "/.well-known/openid-configuration"),
    ],
)
def test_what_a_kubeconfig_needs_may_be_away(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_listens(*_: object) -> None:
        raise error

    monkeypatch.setattr(KubeConfigLoader, "load_and_set", nobody_listens)
    with pytest.raises(Unavailable, match=r"this text cannot be used just now: .*Max retries exceeded"):
        connect(with_user(token="sesame"), lambda _: b"", str)


def test_paths_in_a_file_begin_at_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("sesame\n")
    file = tmp_path / "config"
    file.write_text(with_user(tokenFile="token").content.reveal())  # type: ignore[union-attr]
    monkeypatch.chdir("/")
    with closing(connect(Access(file=str(file)), lambda _: b"", str)) as cluster:
        assert cluster._authorization() == {"Authorization": "Bearer sesame"}


def event(kind: str, name: str) -> bytes:
    manifest = {"metadata": {"name": name, "uid": name, "resourceVersion": "2"}}
    return json.dumps({"type": kind, "object": manifest}).encode() + b"\n"


class Stream(Answers):
    """A watch whose pieces end anywhere, and that stays silent afterwards."""

    pieces: tuple[bytes, ...] = ()

    def send(self, code: int, body: bytes) -> None:
        if "watch=true" not in self.path:
            return super().send(code, body)
        self.send_response(200)
        self.end_headers()
        for piece in self.pieces:
            self.wfile.write(piece)
            self.wfile.flush()
        return None


def changes(answers: type[Answers], cluster: Cluster, pieces: tuple[bytes, ...]) -> list[tuple[str, str]]:
    answers.body = json.dumps({"items": [], "metadata": {"resourceVersion": "1"}}).encode()
    answers.pieces = pieces  # type: ignore[attr-defined]
    there = cluster.observe("v1", "Pod", "net", {"a": "b"})
    assert there.found == []
    return [(one.type, one.manifest["metadata"]["name"]) for one in there.changes(5)]


@pytest.mark.parametrize(
    "pieces",
    [
        (event("ADDED", "one") + event("DELETED", "one"),),
        tuple(bytes([byte]) for byte in event("ADDED", "one") + event("DELETED", "one")),
        (event("ADDED", "one")[:7], event("ADDED", "one")[7:] + b"\n" + event("DELETED", "one")),
    ],
)
class TestAWatch:
    @pytest.fixture
    def answers(self) -> type[Answers]:
        return type("ThisTestsStream", (Stream,), {"seen": []})

    def test_is_cut_into_events(
        self, pieces: tuple[bytes, ...], cluster: Cluster, answers: type[Answers]
    ) -> None:
        assert changes(answers, cluster, pieces) == [("ADDED", "one"), ("DELETED", "one")]
        _, path, _, _ = answers.seen[-1]
        assert "labelSelector=a%3Db" in path
        assert "resourceVersion=1" in path

    def test_that_the_server_ends_is_an_error(
        self, pieces: tuple[bytes, ...], cluster: Cluster, answers: type[Answers]
    ) -> None:
        gone = json.dumps({"type": "ERROR", "object": {"message": "too old", "code": 410}}).encode() + b"\n"
        with pytest.raises(Unavailable, match="ended the watch of pods: too old"):
            changes(answers, cluster, (*pieces, gone))


@pytest.mark.parametrize(
    "line",
    [b"<html>", b"5", b'{"type": "ADDED"}', b'{"type": "ADDED", "object": {"metadata": {}}}', b"[" * 100_000],
    ids=range(5),
)
def test_a_line_of_a_watch_that_is_none(line: bytes) -> None:
    answers = type("ThisTestsStream", (Stream,), {"seen": []})
    with served(answers) as cluster, pytest.raises(NoApiServer, match=r"to watch pods$"):
        changes(answers, cluster, (line + b"\n",))


def read(*_: object) -> bytes:
    raise FileNotFoundError("no such file")


@pytest.mark.parametrize(
    ("access", "blueprint_file", "sentence"),
    [
        (Access(), read, "client_config: null says no way to the cluster"),
        (Access(in_cluster=True), read, "client_config.in_cluster: true but this is no pod"),
        (
            Access(blueprint_file="kube/config", said_at="client_config.configuration.blueprint_file_name"),
            read,
            "client_config.configuration.blueprint_file_name: kube/config cannot be read from the blueprint",
        ),
        (
            Access(content=Secret("sesame"), said_at="client_config.configuration.file_content"),
            read,
            "client_config.configuration.file_content: this text is no kubeconfig",
        ),
    ],
)
def test_no_way_at_all(access: Access, blueprint_file: Callable[[str], Any], sentence: str) -> None:
    with pytest.raises(PermanentError) as refused:
        connect(access, blueprint_file, str)
    assert str(refused.value).startswith(sentence)
    assert "sesame" not in str(refused.value)


class Hangs(Answers):
    """Hangs up on the first so many requests, having said what the test wants."""

    hang_up = 1
    last_words = b""

    def answer(self) -> None:
        if self.path == "/api/v1" or self.hang_up == 0:
            super().answer()
            return
        type(self).hang_up -= 1
        self.seen.append((self.command, self.path, dict(self.headers), b""))
        self.close_connection = True
        self.wfile.write(self.last_words)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PATCH = do_POST = do_DELETE = answer  # noqa: N815


class TestAConnectionThatBreaks:
    @pytest.fixture
    def answers(self) -> type[Answers]:
        return type("ThisTestsAnswers", (Hangs,), {"seen": []})

    def test_a_read_is_asked_once_more(self, cluster: Cluster, answers: type[Hangs]) -> None:
        answers.body = b'{"metadata": {"name": "node1"}}'
        assert cluster.get(NODE) == {"metadata": {"name": "node1"}}

    def test_also_in_the_middle_of_an_answer(self, cluster: Cluster, answers: type[Hangs]) -> None:
        answers.last_words = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"metadata": {'
        assert cluster.get(NODE) == {"metadata": {}}

    def test_but_not_twice(self, cluster: Cluster, answers: type[Hangs]) -> None:
        answers.hang_up = 2
        with pytest.raises(Broken, match=r"^the connection to the API server at http://\S+ broke: "):
            cluster.get(NODE)
        assert len(answers.seen) == 3

    def test_what_is_applied_is_applied_once_more(self, cluster: Cluster, answers: type[Hangs]) -> None:
        answers.body = b'{"metadata": {"name": "node1"}}'
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
        assert cluster.apply(node, "me") == {"metadata": {"name": "node1"}}

    def test_what_may_not_be_said_twice_is_left_to_the_orchestrator(
        self, cluster: Cluster, answers: type[Hangs]
    ) -> None:
        with pytest.raises(Broken):
            cluster.patch(NODE, [{"op": "remove", "path": "/metadata/labels/role"}])

    def test_a_watch_goes_on_after_the_last_change_seen(self, cluster: Cluster, answers: type[Hangs]) -> None:
        answers.hang_up = 0
        answers.body = b'{"items": [], "metadata": {"resourceVersion": "7"}}'
        there = cluster.observe("v1", "Pod", "default", {})
        line = b'{"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "%d"}}}\n'
        first = line % 8
        answers.hang_up = 1
        answers.last_words = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (
            len(first),
            first,
        )
        answers.body = line % 9
        seen = [event.manifest["metadata"]["resourceVersion"] for event in there.changes(5)]
        assert seen == ["8", "9"]
        assert "resourceVersion=7" in answers.seen[-2][1]
        assert "resourceVersion=8" in answers.seen[-1][1]


def test_a_patch_is_a_json_patch(cluster: Cluster, answers: type[Answers]) -> None:
    cluster.patch(NODE, [{"op": "remove", "path": "/metadata/labels/role"}])
    method, _, headers, body = answers.seen[-1]
    assert (method, headers["Content-Type"]) == ("PATCH", "application/json-patch+json")
    assert json.loads(body) == [{"op": "remove", "path": "/metadata/labels/role"}]


def test_through_a_tunnel_no_proxy_is_asked_and_the_servers_own_name_is_said(
    answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    config = {
        "contexts": [{"name": "here", "context": {"cluster": "here"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "current-context": "here",
    }
    with closing(connect_through(Secret(json.dumps(config)), "https://10.0.0.1:6443")) as cluster:
        answers.code = 403
        with pytest.raises(NotPermitted, match=r"^the API server at https://10.0.0.1:6443 does not let us"):
            cluster.get(NODE)
    server.shutdown()
    server.server_close()


def test_a_no_of_an_api_server_that_has_just_started_is_not_its_last_word(
    cluster: Cluster, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STARTING_SECONDS", 5.0)
    answered, ready = cluster._answered, iter([False, False, True])

    def starting(method: str, path: str, *rest: Any) -> bytes:
        if path == "/readyz":
            answers.code = 200 if next(ready) else 403
        return answered(method, path, *rest)

    monkeypatch.setattr(cluster, "_answered", starting)
    answers.code, answers.body = 403, status("nobody has rights yet")
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}, "me")
    assert next(ready, None) is None


RIGHTS = [
    Right("get", "v1", "Pod", "net"),
    Right("get", "v1", "Pod", "net", "log"),
    Right("get", "v1", "Pod", "other"),
    Right("list", "v1", "Node"),
]
ALL_OF_NET = [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"]}]


def reviews(answers: type[Answers]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (path.rpartition("/")[2], json.loads(body)["spec"])
        for method, path, _, body in answers.seen
        if method == "POST"
    ]


def test_rights_in_a_namespace_are_asked_for_together(cluster: Cluster, answers: type[Answers]) -> None:
    told = {"resourceRules": ALL_OF_NET, "incomplete": False, "allowed": True}
    answers.body = json.dumps({"status": told}).encode()
    assert cluster.missing(iter(RIGHTS[:2] + RIGHTS[3:])) == []
    [together, alone] = reviews(answers)
    assert together == ("selfsubjectrulesreviews", {"namespace": "net"})
    # That a rule is told of in a namespace does not mean that it is one for the whole cluster.
    assert alone[0] == "selfsubjectaccessreviews"
    assert alone[1]["resourceAttributes"]["resource"] == "nodes"


@pytest.mark.parametrize(
    "told",
    [
        {"resourceRules": ALL_OF_NET, "incomplete": True},
        {"resourceRules": [], "incomplete": False},
        {"resourceRules": None, "incomplete": False},
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_what_rules_do_not_tell_is_asked_for_right_by_right(
    allowed: bool, told: dict[str, Any], cluster: Cluster, answers: type[Answers]
) -> None:
    answers.body = json.dumps({"status": {**told, "allowed": allowed}}).encode()
    assert cluster.missing(RIGHTS) == ([] if allowed else RIGHTS)
    alone = [spec for name, spec in reviews(answers) if name == "selfsubjectaccessreviews"]
    assert len(alone) == len(RIGHTS) * (1 if allowed else 2)


def test_who_may_not_ask_for_rules_asks_right_by_right(
    cluster: Cluster, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = cluster._answered

    def narrow(method: str, path: str, *rest: Any) -> bytes:
        answers.code = 403 if path.endswith("rulesreviews") else 200
        return answered(method, path, *rest)

    monkeypatch.setattr(cluster, "_answered", narrow)
    answers.body = b'{"status": {"allowed": true}, "message": "no"}'
    assert cluster.missing(RIGHTS) == []


def test_one_that_does_not_tell_whether_it_is_ready_is_waited_for_once(
    cluster: Cluster, answers: type[Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STARTING_SECONDS", 0.2)
    answers.code, answers.body = 403, status("never")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
    for least in (0.2, 0.0):
        began = time.monotonic()
        with pytest.raises(NotPermitted):
            cluster.apply(node, "me")
        assert time.monotonic() - began >= least
    assert time.monotonic() - began < 2
