"""A Kubernetes cluster as this plugin needs it: objects in, objects out, every failure named by its remedy.

Objects are the plain mappings that the API server speaks, and there is no table of kinds here: where a kind
lives is asked from the API server itself.
"""

from __future__ import annotations

import atexit
import binascii
import http.client
import json
import math
import ssl
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from cloudify_quagga import channel, kubeconfig, rules
from cloudify_quagga.channel import Ended
from cloudify_quagga.errors import Conflict, NotPermitted, PermanentError, Refused, Unavailable
from cloudify_quagga.kubernetes_library import (
    ConfigException,
    Configuration,
    KubeConfigLoader,
    RESTClientObject,
    load_incluster_config,
)
from cloudify_quagga.model import Access, Api, Secret

Manifest = dict[str, Any]
_Body = Manifest | list[dict[str, Any]]
_Response = urllib3.BaseHTTPResponse | channel.Rejected

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
# The API server's audit log tells ours from others' by it.
_SENDER = {"User-Agent": "cloudify-quagga-plugin"}
CONNECT_SECONDS = 5
ANSWER_SECONDS = 30
# A server that is overloaded says when to come back; this is for those that do not say.
RETRY_SECONDS = 5
LONGEST_RETRY_SECONDS = 600.0
STARTING_SECONDS = 10.0
_POLL_SECONDS = 0.25
_FINE = range(200, 300)
_BUSY = (429, 500, 502, 503, 504)
_INTERNAL = 500
_LONG = 600
_NO_SUCH_FILE = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

# What an answer has to hold, so that it can be one of an API server; {} is a map of any.
_Shape = type | dict[str, Any] | list[Any]
_VERSION: _Shape = {"gitVersion": str}
_OBJECT: _Shape = {"metadata": {}}
_LIST: _Shape = {"items": [_OBJECT], "metadata": {"resourceVersion": str}}
_GROUPS: _Shape = {"groups": [{"preferredVersion": {"groupVersion": str}}]}
_RESOURCES: _Shape = {"resources": [{"name": str, "kind": str, "namespaced": bool, "verbs": [str]}]}
_REVIEW: _Shape = {"status": {"allowed": bool}}
_REVIEWED: _Shape = {"status": {"resourceRules": [{"verbs": [str]}], "incomplete": bool}}
_EVENT: _Shape = {"type": str, "object": {}}
_CHANGED: _Shape = {"metadata": {"resourceVersion": str}}


def connect(access: Access, blueprint_file: Callable[[str], bytes], secret: Callable[[str], str]) -> Cluster:
    """The way to the cluster that ``access`` says, without a word spoken on it yet.

    :param blueprint_file: reads a file that came with the blueprint.
    :param secret: the value of a secret by its name.
    """
    configuration = Configuration()
    if access.file:
        path = kubeconfig.path_of(access.file, access.said_at)
        told = kubeconfig.from_file(path, access.said_at, access.context)
        _load(told, configuration, access, str(path.parent.absolute()))
    elif access.blueprint_file or access.content:
        _load(_described(access, blueprint_file), configuration, access)
    elif access.in_cluster:
        _load_in_cluster(configuration)
    elif access.api:
        _use(access.api, configuration, secret)
    else:
        raise Refused(
            "client_config",
            None,
            "says no way to the cluster; name a kubeconfig in client_config.configuration.manager_file_path, "
            "or connect the node to one that has kubernetes_info",
        )
    return Cluster(configuration, said_at=access.said_at)


def connect_through(kubeconfig_text: Secret, address: str) -> Cluster:
    """The way that a kubeconfig says, through a tunnel that begins on this machine.

    :param address: the API server's own URL, which sentences name in place of the tunnel's end.
    """
    configuration = Configuration()
    access = Access(content=kubeconfig_text, said_at="ssh.kubeconfig")
    told = kubeconfig.from_text(kubeconfig_text.reveal(), access.said_at, "the master's kubeconfig", None)
    _load(told, configuration, access)
    # The machine's proxy does not lead to its own loopback.
    configuration.proxy = None
    return Cluster(configuration, address, access.said_at)


