"""A stub of a manager's REST service: deployments, executions and dependencies, kept and told over HTTP.

What it answers is built from the REST client's own models. It knows only what the proxy asks for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.deployments import Deployment, DeploymentCapabilities, DeploymentOutputs
from cloudify_rest_client.executions import Execution
from cloudify_rest_client.inter_deployment_dependencies import InterDeploymentDependency

ROOT = "/api/v3.1"
DEPENDENCIES = "deployments/inter-deployment-dependencies"


@dataclass
class Manager:
    """What the stub remembers."""

    deployments: dict[str, Deployment] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    capabilities: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    dependencies: list[InterDeploymentDependency] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fails_with: int | None = None

    def add(
        self, name: str, status: str = "inactive", inputs: dict[str, Any] | None = None, **outputs: Any
    ) -> None:
        """A deployment with these outputs."""
        told = {"id": name, "installation_status": status, "inputs": inputs or {}}
        defined = {key: {"value": "..."} for key in outputs}
        self.deployments[name] = Deployment({**told, "outputs": defined, "capabilities": {}})
        self.outputs[name] = outputs
        self.capabilities[name] = {}

    def offer(self, name: str, **capabilities: Any) -> None:
        """Give a deployment capabilities."""
        self.deployments[name]["capabilities"] = {key: {"value": "..."} for key in capabilities}
        self.capabilities[name] = capabilities

    def ran(self, name: str, workflow: str, status: str, error: str | None = None, **more: Any) -> None:
        """One more execution of a deployment, later than all before."""
        number = len(self.executions)
        told = {
            "id": f"execution-{number}",
            "created_at": f"2026-01-01T00:00:{number:02}.000Z",
            "error": error,
        }
        self.executions.append(
            Execution({**told, "deployment_id": name, "workflow_id": workflow, "status": status, **more})
        )

    def may_uninstall(self, name: str) -> bool:
        """The manager's own rule about dependencies."""
        return not any(one.target_deployment_id == name for one in self.dependencies)

    def answer(
        self, method: str, path: str, query: dict[str, list[str]], data: dict[str, Any]
    ) -> tuple[int, Any]:
        """The status and the answer to one request."""
        self.asked.append(f"{method} {path}")
        if self.fails_with:
            return self.fails_with, _error("because the stub says so")
        if path == DEPENDENCIES:
            return self._depend(method, data)
        if path == "executions":
            mine = [one for one in self.executions if one.deployment_id == query["deployment_id"][0]]
            mine.sort(key=lambda one: one.created_at, reverse=query.get("_sort") == ["-created_at"])
            return 200, _listed(mine)
        if path == "deployments":
            return 200, _listed([{"id": name} for name in self.deployments])
        _, name, *what = path.split("/")
        return self._told(name, what)

    def _told(self, name: str, what: list[str]) -> tuple[int, Any]:
        if name not in self.deployments:
            return 404, _error(f"`Deployment` with ID `{name}` was not found", "not_found_error")
        if what == ["outputs"]:
            return 200, DeploymentOutputs({"deployment_id": name, "outputs": self.outputs[name]})
        if what == ["capabilities"]:
            told = {"deployment_id": name, "capabilities": self.capabilities[name]}
            return 200, DeploymentCapabilities(told)
        return 200, self.deployments[name]

    def _depend(self, method: str, data: dict[str, Any]) -> tuple[int, Any]:
        one = InterDeploymentDependency({
            "id": f"dependency-{len(self.dependencies)}",
            "dependency_creator": data["dependency_creator"],
            "source_deployment_id": data["source_deployment"],
            "target_deployment_id": data["target_deployment"],
        })  # fmt: skip
        same = [known for known in self.dependencies if {**known, "id": ""} == {**one, "id": ""}]
        if method == "PUT":
            if same:
                return 409, _error("the dependency exists", "conflict_error")
            self.dependencies.append(one)
            return 200, one
        if not same:
            return 404, _error("no such dependency", "not_found_error")
        self.dependencies.remove(same[0])
        return 204, None


@contextmanager
def serving(manager: Manager) -> Iterator[CloudifyClient]:
    """The real REST client, connected to the stub."""
    handler = type("Requests", (_Requests,), {"manager": manager})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = CloudifyClient(host="127.0.0.1", port=server.server_port, tenant="default_tenant")
    yield client
    client._client._session.close()
    server.shutdown()
    server.server_close()


class _Requests(BaseHTTPRequestHandler):
    manager: Manager

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = json.loads(body) if body else {}
        path = parts.path.removeprefix(f"{ROOT}/")
        status, answer = self.manager.answer(self.command, path, parse_qs(parts.query), data)
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_DELETE = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def _listed(items: list[Any]) -> dict[str, Any]:
    return {"items": items, "metadata": {"pagination": {"total": len(items), "offset": 0, "size": 1000}}}


def _error(message: str, code: str = "unknown_error") -> dict[str, Any]:
    return {"message": message, "error_code": code, "server_traceback": None}
