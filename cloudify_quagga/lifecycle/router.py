"""A router's objects are made in a cluster; running and changing them is `change`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudify_quagga import render
from cloudify_quagga.cluster import Cluster, Reference
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.lifecycle.record import Journal, Record
from cloudify_quagga.model import Router


def create(
    cluster: Cluster, owner: Owner, router: Router, access: Mapping[str, Any], journal: Journal
) -> Record:
    """Put everything there but what runs."""
    manifests = render.objects(router, owner.identity)
    record = Record(
        wanted=router,
        hash=render.config_hash(render.frr_conf(router)),
        objects=tuple(Reference.of(manifest) for manifest in manifests),
        access=access,
    )
    # Recorded before it is made: what is not there can be deleted, what is not known cannot.
    journal.save(record)
    for manifest in manifests[:-1]:
        cluster.apply(owner.stamped(manifest), owner.identity.field_manager)
    return record
