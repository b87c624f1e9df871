"""A microservice as the blueprints of 2017 describe it: that type's properties, defaults and refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.document import INTEGERS, Document
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.kubernetes_names import image, namespace

PROTOCOLS = ("TCP", "UDP", "SCTP")
# What 2017 wrote where no port was given.
NO_PORT = -1

_HIGHEST_PORT = 65535
_LONGEST_NAME = 255
_MOST_REPLICAS = 2**31 - 1
_SERVICE_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]*")
_DIGITS = re.compile(r"-?[0-9]{1,10}")


@dataclass(frozen=True)
class ConfigFile:
    """A file of manifests, and the overrides that are applied to it, one after the other."""

    file: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, given: Given) -> ConfigFile:
        """From {file, overrides}, or from the name of a file alone."""
        if isinstance(given.value, str):
            return cls(_said(given, "the name of a file"))
        fields = given.fields(("file", "overrides"), "an element of config_files")
        if "file" not in fields:
            raise given.refused("has no file; {file: resources/kubernetes/pod.yaml} would be one")
        overrides = fields.get("overrides")
        return cls(_said(fields["file"], "the name of a file"), _texts(overrides) if overrides else ())

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return {"file": self.file, "overrides": list(self.overrides)}


@dataclass(frozen=True)
class EnvVariable:
    """A variable of a container's environment: a text, or where the kubelet finds it; never both."""

    name: str
    # May have come from a secret of the manager.
    value: str | None = field(default=None, repr=False)
    value_from: Document | None = None

    @classmethod
    def parse(cls, name: str, given: Given) -> EnvVariable:
        """From the value that the variable has in the map."""
        if not _VARIABLE.fullmatch(name):
            raise Refused(
                given.path, name, "is no name of a variable: letters, digits, '_', '-', '.', no digit first"
            )
        if isinstance(given.value, Mapping):
            fields = given.fields(("valueFrom",), "a variable of env")
            if "valueFrom" not in fields:
                raise given.refused("has no value; a text, or {valueFrom: {...}} would be one")
            return cls(name, value_from=Document.parse(fields["valueFrom"]))
        if isinstance(given.value, (list, tuple)):
            return cls(name, ",".join(_variable(one) for one in given.elements("texts")))
        return cls(name, _variable(given))

    def to_json(self) -> object:
        """What stands beside the name in the map."""
        return {"valueFrom": self.value_from.data} if self.value_from else self.value

    def manifest(self) -> dict[str, Any]:
        """As a container has it."""
        if self.value_from:
            return {"name": self.name, "valueFrom": self.value_from.data}
        return {"name": self.name, "value": self.value}


@dataclass(frozen=True)
class Microservice:
    """What is to run; how the cluster is reached, over SSH too, is said by others."""

    name: str
    image: str = ""
    port: int = NO_PORT
    target_port: int = NO_PORT
    protocol: str = "TCP"
    replicas: int = 1
    run_overrides: Document | None = None
    expose_overrides: Document | None = None
    config: Document | None = None
    config_files: tuple[ConfigFile, ...] = ()
    env: tuple[EnvVariable, ...] = ()
    template_variables: Document | None = None
    namespace: str = "default"
    # These two prepared a host in 2017. A microservice has none; kept, so that its blueprints stay valid.
    install_docker: bool = False
    install: bool = True

    @classmethod
    def parse(cls, properties: Mapping[str, Any]) -> Microservice:
        """From the properties of a node; what is empty (an input not filled in) counts as left out."""
        given = {key: Given(key, properties.get(key), hidden=key in _HIDDEN) for key in _READERS}
        said = {key: one for key, one in given.items() if not one.empty}
        if "name" not in said:
            raise given["name"].refused("is no name; one is needed")
        values = {name: read(said[name]) for name, read in _READERS.items() if name in said}
        values.setdefault("target_port", values.get("port", NO_PORT))
        microservice = cls(**values)
        microservice._check_generated()
        return microservice

    @property
    def source(self) -> str:
        """The property that the manifests come from: config, config_files, or image."""
        if self.config:
            return "config"
        return "config_files" if self.config_files else "image"

    def to_json(self) -> dict[str, Any]:
        """The canonical form: Microservice.parse of it is this one again. Values of env are in it."""
        return {
            "name": self.name,
            "image": self.image,
            "port": self.port,
            "target_port": self.target_port,
            "protocol": self.protocol,
            "replicas": self.replicas,
            "run_overrides": self.run_overrides.data if self.run_overrides else "",
            "expose_overrides": self.expose_overrides.data if self.expose_overrides else "",
            "config": self.config.data if self.config else {},
            "config_files": [one.to_json() for one in self.config_files],
            "env": {one.name: one.to_json() for one in self.env},
            "template_variables": self.template_variables.data if self.template_variables else {},
            "namespace": self.namespace,
            "install_docker": self.install_docker,
            "install": self.install,
        }

    def _check_generated(self) -> None:
        if self.source != "image":
            return
        if not self.image:
            raise Refused("image", self.image, "is no image; without config and config_files one is needed")
        if not _SERVICE_NAME.fullmatch(self.name):
            right = (
                "is no name of a Service: a lower-case letter, then such letters, digits and '-', at most 63"
            )
            raise Refused("name", self.name, right)
        if self.expose_overrides and self.port == NO_PORT:
            raise Refused("expose_overrides", "what is given", "changes a Service, which only a port makes")


