"""Microservices before a real API server, with the real cfy: what needs no node to be tried."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from cloudify_quagga.cluster import Cluster, Manifest, Reference
from cloudify_quagga.lifecycle import holding
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.names import Identity
from lab import kubebuild
from tests.api import quota
from tests.api.blueprints import blueprint, microservice
from tests.lab.cfy import PROJECT, Cfy

Install = Callable[..., subprocess.CompletedProcess[str]]
Get = Callable[..., Manifest | None]
OWNER = Owner(Identity("micro", "quagga", "quagga_1"), "here", frozenset({"quagga_1"}), "cfy uninstall -b")


def config_map(name: str, metadata: dict[str, Any] | None = None, **data: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **(metadata or {})},
        "data": data,
    }


def deployment(name: str, **spec: Any) -> Manifest:
    """One that needs no node, as it asks for no pod."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    said = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": said}


@pytest.fixture
def install(kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy) -> Install:
    """Installs a blueprint of one microservice, `quagga`, as a deployment."""

    def call(
        files: Any = None, *, name: str = "micro", check: bool = True, instances: int = 1, **said: Any
    ) -> subprocess.CompletedProcess[str]:
        template = microservice(kubeconfig, **{"namespace": namespace, **said})
        template["capabilities"] = {"scalable": {"properties": {"default_instances": instances}}}
        path = blueprint(tmp_path / name, files, quagga=template)
        return cfy.install_file(path, name, check=check)

    return call


@pytest.fixture
def get(cluster: Cluster, namespace: str) -> Get:
    """Looks for an object in the test's namespace."""

    def call(api_version: str, kind: str, name: str) -> Manifest | None:
        return holding.get(cluster, Reference(api_version, kind, name, namespace))

    return call


def refused(said: subprocess.CompletedProcess[str]) -> str:
    """What an install says that fails at once."""
    assert said.returncode != 0
    assert "[retry" not in said.stdout
    return said.stdout


def test_a_config_map_comes_and_goes(install: Install, get: Get, cfy: Cfy) -> None:
    install(config=config_map("settings", colour="magenta"))
    found = get("v1", "ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "magenta"}
    (instance,) = json.loads(cfy("node-instances", "-b", "micro").stdout)
    told = instance["runtime_properties"]
    assert told["kinds"] == "ConfigMap:settings"
    assert [one["name"] for one in told["microservice"]["objects"]] == ["settings"]
    assert "magenta" not in json.dumps(told)
    cfy.uninstall("micro")
    assert get("v1", "ConfigMap", "settings") is None


def test_what_the_manifest_says_is_what_is_there(install: Install, get: Get) -> None:
    own = {"labels": {"app.kubernetes.io/managed-by": "me"}, "annotations": {"mine": "too"}}
    manifest = deployment("web")
    manifest["metadata"] |= own
    install(config=manifest)
    found = get("apps/v1", "Deployment", "web")
    assert found is not None
    assert own["labels"].items() <= found["metadata"]["labels"].items()
    assert own["annotations"].items() <= found["metadata"]["annotations"].items()
    template = found["spec"]["template"]
    assert template["metadata"]["labels"] == {"app": "web"}
    assert "annotations" not in template["metadata"]
    assert "securityContext" not in template["spec"]["containers"][0]
    assert found["spec"]["selector"] == manifest["spec"]["selector"]


# Only the kind, no object of it: an API server of 1.20 that was built by Go 1.18 or later dies of those.
DEFINITION: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "lamps.quagga-test.example"},
    "spec": {
        "group": "quagga-test.example",
        "names": {"kind": "Lamp", "plural": "lamps"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                },
            }
        ],
    },
}


