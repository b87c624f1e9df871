"""The file from which the daemons load everything when they start."""

from __future__ import annotations

import shutil

from router.configuration import Configuration
from router.suite import Suite


def write(suite: Suite, wanted: Configuration) -> None:
    """Make the configuration the one that the daemons come up with."""
    path = suite.configuration_file
    # On an empty folder vtysh fails without this one, which may say nothing.
    path.with_name("vtysh.conf").touch(mode=0o640)
    # Made anew, for with few capabilities root may not change the mode of another user's file.
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o640)
    draft.write_bytes(wanted.text.encode())
    shutil.chown(draft, suite.owner, suite.owner)
    draft.replace(path)
