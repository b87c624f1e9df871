"""What we use of Kubernetes' own library, without the models of all the kinds that there are.

``import kubernetes`` runs over 800 modules, nearly all of them models; objects are plain mappings here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

_NAME = "kubernetes"
_CLIENT = f"{_NAME}.client"


def _parts() -> tuple[ModuleType, ...]:
    """The modules that are used; as others know them where these have imported the library already."""
    if _NAME in sys.modules:
        return _imported()
    spec = find_spec(_NAME)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {_NAME!r}", name=_NAME)
    # Packages that have places, from which single modules are imported, and nothing else yet.
    package, client = ModuleType(_NAME), ModuleType(_CLIENT)
    package.__path__ = list(spec.submodule_search_locations)
    client.__path__ = [str(Path(place) / "client") for place in package.__path__]
    sys.modules |= {_NAME: package, _CLIENT: client}
    try:
        # By these names kubernetes.config imports them.
        client.__dict__["ApiClient"] = _api_client
        client.__dict__["Configuration"] = import_module(f"{_CLIENT}.configuration").Configuration
        return _imported()
    finally:
        # Whoever imports the library from now on, another plugin for one, gets the whole of it.
        for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
            del sys.modules[name]


def _imported() -> tuple[ModuleType, ...]:
    names = (f"{_CLIENT}.configuration", f"{_CLIENT}.rest", f"{_NAME}.config", f"{_NAME}.config.kube_config")
    return tuple(import_module(name) for name in names)


def _api_client(configuration: object) -> Any:  # noqa: ANN401
    """What renews a kubeconfig's token of OpenID Connect, and alone needs the whole library."""
    return import_module(_CLIENT).ApiClient(configuration=configuration)


if TYPE_CHECKING:
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config import ConfigException, load_incluster_config
    from kubernetes.config.kube_config import KubeConfigLoader
else:
    _configuration, _rest, _config, _kube_config = _parts()
    Configuration = _configuration.Configuration
    RESTClientObject = _rest.RESTClientObject
    ConfigException = _config.ConfigException
    load_incluster_config = _config.load_incluster_config
    KubeConfigLoader = _kube_config.KubeConfigLoader

__all__ = [
    "ConfigException",
    "Configuration",
    "KubeConfigLoader",
    "RESTClientObject",
    "load_incluster_config",
]
