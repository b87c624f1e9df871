"""From a Microservice to the objects it consists of: pure, in the order in which they are applied.

What a manifest says is sent as it is: overrides and env, which its author asked for, are all that is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.manifest_file import documents
from cloudify_quagga.model.document import plain
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.microservice import NO_PORT, EnvVariable, Microservice
from cloudify_quagga.overrides import Lookups, Override, apply, parse_all
from cloudify_quagga.template import rendered

# kubectl labelled so what it ran in 2017; blueprints' own Services select by it.
RUN_LABEL = "run"

# Foundations first, then kinds that are not named here (custom resources among them), then what runs, then
# what watches over it: an admission webhook that came before its own server would refuse everything after it.
_BEFORE = (
    "Namespace",
    "CustomResourceDefinition",
    "ResourceQuota",
    "LimitRange",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "PodSecurityPolicy",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "Service",
    "Endpoints",
    "EndpointSlice",
)
_AFTER = (
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "Ingress",
    "APIService",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
)
_RANKS = {
    **{kind: rank - len(_BEFORE) for rank, kind in enumerate(_BEFORE)},
    **{kind: rank + 1 for rank, kind in enumerate(_AFTER)},
}
_OWN_GROUPS = ("", "apps", "autoscaling", "batch", "extensions", "policy")

# Where the templates of pods stand: in every controller, in a CronJob, in a PodTemplate.
_POD_SPECS = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
    ("template", "spec"),
)
_CONTAINERS = ("initContainers", "containers")

# What kubectl made of `run` over the years: overrides of then may name any of it.
_RUN_KINDS = ("Deployment", "ReplicationController")


def objects(microservice: Microservice, files: Mapping[str, str], lookups: Lookups) -> list[dict[str, Any]]:
    """The objects, in the order in which they are applied; deleted in reverse.

    :param files: the texts of the files that config_files names, by their names there.
    """
    found = [_object(given) for given in _manifests(microservice, files, lookups)]
    if not found:
        raise Refused(microservice.source, "the manifests", "hold no object")
    _check_unique(found)
    for manifest in found:
        _add_env(manifest, microservice.env)
    return in_order(found)


def check_overrides(microservice: Microservice) -> None:
    """Refuse overrides that could never be read; needs neither their files nor their substitutions."""
    for index in range(len(microservice.config_files)):
        _overrides(microservice, index)


def in_order(manifests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sorted so that what others need comes first; equals stay as their author ordered them."""
    return sorted(manifests, key=_rank)


def kinds(manifests: Iterable[Mapping[str, Any]]) -> str:
    """The runtime property of 2017: "Deployment:nginx,Service:nginx"."""
    return ",".join(f"{one['kind']}:{one['metadata']['name']}" for one in manifests)


def generated(microservice: Microservice) -> list[dict[str, Any]]:
    """What `kubectl run` and `expose` would make of image, port and replicas; without port no Service."""
    made = [_merged("run_overrides", _deployment(microservice), microservice.run_overrides, _RUN_KINDS)]
    if microservice.port != NO_PORT:
        made.append(
            _merged("expose_overrides", _service(microservice), microservice.expose_overrides, ("Service",))
        )
    return made


def _manifests(microservice: Microservice, files: Mapping[str, str], lookups: Lookups) -> Iterator[Given]:
    """Every manifest with the path under which its author knows it."""
    if microservice.config:
        yield from _unlisted(Given("config", microservice.config.data, hidden=True))
        return
    for index, config_file in enumerate(microservice.config_files):
        yield from _of_file(microservice, index, files[config_file.file], lookups)
    if microservice.source == "image":
        yield from (Given("image", manifest) for manifest in generated(microservice))


def _of_file(microservice: Microservice, index: int, text: str, lookups: Lookups) -> Iterator[Given]:
    path = f"config_files[{index}].file"
    name = microservice.config_files[index].file
    variables = microservice.template_variables.data if microservice.template_variables else {}
    found = documents(f"{path} ({name})", rendered(f"{path} ({name})", text, variables))
    found = _overridden(found, _overrides(microservice, index), lookups)
    for position, manifest in enumerate(found):
        place = f", document {position}" if len(found) > 1 else ""
        yield from _unlisted(Given(f"{path} ({name}{place})", manifest, hidden=True))


def _overrides(microservice: Microservice, index: int) -> list[Override]:
    return parse_all(f"config_files[{index}].overrides", microservice.config_files[index].overrides)


def _overridden(found: list[Any], overrides: Sequence[Override], lookups: Lookups) -> list[Any]:
    """Of one document a subscript leads into it, as in 2017; of several, the first subscript says which."""
    if len(found) == 1:
        return [apply(found[0], overrides, lookups)]
    for override in overrides:
        first = override.subscripts[0]
        if not isinstance(first.key, int):
            why = f"the file holds {len(found)} documents; one more subscript says which: [0]['spec']"
            raise override.source.refused(first.offset, why)
    return list(apply(found, overrides, lookups))