def test_any_kinds_of_several_documents_in_any_order(
    install: Install, get: Get, cluster: Cluster, cfy: Cfy
) -> None:
    role: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "reader"},
    }
    role["rules"] = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    service: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    service["spec"] = {"ports": [{"port": 80}]}
    documents = [deployment("web"), service, role, config_map("settings"), DEFINITION]
    install({"all.yaml": yaml.safe_dump_all(documents)}, config_files=[{"file": "all.yaml"}])
    for one in documents[:-1]:
        assert get(one["apiVersion"], one["kind"], one["metadata"]["name"]), one["kind"]
    (instance,) = json.loads(cfy("node-instances", "-b", "micro").stdout)
    kinds = [one.partition(":")[0] for one in instance["runtime_properties"]["kinds"].split(",")]
    assert kinds[0] == "CustomResourceDefinition"
    assert kinds.index("ConfigMap") < kinds.index("Deployment")
    # Kinds that live in no namespace are put into none.
    definition = Reference(DEFINITION["apiVersion"], DEFINITION["kind"], DEFINITION["metadata"]["name"])
    assert cluster.get(definition) is not None
    cfy.uninstall("micro")
    assert cluster.get(definition) is None
    for one in documents[:-1]:
        assert get(one["apiVersion"], one["kind"], one["metadata"]["name"]) is None, one["kind"]


def test_a_namespace_and_what_is_in_it(install: Install, cluster: Cluster, namespace: str, cfy: Cfy) -> None:
    name = f"{namespace}-own"
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    documents = [config_map("settings", {"namespace": name}), made]
    said = install({"all.yaml": yaml.safe_dump_all(documents)}, config_files=["all.yaml"])
    assert f"can be judged only when Namespace {name} is there" in said.stdout
    assert cluster.get(Reference("v1", "ConfigMap", "settings", name))
    cfy.uninstall("micro")
    assert cluster.get(Reference("v1", "Namespace", name)) is None


def test_overrides_and_variables_are_what_the_author_meant(
    install: Install, get: Get, kubeconfig: Path, namespace: str, tmp_path: Path, cfy: Cfy
) -> None:
    other = microservice(kubeconfig, namespace=namespace, config=config_map("other"))
    manifest = yaml.safe_dump(config_map("settings", colour="{{ colour }}", node="", kinds="", id=""))
    overrides = [
        "['data']['kinds'] = 'of the other: @{other, kinds}'",
        "['data']['node'] = '%{node.id} %{node.properties.name} %{instance.runtime_properties[\"kinds\"]}'",
        "['data']['target'] = %{instance.relationships[0].target.node.id}",
    ]
    quagga = microservice(
        kubeconfig,
        namespace=namespace,
        config_files=[{"file": "resources/settings.yaml", "overrides": overrides}],
        template_variables={"colour": "teal"},
    )
    quagga["relationships"] = [{"type": "cloudify.relationships.depends_on", "target": "other"}]
    path = blueprint(tmp_path / "two", {"resources/settings.yaml": manifest}, other=other, quagga=quagga)
    failed = cfy.install_file(path, "two", check=False)
    # The other's properties can be known before anything is changed, its own cannot; then start has to know.
    assert failed.returncode != 0
    assert "can be judged only when they are applied" in failed.stdout
    assert "ctx.instance.runtime_properties has no 'kinds'" in failed.stdout
    cfy.uninstall("two")
    quagga["properties"]["config_files"][0]["overrides"][1] = "['data']['node'] = '%{node.id}'"
    cfy.install_file(blueprint(tmp_path / "two", other=other, quagga=quagga), "two")
    found = get("v1", "ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {
        "colour": "teal",
        "kinds": "of the other: ConfigMap:other",
        "node": "quagga",
        "target": "other",
        "id": "",
    }


