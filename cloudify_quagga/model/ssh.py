"""How a master or a node is reached by SSH: the `ssh` property, and the four ssh_ properties of 2017."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudify_quagga.errors import Refused
from cloudify_quagga.model.given import Given
from cloudify_quagga.model.secret import Secret

SSH_PORT = 22
STRICT = "strict"
ACCEPT_NEW = "accept-new"
RESTART = "systemctl restart kubelet"
FIELDS = (
    "host",
    "port",
    "username",
    "key_file",
    "key_content",
    "key_passphrase",
    "password",
    "known_hosts",
    "host_key_policy",
    "use_agent",
    "kubeconfig",
    "kubelet",
)
OLD_NAMES = {
    "ssh_username": "username",
    "ssh_keyfilename": "key_file",
    "ssh_password": "password",
    "ssh_port": "port",
}
# A key is often given where its path is meant.
_SECRET = ("key_file", "key_content", "key_passphrase", "password")
_PEM = "-----BEGIN "
_LONGEST_HOST = 253
_LINE_FIELDS = 3

# What a kubelet accepts in --node-labels under kubernetes.io and k8s.io; it does not start with any other.
KUBELET_KEYS = frozenset({
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
})  # fmt: skip
KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
KUBERNETES_DOMAINS = ("kubernetes.io", "k8s.io")


@dataclass(frozen=True)
class Kubelet:
    """Where a node's kubelet has its arguments from, and how it is told to read them again."""

    file: str | None = None  # None: where kubeadm's packages of the node's distribution have it
    restart_command: str = RESTART
    host: str | None = None  # None: the node's InternalIP
    write_labels: bool = True

    @classmethod
    def parse(cls, given: Given) -> Kubelet:
        """From ssh.kubelet."""
        fields = given.fields(("file", "restart_command", "host", "write_labels"), "kubelet")
        command, labels = fields.get("restart_command"), fields.get("write_labels")
        return cls(
            file=_kubelet_file(fields["file"]) if "file" in fields and not fields["file"].empty else None,
            restart_command=RESTART if command is None else command.text("a shell command"),
            host=_host(fields["host"]) if "host" in fields and not fields["host"].empty else None,
            write_labels=labels is None or labels.flag(),
        )


@dataclass(frozen=True)
class Ssh:
    """One SSH account on one host, and how far the host is trusted."""

    host: str
    username: str
    port: int = SSH_PORT
    key_file: str | None = None
    key_content: Secret | None = None
    key_passphrase: Secret | None = None
    password: Secret | None = None
    known_hosts: str | None = None  # a file; None and no lines: the files that OpenSSH's client reads
    known_host_lines: tuple[str, ...] = ()
    host_key_policy: str = STRICT
    use_agent: bool = False
    kubeconfig: str | None = None
    kubelet: Kubelet = Kubelet()
    places: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(cls, value: object, path: str = "ssh", host: str | None = None) -> Ssh:
        """From the property.

        :param host: the address to use where the property names none: the master's, from a relationship.
        """
        ssh = cls.from_properties({"ssh": value}, host, path)
        if ssh is None:
            raise Refused(path, value, f"is empty; {_EXAMPLE} would be right")
        return ssh

    @classmethod
    def from_properties(
        cls, properties: Mapping[str, Any], host: str | None = None, path: str = "ssh"
    ) -> Ssh | None:
        """From a node's properties, the names of 2017 among them; None if they do not speak of SSH."""
        # Hidden as a whole: whoever mistakes the property may have put a password there.
        said = _all_said(properties, path)
        return _parsed(path, said, host) if said else None

    @classmethod
    def host_in(cls, properties: Mapping[str, Any], path: str = "ssh") -> str | None:
        """The host that a node's properties name."""
        host = _all_said(properties, path).get("host")
        return None if host is None else _host(host)

    @classmethod
    def spoken_of(cls, properties: Mapping[str, Any], path: str = "ssh") -> bool:
        """Whether a node's properties speak of SSH at all."""
        return bool(_all_said(properties, path))

    @property
    def address(self) -> str:
        """The account, as sentences name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.username}@{host}:{self.port}"

    @property
    def host_name(self) -> str:
        """The host, as known_hosts names it."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def place(self, name: str) -> str:
        """Where the author wrote the setting, for a sentence that refuses it."""
        return dict(self.places).get(name, f"ssh.{name}")

    def to_json(self) -> dict[str, Any]:
        """What may be stored: no secret, not even one that masks itself."""
        return {
            "host": self.host,
            "port": self.port,
            "username": self.username,
            "key_file": self.key_file,
            "host_key_policy": self.host_key_policy,
            "kubeconfig": self.kubeconfig,
            "kubelet": {"file": self.kubelet.file, "restart_command": self.kubelet.restart_command},
        }

    def at_node(self, host: str, file: str | None = None) -> Ssh:
        """The same account on a node.

        :param file: the kubelet's, where it is known.
        """
        kubelet = replace(self.kubelet, host=host, file=file or self.kubelet.file)
        return replace(self, host=host, kubelet=kubelet)


