"""What the packaging's tests share: one wagon and one bundle, made once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from packing import bundle as the_bundle
from packing import wagon as the_wagon


@pytest.fixture(scope="session")
def wagon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.version_info[:2] != the_wagon.PYTHON:
        pytest.skip("a manager's wagon is made with Python 3.11")
    return the_wagon.build(tmp_path_factory.mktemp("wagon"))


@pytest.fixture(scope="session")
def bundle(wagon: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return the_bundle.bundle(wagon, tmp_path_factory.mktemp("bundle"))
