"""From a microservice to its objects: what is read, generated, added and refused, and the order of it all."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloudify_quagga import manifests
from cloudify_quagga.manifest_file import documents
from cloudify_quagga.model.microservice import Microservice
from cloudify_quagga.template import rendered
from tests.unit.refusals import accepted, sentence

POD_2017 = """
apiVersion: v1
kind: ReplicationController
metadata:
  name: quagga
spec:
  replicas: 1
  selector: {app: quagga}
  template:
    metadata:
      labels: {app: quagga}
    spec:
      hostNetwork: true
      containers:
      - name: quagga
        image: quagga
        workingDir: /root
        command: ["bash","/root/start.sh"]
        ports:
        - containerPort: 80
          hostIP: 0.0.0.0
        securityContext:
          privileged: true
        env:
        - name: INTERFACES
          value: eth0,eth1
"""
TWO = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
# nothing but a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {a: b}
"""


class NoLookups:
    def runtime_properties(self, node: str) -> Mapping[str, Any]:
        return {"ip": "10.0.0.1", "name": node}

    def context(self, path: tuple[str | int, ...]) -> Any:
        return ".".join(map(str, path))

    def management_ip(self) -> str:
        return "10.9.8.7"


def made(text: str = POD_2017, overrides: Any = (), **properties: Any) -> list[dict[str, Any]]:
    files = [{"file": "pod.yaml", "overrides": list(overrides)}]
    microservice = Microservice.parse({"name": "n", "config_files": files, **properties})
    return manifests.objects(microservice, {"pod.yaml": text}, NoLookups())


def refused(text: str = POD_2017, overrides: Any = (), **properties: Any) -> str:
    return sentence(lambda: made(text, overrides, **properties))


def generated(**properties: Any) -> list[dict[str, Any]]:
    microservice = Microservice.parse({"name": "web", "image": "nginx", **properties})
    return manifests.objects(microservice, {}, NoLookups())


def manifest(kind: str, api_version: str = "v1", name: str = "x", **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


def test_a_manifest_is_sent_as_it_is_written() -> None:
    assert made() == [yaml.safe_load(POD_2017)]


def test_config_is_sent_as_it_is_written_and_wins() -> None:
    config = manifest("Pod", spec={"containers": [{"name": "c"}]})
    assert made("not even: read: ", config=config) == [config]


def test_overrides_are_applied_in_their_order() -> None:
    texts = ["['spec']['replicas']=2", "['spec']['replicas']=3", "['metadata']['name']='q-@{node, name}'"]
    (controller,) = made(overrides=texts)
    assert controller["spec"]["replicas"] == 3
    assert controller["metadata"]["name"] == "q-node"


def test_of_several_documents_the_first_subscript_says_which() -> None:
    first, second = made(TWO, ["[0]['spec']['type']='NodePort'", "[1]['data']['a']=@{node, ip}"])
    assert (first["kind"], first["data"]) == ("ConfigMap", {"a": "10.0.0.1"})
    assert second["spec"]["type"] == "NodePort"
    said = refused(TWO, ["['spec']['type']='NodePort'"])
    assert said.startswith("config_files[0].overrides[0]: ['spec']['type'] is refused at column 1: ")
    assert "the file holds 2 documents" in said


def test_overrides_are_checked_before_there_are_files() -> None:
    files = [{"file": "a"}, {"file": "b", "overrides": ["['x']=1", "exec('x')"]}]
    microservice = Microservice.parse({"name": "n", "config_files": files})
    assert sentence(lambda: manifests.check_overrides(microservice)).startswith(
        "config_files[1].overrides[1]: what is given is refused at column 1: "
    )


def test_several_files_make_one_order() -> None:
    microservice = Microservice.parse({"name": "n", "config_files": ["pod.yaml", "two.yaml"]})
    found = manifests.objects(microservice, {"pod.yaml": POD_2017, "two.yaml": TWO}, NoLookups())
    assert manifests.kinds(found) == "ConfigMap:web,Service:web,ReplicationController:quagga"


def test_a_list_stands_for_its_items() -> None:
    both = {"apiVersion": "v1", "kind": "List", "items": [manifest("Pod"), manifest("Secret")]}
    assert manifests.kinds(made(config=both)) == "Secret:x,Pod:x"


def test_templates() -> None:
    text = (
        "{% for n in names %}---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: {{ n }}}}\n{% endfor %}"
    )
    assert manifests.kinds(made(text, template_variables={"names": ["a", "b"]})) == "ConfigMap:a,ConfigMap:b"


def test_without_variables_braces_mean_nothing() -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {a: '{{ .Values.a }} {% x'}}"
    assert made(text)[0]["data"] == {"a": "{{ .Values.a }} {% x"}


