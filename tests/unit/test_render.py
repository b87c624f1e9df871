"""Routers as FRR and Kubernetes get to see them, compared with files that were judged by the real ones.

After a change that is meant: `QUAGGA_UPDATE_GOLDENS=1 pytest tests/unit/test_render.py`, and read the diff.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudify_quagga import render
from cloudify_quagga.model import Labels, Router
from cloudify_quagga.names import CONFIG_HASH_ANNOTATION, Identity
from tests.unit.refusals import sentence

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".properties.yaml") for path in GOLDEN.glob("*.properties.yaml"))
UPDATE = os.environ.get("QUAGGA_UPDATE_GOLDENS") == "1"
IDENTITY = Identity("router", "quagga", "quagga_abc123")


def router(case: str) -> Router:
    return Router.parse(yaml.safe_load((GOLDEN / f"{case}.properties.yaml").read_text()))


def compared(name: str, text: str) -> None:
    path = GOLDEN / name
    if UPDATE:
        path.write_text(text)
    assert text == path.read_text(), f"{name} is not what is rendered"


class _Dumper(yaml.SafeDumper):
    """Without anchors; texts of several lines as they are."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


@pytest.mark.parametrize("case", CASES)
def test_the_configuration_is_the_golden_one(case: str) -> None:
    compared(f"{case}.conf", render.frr_conf(router(case)))


@pytest.mark.parametrize("case", CASES)
def test_the_manifests_are_the_golden_ones(case: str) -> None:
    manifests = [
        *render.objects(router(case), IDENTITY),
        render.probe_pod(router(case), IDENTITY),
        render.sweeper(router(case), IDENTITY, "node1"),
    ]
    compared(
        f"{case}.manifests.yaml", yaml.dump_all(manifests, Dumper=_Dumper, allow_unicode=True, width=110)
    )


def test_every_golden_file_has_its_properties() -> None:
    names = {path.name for path in GOLDEN.iterdir() if path.is_file()}
    endings = ("properties.yaml", "conf", "manifests.yaml")
    assert CASES
    assert names == {f"{case}.{ending}" for case in CASES for ending in endings}


@pytest.mark.parametrize("case", CASES)
def test_rendering_twice_makes_the_same(case: str) -> None:
    again = Router.parse(json.loads(json.dumps(router(case).to_json())))
    assert again == router(case)
    assert render.objects(again, IDENTITY) == render.objects(router(case), IDENTITY)


@pytest.mark.parametrize("case", CASES)
def test_what_belongs_together_names_each_other(case: str) -> None:
    config_map, workload = render.objects(router(case), IDENTITY)
    pod = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
    assert config_map["kind"] == "ConfigMap"
    assert workload["kind"] == router(case).kind
    assert pod["spec"]["volumes"][0]["configMap"]["name"] == config_map["metadata"]["name"]
    assert pod["metadata"]["labels"].items() >= IDENTITY.selector.items()
    text = config_map["data"]["frr.conf"]
    assert render.config_hash(text).startswith(pod["metadata"]["annotations"][CONFIG_HASH_ANNOTATION])
    # Where it may run is the scheduler's, which a dry run does not ask.
    admitted = {key: value for key, value in pod["spec"].items() if key != "affinity"}
    assert render.probe_pod(router(case), IDENTITY)["spec"] == admitted


def test_no_controller_adopts_the_sweeper() -> None:
    labels = render.sweeper(router("pod-2017"), IDENTITY, "node1")["metadata"]["labels"]
    assert not labels.items() >= IDENTITY.selector.items()


def test_sweepers_of_two_nodes_have_two_names() -> None:
    one, other = (render.sweeper(router("pod-2017"), IDENTITY, node) for node in ("node1", "node2"))
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert len(one["metadata"]["name"]) <= 63


def test_the_order_of_routes_and_interfaces_means_nothing() -> None:
    one = yaml.safe_load((GOLDEN / "every-way.properties.yaml").read_text())
    other: dict[str, Any] = {**one, "routes": one["routes"][::-1], "interfaces": one["interfaces"][::-1]}
    assert render.frr_conf(Router.parse(one)) == render.frr_conf(Router.parse(other))


def test_a_router_without_nodes_is_not_rendered() -> None:
    refusal = sentence(lambda: render.objects(Router(), IDENTITY))
    assert refusal == "node_selector: null names no node; labels are needed, as in {role: router}"


def test_more_than_a_config_map_holds_is_refused() -> None:
    routes = [{"prefix": f"10.{n >> 8}.{n & 255}.0/24", "blackhole": True} for n in range(40_000)]
    big = Router.parse({"routes": routes, "node_selector": Labels.parse({"role": "router"})})
    refusal = sentence(lambda: render.probe_pod(big, IDENTITY))
    assert refusal.startswith("routes: 40000 routes make ")
    assert refusal.endswith(" bytes of configuration; a ConfigMap holds 1048576 at most")
