"""AWS's own emulator: taken from the aws-sam-cli wheel, kept in .cache, never part of the project."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def binary() -> Path:
    """The emulator's executable for this machine, downloaded on the first call.

    Raises:
        subprocess.CalledProcessError: the wheel cannot be had.
    """
    name = f"aws-lambda-rie-{ARCHITECTURE[platform.machine()]}"
    wanted = CACHE / name
    if not wanted.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "aws-sam-cli"]
            subprocess.run(words, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            made = Path(folder, name)
            made.write_bytes(zipfile.ZipFile(wheel).read(f"samcli/local/rapid/{name}"))
            made.chmod(0o755)
            made.rename(wanted)  # at once: tests run side by side
    return wanted
