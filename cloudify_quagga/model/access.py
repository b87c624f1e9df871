"""How a cluster is reached: client_config, or what a connected_to_cluster target tells in kubernetes_info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given

_WAYS = ("blueprint_file_name", "manager_file_path", "file_content", "api_options")
_API_OPTIONS = ("host", "ssl_ca_cert", "cert_file", "key_file", "verify_ssl", "api_key")


@dataclass(frozen=True, repr=False)
class Secret:
    """A text that shows itself to nobody who did not ask by name."""

    value: str

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> str:
        """The text itself."""
        return self.value


@dataclass(frozen=True)
class Api:
    """The API server, named directly; certificates are paths or PEM texts."""

    host: str
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: Secret | None = None
    verify_ssl: bool = True
    api_key: Secret | None = None
    token_secret: str | None = None  # the name of the secret that holds api_key

    @classmethod
    def parse(cls, given: Given) -> Api:
        """From api_options."""
        fields = _said(given.fields(_API_OPTIONS, "api_options"))
        if "host" not in fields:
            raise Refused(given.path, "api_options", "has no host; https://10.0.0.1:6443 would be one")
        return cls(
            host=_url(fields["host"]),
            ssl_ca_cert=_optional(fields.get("ssl_ca_cert")),
            cert_file=_optional(fields.get("cert_file")),
            key_file=_secret(fields.get("key_file")),
            verify_ssl=fields["verify_ssl"].flag() if "verify_ssl" in fields else True,
            api_key=_secret(fields.get("api_key")),
        )


@dataclass(frozen=True)
class Access:
    """At most one way to the cluster; none of them means that somebody else has to say it."""

    blueprint_file: str | None = None
    file: str | None = None
    content: Secret | None = None
    api: Api | None = None
    in_cluster: bool = False
    context: str | None = None

    @classmethod
    def parse(cls, client_config: object, path: str = "client_config") -> Access:
        """From the property; what is empty (an input that was not filled in) counts as left out."""
        given = Given(path, client_config)
        if given.empty:
            return cls()
        fields = _said(given.fields(("configuration", "context", "in_cluster"), "client_config"))
        ways: dict[str, Given] = {}
        if "configuration" in fields:
            ways = _said(fields["configuration"].fields(_WAYS, "configuration"))
        in_cluster = "in_cluster" in fields and fields["in_cluster"].flag()
        said = [*ways, *(["in_cluster"] if in_cluster else [])]
        if len(said) > 1:
            raise Refused(path, " and ".join(said), f"are more than one way to the cluster; keep one of {', '.join(said)}")
        return cls(
            blueprint_file=_optional(ways.get("blueprint_file_name")),
            file=_optional(ways.get("manager_file_path")),
            content=_secret(ways.get("file_content")),
            api=Api.parse(ways["api_options"]) if "api_options" in ways else None,
            in_cluster=in_cluster,
            context=_optional(fields.get("context")),
        )

    @classmethod
    def from_info(cls, kubernetes_info: object, path: str = "kubernetes_info") -> Access:
        """From another deployment's output; a kubeconfig wins over url. Keys that are not ours are left alone."""
        given = Given(path, kubernetes_info)
        if given.empty:
            return cls()
        fields = _said(given.entries("kubernetes_info"))
        context = _optional(fields.get("context"))
        if "kubeconfig" in fields:
            return cls(file=_optional(fields["kubeconfig"]), context=context)
        if "url" not in fields:
            return cls(context=context)
        api = Api(
            host=_url(fields["url"]),
            ssl_ca_cert=_optional(fields.get("ca_cert")),
            token_secret=_optional(fields.get("token_secret")),
        )
        return cls(api=api, context=context)

    @property
    def known(self) -> bool:
        """Whether a way is said at all."""
        return bool(self.blueprint_file or self.file or self.content or self.api or self.in_cluster)

    def or_else(self, other: Access) -> Access:
        """This way, with what it leaves out supplied by the other.

        A context belongs to its kubeconfig and credentials to their host: neither is carried over to another one.
        """
        if not self.known:
            return replace(other, context=self.context or other.context)
        if self.api is None or other.api is None or self.api.host != other.api.host:
            return self
        ours, theirs = self.api, other.api
        authenticated = ours.api_key or ours.cert_file
        return replace(
            self,
            api=replace(
                ours,
                ssl_ca_cert=ours.ssl_ca_cert or theirs.ssl_ca_cert,
                token_secret=None if authenticated else theirs.token_secret,
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Places and names of secrets, never their values: fit for a runtime property."""
        api = self.api and {
            "host": self.api.host,
            "verify_ssl": self.api.verify_ssl,
            "token_secret": self.api.token_secret,
        }
        return {
            "blueprint_file": self.blueprint_file,
            "file": self.file,
            "content": "given" if self.content else None,
            "api": api,
            "in_cluster": self.in_cluster,
            "context": self.context,
        }


def _said(fields: Mapping[str, Given]) -> dict[str, Given]:
    return {key: one for key, one in fields.items() if not one.empty}


def _optional(given: Given | None) -> str | None:
    return None if given is None else given.text("a name or a path")


def _secret(given: Given | None) -> Secret | None:
    if given is None:
        return None
    if isinstance(given.value, str):
        return Secret(given.value)
    raise Refused(given.path, f"a {type(given.value).__name__}", "is no string")


def _url(given: Given) -> str:
    text = given.text("the URL of the API server")
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        raise given.refused("is no URL; https://10.0.0.1:6443 would be one") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_right or not text.isprintable():
        raise given.refused("is no URL of an API server; https://10.0.0.1:6443 would be one")
    if parts.username or parts.password:
        raise Refused(given.path, parts.hostname, "comes with a user or password, which a URL must not carry")
    return text.rstrip("/")
