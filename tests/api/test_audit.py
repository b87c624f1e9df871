"""What the API server itself writes down of us: who asks is named in every request."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cloudify_quagga.cluster import Absent, Cluster, Reference


@pytest.fixture
def audit_log(kubeconfig: Path) -> Path:
    if os.environ.get("QUAGGA_KUBECONFIG"):
        pytest.skip("not run: it reads the audit log of an API server of the tests' own")
    return kubeconfig.with_name("logs") / "audit.log"


def test_a_command_in_a_pod_names_who_asks(cluster: Cluster, namespace: str, audit_log: Path) -> None:
    with pytest.raises(Absent):
        cluster.exec(Reference("v1", "Pod", "router-1", namespace), ["true"])
    asked = [json.loads(line) for line in audit_log.read_text().splitlines() if f"/{namespace}/pods/" in line]
    assert {(one["objectRef"]["subresource"], one.get("userAgent")) for one in asked} == {
        ("exec", "cloudify-quagga-plugin")
    }
