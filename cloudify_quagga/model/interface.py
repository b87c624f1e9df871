"""A network interface of the router, named as the kernel names it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudify_quagga.model.given import Given

_NAME_BYTES = 15
# Narrower than the kernel, which only minds blanks, '/', ':' and '%': quotes end the XPaths of FRR's mgmtd
# and kill it, '?' asks vtysh for help, a leading '-' is an option to every command, and without letters it
# is a number or an address.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_DESCRIPTION_LENGTH = 200

# What FRR says in any case for "nowhere", where an interface may stand.
NOWHERE = ("blackhole", "reject", "null0")


@dataclass(frozen=True)
class Interface:
    """An interface that the node must have."""

    name: str
    description: str | None = None

    @classmethod
    def parse(cls, given: Given) -> Interface:
        """From a name or a map."""
        if isinstance(given.value, str):
            return cls(interface_name(given))
        fields = given.fields(("name", "description"), "an interface")
        if "name" not in fields:
            raise given.refused("has no name; say which interface is meant")
        description = fields.get("description")
        return cls(interface_name(fields["name"]), _description(description) if description else None)

    def to_json(self) -> object:
        """The shortest form that parses to the same."""
        return {"name": self.name, "description": self.description} if self.description else self.name


def interface_name(given: Given) -> str:
    """A name that the kernel gives to interfaces and FRR reads back as it was written."""
    text = given.text("an interface's name")
    if len(text.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        raise given.refused(f"is too long; an interface's name has at most {_NAME_BYTES} bytes")
    if not _NAME.fullmatch(text):
        raise given.refused("is no interface's name; letters with digits, '_', '-', '.' or '@' make one")
    if text.lower() in NOWHERE:
        raise given.refused("is FRR's word for nowhere; an interface cannot be called so")
    return text


def _description(given: Given) -> str | None:
    text = given.text("a description")
    if not text.isprintable():
        raise given.refused("is no description; one printable line is meant")
    # vtysh takes what follows it for a filter of its output and gives up the rest of the file.
    if "|" in text:
        raise given.refused("is no description; FRR does not take '|' there")
    if len(text) > _DESCRIPTION_LENGTH:
        raise given.refused(f"is too long; a description has at most {_DESCRIPTION_LENGTH} characters")
    # FRR keeps one blank between words.
    return " ".join(text.split()) or None
