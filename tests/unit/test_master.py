"""The master's address and port, from every form of URL that an API server has."""

from __future__ import annotations

import pytest

from cloudify_quagga.model.master import Master
from tests.unit.refusals import sentence


@pytest.mark.parametrize(
    ("url", "ip", "port"),
    [
        ("http://10.0.0.1:8080", "10.0.0.1", 8080),
        ("https://10.0.0.1:6443", "10.0.0.1", 6443),
        ("https://master.example", "master.example", 443),
        ("http://10.0.0.1", "10.0.0.1", 80),
        ("https://[2001:db8::1]:6443", "2001:db8::1", 6443),
        ("https://[fe80::1]", "fe80::1", 443),
        ("https://rancher.example/k8s/clusters/c-1", "rancher.example", 443),
        ("http://10.0.0.1:8080/", "10.0.0.1", 8080),
    ],
)
def test_of_a_url(url: str, ip: str, port: int) -> None:
    assert Master.parse(url, "kubernetes_info") == Master(ip, port)


@pytest.mark.parametrize("url", ["10.0.0.1:8080", "", "https://", "http://[::1", "http://a:99999", "ftp://a"])
def test_of_what_is_none(url: str) -> None:
    assert "is no URL of an API server; https://10.0.0.1:6443 would be one" in sentence(
        lambda: Master.parse(url, "kubernetes_info of kubernetes_proxy")
    )