class TestRefusedBeforeAnythingIsMade:
    def test_an_object_of_somebody_else(
        self, install: Install, get: Get, core: client.CoreV1Api, namespace: str, cfy: Cfy
    ) -> None:
        theirs = config_map("settings", colour="theirs")
        core.create_namespaced_config_map(namespace, theirs, field_manager="the-neighbours")
        both = yaml.safe_dump_all([config_map("ours"), config_map("settings", colour="ours")])
        said = refused(install({"both.yaml": both}, config_files=["both.yaml"], check=False))
        assert f"ConfigMap settings in namespace {namespace} exists already" in said
        assert "managed by the-neighbours" in said
        assert get("v1", "ConfigMap", "ours") is None
        cfy.uninstall("micro")
        found = get("v1", "ConfigMap", "settings")
        assert found is not None
        assert found["data"] == {"colour": "theirs"}

    def test_an_object_of_another_deployment(self, install: Install, get: Get, cfy: Cfy) -> None:
        install(config=config_map("settings", colour="first"))
        said = refused(install(config=config_map("settings", colour="second"), name="rival", check=False))
        assert "made for node 'quagga' of deployment 'micro'" in said
        assert "`cfy uninstall -b micro` removes it" in said
        cfy.uninstall("rival")
        found = get("v1", "ConfigMap", "settings")
        assert found is not None
        assert found["data"] == {"colour": "first"}

    @pytest.mark.parametrize(
        ("manifest", "sentence"),
        [
            (deployment("web", foo=1), "Deployment web in namespace"),
            (deployment("web", foo=1), ".spec.foo: field not declared in schema"),
            (deployment("Web"), "a lowercase RFC 1123 subdomain"),
            ({**config_map("settings"), "kind": "ConfigMop"}, "knows no ConfigMop of v1"),
            ({**config_map("settings"), "apiVersion": "a.example/v1"}, "knows no ConfigMap of a.example/v1"),
            (
                config_map("settings", {"namespace": "quagga-nowhere"}),
                "namespace: quagga-nowhere is no namespace",
            ),
        ],
    )
    def test_a_manifest_that_the_api_server_does_not_take(
        self, manifest: Manifest, sentence: str, install: Install
    ) -> None:
        assert sentence in refused(install(config=manifest, check=False))

    @pytest.mark.parametrize(
        ("file", "sentence"),
        [
            ({"file": "nowhere.yaml"}, "config_files[0].file: nowhere.yaml is no file of the blueprint"),
            ({"file": "a.yaml", "overrides": ["__import__('os')"]}, "config_files[0].overrides[0]"),
            ({"file": "a.yaml", "overrides": ["['data']['x'] = @{nobody, x}"]}, "has no node 'nobody'"),
            ({"file": "a.yaml", "overrides": ["['data']['x'] = %{execution_token}"]}, "no 'execution_token'"),
            (
                {"file": "a.yaml", "overrides": ["['data']['x'] = %{management_ip}"]},
                "there is no manager here",
            ),
        ],
    )
    def test_files_and_overrides(self, file: dict[str, Any], sentence: str, install: Install) -> None:
        files = {"a.yaml": config_map("settings", x="")}
        assert sentence in refused(install(files, config_files=[file], check=False))

    def test_what_these_credentials_may_not_do(
        self, install: Install, restricted: Callable[..., Path], get: Get
    ) -> None:
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}
        access = {"configuration": {"manager_file_path": str(restricted(rule))}}
        both = yaml.safe_dump_all([config_map("settings"), deployment("web")])
        files = {"both.yaml": both}
        said = refused(install(files, config_files=["both.yaml"], client_config=access, check=False))
        assert "may not get deployments.apps in namespace" in said
        assert "configmaps" not in said
        assert get("v1", "ConfigMap", "settings") is None


CHANGING = ["get", "create", "patch", "delete"]


def test_credentials_for_one_namespace_suffice(
    install: Install, restricted: Callable[..., Path], get: Get, cfy: Cfy
) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": CHANGING}
    access = {"configuration": {"manager_file_path": str(restricted(rule))}}
    install(config=config_map("settings"), client_config=access)
    assert get("v1", "ConfigMap", "settings")
    cfy.uninstall("micro")
    assert get("v1", "ConfigMap", "settings") is None


def test_installing_over_it_is_refused_and_then_uninstall_removes_all(
    install: Install, get: Get, cfy: Cfy
) -> None:
    both = yaml.safe_dump_all([config_map("settings"), config_map("dropped"), deployment("web")])
    install({"both.yaml": both}, config_files=["both.yaml"])
    said = refused(install(config=config_map("settings"), check=False))
    assert "deployment 'micro' has been installed before and still lives" in said
    done = cfy.uninstall("micro")
    assert "Removed what an earlier install of this deployment had left: ConfigMap dropped" in done.stdout
    for kind in ("settings", "dropped"):
        assert get("v1", "ConfigMap", kind) is None
    assert get("apps/v1", "Deployment", "web") is None


