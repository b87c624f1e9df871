"""Where a cluster's API server is, in the words of 2017: the address and the port of its master."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from cloudify_quagga.errors import Refused

# What a URL without a port means; the connection itself goes there too.
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Master:
    """An address, without the brackets that IPv6 has in a URL, and a port."""

    ip: str
    port: int

    @classmethod
    def parse(cls, url: str, path: str) -> Master:
        """From the API server's URL; its path, where it has one, is no part of it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            host, port = None, None
        if host is None or port is None:
            raise Refused(path, url, "is no URL of an API server; https://10.0.0.1:6443 would be one")
        return cls(host, port)
