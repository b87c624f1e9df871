"""Routers as FRR and Kubernetes get to see them, compared with files that were judged by the real ones.

After a change that is meant: `QUAGGA_UPDATE_GOLDENS=1 pytest tests/unit/test_render.py`, and read the diff.
"""

from __future__ import annotations

import base64
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
    again = Router.parse(json.loads(json.dumps(router(case).to_json()))).with_secrets(router(case).secrets)
    assert again == router(case)
    assert render.objects(again, IDENTITY) == render.objects(router(case), IDENTITY)


@pytest.mark.parametrize("case", CASES)
def test_what_belongs_together_names_each_other(case: str) -> None:
    configuration, workload = render.objects(router(case), IDENTITY)
    pod = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
    assert configuration["kind"] == ("Secret" if case == "secret" else "ConfigMap")
    assert workload["kind"] == router(case).kind
    volume, *writable = pod["spec"]["volumes"]
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    assert {mount["name"] for mount in mounts} == {volume["name"], *(one["name"] for one in writable)}
    source = volume.get("configMap") or {"name": volume["secret"]["secretName"]}
    assert source["name"] == configuration["metadata"]["name"]
    assert pod["metadata"]["labels"].items() >= IDENTITY.selector.items()
    text = configuration["data"]["frr.conf"]
    text = base64.b64decode(text).decode() if case == "secret" else text
    assert text == render.frr_conf(router(case))
    assert render.config_hash(text) == configuration["metadata"]["annotations"][CONFIG_HASH_ANNOTATION]
    # A change of the configuration is no change of the pod.
    assert render.config_hash(text)[:16] not in json.dumps(workload)
    assert render.template_hash(router(case), IDENTITY) in json.dumps(pod["metadata"])
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
    refusal = sentence(lambda: render.objects(big, IDENTITY))
    assert refusal.startswith("routes: 40000 routes make ")
    assert refusal.endswith(" bytes of configuration; a ConfigMap holds 1048576 at most")


def template(**properties: Any) -> str:
    return render.template_hash(Router.parse({"node_selector": {"role": "router"}, **properties}), IDENTITY)


@pytest.mark.parametrize(
    "properties",
    [
        {"image": "other"},
        {"security": "capabilities"},
        {"check_seconds": 5},
        {"metrics": {"enabled": True}},
        {"raw": ["password ${p}"], "secrets": {"p": "x"}},
    ],
)
def test_some_changes_need_another_pod(properties: dict[str, Any]) -> None:
    assert template(**properties) != template()


@pytest.mark.parametrize(
    "properties",
    [
        {"routes": [{"prefix": "10.0.0.0/24", "blackhole": True}]},
        {"interfaces": ["eth0"]},
        {"forwarding": {"ipv6": True}},
        {"raw": ["router ospf"]},
        {"metrics": {"port": 1}},
        {"node_selector": {"role": "other"}},
    ],
)
def test_others_do_not(properties: dict[str, Any]) -> None:
    assert template(**properties) == template()


def test_another_selector_is_another_pod_where_it_is_the_pods_own() -> None:
    assert template(kind="Pod", node_selector={"role": "other"}) != template(kind="Pod")


def test_a_secret_is_mounted_for_root_alone() -> None:
    secret, scratch = render.workload(router("secret"), IDENTITY)["spec"]["volumes"]
    assert secret["secret"]["defaultMode"] == 0o400
    assert scratch["emptyDir"]["medium"] == "Memory"


def test_a_secret_that_has_no_value_any_more_is_refused() -> None:
    recorded = Router.parse(router("secret").to_json())
    refusal = sentence(lambda: render.objects(recorded, IDENTITY))
    assert refusal == "secrets.bgp: null has no value, and `raw` needs one"
