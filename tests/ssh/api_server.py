"""What stands for an API server: speaks TLS with the certificate it is given, and says who asked."""

from __future__ import annotations

import http.server
import json
import ssl
import sys


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.path.removeprefix("/size/")) if self.path.startswith("/size/") else 0
        body = json.dumps({"path": self.path, "token": self.headers["Authorization"], "filler": "x" * size})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was asked is what the tests asked."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


def main(address: str, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server((address, 0), Answer)
    # The handshake is for the connection's own thread, lest one who says nothing keeps the others out.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
