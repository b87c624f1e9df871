"""What the kernel tells about routes as they change, so that a change by somebody else is seen at once."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from router.grammar import Network

_GROUPS: Final = 0x40 | 0x400  # RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE
_NEW, _DELETED = 24, 25  # RTM_NEWROUTE, RTM_DELROUTE
_HEADER: Final = struct.Struct("=IHHII")
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_PROTOCOL: Final = 5
"""Where in it the protocol number stands."""
_ATTRIBUTE: Final = struct.Struct("=HH")
_DESTINATION: Final = 1  # RTA_DST
_LENGTH: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}
_READ: Final = 1 << 16
_ROOM: Final = 1 << 20


@dataclass(frozen=True)
class Notice:
    """A route came or went."""

    prefix: Network
    deleted: bool


@dataclass
class Heard:
    """What was heard since somebody asked last."""

    notices: list[Notice] = field(default_factory=list)
    lost: bool = False
    """There was more than the kernel could keep."""


class Notices:
    """A netlink socket that only listens to what happens to routes of some protocols."""

    def __init__(self, protocols: frozenset[int]) -> None:
        self._protocols = protocols
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self._socket.setblocking(False)
        self._socket.bind((0, _GROUPS))

    def hear(self) -> Heard:
        """Everything since the last time."""
        heard = Heard()
        while True:
            try:
                heard.notices += read(self._socket.recv(_READ), self._protocols)
            except BlockingIOError:
                return heard
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                heard.lost = True


def read(content: bytes, protocols: frozenset[int]) -> Iterator[Notice]:
    """The notices in what netlink sent that are of routes of these protocols."""
    while len(content) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(content)
        if length < _HEADER.size:
            return
        body = content[_HEADER.size : length]
        if kind in (_NEW, _DELETED) and len(body) >= _ROUTE.size and body[_PROTOCOL] in protocols:
            yield from _notice(body, kind == _DELETED)
        content = content[_aligned(length) :]


def _notice(body: bytes, deleted: bool) -> Iterator[Notice]:
    family, bits, *_ = _ROUTE.unpack_from(body)
    if family in _LENGTH:
        address = _destination(body[_ROUTE.size :]) or bytes(_LENGTH[family])
        yield Notice(ipaddress.ip_network((address, bits), strict=False), deleted)


def _destination(attributes: bytes) -> bytes | None:
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if length < _ATTRIBUTE.size:
            return None
        if kind == _DESTINATION:
            return attributes[_ATTRIBUTE.size : length]
        attributes = attributes[_aligned(length) :]
    return None


def _aligned(length: int) -> int:
    return (length + 3) & ~3