def _said(given: Given, what: str) -> str:
    text = given.text(what)
    if not text.strip() or not text.isprintable() or len(text) > _LONGEST_NAME:
        raise given.refused(f"is not {what}")
    return text


def _texts(given: Given) -> tuple[str, ...]:
    if given.empty:
        return ()
    elements = [given] if isinstance(given.value, str) else given.elements("overrides")
    return tuple(one.text("an override") for one in elements)


def _number(given: Given, low: int, high: int) -> int:
    """A whole number; 2017 pasted it into a command line, so the digits may also have come as a text."""
    if isinstance(given.value, str) and _DIGITS.fullmatch(given.value):
        return replace(given, value=int(given.value)).whole_number(low, high)
    return given.whole_number(low, high)


def _port(given: Given) -> int:
    if given.value in (NO_PORT, str(NO_PORT)):
        return NO_PORT
    return _number(given, 1, _HIGHEST_PORT)


def _json_object(given: Given) -> Document:
    """A map, or the JSON text of one; in 2017 a shell read it, so its quotes may stand around it."""
    if not isinstance(given.value, str):
        return _map(given)
    text = given.value.strip()
    if text.startswith("'") and text.endswith("'"):
        text = text[1:-1]
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise given.refused(
            f"is no JSON: {error.msg} at column {error.colno} of line {error.lineno}"
        ) from None
    except (ValueError, RecursionError):
        raise given.refused("is no JSON that can be read: too deep, or a number of too many digits") from None
    return _map(replace(given, value=value))


def _map(given: Given) -> Document:
    if not isinstance(given.value, Mapping):
        raise given.refused("is no map")
    return Document.parse(given)


def _config_files(given: Given) -> tuple[ConfigFile, ...]:
    return tuple(ConfigFile.parse(one) for one in given.elements("{file, overrides}"))


def _env(given: Given) -> tuple[EnvVariable, ...]:
    return tuple(
        EnvVariable.parse(name, one) for name, one in given.entries("a map of variables to values").items()
    )


def _variable(given: Given) -> str:
    # Ports and counts of other nodes come as numbers, which an author cannot put in quotes.
    if isinstance(given.value, int) and not isinstance(given.value, bool):
        return str(given.whole_number(INTEGERS[0], INTEGERS[-1]))
    text = given.text("the value of a variable")
    if "\0" in text:
        raise given.refused("holds a zero byte, which ends a variable's value")
    return text


# What secrets of the manager are put into.
_HIDDEN = ("run_overrides", "expose_overrides", "config", "config_files", "env", "template_variables")
_READERS: dict[str, Callable[[Given], Any]] = {
    "name": lambda one: _said(one, "a name"),
    "image": image,
    "port": _port,
    "target_port": _port,
    "protocol": lambda one: one.choice(PROTOCOLS),
    "replicas": lambda one: _number(one, 0, _MOST_REPLICAS),
    "run_overrides": _json_object,
    "expose_overrides": _json_object,
    "config": _map,
    "config_files": _config_files,
    "env": _env,
    "template_variables": _map,
    "namespace": namespace,
    "install_docker": Given.flag,
    "install": Given.flag,
}
