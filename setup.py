"""What `pip install` needs to know; everything else about the tools stands in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent

# plugin.yaml is what a manager reads, so the version is said there and nowhere else.
VERSION = re.search(r"package_version: '([^']+)'", (HERE / "plugin.yaml").read_text())

if VERSION is None:
    raise SystemExit("plugin.yaml: package_version is missing; it gives the package its version")

setup(
    name="cloudify-quagga-plugin",
    version=VERSION.group(1),
    description="Labelled Kubernetes nodes become routers, from TOSCA, and are given back untouched.",
    license="Apache-2.0",
    packages=find_packages(include=["cloudify_quagga", "cloudify_quagga.*"]),
    package_data={"cloudify_quagga": ["templates/*", "py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        # A manager's own copy calls itself 7.0.5.dev1, which `>=7.0.5` would refuse.
        # With `dispatcher`: cloudify.workflows.local, which reads other local deployments, needs networkx.
        "cloudify-common[dispatcher]>=7.0",
        # 36.0.1 needs an aiohttp that cloudify-common 7.0.5 excludes; a newer pip would take 7.0.4 for it. By
        # 36.0.3 a token has another name, for which cluster.py does not ask.
        "kubernetes>=29,<36.0.1",
        "pyyaml",
        "jinja2",
        "paramiko",
        # The client of Kubernetes' own library, which knows no timeouts.
        "websocket-client",
    ],
    extras_require={
        "lab": ["rich", "cryptography"],
        "dev": [
            "cloudify==7.0.5",
            "hypothesis",
            # With 9.2 xdist 3.8 mixes its groups, and does not say so.
            "pytest<9.2",
            "pytest-xdist",
            # Judges of style are pinned: a newer one finds new faults in code that did not change.
            "import-linter==2.17",
            "mypy==2.4.1",
            "ruff==0.17.6",
            "types-PyYAML==6.0.12.20261113",
            "types-paramiko==5.0.0.20261021",
        ],
    },
)
