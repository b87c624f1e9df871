"""The names under which a node instance appears in a cluster, and what they guarantee.

Every name is a pure function of the three ids, so that an operation in another process finds again what an
earlier one made. Where a name no longer spells the ids in full, because Kubernetes restricts it, a hash
follows: two instances never share a name for what had to be cut or replaced.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

DOMAIN = "quagga.cloudify.co"
CONFIG_HASH_ANNOTATION = f"{DOMAIN}/config-hash"
TEMPLATE_HASH_ANNOTATION = f"{DOMAIN}/template-hash"

MANAGED_BY = "app.kubernetes.io/managed-by"
NAME = "app.kubernetes.io/name"
DEPLOYMENT = f"{DOMAIN}/deployment"
NODE = f"{DOMAIN}/node"
INSTANCE = f"{DOMAIN}/instance"

# A controller appends up to eleven characters to the names of its pods, which stay DNS labels of 63.
OBJECT_NAME_LENGTH = 52
LABEL_VALUE_LENGTH = 63
FIELD_MANAGER_LENGTH = 128
_HASH_LENGTH = 10

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Identity:
    """Which node instance of which deployment something in a cluster belongs to."""

    deployment: str
    node: str
    instance: str

    @property
    def object_name(self) -> str:
        """A DNS label of at most 52 characters; its hash covers all three ids."""
        room = OBJECT_NAME_LENGTH - _HASH_LENGTH - 1
        slug = _slug(f"{self.deployment}-{self.instance}")[:room].rstrip("-")
        return f"{slug}-{_hash(self.deployment, self.node, self.instance)}"

    @property
    def labels(self) -> dict[str, str]:
        """Ownership, as labels: what a list request can ask for."""
        return {
            MANAGED_BY: "cloudify",
            NAME: "quagga",
            DEPLOYMENT: label_value(self.deployment),
            NODE: label_value(self.node),
            INSTANCE: label_value(self.instance),
        }

    @property
    def selector(self) -> dict[str, str]:
        """The labels that pick this instance's router pods, and no other pod."""
        return {key: self.labels[key] for key in (NAME, DEPLOYMENT, INSTANCE)}

    @property
    def annotations(self) -> dict[str, str]:
        """The ids unaltered, under the keys of the labels: for sentences that name the owner."""
        return {DEPLOYMENT: self.deployment, NODE: self.node, INSTANCE: self.instance}

    @property
    def field_manager(self) -> str:
        """The owner of what server-side apply writes: printable, at most 128 bytes."""
        ids = [self.deployment, self.node, self.instance]
        kept = [re.sub(r"[^!-9;-~]", "-", one) for one in ids]
        text = ":".join(["cloudify-quagga", *kept])
        if kept == ids and len(text) <= FIELD_MANAGER_LENGTH:
            return text
        return f"{text[: FIELD_MANAGER_LENGTH - _HASH_LENGTH - 1]}-{_hash(*ids)}"


def label_value(text: str) -> str:
    """The text where a label value can hold it, else what is left of it and a hash."""
    if len(text) <= LABEL_VALUE_LENGTH and _LABEL_VALUE.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text)[: LABEL_VALUE_LENGTH - _HASH_LENGTH - 1].strip("._-")
    return f"{kept}-{_hash(text)}" if kept else _hash(text)


def node_name_suffix(node_name: str) -> str:
    """What tells apart the objects that one instance makes for several nodes."""
    return _hash(node_name)


def _slug(text: str) -> str:
    """Lower-case letters, digits and single dashes; begins with a letter, as some names must."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug if slug[:1].isalpha() else f"quagga-{slug}".rstrip("-")


def _hash(*ids: str) -> str:
    # Lengths make the joint unambiguous: ("a", "bc") and ("ab", "c") differ.
    joined = "".join(f"{len(i)}:{i}" for i in ids)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