class TestAnEarlierInstallWhereOneNamespaceIsAllThatIsOpen:
    """Neither Nodes nor the objects of all namespaces may be listed."""

    @staticmethod
    def rules(*verbs: str) -> Iterator[dict[str, Any]]:
        for group, resource in (("", "configmaps"), ("rbac.authorization.k8s.io", "roles")):
            yield {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}

    @pytest.fixture
    def overwritten(
        self, install: Install, confined: Callable[..., Path]
    ) -> Callable[..., subprocess.CompletedProcess[str]]:
        """Installs a microservice with the verbs, then another in its place, which is refused."""

        def call(*verbs: str, config: Manifest | None = None) -> subprocess.CompletedProcess[str]:
            access = {"configuration": {"manager_file_path": str(confined(*self.rules(*verbs)))}}
            role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []}
            objects = [config_map("settings"), {**role, "metadata": {"name": "reader"}}]
            items = {"kind": "List", "items": objects}
            install(config=items, client_config=access)
            return install(config=config or items, client_config=access, check=False)

        return call

    def test_is_looked_for_in_that_namespace(
        self, overwritten: Callable[..., subprocess.CompletedProcess[str]], get: Get, cfy: Cfy
    ) -> None:
        said = refused(overwritten(*CHANGING, "list", config=config_map("settings")))
        assert "deployment 'micro' has been installed before and still lives" in said
        done = cfy.uninstall("micro").stdout
        assert "Removed what an earlier install of this deployment had left: Role reader" in done
        assert get("v1", "ConfigMap", "settings") is None
        assert get("rbac.authorization.k8s.io/v1", "Role", "reader") is None

    def test_is_known_where_nothing_may_be_looked_for(
        self, overwritten: Callable[..., subprocess.CompletedProcess[str]], get: Get, cfy: Cfy
    ) -> None:
        refused(overwritten(*CHANGING))
        done = cfy.uninstall("micro").stdout
        assert "had left: ConfigMap settings" in done
        assert "of kinds that these credentials may not list was not looked for" in done
        assert get("v1", "ConfigMap", "settings") is None
        assert get("rbac.authorization.k8s.io/v1", "Role", "reader") is None

    @pytest.mark.parametrize("config", [None, {"kind": "ConfigMap"}], ids=["seen by install", "unseen"])
    def test_is_not_said_to_be_gone_while_it_stays(
        self,
        config: Manifest | None,
        overwritten: Callable[..., subprocess.CompletedProcess[str]],
        rbac: client.RbacAuthorizationV1Api,
        core: client.CoreV1Api,
        namespace: str,
        get: Get,
        cfy: Cfy,
    ) -> None:
        refused(overwritten(*CHANGING, "list", config=config))
        rbac.patch_namespaced_role("confined", namespace, {"rules": list(self.rules("get", "list"))})
        failed = cfy("uninstall", "-b", "micro", "--task-retries", "0", check=False)
        assert failed.returncode != 0
        assert "does not let us delete" in failed.stdout
        assert get("v1", "ConfigMap", "settings")
        # Whoever may, takes it away by hand.
        core.delete_namespaced_config_map("settings", namespace)
        rbac.delete_namespaced_role("reader", namespace)
        cfy.uninstall("micro")


def test_instances_of_a_node_share_its_objects(install: Install, get: Get, cfy: Cfy) -> None:
    install(config=config_map("settings"), instances=3)
    found = get("v1", "ConfigMap", "settings")
    assert found is not None
    assert len({hold.instance for hold in holding.Hold.of(found)}) == 3
    done = cfy.uninstall("micro")
    assert done.stdout.count("needs it") == 2
    assert get("v1", "ConfigMap", "settings") is None


def test_what_differs_between_instances_is_said(install: Install) -> None:
    files = {"a.yaml": config_map("settings", instance="")}
    overrides = ["['data']['instance'] = %{instance.id}"]
    said = install(files, config_files=[{"file": "a.yaml", "overrides": overrides}], instances=2)
    assert "has made something else of it, and there is only one" in said.stdout