def refuse_kubelet_labels(keys: Iterable[str], path: str = "labels") -> None:
    """Refuse labels that a kubelet would not start with."""
    for key in keys:
        if _within(key, KUBERNETES_DOMAINS) and key not in KUBELET_KEYS and not _within(key, KUBELET_DOMAINS):
            raise Refused(
                path,
                key,
                "is no label that a kubelet may give itself, and it would not start; use a key outside "
                "kubernetes.io, or leave out ssh",
            )


_EXAMPLE = "{host: 10.0.0.1, username: ubuntu, key_file: ~/.ssh/id_ed25519}"


def _all_said(properties: Mapping[str, Any], path: str) -> dict[str, Given]:
    """What is said in either form; nothing where it is only a port, which had a default in 2017."""
    given = Given(path, properties.get("ssh"), hidden=True)
    said = {} if given.empty else _said(given.fields(FIELDS, "ssh"))
    old = _said({new: Given(name, properties.get(name), hidden=True) for name, new in OLD_NAMES.items()})
    return old | said if said or old.keys() - {"port"} else {}


def _parsed(path: str, fields: Mapping[str, Given], host: str | None) -> Ssh:
    port = fields.get("port")
    policy = fields.get("host_key_policy")
    agent = fields.get("use_agent")
    file, lines = _known_hosts(fields.get("known_hosts"))
    key_file, key_content = _key(fields.get("key_file"), fields.get("key_content"))
    ssh = Ssh(
        host=_host(fields.get("host") or Given(f"{path}.host", host)),
        username=_username(fields.get("username") or Given(f"{path}.username", None)),
        port=SSH_PORT if port is None else port.whole_number(1, 65535),
        key_file=key_file,
        key_content=key_content,
        key_passphrase=_secret(fields.get("key_passphrase")),
        password=_secret(fields.get("password")),
        known_hosts=file,
        known_host_lines=lines,
        host_key_policy=STRICT if policy is None else policy.choice((STRICT, ACCEPT_NEW)),
        use_agent=agent is not None and agent.flag(),
        kubeconfig=_kubeconfig(fields.get("kubeconfig")),
        kubelet=Kubelet.parse(fields["kubelet"]) if "kubelet" in fields else Kubelet(),
        places=tuple((name, one.path) for name, one in fields.items()),
    )
    _check_together(ssh, path)
    return ssh


def _check_together(ssh: Ssh, path: str) -> None:
    if not (ssh.key_file or ssh.key_content or ssh.password or ssh.use_agent):
        raise Refused(path, ssh.address, "has nothing to log in with; key_file would be one way")
    if ssh.key_passphrase and not (ssh.key_file or ssh.key_content):
        raise Refused(ssh.place("key_passphrase"), "a passphrase", "opens no key; name one in key_file")
    if ssh.host_key_policy == ACCEPT_NEW and ssh.known_host_lines:
        raise Refused(
            ssh.place("host_key_policy"),
            ACCEPT_NEW,
            f"has to write a new key down; {ssh.place('known_hosts')} must be a file for that, not lines",
        )


