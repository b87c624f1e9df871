"""SSH servers on the control host and on every node, as masters and nodes have them in real life.

Accounts, homes and keys are the lab's own, seen in the hosts' mount namespaces only. One key, made anew by
each `up`, opens every account.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from lab import control, enclosure, hosts, network, packages, pki, process, state
from lab.accounts import Account, give, make_home, write_etc

NAME = "control-sshd"
USER = Account("ubuntu", 1000, "/home/ubuntu")
ACCOUNTS = (Account("root", 0, "/root"), USER)
# Directories that a host has of its own, so that nothing in them is the machine's.
OWN = ("/home", "/root", "/run")
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_CONFIGURATION = f"""\
HostKey {_HOST_KEY}
PidFile none
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
Subsystem sftp internal-sftp
PrintMotd no
PrintLastLog no
"""


def key() -> Path:
    """The private key that opens every account of the lab, by the name that it had in 2017."""
    return state.current().ssh / "agent_key.pem"


def known_hosts() -> Path:
    """Where the hosts' keys are known."""
    return state.current().ssh / "known_hosts"


def address(host: str) -> str:
    """Where the host's server listens, at port 22."""
    return control.ADDRESS if host == network.CONTROL else network.cluster_address(host)


def make_keys(names: Iterable[str]) -> None:
    """The users' key, and one for each host of these names."""
    # Of the type and in the form in which clouds handed keys out in 2017.
    user = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(key(), user, serialization.PrivateFormat.TraditionalOpenSSL)
    state.write(_authorized_keys(), f"{_public(user)}\n")
    lines = []
    for host in names:
        one = ed25519.Ed25519PrivateKey.generate()
        _write_key(_host_key(host), one, serialization.PrivateFormat.OpenSSH)
        lines.append(f"{address(host)} {_public(one)}\n")
    state.write(known_hosts(), "".join(lines))


def up() -> None:
    """Start the control host's server: a master's, with a kubeconfig where kubeadm has it."""
    down()
    home, lab = _home(), state.current()
    furniture = furnish(network.CONTROL, home, {})
    _write_kubeconfigs(home, lab.kubeconfig_inside.read_bytes())
    hosts_file = home / "hosts"
    hosts_file.write_text(f"127.0.0.1 localhost {network.CONTROL}\n")
    files = {"/etc/hosts": str(hosts_file), "/etc/ld.so.cache": str(enclosure.libraries())}
    whole = {
        **furniture,
        "hostname": network.CONTROL,
        # Nothing here makes control groups.
        "cgroup_root": "",
        # Not that of the host itself: `run` enters the control host without the master's mounts.
        "pid_file": str(hosts.pid_file(NAME)),
        "keep": [str(lab.cache), str(lab.directory)],
        "files": files,
        "programs": [program(network.CONTROL)],
    }
    (home / "host.json").write_text(json.dumps(whole, indent=2) + "\n")
    init = [sys.executable, "-I", str(Path(__file__).with_name("init.py")), str(home / "host.json")]
    log = lab.logs / f"{NAME}.log"
    process.spawn(NAME, init, log=log, netns=network.namespace(network.CONTROL))
    process.wait_until(_answers, "the control host's SSH server does not answer", 20, daemons=[NAME])


def down() -> None:
    """Stop the control host's server and remove what is left of it."""
    process.stop(NAME)
    hosts.pid_file(NAME).unlink(missing_ok=True)
    if _home().exists():
        shutil.rmtree(_home())


def furnish(host: str, home: Path, commands: Mapping[str, Path]) -> dict[str, Any]:
    """Make what a host has of its own in its directory `home`, and tell `init` where it belongs.

    :param commands: programs to be found in /usr, by their paths there.
    """
    own = {path: home / "own" / path.strip("/") for path in OWN}
    etc = home / "layers/etc"
    for directory in (*own.values(), etc, home / "layers/etc.work"):
        directory.mkdir(parents=True)
        # Whatever mask its maker has: others than root have to get through.
        directory.chmod(0o755)
    write_etc(etc, ACCOUNTS, [one.name for one in ACCOUNTS])
    (etc / "ssh").mkdir()
    (etc / "ssh/sshd_config").write_text(_CONFIGURATION)
    shutil.copy(_host_key(host), etc / _HOST_KEY.removeprefix("/etc/"))
    (own["/run"] / "sshd").mkdir(mode=0o755)
    for account in ACCOUNTS:
        make_home(_home_of(account, home), account, _authorized_keys().read_text())
    usr = home / "layers/usr"
    for path, source in commands.items():
        (usr / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, usr / path)
    over = [*([str(usr)] if commands else []), str(packages.root() / "usr")]
    programs = {"path": "/usr", "over": over, "writable": None}
    return {
        "directories": {path: str(directory) for path, directory in own.items()},
        # Programs of the lab's packages where sudo and the users look for them; /etc with a face of its own.
        "layers": [programs, {"path": "/etc", "over": [], "writable": str(etc)}],
    }


def program(host: str) -> dict[str, Any]:
    """The server itself, for `init`."""
    listen = f"ListenAddress={address(host)}:22"
    argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config", "-o", listen]
    return {"argv": argv, "log": str(state.current().logs / f"{host}-sshd.log")}


def _write_kubeconfigs(home: Path, content: bytes) -> None:
    kubernetes = home / "layers/etc/kubernetes"
    kubernetes.mkdir()
    pki.write_private(kubernetes / "admin.conf", content)
    directory = _home_of(USER, home) / ".kube"
    directory.mkdir(mode=0o700)
    pki.write_private(directory / "config", content)
    give(USER, directory, directory / "config")


def _home() -> Path:
    return state.current().cache / f"nodes{state.suffix()}" / network.CONTROL


def _home_of(account: Account, home: Path) -> Path:
    return home / "own" / account.home.strip("/")


def _host_key(host: str) -> Path:
    return state.current().ssh / f"host-{host}"


def _authorized_keys() -> Path:
    return state.current().ssh / "authorized_keys"


def _answers() -> bool:
    probe = f": > /dev/tcp/{control.ADDRESS}/22"
    return hosts.run(network.CONTROL, ["bash", "-c", probe]).returncode == 0


def _write_key(
    path: Path, one: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: serialization.PrivateFormat
) -> None:
    pem = one.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    pki.write_private(path, pem)


def _public(one: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    form = serialization.PublicFormat.OpenSSH
    return one.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()