@pytest.mark.parametrize(
    "text",
    [
        "a: *tomato",
        "a: !tomato b",
        "a: !t!tomato b",
        "a: !!int tomato",
        "a: !!float tomato",
        "a: !!bool tomato",
        "a: !!binary tomato-é",
        "a: {tomato: 1, tomato: 2}",
        "a: &tomato 1\nb: &tomato 2",
        "a: '*tomato",
        'a: "\\xtomato"',
        "<<: tomato",
        "%TAG tomato",
        "a: |tomato",
        "[tomato]: {[tomato]: 1}",
    ],
)
def test_what_a_file_says_is_not_said_again(text: str) -> None:
    said = sentence(lambda: documents("f", text))
    assert said.startswith("f: the file is no YAML at line ")
    assert "tomato" not in said


KEY = "-----BEGIN KEY-----\ntomato\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "value", ["tomato", KEY, "it's\"tomato\\", "tomato " * 200, 71717171, "zq", -7.1717171]
)
@pytest.mark.parametrize(
    "template",
    [
        "\n{{ {}[word] }}",
        "\n{{ {}.nope[words.b[0]] }}",
        "\n{{ [][word] }}",
        "\n{{ [].index(word) }}",
        "\n{{ ''.encode(word) + word }}",
        "\n{{ [1] | map(word) | list }}",
        "\n{{ '{x}'.format(y=word) }}",
        "\n{{ (word | string).nope }}",
    ],
)
def test_what_a_variable_says_is_not_said_again(template: str, value: Any) -> None:
    variables = {"word": value, "words": {"a": {}, "b": [value]}}
    said = sentence(lambda: rendered("f", template, variables))
    assert said.startswith("f: the template cannot be rendered at line 2: ")
    assert [part for part in ("tomato", "717", "zq") if part in said] == []


def test_a_template_makes_no_more_than_would_be_read() -> None:
    said = sentence(lambda: rendered("f", "{% for i in range(99999) %}{{ a * 999 }}{% endfor %}", {"a": "x"}))
    assert said == "f: the template makes more than 4194304 characters"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ missing }}", "cannot be rendered at line 1: 'missing' is undefined"),
        ("{{ a.b }}", "cannot be rendered at line 1: 'int object' has no attribute 'b'"),
        ("{{ a", "is refused at line 1: "),
        ("\n\n{% nope %}", "is refused at line 3: "),
        ("{{ a / 0 }}", "cannot be rendered at line 1: division by zero"),
        ("{{ a + 'x' }}", "cannot be rendered at line 1: unsupported operand"),
        ("{{ ''.__class__.__mro__ }}", "cannot be rendered at line 1: "),
        ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "cannot be rendered at line 1: "),
        ("{{ l.append(1) }}", "cannot be rendered at line 1: "),
        ("{% include '/etc/passwd' %}", "cannot be rendered at line 1: "),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", ""),
        ("{{ cycler() }}", "cannot be rendered at line 1: at least one item"),
        ("{{ 'a' * 10 ** 13 }}", "cannot be rendered at line 1: MemoryError"),
        (
            "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
            "cannot be rendered: too many statically nested blocks",
        ),
        ("{% for i in range(10 ** 9) %}x{% endfor %}", "cannot be rendered at line 1: Range too big"),
    ],
)
def test_a_template_that_cannot_be_rendered_is_refused(template: str, said: str) -> None:
    whole = sentence(lambda: rendered("config_files[0].file (pod.yaml)", template, {"a": 1, "l": []}))
    assert whole.startswith(f"config_files[0].file (pod.yaml): the template {said}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2017-01-01", "2017-01-01"),
        ("22:22", "22:22"),
        ("0x10", 16),
        ("0644", 420),
        ("-7", -7),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        (".nan", ".nan"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("on", True),
        ("~", None),
        ("'0644'", "0644"),
    ],
)
def test_scalars_are_what_kubernetes_takes_them_for(text: str, value: object) -> None:
    ((got,),) = documents("f", f"[{text}]")
    assert got == value
    assert type(got) is type(value)


def test_merge_keys_and_aliases() -> None:
    text = "outer: {b: &b {<<: &a {x: 1, y: 1}, x: 2}}\nc: {<<: *b, z: 3}\nd: *a"
    assert documents("f", text) == [
        {"outer": {"b": {"x": 2, "y": 1}}, "c": {"x": 2, "y": 1, "z": 3}, "d": {"x": 1, "y": 1}}
    ]