@dataclass(frozen=True)
class Reference:
    """Where an object stands, without its content."""

    api_version: str
    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Reference:
        """Where the object that ``manifest`` describes stands."""
        metadata = manifest["metadata"]
        return cls(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))

    @classmethod
    def from_json(cls, recorded: Mapping[str, Any]) -> Reference:
        """The reference that ``to_json`` wrote down.

        :raises TypeError: if somebody has written something else.
        """
        api_version, kind, name = (recorded[key] for key in ("apiVersion", "kind", "name"))
        namespace = recorded.get("namespace")
        if not all(isinstance(one, str) for one in (api_version, kind, name, namespace or "")):
            raise TypeError("an object's version, kind, name and namespace are texts")
        return cls(api_version, kind, name, namespace)

    def to_json(self) -> dict[str, Any]:
        """What is stored in a runtime property."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
        }

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"


@dataclass(frozen=True)
class Event:
    """One step in an object's life: ADDED, MODIFIED or DELETED, and the object as it is after it."""

    type: str
    manifest: Manifest


@dataclass(frozen=True)
class Observation:
    """Objects as they were at one moment, and what happens to them afterwards."""

    found: list[Manifest]
    changes: Callable[[float], Generator[Event, None, None]]


@dataclass(frozen=True)
class Right:
    """Something that one must be allowed to do, in the words of Kubernetes' authorization."""

    verb: str
    api_version: str
    kind: str
    namespace: str | None = None
    subresource: str | None = None


@dataclass(frozen=True)
class _Place:
    """Where objects of one kind are found."""

    path: str
    plural: str
    group: str
    namespaced: bool

    def url(self, namespace: str | None, name: str | None = None) -> str:
        inside = f"/namespaces/{quote(namespace)}" if self.namespaced and namespace else ""
        return f"{self.path}{inside}/{self.plural}" + (f"/{quote(name)}" if name else "")


