"""The image that holds a pod's namespaces open: a static busybox that sleeps, as an OCI layout."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path
from typing import Any

from lab import cache, packages

NAME = "quagga-lab-pause:1"
_COMMAND = ["/bin/busybox", "sleep", "2147483647"]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TYPE = "application/vnd.oci.image"


def layout() -> Path:
    """The image's OCI layout in the cache."""
    return cache.entry("pause", packages.root().name, _write)


def write(into: Path, busybox: bytes) -> None:
    """Write the layout; the same busybox gives the same image."""
    blobs = into / "blobs/sha256"
    blobs.mkdir(parents=True)
    layer = _layer(busybox)
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": _COMMAND},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_TYPE}.manifest.v1+json",
        "config": _blob(blobs, f"{_TYPE}.config.v1+json", _json(config)),
        "layers": [_blob(blobs, f"{_TYPE}.layer.v1.tar", layer)],
    }
    entry = _blob(blobs, f"{_TYPE}.manifest.v1+json", _json(manifest))
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (into / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [entry]}))
    (into / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))


def _write(into: Path) -> None:
    write(into, Path(packages.tool("busybox")).read_bytes())


def _layer(busybox: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        directory = tarfile.TarInfo("bin")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(directory)
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = len(busybox), 0o755
        tar.addfile(program, io.BytesIO(busybox))
    return archive.getvalue()


def _blob(blobs: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
