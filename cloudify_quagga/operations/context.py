"""What an operation's context tells, in our words."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace as replace_fields
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from cloudify.exceptions import HttpException
from cloudify.manager import get_rest_client
from cloudify.workflows.local import StorageConflictError
from cloudify_rest_client.exceptions import CloudifyClientError

from cloudify_quagga.cluster import Cluster, connect, connect_through
from cloudify_quagga.errors import Failed, Refused, Unavailable
from cloudify_quagga.lifecycle.ownership import Owner
from cloudify_quagga.local_profile import undisturbed
from cloudify_quagga.model import Access
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.sentence import legible
from cloudify_quagga.model.ssh import Ssh
from cloudify_quagga.names import Identity

Context = Any
CONNECTED_TO_CLUSTER = "cloudify.relationships.quagga.connected_to_cluster"
PLACED_ON = "cloudify.relationships.quagga.placed_on"
INFO = "kubernetes_info"
# What the pull operation saw.
LIVE = "live"
_TRIES = 5
# A secret that is not there, or not for this user: asking again is of no use.
_NOT_GIVEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
# What connected_to_master tells its source; nothing that was made.
MASTER_IP, MASTER_PORT = "master_ip", "master_port"
# What reading it raises where somebody has edited it.
SPOILT = (Refused, LookupError, TypeError, ValueError, AttributeError)


class _Recorded(Protocol):
    """What operations remember."""

    def to_json(self) -> Mapping[str, Any]:
        """What stands in the runtime property."""


Record = TypeVar("Record", bound=_Recorded)


def properties(ctx: Context) -> Mapping[str, Any]:
    """The node's properties, functions evaluated (which the local profile leaves to us)."""
    told = dict(ctx.node.properties)
    storage = local_storage(ctx)
    if storage is None:
        return told
    evaluated: dict[str, Any] = undisturbed(
        lambda: storage.env.evaluate_functions(told, {"self": ctx.instance.id})
    )
    return evaluated


def inputs_of(ctx: Context, operation: str) -> Mapping[str, Any]:
    """What the blueprint gives another operation of this node, functions evaluated."""
    operations = ctx._endpoint.get_node(ctx.node.id)["operations"]
    inputs = (operations.get(operation) or {}).get("inputs") or {}
    evaluated: dict[str, Any] = undisturbed(lambda: ctx._endpoint.evaluate_functions(inputs))
    return evaluated


def local_storage(ctx: Context) -> Any | None:  # noqa: ANN401
    """Where the local profile keeps its deployments; None on a manager."""
    # There is no public way to it.
    return getattr(ctx._endpoint, "storage", None)


def owner(ctx: Context) -> Owner:
    """On whose behalf this operation acts."""
    deployment = ctx.deployment.id
    identity = Identity(deployment, ctx.node.id, ctx.instance.id)
    storage = local_storage(ctx)
    if storage is not None:
        known = frozenset(one["id"] for one in undisturbed(storage.get_node_instances))
        return Owner(identity, _profile(storage), known, "cfy uninstall -b", _namespace(ctx))
    client = get_rest_client()
    instances = client.node_instances.list(deployment_id=deployment, _include=["id"], _get_all_results=True)
    known = frozenset(one["id"] for one in instances)
    return Owner(identity, _manager(ctx), known, "cfy uninstall", _namespace(ctx))


def kubernetes_info(ctx: Context) -> Mapping[str, Any]:
    """What the targets tell about the cluster; the first that tells anything counts.

    A node that one is placed on does too: of two relationships with one target Cloudify keeps only the last.
    """
    related = (*targets(ctx, CONNECTED_TO_CLUSTER), *targets(ctx, PLACED_ON))
    told = (info_of(target) for target in related)
    return next((info for info in told if info), {})


