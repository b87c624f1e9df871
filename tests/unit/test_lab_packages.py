"""The machine's apt sources, as the lab reads them."""

from pathlib import Path

import pytest

from lab.packages import release_sources

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.test/debian
 http://other.test/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian
Suites: trixie
Components: main
"""


def configured(directory: Path, **files: str) -> Path:
    (directory / "sources.list.d").mkdir()
    for name, text in files.items():
        (directory / name.replace("__", "/").replace("_", ".")).write_text(text)
    return directory


def test_deb822(tmp_path: Path) -> None:
    assert release_sources("bookworm", configured(tmp_path, sources_list_d__a_sources=DEB822)) == (
        "Types: deb deb-src\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Uris: http://mirror.test/debian\n http://other.test/debian\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://m.test/debian bookworm main", "Uris: http://m.test/debian\n"),
        ("deb http://m.test/debian bookworm main contrib # why", "Uris: http://m.test/debian\n"),
        (
            "deb [arch=amd64,i386 signed-by=/k.gpg trusted=yes] http://m.test/debian  bookworm  main",
            "Uris: http://m.test/debian\nSigned-By: /k.gpg\nTrusted: yes\nArchitectures: amd64 i386\n",
        ),
    ],
)
def test_one_line(tmp_path: Path, line: str, expected: str) -> None:
    text = f"# deb http://commented.test/debian bookworm main\n{line}\ndeb-src http://s.test/ bookworm main\n"
    head = "Types: deb deb-src\nSuites: bookworm\nComponents: main\n"
    assert release_sources("bookworm", configured(tmp_path, sources_list=text)) == head + expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Types: deb\nURIs: http://m.test\nSuites: bookworm\nComponents: main\nEnabled: no\n",
        "Types: deb\nURIs: http://m.test\nSuites: bookworm\nComponents: stable\n",
        "Types: deb\nURIs: http://m.test\nSuites: bookworm-vendor\nComponents: main\n",
    ],
)
def test_what_is_not_of_the_release_is_left_out(tmp_path: Path, text: str) -> None:
    assert release_sources("bookworm", configured(tmp_path, sources_list_d__a_sources=text)) == ""
