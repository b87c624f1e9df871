"""Blueprints that a test makes up: node templates as data, over the project's own types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.lab.cfy import PROJECT

HEADER = {
    "tosca_definitions_version": "cloudify_dsl_1_4",
    "imports": [str(PROJECT / "blueprints" / "local_types.yaml"), str(PROJECT / "plugin.yaml")],
}


def blueprint(directory: Path, files: Mapping[str, Any] | None = None, **node_templates: Any) -> Path:
    """A blueprint in a directory of its own, with the files that it names; what is no text becomes YAML."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in (files or {}).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    path = directory / "blueprint.yaml"
    path.write_text(yaml.safe_dump({**HEADER, "node_templates": node_templates}))
    return path


def microservice(kubeconfig: Path, **properties: Any) -> dict[str, Any]:
    """A node template of a microservice that reaches the cluster by itself."""
    client_config = {"configuration": {"manager_file_path": str(kubeconfig)}}
    said = {"name": "nginx", "client_config": client_config, **properties}
    return {"type": "cloudify.kubernetes.Microservice", "properties": said}