class Cluster:
    """One connection to one API server.

    :param address: its URL where bytes go another way than there.
    :param said_at: where the author said how it is reached.
    """

    def __init__(
        self, configuration: Configuration, address: str | None = None, said_at: str = "client_config"
    ) -> None:
        self._configuration = configuration
        self._address = address
        self._said_at = said_at
        # What no request could carry is refused now.
        self._authorization()
        # TLS, client certificates and proxies as the configuration has them.
        self._pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        self._places: dict[tuple[str, str], _Place] = {}
        self._tells_readiness = True

    def close(self) -> None:
        """Let go of the connections that are kept open."""
        self._pool.clear()

    @property
    def address(self) -> str:
        """The API server's URL."""
        return self._address or str(self._configuration.host)

    def version(self) -> str:
        """The API server's version; also the cheapest proof that it can be reached and knows us."""
        answer = self._json("GET", "/version", _Deed("get", "version"), _VERSION)
        return str(answer["gitVersion"])

    def get(self, reference: Reference) -> Manifest | None:
        """The object, or None where there is none."""
        place = self._place(reference.api_version, reference.kind)
        deed = _Deed("get", place.plural, reference.name)
        try:
            return self._json("GET", place.url(reference.namespace, reference.name), deed, _OBJECT)
        except Absent:
            return None

    def find(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        fields: str | None = None,
        at_most: int | None = None,
    ) -> list[Manifest]:
        """Every object of one kind, of all namespaces where none is named.

        :param at_most: how many, where what is wanted of many is worth no more.
        """
        return self._listed(api_version, kind, namespace, selector, fields, at_most)[0]

    def apply(self, manifest: Manifest, manager: str, dry_run: bool = False, force: bool = False) -> Manifest:
        """Server-side apply in the name of ``manager``: what others own is a Conflict, unless forced."""
        reference = Reference.of(manifest)
        try:
            return self._applied(reference, manifest, manager, dry_run, force)
        except _Unexplained:
            # So answers a server whose store is ill, and so do older ones where a manifest does not fit its
            # kind's schema. If the store can be read and the answer stays the same, it is the manifest.
            self.get(reference)
        try:
            return self._applied(reference, manifest, manager, dry_run, force)
        except _Unexplained as error:
            raise PermanentError(f"{reference}: {error.said}") from error

    def patch(self, reference: Reference, operations: list[dict[str, Any]]) -> Manifest:
        """Change what a JSON patch names, whoever owns it; a `test` in it that fails changes nothing."""
        place = self._place(reference.api_version, reference.kind)
        deed = _Deed("patch", place.plural, reference.name)
        return self._json(
            "PATCH", place.url(reference.namespace, reference.name), deed, _OBJECT, body=operations
        )

    def delete(
        self,
        reference: Reference,
        dependents_first: bool = False,
        at_once: bool = False,
        as_seen: Manifest | None = None,
    ) -> bool:
        """Ask for the object's removal; False where there was none.

        :param at_once: without waiting for whoever would see to it.
        :param as_seen: only if it is still exactly this one; a Conflict where it has changed.
        """
        place = self._place(reference.api_version, reference.kind)
        deed = _Deed("delete", place.plural, reference.name)
        options: Manifest = {"propagationPolicy": "Foreground" if dependents_first else "Background"}
        if at_once:
            options["gracePeriodSeconds"] = 0
        if as_seen:
            metadata = as_seen["metadata"]
            options["preconditions"] = {key: metadata[key] for key in ("uid", "resourceVersion")}
        try:
            self._json("DELETE", place.url(reference.namespace, reference.name), deed, {}, body=options)
        except Absent:
            return False
        return True

    def observe(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        selector: Mapping[str, str] | None = None,
        fields: str | None = None,
    ) -> Observation:
        """What is there now, and from exactly then on every change."""
        found, version = self._listed(api_version, kind, namespace, selector, fields)
        url = self._place(api_version, kind).url(namespace)
        return Observation(found, partial(self._changes, url, _selection(selector, fields), version))

    def may(self, right: Right) -> bool:
        """Whether the API server would let us, asked by a SelfSubjectAccessReview."""
        place = self._place(right.api_version, right.kind)
        attributes = {
            "verb": right.verb,
            "group": place.group,
            "resource": place.plural,
            "subresource": right.subresource or "",
            "namespace": right.namespace or "",
        }
        asked = {"resourceAttributes": attributes}
        if self._reviewed("Access", asked, _REVIEW)["allowed"]:
            return True
        self._await_ready()
        return bool(self._reviewed("Access", asked, _REVIEW)["allowed"])

    def missing(self, rights: Iterable[Right]) -> list[Right]:
        """Those that the API server would not let us use: many in a namespace cost one request."""
        wanted = list(rights)
        granted = {one: self._rules(one) for one in {right.namespace for right in wanted} if one}

        def is_granted(right: Right) -> bool:
            # All of the cluster is more than a namespace's rules say anything of.
            if not right.namespace:
                return False
            place = self._place(right.api_version, right.kind)
            resource = f"{place.plural}/{right.subresource}" if right.subresource else place.plural
            return rules.grant(granted[right.namespace], right.verb, place.group, resource)

        return [right for right in wanted if not is_granted(right) and not self.may(right)]

    def plural(self, api_version: str, kind: str) -> str:
        """How the API server calls objects of this kind: ``DaemonSet`` is ``daemonsets.apps``."""
        place = self._place(api_version, kind)
        return f"{place.plural}.{place.group}" if place.group else place.plural

    def is_namespaced(self, api_version: str, kind: str) -> bool:
        """Whether objects of this kind live in namespaces."""
        return self._place(api_version, kind).namespaced

    def kinds(self) -> Iterator[tuple[str, str]]:
        """Every kind whose objects can be listed and deleted: its preferred version, and its name."""
        groups = self._json("GET", "/apis", _Deed("discover", "API groups"), _GROUPS)["groups"] or []
        for version in ("v1", *(group["preferredVersion"]["groupVersion"] for group in groups)):
            for resource in self._offered_if_any(version):
                if {"list", "delete"} <= set(resource["verbs"] or []):
                    yield version, resource["kind"]

    def log(
        self, namespace: str, pod: str, lines: int, previous: bool = False, container: str | None = None
    ) -> list[str]:
        """The last lines that a pod's container wrote, the only one where none is named."""
        place = self._place("v1", "Pod")
        query = {"tailLines": str(lines), "previous": "true" if previous else "false"}
        query |= {"container": container} if container else {}
        deed = _Deed("get", "pods/log", pod)
        text = self._asked("GET", f"{place.url(namespace, pod)}/log", deed, query)
        return text.decode(errors="replace").splitlines()

    def exec(
        self,
        pod: Reference,
        command: Sequence[str],
        stdin: bytes = b"",
        container: str | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Ended:
        """Run a command in a pod's container and wait for its end; its input cannot be ended, only filled."""
        place = self._place("v1", "Pod")
        deed = _Deed("exec in", "pods", pod.name)
        asked = [("command", word) for word in command]
        asked += [("container", container)] if container else []
        asked += [(stream, "true") for stream in ("stdout", "stderr", *(["stdin"] if stdin else []))]
        try:
            way = self._way(f"{place.url(pod.namespace, pod.name)}/exec?{urlencode(asked)}")
            return channel.run(way, stdin, CONNECT_SECONDS, seconds)
        except channel.Rejected as error:
            raise _named(error, deed, self.address) from error
        except channel.NotRun as error:
            said = f"`{' '.join(command)}` did not run to its end in {pod}: {error}"
            raise Unavailable(said, RETRY_SECONDS) from error
        except OSError as error:
            raise self._failure(error) from error

    def _rules(self, namespace: str) -> list[Manifest]:
        """What lets us do something in a namespace; nothing where somebody is asked who does not tell."""
        try:
            told = self._reviewed("Rules", {"namespace": namespace}, _REVIEWED)
        except NotPermitted:
            return []
        # Who does not tell may also forbid what others permit.
        return [] if told["incomplete"] else told["resourceRules"] or []

    def _reviewed(self, subject: str, spec: Manifest, shape: _Shape) -> Manifest:
        """The status of a review of ourselves."""
        kind = f"SelfSubject{subject}Review"
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        plural = f"{kind.lower()}s"
        path = f"/apis/authorization.k8s.io/v1/{plural}"
        told: Manifest = self._json("POST", path, _Deed("create", plural), shape, body=review)["status"]
        return told

    def _way(self, path: str) -> channel.Way:
        """To a websocket, with certificates and credentials as every other request has them."""
        configuration = self._configuration
        plain = configuration.host.startswith("http:")
        proxy = urlsplit(configuration.proxy) if configuration.proxy else None
        return channel.Way(
            url=f"ws{configuration.host.removeprefix('http')}{path}",
            headers=_SENDER | self._authorization(),
            tls=None if plain else _tls(configuration),
            server_name=configuration.tls_server_name,
            proxy=(proxy.hostname, proxy.port or 80) if proxy and proxy.hostname else None,
            unproxied=(configuration.no_proxy or "").split(","),
        )

    def _authorization(self) -> dict[str, str]:
        # Also renews a token that runs out.
        authorization = self._configuration.get_api_key_with_prefix("authorization")
        if not authorization:
            return {}
        scheme, _, token = authorization.partition(" ")
        # Who stores a token with its line's end means the token.
        token = token.strip()
        if not token.isascii() or not token.isprintable() or " " in token or not token:
            right = "comes with a token that fits into no HTTP header; it is printable ASCII without blanks"
            raise Refused(self._said_at, "what is given", right)
        return {"Authorization": f"{scheme} {token}"}

    def _place(self, api_version: str, kind: str) -> _Place:
        if (api_version, kind) not in self._places:
            with suppress(Absent):
                self._offered(api_version)
        if (api_version, kind) not in self._places:
            raise UnknownKind(f"the API server at {self.address} knows no {kind} of {api_version}")
        return self._places[api_version, kind]

    def _offered(self, api_version: str) -> list[dict[str, Any]]:
        """The resources of a version, each of which is known from now on; parts of others left out."""
        deed, path = _Deed("discover", api_version), _root(api_version)
        answer = self._json("GET", path, deed, _RESOURCES)["resources"] or []
        found: list[dict[str, Any]] = [one for one in answer if "/" not in one["name"]]
        group = api_version.rpartition("/")[0]
        # Of two of a kind the first counts.
        self._places |= {
            (api_version, one["kind"]): _Place(path, one["name"], group, one["namespaced"])
            for one in reversed(found)
        }
        return found

    def _offered_if_any(self, api_version: str) -> list[dict[str, Any]]:
        """Nothing of a group that somebody else serves who is away; the API server itself has to answer."""
        try:
            return self._offered(api_version)
        except (Absent, Unavailable, NoApiServer):
            self.version()
            return []

    def _applied(
        self, reference: Reference, manifest: Manifest, manager: str, dry_run: bool, force: bool
    ) -> Manifest:
        place = self._place(reference.api_version, reference.kind)
        query = {"fieldManager": manager, "force": str(force).lower()}
        query |= {"dryRun": "All"} if dry_run else {}
        deed = _Deed("patch", place.plural, reference.name)
        path = place.url(reference.namespace, reference.name)
        return self._json("PATCH", path, deed, _OBJECT, query, manifest)

    def _listed(
        self,
        api_version: str,
        kind: str,
        namespace: str | None,
        selector: Mapping[str, str] | None,
        fields: str | None = None,
        at_most: int | None = None,
    ) -> tuple[list[Manifest], str]:
        place = self._place(api_version, kind)
        asked = _selection(selector, fields) | ({} if at_most is None else {"limit": str(at_most)})
        answer = self._json("GET", place.url(namespace), _Deed("list", place.plural), _LIST, asked)
        # A list's items leave out what is the same for all of them.
        items = [{"apiVersion": api_version, "kind": kind} | item for item in answer["items"] or []]
        return items, answer["metadata"]["resourceVersion"]

    def _changes(
        self, url: str, selection: Mapping[str, str], version: str, seconds: float
    ) -> Generator[Event, None, None]:
        deadline = time.monotonic() + seconds
        broken = False
        while True:
            try:
                for event in self._watched(url, selection, version, deadline - time.monotonic()):
                    version = event.manifest["metadata"]["resourceVersion"]
                    yield event
                    if time.monotonic() >= deadline:
                        return
            except Broken:
                # What comes after the last change seen is asked for once more: a tunnel may be there again.
                if broken:
                    raise
                broken = True
            else:
                return

    def _watched(
        self, url: str, selection: Mapping[str, str], version: str, seconds: float
    ) -> Iterator[Event]:
        query = {**selection, "watch": "true", "resourceVersion": version}
        query["timeoutSeconds"] = str(max(1, math.ceil(seconds)))
        plural = url.rpartition("/")[2]
        deed = _Deed("watch", plural)
        with self._sent("GET", url, deed, query, seconds=max(0.0, seconds) + 5) as response:
            for line in _lines(response):
                event = self._read(line, deed, _EVENT)
                if event["type"] == "ERROR":
                    said = _plain(_message(event["object"]) or "no reason given")
                    raise Unavailable(f"{self.address} ended the watch of {plural}: {said}")
                self._check(event["object"], deed, _CHANGED)
                yield Event(event["type"], event["object"])

    def _json(
        self,
        method: str,
        path: str,
        deed: _Deed,
        shape: _Shape,
        query: Mapping[str, str] | None = None,
        body: _Body | None = None,
    ) -> Manifest:
        return self._read(self._asked(method, path, deed, query, body), deed, shape)

    def _read(self, data: bytes, deed: _Deed, shape: _Shape) -> Manifest:
        """What an answer says, that can be an API server's: a proxy's page for a login is none."""
        try:
            answer = json.loads(data)
        except RecursionError:
            answer = None
        except ValueError as error:
            # What says no length may be cut off; what begins otherwise is none.
            if not data.strip() or data.lstrip().startswith(b"{"):
                sentence = f"the connection to the API server at {self.address} broke: no more came to {deed}"
                raise Broken(sentence, RETRY_SECONDS) from error
            answer = None
        self._check(answer, deed, shape)
        found: Manifest = answer
        return found

    def _check(self, answer: object, deed: _Deed, shape: _Shape) -> None:
        if not _fits(answer, shape):
            sentence = f"client_config: {self.address} does not answer as an API server would to {deed}"
            raise NoApiServer(sentence)

    def _asked(
        self,
        method: str,
        path: str,
        deed: _Deed,
        query: Mapping[str, str] | None = None,
        body: _Body | None = None,
    ) -> bytes:
        """The whole answer; what may be said twice is asked again where the connection broke meanwhile."""
        try:
            return self._answered(method, path, deed, query, body)
        except Broken:
            # Whether it was heard is not known: reading and server-side apply change nothing the second time.
            if method != "GET" and not (method == "PATCH" and isinstance(body, dict)):
                raise
        except _Forbidden:
            self._await_ready()
        return self._answered(method, path, deed, query, body)

    def _await_ready(self) -> None:
        """Wait for the API server's word that it is ready: one that has just started says no to everybody.

        One that does not let us see it is waited for once.
        """
        deadline = time.monotonic() + STARTING_SECONDS
        while self._tells_readiness and not self._is_ready():
            self._tells_readiness = time.monotonic() < deadline
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            self._answered("GET", "/readyz", _Deed("get", "readyz"), None, None)
        except (_Forbidden, Unavailable):
            return False
        except PermanentError:
            # It has no such page, or none for us: there is nothing to wait for.
            return True
        return True

    def _answered(
        self,
        method: str,
        path: str,
        deed: _Deed,
        query: Mapping[str, str] | None,
        body: _Body | None,
    ) -> bytes:
        with self._sent(method, path, deed, query, body) as response:
            data: bytes = response.data
            return data

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        deed: _Deed,
        query: Mapping[str, str] | None = None,
        body: _Body | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Iterator[Any]:
        """The answer to one request, with every failure under way named by its remedy."""
        response = None
        try:
            response = self._pool.request(
                method,
                f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body),
                headers=self._headers(method, body),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
                preload_content=False,
                # The orchestrator retries, and knows better when.
                retries=False,
            )
            if response.status not in _FINE:
                raise _named(response, deed, self.address)
            yield response
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise self._failure(error) from error
        finally:
            if response is not None:
                response.close()

    def _failure(self, error: Exception) -> Exception:
        """What kept us from an answer, as one of our errors."""
        if _broke(error):
            sentence = f"the connection to the API server at {self.address} broke: {_plain(error)}"
            return Broken(sentence, RETRY_SECONDS)
        if isinstance(error, (urllib3.exceptions.SSLError, ssl.SSLError)):
            return PermanentError(f"client_config: no TLS connection to {self.address}: {_plain(error)}")
        sentence = f"the API server at {self.address} cannot be reached: {_plain(error)}"
        return Unavailable(sentence, RETRY_SECONDS)

    def _headers(self, method: str, body: object) -> dict[str, str]:
        patched = JSON_PATCH if isinstance(body, list) else APPLY
        headers = {
            "Accept": "application/json, */*",
            "Content-Type": patched if method == "PATCH" else "application/json",
        }
        return headers | _SENDER | self._authorization()