def test_of_two_merged_maps_the_earlier_wins_and_a_key_of_its_own_over_both() -> None:
    text = (
        "a: &a {x: 1, long: 1}\nb: &b {x: 2, long: 2, y: 2}\nc: {<<: [*a, *b], long: 3}\nd: &d {<<: *d, x: 4}"
    )
    assert documents("f", text)[0]["c"] == {"x": 1, "long": 3, "y": 2}
    assert documents("f", text)[0]["d"] == {"x": 4}


def test_merge_keys_do_not_multiply() -> None:
    (found,) = documents("f", MERGES)
    assert found["a59"] == {"k": "x", **{f"k{n}": "x" for n in range(1, 60)}}


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
MERGES = "a0: &a0 {k: x}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: x}}\n" for n in range(1, 60)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "f: the file holds no manifest"),
        ("---\n# x\n---\n", "f: the file holds no manifest"),
        ("a: [", "f: the file is no YAML at line 1, column 5: "),
        ("a: 1\na: 2", "f: the file is no YAML at line 2, column 1: a key that its map has already"),
        ("a: \t- b", "f: the file is no YAML at line 1, column 4: found character '\\t' that cannot start"),
        ("a: [b", "f: the file is no YAML at line 1, column 6: expected ',' or ']', but got '<stream end>'"),
        (
            "a: !!timestamp b",
            "f: the file is no YAML at line 1, column 4: a value that is not what it is said",
        ),
        (
            "a: !!bool b",
            "f: the file is no YAML at line 1, column 4: a value that is not what it is said to be",
        ),
        (
            "a: !!int ''",
            "f: the file is no YAML at line 1, column 4: a value that is not what it is said to be",
        ),
        ('a: "\\Uffffffff"', "f: the file is no YAML: a number in it is out of range"),
        ('a: "\\U00110000"', "f: the file is no YAML: a number in it is out of range"),
        (f"%YAML {'1' * 5000}.1\n---\na: 1", "f: the file is no YAML: a number in it is out of range"),
        (f"? 0x{'f' * 5000}\n: a", "f: a number of very many digits is a key that is no string"),
        (
            f"a: 0x{'f' * 5000}",
            "f.a: what is given is a number of more than 64 bits, which no API server takes",
        ),
        (f"a: &x {'y' * 5000}\nb: [{'*x, ' * 1000}]", "f: a dict holds more than 4194304 characters"),
        ("a: *b", "f: the file is no YAML at line 1, column 4: found undefined alias"),
        (
            "a: !!python/object/apply:os.system [id]",
            "f: the file is no YAML at line 1, column 4: could not determine",
        ),
        ("a: \x00", "f: the file is no YAML: unacceptable character"),
        ("{a: {1: x}}", "f.a: 1 is a key that is no string; put it in quotes"),
        ("a: !!binary aGk=", "f.a: what is given is a bytes, which JSON does not have"),
        ("a: !!set {x}", "f.a: what is given is a set, which JSON does not have"),
        ("? [a]\n: b", "f: the file is no YAML at line 1, column 3: "),
        ("a: &a [*a]", "f: a dict is nested deeper than 100 levels"),
        ("[" * 5000, "f: the file is nested too deep to be read"),
        (BOMB, "f: a dict holds more than 100000 values"),
        (
            "a: {<<: x}",
            "f: the file is no YAML at line 1, column 9: a merge key takes a map or a list of maps",
        ),
        ("a: {<<: [{x: 1}, [2]]}", "f: the file is no YAML at line 1, column 18: a merge key takes a map"),
    ],
    ids=lambda text: text[:40],
)
def test_files_that_are_refused(text: str, said: str) -> None:
    assert sentence(lambda: documents("f", text)).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("just text", "config_files[0].file (pod.yaml): what is given is no map; a manifest is meant"),
        (
            "{kind: Pod, metadata: {name: x}}",
            "config_files[0].file (pod.yaml): the manifest has no apiVersion",
        ),
        (
            "{apiVersion: v1, metadata: {name: x}}",
            "config_files[0].file (pod.yaml): the manifest has no kind",
        ),
        ("{apiVersion: v1, kind: Pod}", "config_files[0].file (pod.yaml): the manifest has no metadata.name"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {generateName: x-}}",
            "config_files[0].file (pod.yaml): the manifest has no metadata.name",
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: 7}}",
            "config_files[0].file (pod.yaml).metadata.name: what is given is no string",
        ),
        (
            "{apiVersion: v1, kind: Pod, metadata: x}",
            "config_files[0].file (pod.yaml).metadata: what is given is no map",
        ),
        (
            f"{TWO}---\nx",
            "config_files[0].file (pod.yaml, document 2): what is given is no map; a manifest is meant",
        ),
        ("{apiVersion: v1, kind: List, items: []}", "config_files: the manifests hold no object"),
        (POD_2017 + "---" + POD_2017, "metadata.name: quagga is the name of two manifests of kind Replic"),
    ],
)
def test_manifests_that_are_refused(text: str, said: str) -> None:
    assert refused(text).startswith(said)


