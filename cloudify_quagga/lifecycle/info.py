"""What a labelled node tells others about its cluster: places and names, never a secret's value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloudify_quagga.model import Access, Labels


def kubernetes_info(access: Access, address: str, labels: Labels) -> dict[str, Any]:
    """For the output of the same name.

    A kubeconfig that exists only in the blueprint or in a property is not handed on: whoever reads the output
    could not read it, or should not.
    """
    info: dict[str, Any] = {"url": address, "node_selector": labels.to_json()}
    if access.file:
        # Whoever reads it works in another directory.
        info["kubeconfig"] = str(Path(access.file).expanduser().absolute())
        info["context"] = access.context
    if access.api:
        info["ca_cert"] = access.api.ssl_ca_cert
        info["token_secret"] = access.api.token_secret
    return {key: value for key, value in info.items() if value is not None}
