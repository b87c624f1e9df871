"""What a deployment is asked for after its install, in the words of `cfy`, and what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.lab.cfy import Cfy

LIFECYCLE = "cloudify.interfaces.lifecycle"


def instances(cfy: Cfy, deployment: str) -> list[dict[str, Any]]:
    """The deployment's node instances."""
    found: list[dict[str, Any]] = json.loads(cfy("node-instances", "-b", deployment).stdout)
    return found


def instance(cfy: Cfy, deployment: str, node: str | None = None) -> dict[str, Any]:
    """The only instance, or the only one of a node."""
    (found,) = (one for one in instances(cfy, deployment) if node in (None, one["node_id"]))
    return found


def drift(cfy: Cfy, deployment: str, node: str | None = None) -> Any:
    """What Cloudify's own workflow finds."""
    cfy("executions", "start", "check_drift", "-b", deployment)
    return instance(cfy, deployment, node)["system_properties"]["configuration_drift"]["result"]


def ailment(cfy: Cfy, deployment: str) -> str | None:
    """Why the deployment is not well, by Cloudify's own workflow; None where it is."""
    done = cfy("executions", "start", "check_status", "-b", deployment, check=False)
    assert "[retry" not in done.stdout
    statuses = [one["system_properties"]["status"] for one in instances(cfy, deployment)]
    ill = [str(status["result"]) for status in statuses if not status["ok"]]
    assert bool(ill) == (done.returncode != 0)
    return "; ".join(ill) or None


def heal(cfy: Cfy, deployment: str, *, check: bool = True, reinstall: bool = False) -> str:
    """Have Cloudify's own workflow heal what is not well; what it said."""
    may = f"allow_reinstall={str(reinstall).lower()}"
    return cfy("executions", "start", "heal", "-b", deployment, "-p", may, check=check).stdout


def pull(cfy: Cfy, deployment: str, node: str | None = None) -> dict[str, Any]:
    """What the deployment sees of itself now."""
    cfy("executions", "start", "pull", "-b", deployment)
    live: dict[str, Any] = instance(cfy, deployment, node)["runtime_properties"]["live"]
    return live


def operate(cfy: Cfy, deployment: str, operation: str, *, check: bool = True) -> str:
    """Run one operation of every instance; what it said."""
    parameters = json.dumps({"operation": f"{LIFECYCLE}.{operation}"})
    started = ("executions", "start", "execute_operation", "-b", deployment, "-p", parameters)
    return cfy(*started, "--task-retries", "0", check=check).stdout


def properties(cfy: Cfy, deployment: str, node: str) -> dict[str, Any]:
    """A node's properties."""
    told: dict[str, Any] = json.loads(_stored(cfy, deployment).read_text())["nodes"][node]["properties"]
    return told


def change(cfy: Cfy, deployment: str, node: str, /, **properties: Any) -> None:
    """Change a node's properties, which only a manager's deployment update does otherwise."""
    path = _stored(cfy, deployment)
    stored = json.loads(path.read_text())
    stored["nodes"][node]["properties"] |= properties
    path.write_text(json.dumps(stored))


def _stored(cfy: Cfy, deployment: str) -> Path:
    (path,) = Path(cfy.workdir).glob(f"**/deployments/{deployment}/deployment.json")
    return path
