"""Names as Kubernetes accepts them, read from the input."""

from __future__ import annotations

import re

from cloudify_quagga.model.given import Given

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_SUBDOMAIN_LENGTH = 253

# A reference as the distribution project defines it; only what looks like a host is taken for a registry.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_REGISTRY = rf"(?:localhost/|(?=[^/]*[.:])(?:{_HOST}|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?/)"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128}"
_IMAGE = re.compile(rf"((?:{_REGISTRY})?{_PART}(?:/{_PART})*)(?:{_TAG})?(?:{_DIGEST})?")
_IMAGE_NAME_LENGTH = 255


def is_subdomain(text: str) -> bool:
    """Whether most kinds of objects may be called so."""
    return len(text) <= _SUBDOMAIN_LENGTH and _SUBDOMAIN.fullmatch(text) is not None


def image(given: Given) -> str:
    """An image, with or without registry, tag and digest."""
    text = given.text("an image")
    match = _IMAGE.fullmatch(text)
    if match and len(match[1]) <= _IMAGE_NAME_LENGTH:
        return text
    raise given.refused("is no image; quagga or registry.example:5000/net/quagga:1.0 would be one")


def namespace(given: Given) -> str:
    """A namespace's name."""
    text = given.text("a namespace")
    if _LABEL.fullmatch(text):
        return text
    raise given.refused("is no namespace; lower-case letters, digits and inner '-' make one, at most 63")


def secret_name(given: Given) -> str:
    """The name of a Secret."""
    text = given.text("the name of a Secret")
    if is_subdomain(text):
        return text
    raise given.refused("is no name of a Secret; lower-case letters, digits, inner '-' and '.' make one")
