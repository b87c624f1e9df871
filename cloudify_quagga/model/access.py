"""How a cluster is reached: client_config, or what a connected_to_cluster target tells in kubernetes_info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.secret import Secret
from cloudify_quagga.model.ssh import Ssh

_WAYS = ("blueprint_file_name", "manager_file_path", "file_content", "api_options")
_API_OPTIONS = ("host", "ssl_ca_cert", "cert_file", "key_file", "verify_ssl", "api_key")


@dataclass(frozen=True)
class Api:
    """The API server, named directly; certificates and keys are paths or PEM texts."""

    host: str
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: Secret | None = None
    verify_ssl: bool = True
    api_key: Secret | None = None
    token_secret: str | None = None  # the name of the secret that holds what api_key would

    @classmethod
    def parse(cls, given: Given) -> Api:
        """From api_options."""
        fields = _said(given.fields(_API_OPTIONS, "api_options"))
        if "host" not in fields:
            raise given.refused("has no host; https://10.0.0.1:6443 would be one")
        if ("cert_file" in fields) != ("key_file" in fields):
            raise given.refused("has only one of cert_file and key_file; both are needed")
        return cls(
            host=_url(fields["host"]),
            ssl_ca_cert=_optional(fields, "ssl_ca_cert"),
            cert_file=_optional(fields, "cert_file"),
            key_file=_secret(fields, "key_file"),
            verify_ssl=_flag(fields, "verify_ssl", default=True),
            api_key=_secret(fields, "api_key"),
        )


@dataclass(frozen=True)
class Access:
    """At most one way to the cluster; none of them means that somebody else has to say it.

    :param ssh: the master, whose own kubeconfig and a tunnel are the way.
    :param said_at: the property path of the way, for sentences about it.
    """

    blueprint_file: str | None = None
    file: str | None = None
    content: Secret | None = None
    api: Api | None = None
    in_cluster: bool = False
    ssh: Ssh | None = None
    context: str | None = None
    said_at: str = "client_config"

    @classmethod
    def parse(cls, client_config: object, path: str = "client_config") -> Access:
        """From the property; what is empty (an input that was not filled in) counts as left out."""
        given = Given(path, client_config, hidden=True)
        if given.empty:
            return cls(said_at=path)
        fields = _said(given.fields(("configuration", "context", "in_cluster"), "client_config"))
        configuration = fields.get("configuration")
        ways = _said(configuration.fields(_WAYS, "configuration")) if configuration else {}
        in_cluster = _flag(fields, "in_cluster", default=False)
        named = [*ways, *(["in_cluster"] if in_cluster else [])]
        if len(named) > 1:
            raise Refused(path, " and ".join(named), "are several ways to the cluster; say only one")
        return cls(
            blueprint_file=_optional(ways, "blueprint_file_name"),
            file=_optional(ways, "manager_file_path"),
            content=_secret(ways, "file_content"),
            api=Api.parse(ways["api_options"]) if "api_options" in ways else None,
            in_cluster=in_cluster,
            context=_optional(fields, "context"),
            said_at=next((way.path for way in ways.values()), path),
        )

    @classmethod
    def from_info(cls, kubernetes_info: object, path: str = "kubernetes_info") -> Access:
        """From another deployment's output; a kubeconfig wins over url. Other keys are somebody else's."""
        given = Given(path, kubernetes_info, hidden=True)
        if given.empty:
            return cls(said_at=path)
        fields = _said(given.entries("kubernetes_info"))
        context = _optional(fields, "context")
        if "kubeconfig" in fields:
            return cls(file=_optional(fields, "kubeconfig"), context=context, said_at=f"{path}.kubeconfig")
        if "url" not in fields:
            return cls(context=context, said_at=path)
        api = Api(
            host=_url(fields["url"]),
            ssl_ca_cert=_optional(fields, "ca_cert"),
            token_secret=_optional(fields, "token_secret"),
        )
        return cls(api=api, context=context, said_at=f"{path}.url")

    @property
    def known(self) -> bool:
        """Whether a way is said at all."""
        ways = (self.blueprint_file, self.file, self.content, self.api, self.in_cluster, self.ssh)
        return any(ways)

    def or_else(self, other: Access) -> Access:
        """This way, with what it leaves out supplied by the other.

        A context belongs to its kubeconfig and credentials to their host: neither goes along to another one.
        """
        if not self.known:
            return replace(other, context=self.context or other.context)
        if self.api is None or other.api is None or self.api.host != other.api.host:
            return self
        authenticated = self.api.api_key or self.api.cert_file or self.api.token_secret
        api = replace(
            self.api,
            ssl_ca_cert=self.api.ssl_ca_cert or other.api.ssl_ca_cert,
            token_secret=self.api.token_secret if authenticated else other.api.token_secret,
        )
        return replace(self, api=api)

    def to_json(self) -> dict[str, Any]:
        """Places and names of secrets, never their values: fit for a runtime property."""
        return {
            "said_at": self.said_at,
            "blueprint_file": self.blueprint_file,
            "file": self.file,
            "host": self.api.host if self.api else None,
            "token_secret": self.api.token_secret if self.api else None,
            "in_cluster": self.in_cluster,
            "ssh": self.ssh.to_json() if self.ssh else None,
            "context": self.context,
        }


def _said(fields: Mapping[str, Given]) -> dict[str, Given]:
    return {key: one for key, one in fields.items() if not one.empty}


def _optional(fields: Mapping[str, Given], key: str) -> str | None:
    return _writable(fields[key].shown(), "a name or a path") if key in fields else None


def _secret(fields: Mapping[str, Given], key: str) -> Secret | None:
    return Secret(_writable(fields[key], "a text")) if key in fields else None


def _writable(given: Given, what: str) -> str:
    """A text that can be written to a file, and be a file's name."""
    text = given.characters(what)
    if "\0" in text:
        raise given.refused("holds a zero byte, which ends a file's name")
    return text


def _flag(fields: Mapping[str, Given], key: str, *, default: bool) -> bool:
    return fields[key].shown().flag() if key in fields else default


def _url(given: Given) -> str:
    text = given.text("the API server's URL")
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = None
    if "@" in text:
        raise given.refused("carries a user; credentials are said elsewhere, not in a URL")
    if not whole or not text.isprintable() or " " in text:
        raise given.shown().refused("is no URL of an API server; https://10.0.0.1:6443 would be one")
    return text.rstrip("/")