class _Forbidden(NotPermitted):
    """The API server knows us, and says no (403)."""


class Broken(Unavailable):
    """A connection that stood ended before the answer was whole."""


class Absent(PermanentError):
    """The API server has no such object."""


class NoApiServer(PermanentError):
    """What answers at the address does not speak as an API server."""


class UnknownKind(Absent):
    """The API server has no objects of this kind; it may learn of them yet."""


class _Unexplained(Unavailable):
    """A 500 to a patch, for which the API server gave words but no reason in its own terms.

    :param said: the words.
    """

    def __init__(self, message: str, said: str) -> None:
        self.said = said
        super().__init__(message, RETRY_SECONDS)


@dataclass(frozen=True)
class _Deed:
    """What a request was about to do, for the sentence that says why it could not."""

    verb: str
    resource: str
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" {self.name!r}" if self.name else "")


def _fits(answer: object, shape: _Shape) -> bool:
    if isinstance(shape, dict):
        return isinstance(answer, dict) and all(
            key in answer and _fits(answer[key], one) for key, one in shape.items()
        )
    if isinstance(shape, list):
        # Go writes a list that nobody has put anything into as null.
        return answer is None or (isinstance(answer, list) and all(_fits(one, shape[0]) for one in answer))
    return isinstance(answer, shape)


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _broke(error: Exception) -> bool:
    """Whether a connection was there and ended: as it is with tunnels, also in the middle of a handshake."""
    if isinstance(error, urllib3.exceptions.SSLError):
        return any(isinstance(one, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) for one in error.args)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return True
    broken = (urllib3.exceptions.ProtocolError, http.client.HTTPException, ConnectionResetError)
    return isinstance(error, (*broken, BrokenPipeError, ConnectionAbortedError))


