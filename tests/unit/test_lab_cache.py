"""The cache: whole or not at all, once."""

import threading
import time
from pathlib import Path

import pytest

from lab import cache


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def write(text: str) -> cache.Build:
    def build(into: Path) -> None:
        (into / "result").write_text(text)

    return build


def contents(kind: Path) -> list[str]:
    return sorted(path.name for path in kind.iterdir() if not path.name.endswith(".lock"))


def test_a_version_is_built_once() -> None:
    first = cache.entry("kind", "1", write("first"))
    assert cache.entry("kind", "1", write("second")) == first
    assert (first / "result").read_text() == "first"
    assert (cache.entry("kind", "2", write("other")) / "result").read_text() == "other"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_build_leaves_nothing(error: type[BaseException]) -> None:
    def fail(into: Path) -> None:
        (into / "half").touch()
        raise error

    with pytest.raises(error):
        cache.entry("kind", "1", fail)
    assert contents(cache.directory() / "kind") == []
    assert (cache.entry("kind", "1", write("whole")) / "result").read_text() == "whole"


def test_what_a_killed_build_left_is_thrown_away() -> None:
    leftover = cache.directory() / "kind" / ".1.partial.abc"
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    cache.entry("kind", "1", write("whole"))
    assert contents(cache.directory() / "kind") == ["1"]


def test_two_at_once_build_once() -> None:
    builds = []

    def slow(into: Path) -> None:
        builds.append(into)
        time.sleep(0.2)
        (into / "result").touch()

    threads = [threading.Thread(target=cache.entry, args=("kind", "1", slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert contents(cache.directory() / "kind") == ["1"]


def test_a_link_on_the_way_is_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "link"))
    assert cache.directory() == tmp_path / "elsewhere/cloudify-quagga-lab"
