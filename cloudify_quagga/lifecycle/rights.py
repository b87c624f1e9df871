"""Whether everything that is about to be asked of a cluster is permitted."""

from __future__ import annotations

from collections.abc import Iterable

from cloudify_quagga.cluster import Cluster, Right
from cloudify_quagga.errors import NotPermitted


def require(cluster: Cluster, rights: Iterable[Right]) -> None:
    """Refuse to begin where the API server would stop us half-way."""
    missing = [_said(cluster, right) for right in cluster.missing(rights)]
    if missing:
        raise NotPermitted(
            f"client_config: these credentials may not {', '.join(missing)} at {cluster.address}; "
            "a role that permits it is needed"
        )


def _said(cluster: Cluster, right: Right) -> str:
    resource = cluster.plural(right.api_version, right.kind)
    below = f"/{right.subresource}" if right.subresource else ""
    where = f" in namespace {right.namespace}" if right.namespace else ""
    return f"{right.verb} {resource}{below}{where}"