def _key(file: Given | None, content: Given | None) -> tuple[str | None, Secret | None]:
    """Path and content; a key that was given where its path is meant is taken as what it is."""
    if file is not None and content is not None:
        raise content.refused(f"is a second key beside {file.path}; keep one of them")
    inline = _secret(content)
    if file is None:
        return None, inline
    text = file.text("the path of a private key")
    if text.startswith(_PEM):
        return None, _secret(file)
    if not text.isprintable():
        raise file.refused("is neither the path of a private key nor a key")
    return text, None


def _secret(given: Given | None) -> Secret | None:
    return None if given is None else Secret.parse(given, "a secret")


def _host(given: Given) -> str:
    text = "" if given.value is None else given.text("the address of the host")
    text = text.strip("[]").lower()
    if not text or text.startswith("-") or not text.isprintable() or set(text) & set(" @/,*?!"):
        raise given.refused("is no address of a host; 10.0.0.1 would be one")
    if not _can_be_looked_up(text):
        raise given.refused(
            "is no name of a host; 1 to 63 characters stand between its dots, and at most 253 in all"
        )
    return text


def _can_be_looked_up(name: str) -> bool:
    """As the system's resolver is asked; it would raise what is no answer of it."""
    try:
        return len(name) <= _LONGEST_HOST and bool(name.encode("idna"))
    except UnicodeError:
        return False


def _username(given: Given) -> str:
    text = "" if given.value is None else given.text("the name of a user")
    if not text or not text.isprintable() or text.startswith("-") or set(text) & set(" :/"):
        raise given.refused("is no name of a user; ubuntu would be one")
    return text


def _known_hosts(given: Given | None) -> tuple[str | None, tuple[str, ...]]:
    """A file's path, or lines: a list, or a text as ssh-keyscan prints it."""
    if given is None:
        return None, ()
    if isinstance(given.value, str) and len(given.value.split()) == 1:
        return given.value.strip(), ()
    texts = [given] if isinstance(given.value, str) else given.elements("lines of known_hosts")
    lines = [line.strip() for one in texts for line in one.text("a line of known_hosts").splitlines()]
    kept = tuple(line for line in lines if line and not line.startswith("#"))
    for line in kept:
        if len(line.split()) < _LINE_FIELDS + line.startswith("@"):
            raise Refused(given.path, line, "is no line of known_hosts; ssh-keyscan prints such lines")
    if not kept:
        raise given.refused("holds no host key; name a file, or give the lines that ssh-keyscan prints")
    return None, kept


def _kubeconfig(given: Given | None) -> str | None:
    if given is None:
        return None
    text = given.text("the path of the kubeconfig on the master")
    if not text.startswith(("/", "~/")) or not text.isprintable():
        raise given.refused(
            "is no path on the master; /etc/kubernetes/admin.conf would be one, ~/.kube/config another"
        )
    return text


def _kubelet_file(given: Given) -> str:
    text = given.text("the path of a file on the node")
    if not text.startswith("/") or text.endswith("/") or not text.isprintable():
        raise given.refused("is no absolute path of a file; /etc/default/kubelet would be one")
    if text.endswith((".conf", ".yaml", ".yml", ".service")):
        raise given.refused("is no file of NAME=value lines; /etc/default/kubelet would be one")
    return text


def _said(fields: Mapping[str, Given]) -> dict[str, Given]:
    said = {key: one for key, one in fields.items() if not one.empty}
    return {key: one if key in _SECRET else one.shown() for key, one in said.items()}


def _within(key: str, domains: Iterable[str]) -> bool:
    namespace = key.rpartition("/")[0]
    return any(namespace == domain or namespace.endswith(f".{domain}") for domain in domains)
