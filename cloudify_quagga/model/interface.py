"""A network interface of the router, named as the kernel names it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudify_quagga.model.given import Given

_NAME_BYTES = 15
# The kernel refuses blanks, '/', ':' and takes '%' for a template; what is not ASCII or is special to FRR's own
# configuration language would not be read back as it was written.
_NAME = re.compile(r"[A-Za-z0-9_.@+=,~-]+")
# Words that stand where an interface may stand in a static route.
_WORDS = ("blackhole", "reject", "Null0")


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
        if self.description is None:
            return self.name
        return {"name": self.name, "description": self.description}


def interface_name(given: Given) -> str:
    """A name that the kernel can give to an interface."""
    text = given.text("the name of an interface")
    if len(text.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
        raise given.refused(f"is longer than the {_NAME_BYTES} bytes of an interface's name")
    if not _NAME.fullmatch(text) or text in (".", "..", *_WORDS):
        raise given.refused("is no name of an interface; eth0 would be one")
    return text


def _description(given: Given) -> str:
    text = given.text("a description")
    if text.isprintable() and text.isascii() and text and text == " ".join(text.split()):
        return text
    raise given.refused("is no description; it is one line of ASCII with single blanks between words")
