"""The API server's door in the machine's network: an inherited listening socket, its connections handed on.

The socket was opened in the machine's network namespace and this process lives in the control host's, so the
machine needs neither a link nor a route to reach the lab.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

CHUNK = 1 << 16


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Hand every connection on to host and port, for ever."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(host, port)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        writer.close()

    server = await asyncio.start_server(connection, sock=listener)
    async with server:
        await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