def test_one_name_in_two_namespaces_or_groups_is_fine() -> None:
    items = [
        manifest("Service"),
        manifest("Service", "serving.knative.dev/v1"),
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "other"}},
    ]
    assert len(made(config={"apiVersion": "v1", "kind": "List", "items": items})) == 3


CONTAINERS = {"initContainers": [{"name": "i"}], "containers": [{"name": "c"}, {"name": "d"}]}
PODS = {"template": {"metadata": {}, "spec": CONTAINERS}}


@pytest.mark.parametrize(
    ("workload", "way"),
    [
        (manifest("Pod", spec=CONTAINERS), ["spec"]),
        (manifest("ReplicationController", spec=PODS), ["spec", "template", "spec"]),
        (manifest("ReplicaSet", "apps/v1", spec=PODS), ["spec", "template", "spec"]),
        (manifest("Deployment", "apps/v1", spec=PODS), ["spec", "template", "spec"]),
        (manifest("StatefulSet", "apps/v1", spec=PODS), ["spec", "template", "spec"]),
        (manifest("DaemonSet", "apps/v1", spec=PODS), ["spec", "template", "spec"]),
        (manifest("Job", "batch/v1", spec=PODS), ["spec", "template", "spec"]),
        (
            manifest("CronJob", "batch/v1", spec={"jobTemplate": {"spec": PODS}}),
            ["spec", "jobTemplate", "spec", "template", "spec"],
        ),
        ({**manifest("PodTemplate"), **PODS}, ["template", "spec"]),
        (manifest("Rollout", "argoproj.io/v1alpha1", spec=PODS), ["spec", "template", "spec"]),
    ],
)
def test_every_container_of_every_workload_gets_the_variables(
    workload: dict[str, Any], way: list[str]
) -> None:
    (found,) = made(config=workload, env={"A": "1"})
    for key in way:
        found = found[key]
    assert [one["env"] for one in found["initContainers"] + found["containers"]] == [
        [{"name": "A", "value": "1"}]
    ] * 3


@pytest.mark.parametrize(
    "other",
    [
        manifest("ConfigMap", data={"spec": "x"}),
        manifest("Widget", "example.org/v1", spec={"containers": [{"name": "c"}], "template": "x"}),
        manifest("Deployment", "apps/v1", spec={"template": {"spec": {"containers": "none"}}}),
    ],
)
def test_what_has_no_containers_stays_as_it_is(other: dict[str, Any]) -> None:
    assert made(config=other, env={"A": "1"}) == [other]


def test_a_variable_that_is_there_gets_the_new_value_in_its_place() -> None:
    (controller,) = made(env={"ROUTES": "10.0.0.0/24 172.16.0.1", "INTERFACES": "eth7"})
    (container,) = controller["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "INTERFACES", "value": "eth7"},
        {"name": "ROUTES", "value": "10.0.0.0/24 172.16.0.1"},
    ]
    assert container["securityContext"] == {"privileged": True}


@pytest.mark.parametrize("env", [{"A": "geheim"}, 7, "A=geheim"])
def test_variables_cannot_be_added_to_what_is_no_list(env: object) -> None:
    pod = manifest("Pod", spec={"containers": [{"name": "c", "env": env}]})
    said = sentence(lambda: made(config=pod, env={"B": "1"}))
    assert said.endswith(" stands where a list of variables has to be")
    assert "geheim" not in said
    assert made(config=pod) == [pod]


def test_a_lists_entries_that_are_none_stay() -> None:
    pod = manifest("Pod", spec={"containers": [{"name": "c", "env": [None, "x", {"value": "y"}]}, "d"]})
    (found,) = made(config=pod, env={"B": "1"})
    assert found["spec"]["containers"][0]["env"] == [None, "x", {"value": "y"}, {"name": "B", "value": "1"}]