def test_instances_with_names_of_their_own_have_objects_of_their_own(
    install: Install, cluster: Cluster, namespace: str, cfy: Cfy
) -> None:
    # Of the few kinds whose names may have the underscore of an instance's id.
    kind = "rbac.authorization.k8s.io/v1", "Role"
    files = {"a.yaml": {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": "reader"}, "rules": []}}
    overrides = ["['metadata']['name'] = '%{instance.id}'"]
    install(files, config_files=[{"file": "a.yaml", "overrides": overrides}], instances=2)

    def there() -> set[str]:
        found = cluster.find(*kind, namespace, {"quagga.cloudify.co/deployment": "micro"})
        return {one["metadata"]["name"] for one in found}

    assert there() == {one["id"] for one in json.loads(cfy("node-instances", "-b", "micro").stdout)}
    cfy.uninstall("micro")
    assert there() == set()


def operation(cfy: Cfy, name: str) -> str:
    """Run one operation of the microservice again, as a resumed workflow does."""
    parameters = json.dumps({"operation": f"cloudify.interfaces.lifecycle.{name}", "node_ids": ["quagga"]})
    return cfy("executions", "start", "execute_operation", "-b", "micro", "-p", parameters).stdout


def _without_bookkeeping(found: Manifest | None) -> Manifest:
    """Without the time at which the API server was last told the same."""
    assert found is not None
    metadata = {k: v for k, v in found["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**found, "metadata": metadata}


def test_every_operation_may_run_twice(install: Install, get: Get, cfy: Cfy) -> None:
    install(config=config_map("settings"))
    first = get("v1", "ConfigMap", "settings")
    operation(cfy, "start")
    assert _without_bookkeeping(get("v1", "ConfigMap", "settings")) == _without_bookkeeping(first)
    operation(cfy, "stop")
    assert get("v1", "ConfigMap", "settings") is None
    operation(cfy, "stop")
    operation(cfy, "start")
    assert get("v1", "ConfigMap", "settings")
    operation(cfy, "delete")
    assert get("v1", "ConfigMap", "settings") is None
    operation(cfy, "delete")


def test_what_somebody_put_in_its_place_is_left_alone(
    install: Install, get: Get, core: client.CoreV1Api, namespace: str, cfy: Cfy
) -> None:
    install(config=config_map("settings"))
    core.delete_namespaced_config_map("settings", namespace)
    core.create_namespaced_config_map(
        namespace, config_map("settings", colour="theirs"), field_manager="them"
    )
    done = cfy.uninstall("micro")
    assert "stays: it has been replaced by one that is managed by them" in done.stdout
    assert get("v1", "ConfigMap", "settings")


def test_why_there_are_no_pods_is_told(
    install: Install, core: client.CoreV1Api, namespace: str, cfy: Cfy, get: Get
) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    core.create_namespaced_resource_quota(namespace, quota)
    said = install(config=deployment("web", replicas=1, progressDeadlineSeconds=3), check=False)
    assert said.returncode != 0
    assert "Deployment web" in said.stdout
    assert "exceeded quota: none" in said.stdout or "ProgressDeadlineExceeded" in said.stdout
    cfy.uninstall("micro")
    assert get("apps/v1", "Deployment", "web") is None


def test_rolling_back_a_start_that_failed_removes_what_it_had_made(
    install: Install, core: client.CoreV1Api, namespace: str, cfy: Cfy, get: Get
) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    core.create_namespaced_resource_quota(namespace, quota)
    both = [config_map("settings"), deployment("web", replicas=1, progressDeadlineSeconds=3)]
    said = install({"both.yaml": yaml.safe_dump_all(both)}, config_files=["both.yaml"], check=False)
    assert said.returncode != 0
    assert get("v1", "ConfigMap", "settings")
    cfy("executions", "start", "rollback", "-b", "micro")
    assert get("v1", "ConfigMap", "settings") is None
    assert get("apps/v1", "Deployment", "web") is None
    (instance,) = json.loads(cfy("node-instances", "-b", "micro").stdout)
    assert instance["state"] == "configured"
    assert instance["runtime_properties"] == {}


def test_a_second_object_that_is_refused_when_the_first_is_made_leaves_nothing(
    install: Install, core: client.CoreV1Api, namespace: str, cfy: Cfy, get: Get
) -> None:
    """Each would be admitted by itself; the API server grants one of them."""
    quota.allow(core, namespace, "count/deployments.apps", "1")
    both = {"both.yaml": yaml.safe_dump_all([deployment("first"), deployment("second")])}
    said = install(both, config_files=["both.yaml"], check=False)
    assert said.returncode != 0
    assert "exceeded quota: few" in said.stdout
    assert "Traceback" not in said.stdout
    assert get("apps/v1", "Deployment", "first")
    assert get("apps/v1", "Deployment", "second") is None
    cfy.uninstall("micro")
    assert get("apps/v1", "Deployment", "first") is None


def test_two_uninstalls_of_one_deployment_at_once(install: Install, get: Get, cfy: Cfy) -> None:
    several = [config_map("first"), config_map("second"), deployment("web")]
    install({"several.yaml": yaml.safe_dump_all(several)}, config_files=["several.yaml"])
    said = cfy.uninstall_twice_at_once("micro")
    assert "Operation cannot be fulfilled" not in said
    assert [get("v1", "ConfigMap", name) for name in ("first", "second")] == [None, None]
    assert get("apps/v1", "Deployment", "web") is None


@pytest.mark.parametrize("again", [False, True], ids=["gone", "replaced"])
def test_an_object_that_somebody_takes_away_while_it_is_let_go(
    again: bool,
    cluster: Cluster,
    core: client.CoreV1Api,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manifest = config_map("settings", {"namespace": namespace})
    holding.put(cluster, OWNER, manifest, "digest")
    let_go = cluster.apply

    def apply(manifest: Manifest, manager: str) -> Manifest:
        core.delete_namespaced_config_map("settings", namespace)
        if again:
            theirs = config_map("settings", colour="theirs")
            core.create_namespaced_config_map(namespace, theirs, field_manager="them")
        return let_go(manifest, manager)

    monkeypatch.setattr(cluster, "apply", apply)
    why = holding.let_go(cluster, OWNER, Reference.of(manifest))
    assert why == ("it has been replaced by one that is managed by them" if again else None)
    left = cluster.get(Reference.of(manifest))
    assert (left and left["data"]) == ({"colour": "theirs"} if again else None)


@pytest.fixture
def proxy(kubeconfig: Path) -> Iterator[str]:
    """A plain-http way to the API server, as the masters of 2017 had one."""
    command = [kubebuild.program("kubectl"), f"--kubeconfig={kubeconfig}", "proxy", "--port=0"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://{process.stdout.readline().split()[-1]}"
        process.terminate()


def test_plain_http_and_the_masters_address(
    proxy: str, tmp_path: Path, namespace: str, get: Get, cfy: Cfy
) -> None:
    cluster_path = blueprint(tmp_path / "cluster")
    document = yaml.safe_load(cluster_path.read_text())
    document["outputs"] = {"kubernetes_info": {"value": {"url": proxy}}}
    document["node_templates"] = {"nothing": {"type": "cloudify.nodes.Root"}}
    cluster_path.write_text(yaml.safe_dump(document))
    cfy.install_file(cluster_path, "cluster")
    overrides = ["['data']['master'] = 'http://@{quagga, master_ip}:@{quagga, master_port}'"]
    quagga = {
        "type": "cloudify.kubernetes.Microservice",
        "properties": {
            "name": "nginx",
            "namespace": namespace,
            "config_files": [{"file": "a.yaml", "overrides": overrides}],
        },
        "relationships": [
            {"type": "cloudify.kubernetes.relationships.connected_to_master", "target": "kubernetes_proxy"}
        ],
    }
    kubernetes_proxy = {
        "type": "cloudify.nodes.quagga.DeploymentProxy",
        "properties": {"deployment_id": "cluster", "inherit_outputs": ["kubernetes_info"]},
    }
    files = {"a.yaml": config_map("settings")}
    path = blueprint(tmp_path / "micro", files, kubernetes_proxy=kubernetes_proxy, quagga=quagga)
    cfy.install_file(path, "micro")
    found = get("v1", "ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"master": proxy}
    cfy.uninstall("micro")
    assert get("v1", "ConfigMap", "settings") is None
