"""Microservices before a real API server, with the real cfy: what needs no node to be tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cloudify_quagga.cluster import Cluster, Reference
from cloudify_quagga.lifecycle import holding
from tests.api.blueprints import blueprint, microservice
from tests.lab.conftest import Cfy


def config_map(name: str, namespace: str | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


@pytest.fixture
def install(kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy) -> Callable[..., Any]:
    """Installs a blueprint of one microservice, `quagga`, as a deployment."""

    def call(
        files: Any = None, *, name: str = "micro", check: bool = True, instances: int = 1, **said: Any
    ) -> Any:
        template = microservice(kubeconfig, **{"namespace": namespace, **said})
        template["capabilities"] = {"scalable": {"properties": {"default_instances": instances}}}
        path = blueprint(tmp_path / name, files, quagga=template)
        return cfy.install_file(path, name, check=check)

    return call


def test_a_config_map_comes_and_goes(
    install: Callable[..., Any], cluster: Cluster, namespace: str, cfy: Cfy
) -> None:
    install(config=config_map("settings", colour="magenta"))
    found = cluster.get(Reference("v1", "ConfigMap", "settings", namespace))
    assert found is not None
    assert found["data"] == {"colour": "magenta"}
    (instance,) = json.loads(cfy("node-instances", "-b", "micro").stdout)
    told = instance["runtime_properties"]
    assert told["kinds"] == "ConfigMap:settings"
    assert [one["name"] for one in told["microservice"]["objects"]] == ["settings"]
    assert "magenta" not in json.dumps(told)
    cfy.uninstall("micro")
    assert cluster.get(Reference("v1", "ConfigMap", "settings", namespace)) is None
    (instance,) = json.loads(cfy("node-instances", "-b", "micro").stdout)
    assert instance["runtime_properties"] == {}