def _selection(selector: Mapping[str, str] | None, fields: str | None) -> dict[str, str]:
    labels = ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items()))
    said = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in said.items() if value}


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The whole lines of a stream whose pieces end anywhere; it ends when the server or the time ends it."""
    rest = b""
    try:
        for piece in response.stream(amt=None, decode_content=False):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line for line in lines if line.strip())
    except urllib3.exceptions.ReadTimeoutError:
        return


def _named(response: _Response, deed: _Deed, address: str) -> Exception:
    """The API server's refusal as one of our errors, by its status code."""
    status = _status(response)
    code, server = response.status, f"the API server at {address}"
    words = _message(status)
    said = _plain(words or response.reason or "no reason given")
    if code in _BUSY:
        sentence = f"{server} could not {deed} just now ({code}: {said})"
        if code == _INTERNAL and deed.verb == "patch" and words and not status.get("reason"):
            return _Unexplained(sentence, said)
        return Unavailable(sentence, _retry_after(response))
    kind, sentence = {
        401: (NotPermitted, f"client_config: {server} knows no such credentials (401 for {deed}: {said})"),
        403: (_Forbidden, f"{server} does not let us {deed} (403: {said})"),
        404: (Absent, f"{deed}: {said} (404)"),
        409: (Conflict, f"{deed}: {said} (409)"),
    }.get(code, (PermanentError, f"{server} refuses to {deed} ({code}: {said})"))
    return kind(sentence)


