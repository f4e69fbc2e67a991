"""The folder of a snapshot: `manifest.json`, and the folder of images that it names.

The folder may be a volume, which cannot be put in the place of another as a whole. So a new snapshot is written beside
the old one, and takes its place when the manifest does. What a process had in memory is in it: nobody else may read it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rapid.snapshots.manifest import FORMAT, Manifest

MANIFEST = "manifest.json"
PREFIX = "images-"
MOST_BYTES = 64 * 1024 * 1024
PIECE = 1024 * 1024


class Broken(Exception):
    """There is no snapshot that can be used; the text is the reason."""


class Store:
    """The snapshot in a folder.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """A new folder for images; removed if the block does not come to its end.

        Raises:
            OSError: it cannot be made.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        images = self._folder / f"{PREFIX}{secrets.token_hex(8)}"
        images.mkdir(mode=0o700)
        try:
            yield images
        except BaseException:
            shutil.rmtree(images, ignore_errors=True)
            raise

    def contents(self, images: Path) -> dict[str, str]:
        """What is in a folder of images: name → size and checksum.

        Raises:
            OSError: it cannot be read.
        """
        return {image.name: f"{image.stat().st_size} {_checksum(image)}" for image in sorted(images.iterdir())}

    def publish(self, manifest: Manifest) -> None:
        """Put a snapshot whose images are written in the place of the one before.

        Raises:
            OSError: it cannot be written.
        """
        for image in (self._folder / manifest.images).iterdir():
            _sync(image)
        new = self._folder / f".{MANIFEST}.{manifest.images}"
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(file, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(manifest)))
        _sync(new)
        new.replace(self._folder / MANIFEST)
        _sync(self._folder)
        for other in self._folder.glob(f"{PREFIX}*"):
            if other.name != manifest.images:
                shutil.rmtree(other, ignore_errors=True)

    def read(self) -> tuple[Manifest, Path]:
        """The snapshot, and the folder of its images.

        Raises:
            Broken: there is none, or none that is ours alone.
        """
        path = self._folder / MANIFEST
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise Broken(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
        try:
            _check(path, os.fstat(file), stat.S_ISREG)
        except Broken:
            os.close(file)
            raise
        with open(file, "rb") as manifest:
            data = manifest.read(MOST_BYTES)
        try:
            found = msgspec.json.decode(data, type=Manifest)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise Broken(f"{path} is no manifest of this version of rapid: {error}") from None
        images = self._folder / found.images
        if found.format != FORMAT or images.parent != self._folder or found.pid <= 1:
            raise Broken(f"{path} is no manifest of this version of rapid")
        try:
            _check(images, os.lstat(images), stat.S_ISDIR)
            sizes = {image.name: image.stat().st_size for image in images.iterdir()}
        except OSError as error:
            raise Broken(f"{images} cannot be read: {(error.strerror or str(error)).lower()}") from None
        for name, known in found.contents.items():
            if f"{sizes.get(name)}" != known.partition(" ")[0]:
                raise Broken(f"{images / name} is not as long as it was")
        return found, images

    def check(self, manifest: Manifest, images: Path) -> None:
        """See that the images are as they were written.

        Raises:
            Broken: one is not.
        """
        for name, known in manifest.contents.items():
            try:
                checksum = _checksum(images / name)
            except OSError as error:
                raise Broken(f"{images / name} cannot be read: {(error.strerror or str(error)).lower()}") from None
            if checksum != known.partition(" ")[2]:
                raise Broken(f"{images / name} is not as it was written")


def _check(path: Path, status: os.stat_result, kind: object) -> None:
    """Somebody else's snapshot would be somebody else's program."""
    if not (callable(kind) and kind(status.st_mode)):
        raise Broken(f"{path} is something else than was written there")
    if status.st_uid != os.geteuid():
        raise Broken(f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}")
    if status.st_mode & 0o077:
        raise Broken(f"{path} has mode {stat.S_IMODE(status.st_mode):o}: others may read or write it")


def _checksum(path: Path) -> str:
    """Tells damage, not forgery: who could write to the folder could write the manifest as well. It is quick."""
    found = 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            found = zlib.crc32(piece, found)
    return f"{found:08x}"


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
