"""The object that holds a router's configuration as it is recorded, also where secrets have changed since.

The record knows the hash of the text, and no secret in it. What was wanted is known while the cluster holds
the text of that hash; nobody else keeps it.
"""

from __future__ import annotations

import base64
import hashlib

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.lifecycle.record import Record
from cloudify_quagga.model import Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION, Identity


def kind(wanted: Router) -> str:
    """The kind of the object."""
    return "Secret" if wanted.is_secret else "ConfigMap"


def held(cluster: Cluster, identity: Identity, wanted: Router) -> Manifest | None:
    """What the cluster has."""
    return cluster.get(Reference("v1", kind(wanted), identity.object_name, wanted.namespace))


def recorded(identity: Identity, record: Record, there: Manifest | None) -> Manifest | None:
    """The object as it is recorded; None where its text is not known any more.

    :param there: what the cluster has, or had before it was written over.
    """
    if there is not None and _hash_of(there) == record.hash:
        return _as_held(identity, record, there)
    made = render.configuration(record.wanted, identity)
    return made if _hash_of(made) == record.hash else None


def _as_held(identity: Identity, record: Record, there: Manifest) -> Manifest:
    metadata = {
        "name": identity.object_name,
        "namespace": record.wanted.namespace,
        "labels": identity.labels,
        "annotations": {**identity.annotations, CONFIG_HASH_ANNOTATION: record.hash},
    }
    content: Manifest = {"data": {render.CONFIG_FILE: there["data"][render.CONFIG_FILE]}}
    if "type" in there:
        content["type"] = there["type"]
    return {"apiVersion": "v1", "kind": there["kind"], "metadata": metadata, **content}


def _hash_of(configuration: Manifest) -> str:
    """Of the text itself: whoever edits it leaves the annotation as it was."""
    text: str = (configuration.get("data") or {}).get(render.CONFIG_FILE, "")
    data = base64.b64decode(text) if configuration["kind"] == "Secret" else text.encode()
    return hashlib.sha256(data).hexdigest()