def _status(response: _Response) -> Mapping[str, Any]:
    """What the API server itself gave as the reason; empty where it is not the API server that speaks."""
    try:
        status = json.loads(response.data)
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) else {}


def _message(status: Mapping[str, Any]) -> str:
    message = status.get("message")
    return message if isinstance(message, str) else ""


def _retry_after(response: _Response) -> float:
    headers = {name.lower(): value for name, value in response.headers.items()}
    said = headers.get("retry-after", "")
    if not said.isascii() or not said.isdigit():
        return RETRY_SECONDS
    return min(float(said), LONGEST_RETRY_SECONDS)


def _plain(said: object) -> str:
    """On one line, and not longer than one reads."""
    text = " ".join(str(said).split())
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _described(access: Access, blueprint_file: Callable[[str], bytes]) -> Manifest:
    """A kubeconfig that is no file of this machine."""
    if access.content:
        return kubeconfig.from_elsewhere(access.content.reveal(), access.said_at, "this text", access.context)
    name = str(access.blueprint_file)
    try:
        text = blueprint_file(name).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(access.said_at, name, f"cannot be read from the blueprint: {error}") from error
    return kubeconfig.from_elsewhere(text, access.said_at, name, access.context)


def _load(told: Manifest, configuration: Configuration, access: Access, directory: str = "") -> None:
    """Set up what a kubeconfig says.

    :param directory: where the paths in it begin.
    """
    shown = access.file or access.blueprint_file or "this text"
    try:
        KubeConfigLoader(told, config_base_path=directory).load_and_set(configuration)
    except (ConfigException, binascii.Error, *_NO_SUCH_FILE) as error:
        raise Refused(access.said_at, shown, f"cannot be used as a kubeconfig: {_plain(error)}") from None
    except (OSError, urllib3.exceptions.HTTPError) as error:
        # Whoever gives new tokens is away, for one.
        raise Unavailable(f"{access.said_at}: {shown} cannot be used just now: {_plain(error)}") from None
    except (ValueError, TypeError, AttributeError, LookupError):
        # Words of these may quote a value.
        raise Refused(access.said_at, shown, "cannot be used as a kubeconfig: a value is of no use") from None