def _unlisted(given: Given) -> Iterator[Given]:
    """The manifest itself, or those that a List holds."""
    value = given.value
    if isinstance(value, Mapping) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for index, one in enumerate(value["items"]):
            yield from _unlisted(Given(f"{given.path}.items[{index}]", one, hidden=given.hidden))
    else:
        yield given


def _object(given: Given) -> dict[str, Any]:
    """A manifest that can be applied, and found again to be deleted."""
    fields = given.entries("a manifest")
    for key in ("apiVersion", "kind"):
        _name(given, fields.get(key), key)
    metadata = fields["metadata"].entries("metadata") if "metadata" in fields else {}
    _name(given, metadata.get("name"), "metadata.name")
    return dict(plain(given))


def _name(manifest: Given, given: Given | None, key: str) -> None:
    if given is None:
        raise Refused(manifest.path, "the manifest", f"has no {key}")
    if not given.text(f"{key} of a manifest"):
        raise given.refused(f"is no {key}")


def _check_unique(manifests: Iterable[Mapping[str, Any]]) -> None:
    seen = set()
    for one in manifests:
        metadata = one["metadata"]
        identity = (_group(one), one["kind"], metadata.get("namespace"), metadata["name"])
        if identity in seen:
            raise Refused(
                "metadata.name", metadata["name"], f"is the name of two manifests of kind {one['kind']}"
            )
        seen.add(identity)


def _rank(manifest: Mapping[str, Any]) -> int:
    group = _group(manifest)
    # Somebody else's kind may have the name of one of Kubernetes' own: Knative's Service has.
    known = group in _OWN_GROUPS or group.endswith(".k8s.io")
    return _RANKS.get(manifest["kind"], 0) if known else 0


def _group(manifest: Mapping[str, Any]) -> str:
    group, slash, _ = manifest["apiVersion"].partition("/")
    return str(group) if slash else ""


def _add_env(manifest: dict[str, Any], env: Sequence[EnvVariable]) -> None:
    if env:
        for container in _containers(manifest):
            _set_variables(container, env)


def _containers(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every container and init container of every pod that the manifest leads to."""
    ways = (("spec",),) if manifest["kind"] == "Pod" else _POD_SPECS
    for spec in (_below(manifest, way) for way in ways):
        for key in _CONTAINERS:
            listed = spec.get(key)
            yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _below(manifest: Mapping[str, Any], way: Iterable[str]) -> Mapping[str, Any]:
    value: Any = manifest
    for key in way:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _set_variables(container: dict[str, Any], env: Sequence[EnvVariable]) -> None:
    """A variable that the container already has gets the new value in its place: others may refer to it."""
    named = {one.name: one.manifest() for one in env}
    present = container.get("env") or []
    if not isinstance(present, list):
        # Not shown: it holds the values of variables.
        raise Refused(
            "containers.env", f"a {type(present).__name__}", "stands where a list of variables has to be"
        )
    kept = [named.pop(_variable_name(one), one) for one in present]
    container["env"] = [*kept, *named.values()]


def _variable_name(variable: object) -> str:
    return str(variable.get("name")) if isinstance(variable, Mapping) else ""


def _deployment(microservice: Microservice) -> dict[str, Any]:
    labels = {RUN_LABEL: microservice.name}
    container: dict[str, Any] = {"name": microservice.name, "image": microservice.image}
    if microservice.target_port != NO_PORT:
        container["ports"] = [{"containerPort": microservice.target_port, "protocol": microservice.protocol}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": microservice.name, "labels": labels},
        "spec": {
            "replicas": microservice.replicas,
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": [container]}},
        },
    }


def _service(microservice: Microservice) -> dict[str, Any]:
    labels = {RUN_LABEL: microservice.name}
    target = microservice.port if microservice.target_port == NO_PORT else microservice.target_port
    port = {"port": microservice.port, "targetPort": target, "protocol": microservice.protocol}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": microservice.name, "labels": labels},
        "spec": {"selector": dict(labels), "ports": [port]},
    }


def _merged(path: str, manifest: dict[str, Any], patch: Any, right_kinds: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    if patch is None:
        return manifest
    data = patch.data
    # kubectl wanted both; which kind it made of them changed with its version, and ours stays what it is.
    data.pop("apiVersion", None)
    kind = data.pop("kind", right_kinds[0])
    if kind not in right_kinds:
        raise Refused(f"{path}.kind", kind, f"is not what is made here; that is a {right_kinds[0]}")
    return dict(_patched(manifest, data))


def _patched(value: Any, patch: Any) -> Any:  # noqa: ANN401  a JSON merge patch (RFC 7386), as kubectl applied it
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, one in patch.items():
        if one is None:
            merged.pop(key, None)
        else:
            merged[key] = _patched(merged.get(key), one)
    return merged
