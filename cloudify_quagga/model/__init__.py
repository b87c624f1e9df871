"""What a blueprint's author wants, parsed once into frozen values; the only defaults and refusals."""

from cloudify_quagga.model.access import Access, Api
from cloudify_quagga.model.interface import Interface
from cloudify_quagga.model.labeled_node import LabeledNode
from cloudify_quagga.model.labels import Labels
from cloudify_quagga.model.raw import Raw
from cloudify_quagga.model.route import NextHop, Route
from cloudify_quagga.model.router import Forwarding, GuardPrefixes, Metrics, Router
from cloudify_quagga.model.secret import Secret
from cloudify_quagga.model.secrets import Secrets

__all__ = [
    "Access",
    "Api",
    "Forwarding",
    "GuardPrefixes",
    "Interface",
    "LabeledNode",
    "Labels",
    "Metrics",
    "NextHop",
    "Raw",
    "Route",
    "Router",
    "Secret",
    "Secrets",
]