def test_generated_from_image_port_and_replicas() -> None:
    assert generated(port=80, target_port=8080, replicas=2, env={"A": "1"}) == [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "labels": {"run": "web"}},
            "spec": {
                "selector": {"run": "web"},
                "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"run": "web"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"run": "web"}},
                "template": {
                    "metadata": {"labels": {"run": "web"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "web",
                                "image": "nginx",
                                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                                "env": [{"name": "A", "value": "1"}],
                            }
                        ]
                    },
                },
            },
        },
    ]


def test_without_a_port_there_is_no_service() -> None:
    (deployment,) = generated()
    assert "ports" not in deployment["spec"]["template"]["spec"]["containers"][0]


HOST_NETWORK = '{"spec": {"hostNetwork": true}}'


def test_overrides_are_merged_as_kubectl_did() -> None:
    service, deployment = generated(
        port=80,
        run_overrides=f'{{"apiVersion": "v1", "spec": {{"replicas": 5, "template": {HOST_NETWORK}}}}}',
        expose_overrides={"spec": {"type": "NodePort", "selector": None, "ports": [{"port": 81}]}},
    )
    assert deployment["apiVersion"] == "apps/v1"
    assert deployment["spec"]["replicas"] == 5
    assert deployment["spec"]["template"]["spec"]["hostNetwork"] is True
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"
    assert service["spec"] == {"type": "NodePort", "ports": [{"port": 81}]}


def test_overrides_cannot_make_another_kind_of_it() -> None:
    said = sentence(lambda: generated(run_overrides={"kind": "DaemonSet"}))
    assert said == "run_overrides.kind: DaemonSet is not what is made here; that is a Deployment"
    assert sentence(lambda: generated(run_overrides={"metadata": {"name": None}})).startswith(
        "image: the manifest has"
    )


ORDER = [
    manifest("Namespace"),
    manifest("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
    manifest("ServiceAccount"),
    manifest("ClusterRole", "rbac.authorization.k8s.io/v1"),
    manifest("ClusterRoleBinding", "rbac.authorization.k8s.io/v1"),
    manifest("Role", "rbac.authorization.k8s.io/v1"),
    manifest("RoleBinding", "rbac.authorization.k8s.io/v1"),
    manifest("Secret"),
    manifest("ConfigMap"),
    manifest("PersistentVolume"),
    manifest("PersistentVolumeClaim"),
    manifest("Service"),
    manifest("Service", "serving.knative.dev/v1"),
    manifest("Pod"),
    manifest("Deployment", "apps/v1"),
    manifest("DaemonSet", "apps/v1"),
    manifest("Job", "batch/v1"),
    manifest("HorizontalPodAutoscaler", "autoscaling/v2"),
    manifest("Ingress", "networking.k8s.io/v1"),
    manifest("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
]


@given(st.randoms(use_true_random=False))
def test_what_others_need_comes_first(shuffler: random.Random) -> None:
    shuffled = list(ORDER)
    shuffler.shuffle(shuffled)
    assert manifests.in_order(shuffled) == ORDER


def test_equals_stay_as_their_author_ordered_them() -> None:
    names = ["c", "a", "b"]
    found = manifests.in_order(manifest("Widget", "example.org/v1", name) for name in names)
    assert [one["metadata"]["name"] for one in found] == names


CONTAINER: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"name": st.just("c"), "env": st.deferred(lambda: JSON)}
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SHAPES = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.just("v1") | JSON,
        "kind": st.sampled_from(["Pod", "List", "Deployment"]) | JSON,
        "metadata": st.just({"name": "x"}) | st.fixed_dictionaries({"name": JSON}) | JSON,
        "items": st.lists(st.just(manifest("Pod")) | JSON, max_size=2),
        "spec": st.fixed_dictionaries({"containers": st.lists(CONTAINER) | JSON, "template": JSON}) | JSON,
        "template": st.fixed_dictionaries({"spec": st.fixed_dictionaries({"containers": st.lists(JSON)})}),
    },
)


@given(SHAPES)
def test_any_config_is_sent_or_refused_in_one_line(config: dict[str, Any]) -> None:
    accepted(lambda: made(config=config or None, env={"A": "1"}))


@given(st.text() | st.text("[]{}:,-'\"&*!|>?%@#<=\n \tab1.~"))
def test_any_file_is_sent_or_refused_in_one_line(text: str) -> None:
    accepted(lambda: made(text, env={"A": "1"}))
    accepted(lambda: made(text, template_variables={"a": 1}))


def test_a_large_file_is_read_in_time() -> None:
    start = time.monotonic()
    said = refused("x" * (5 * 1024 * 1024))
    assert said.startswith("config_files[0].file (pod.yaml): 5242880 characters are too many")
    assert time.monotonic() - start < 5
