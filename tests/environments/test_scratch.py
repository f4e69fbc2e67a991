"""What a rapid that was killed has left in /tmp is deleted by the next one, and nothing else is."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from rapid.environments.scratch import SETTLED, Folder, sweep


def folder(parent: Path, name: str, age: float = 2 * SETTLED) -> Path:
    made = parent / name
    made.mkdir()
    (made / "file").write_text("x")
    then = time.time() - age
    os.utime(made, (then, then))
    return made


def test_what_was_left_behind_is_deleted(tmp_path: Path) -> None:
    left = folder(tmp_path, "rapid-3-ab12_x")
    kept = [folder(tmp_path, "rapid-3-new", age=0), folder(tmp_path, "rapid-template-ab"), folder(tmp_path, "mine")]
    link = tmp_path / "rapid-4-link"
    link.symlink_to(kept[2])
    held = folder(tmp_path, "rapid-5-held")
    lock = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(str(tmp_path))
    finally:
        os.close(lock)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, link, held])
    assert all((each / "file").exists() for each in (*kept, held))
    assert not left.exists()


def test_a_folder_in_use_is_locked_and_deleted_by_whoever_made_it() -> None:
    mine = Folder(7)
    then = time.time() - 2 * SETTLED
    os.utime(mine.path, (then, then))
    sweep(os.path.dirname(mine.path))
    assert os.path.isdir(mine.path)
    mine.remove()
    assert not os.path.exists(mine.path)


def test_a_folder_that_is_not_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(str(tmp_path / "nowhere"))