def _load_in_cluster(configuration: Configuration) -> None:
    try:
        load_incluster_config(client_configuration=configuration)
    except ConfigException as error:
        raise Refused("client_config.in_cluster", True, f"but this is no pod: {_plain(error)}") from error


def _use(api: Api, configuration: Configuration, secret: Callable[[str], str]) -> None:
    """Set up what api_options or kubernetes_info.url say."""
    configuration.host = api.host
    configuration.verify_ssl = api.verify_ssl
    configuration.ssl_ca_cert = _as_file(api.ssl_ca_cert)
    configuration.cert_file = _as_file(api.cert_file)
    configuration.key_file = _as_file(api.key_file.reveal() if api.key_file else None)
    token = secret(api.token_secret) if api.token_secret else api.api_key and api.api_key.reveal()
    if token:
        configuration.api_key = {"authorization": token}
        configuration.api_key_prefix = {"authorization": "Bearer"}


def _tls(configuration: Configuration) -> ssl.SSLContext:
    """As urllib3 is told to do it for all other requests."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.assert_hostname is False or not configuration.verify_ssl:
        context.check_hostname = False
    if not configuration.verify_ssl:
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _as_file(given: str | None) -> str | None:
    """The path of what was given as a path or as the PEM text itself."""
    if given is None or "-----BEGIN" not in given:
        return given
    with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as file:
        file.write(given.encode())
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