def info_of(target: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """What one node instance tells about the cluster, whatever its type: itself, or of another deployment."""
    told = target.instance.runtime_properties
    for place in (told, told.get("outputs"), told.get("capabilities")):
        # What is no map is another type's own affair.
        info = Given(INFO, place.get(INFO) if isinstance(place, Mapping) else None, hidden=True)
        if not info.empty:
            return {key: one.value for key, one in info.entries(INFO).items()}
    return {}


def access(ctx: Context) -> Access:
    """How the node says that its cluster is reached, completed by what it is connected to."""
    told, info = properties(ctx), Access.from_info(kubernetes_info(ctx))
    own = Access.parse(told.get("client_config"))
    if own.known or not Ssh.spoken_of(told):
        return own.or_else(info)
    master = Ssh.host_in(told) or _master(ctx)
    if master is None and info.known:
        return own.or_else(info)
    # The master's own kubeconfig tells more than the URL by which its address is known.
    return replace_fields(own, ssh=Ssh.from_properties(told, master), said_at="ssh")


def node_account(ctx: Context, address: str | None) -> Ssh | None:
    """The account on the Kubernetes node itself; None where the properties speak of none.

    :param address: the node's, where they say none. Their `ssh.host` is the master, unless client_config says
        another way to the cluster.
    """
    told = properties(ctx)
    if not Ssh.spoken_of(told):
        return None
    host = Ssh.host_in(told) if Access.parse(told.get("client_config")).known else None
    account = Ssh.from_properties(told, host or address)
    return account and account.at_node(account.kubelet.host or host or address or account.host)


@contextmanager
def connection(ctx: Context) -> Iterator[Cluster]:
    """The node's cluster, for the time of a with block."""
    way = access(ctx)
    if way.ssh:
        with _through(way.ssh, way.context) as cluster:
            yield cluster
        return
    with closing(connect(way, ctx.get_resource, lambda name: _secret(ctx, name))) as cluster:
        yield cluster


@contextmanager
def _through(master: Ssh, name: str | None) -> Iterator[Cluster]:
    # Loads paramiko, which takes 0.1 s of every command that does without.
    from cloudify_quagga import ssh  # noqa: PLC0415

    with (
        ssh.cluster(master, name) as found,
        closing(connect_through(found.kubeconfig, found.address)) as cluster,
    ):
        yield cluster


def targets(ctx: Context, relationship: str) -> Iterator[Any]:
    """The other ends of the instance's relationships of a type, or of one derived from it."""
    for one in ctx.instance.relationships:
        if relationship in one.type_hierarchy:
            yield one.target


def api_server(ctx: Context, target: Any) -> str:  # noqa: ANN401
    """The URL of the API server that a node instance tells of."""
    info = info_of(target)
    told = Access.from_info(info, f"{INFO} of {target.node.id}")
    if not told.known:
        known = ", ".join(sorted(target.instance.runtime_properties)) or "none"
        right = (
            f"tells no {INFO} that says where its cluster is; of its runtime properties there are: {known}"
        )
        raise Refused("relationships", target.node.id, right)
    if info.get("url"):
        return str(info["url"])
    with closing(connect(told, ctx.get_resource, lambda name: _secret(ctx, name))) as cluster:
        return cluster.address


def blueprint_file(ctx: Context, path: str, name: str) -> str:
    """The text of a file that came with the blueprint.

    :param path: where the author named it.
    """
    try:
        text: bytes = ctx.get_resource(name)
        return text.decode()
    except (OSError, HttpException) as error:
        raise Refused(path, name, f"is no file of the blueprint that can be read: {error}") from error
    except UnicodeDecodeError as error:
        raise Refused(path, name, f"is no text in UTF-8: {error}") from error


def replace(ctx: Context, **runtime: object) -> None:
    """Replace these runtime properties whole, and store them now: an operation may be cut off at any time."""
    _store(ctx, lambda told: told.update(runtime))


def replace_known(ctx: Context, name: str, value: object) -> None:
    """Replace a runtime property that is there; where it is gone, what it was about has been deleted."""

    def change(told: dict[str, Any]) -> None:
        if name not in told:
            raise Failed(
                f"{ctx.instance.id} has been deleted meanwhile; nothing is remembered of it any more"
            )
        told[name] = value

    _store(ctx, change)


def forget(ctx: Context, *names: str) -> None:
    """Forget these runtime properties, now."""

    def change(told: dict[str, Any]) -> None:
        for name in names:
            told.pop(name, None)

    _store(ctx, change)


def recorded(ctx: Context, name: str, read: Callable[[Any], Record]) -> Record | None:
    """What a runtime property remembers; None where there is none. Anybody may have edited it."""
    stored = ctx.instance.runtime_properties.get(name)
    if not stored:
        return None
    try:
        record = read(stored)
        # Some of what is wrong would show only when it is stored again.
        record.to_json()
    except SPOILT as error:
        raise spoilt(ctx, name, error) from error
    return record


def spoilt(ctx: Context, name: str, error: Exception) -> Failed:
    """The error to raise where a runtime property cannot be read any more."""
    why = error if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
    return Failed(
        f"the runtime property {name!r} of {ctx.instance.id} is not as it was left ({legible(why)}); "
        "put back what stood there, or take it out and install again"
    )


def refresh(ctx: Context) -> None:
    """See the runtime properties as they are by now; another operation may have stored some."""
    ctx.instance.refresh(force=True)


def _store(ctx: Context, change: Callable[[dict[str, Any]], None]) -> None:
    """Store a change; others may store theirs at the same time, of other properties."""
    for left in reversed(range(_TRIES)):
        change(ctx.instance.runtime_properties)
        try:
            ctx.instance.update()
        except (StorageConflictError, CloudifyClientError) as error:
            if not (left and _is_conflict(error)):
                raise
            refresh(ctx)
        else:
            return


def _is_conflict(error: Exception) -> bool:
    return getattr(error, "status_code", HTTPStatus.CONFLICT) == HTTPStatus.CONFLICT


def has_made_something(ctx: Context) -> bool:
    """Whether the instance remembers more than what a relationship told it."""
    return bool(set(ctx.instance.runtime_properties) - {MASTER_IP, MASTER_PORT})


def clear(ctx: Context) -> None:
    """Forget everything, now; the local profile would keep it after an uninstall."""
    _store(ctx, lambda told: told.clear())


def _master(ctx: Context) -> str | None:
    """The master's address, as far as anybody told it."""
    url = kubernetes_info(ctx).get("url")
    told = urlsplit(url).hostname if isinstance(url, str) else None
    return told or ctx.instance.runtime_properties.get(MASTER_IP)


def _namespace(ctx: Context) -> str | None:
    told = ctx.node.properties.get("namespace")
    if isinstance(told, Mapping):
        told = properties(ctx)["namespace"]
    return told if isinstance(told, str) and told else None


def _profile(storage: Any) -> str:  # noqa: ANN401
    # .../profiles/local/deployments/ID/workdir
    profile = Path(storage.get_workdir()).resolve().parents[2]
    return f"the local profile {profile} on {socket.gethostname()}"


def _manager(ctx: Context) -> str:
    # A cluster of managers tells all of its hosts, in any order.
    hosts = [ctx.rest_host] if isinstance(ctx.rest_host, str) else sorted(ctx.rest_host or [])
    return f"the manager {', '.join(hosts)}, tenant {ctx.tenant_name}"


def _secret(ctx: Context, name: str) -> str:
    if local_storage(ctx) is not None:
        right = "cannot be read: a local profile keeps no secrets"
        raise Refused("kubernetes_info.token_secret", name, right)
    try:
        value: str = get_rest_client().secrets.get(name).value
    except CloudifyClientError as error:
        if error.status_code in _NOT_GIVEN:
            right = f"is no secret that the manager gives: {error}"
            raise Refused("kubernetes_info.token_secret", name, right) from error
        raise Unavailable(f"the manager cannot be asked for the secret {name!r}: {error}") from error
    except OSError as error:
        raise Unavailable(f"the manager cannot be asked for the secret {name!r}: {error}") from error
    return value
