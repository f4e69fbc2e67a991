"""Runs scripts/build-layer, and unpacks what it makes as Lambda does."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.support.program import ROOT, environ


def build(target: Path) -> tuple[Path, str]:
    """The zip, with the bytecode of this Python, and what the script said."""
    words = [sys.executable, str(ROOT / "scripts" / "build-layer"), "--python", sys.executable, str(target)]
    done = subprocess.run(words, env=environ(), check=True, capture_output=True, text=True)
    return target, done.stdout


def unpack(layer: Path, folder: Path) -> Path:
    """Unzip with the permissions that the zip tells, which Python's own extraction forgets."""
    with zipfile.ZipFile(layer) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            path.chmod(entry.external_attr >> 16 & 0o777)
    folder.chmod(0o755)  # another user is to read it
    return folder
