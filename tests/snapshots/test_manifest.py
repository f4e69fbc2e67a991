"""What a snapshot on disk depends on, and the folder that it is in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rapid.snapshots import manifest
from rapid.snapshots.changes import tree
from rapid.snapshots.manifest import Manifest, Place, counts, gather, reasons, same_variables
from rapid.snapshots.store import Broken, Store

GIVEN = {"SECRET": "hush", "HOSTNAME": "first", "GONE": "1", "LINK_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "task"
    root.mkdir()
    (root / "app.py").write_text("one")
    (root / "data.bin").write_bytes(b"x" * 100)
    return Place("/bin/sh", "app.handler", str(root), str(root), GIVEN)


def test_nothing_is_stale_where_nothing_has_changed(place: Place) -> None:
    conditions = gather(place, os.getpid(), [__file__, *tree(place.root)])
    assert reasons(conditions, replace(place, environ={**GIVEN, "HOSTNAME": "second"})) == []
    assert "hush" not in repr(conditions)


def test_every_reason_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    conditions = replace(gather(place, os.getpid(), tree(place.root)), kernel="1.2.3", cpu=["antigravity"])
    root = Path(place.root)
    stamp = (root / "app.py").stat()
    (root / "app.py").write_text("two")
    os.utime(root / "app.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # as a build does that knows one time only
    (root / "data.bin").unlink()
    (root / "new.py").write_text("")
    (root / "written.log").write_text("")
    environ = {"SECRET": "other", "HOSTNAME": "first", "NEW": "1", "LINK_SERVICE_HOST": "10.0.0.2"}
    elsewhere = replace(place, handler="app.other", environ=environ)
    assert reasons(conditions, elsewhere) == [
        f"kernel was '1.2.3' and is '{os.uname().release}'",
        "handler was 'app.handler' and is 'app.other'",
        "the processor has no antigravity",
        f"{root}/app.py has changed",
        f"{root}/data.bin has changed",
        f"{root}/new.py has come",
        "the environment variable GONE is missing",
        "the environment variable NEW has come",
        "the environment variable SECRET has another value",
    ]


def test_the_interpreter_its_libraries_and_criu_count(place: Place) -> None:
    conditions = gather(place, os.getpid(), tree(place.root))
    executable = os.path.realpath(f"/proc/{os.getpid()}/exe")
    assert executable in conditions.programs
    other = replace(conditions, programs={**conditions.programs, executable: "1 1"})
    assert reasons(other, place) == [f"{executable} is another"]
    without = replace(conditions, programs={**conditions.programs, "/nowhere/criu": "1 1"})
    assert reasons(without, place) == ["/nowhere/criu is not here"]


def test_files_beyond_what_is_looked_into_count_by_size_and_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MOST_HASHED", 10)
    conditions = gather(place, os.getpid(), tree(place.root))
    data = Path(place.root, "data.bin")
    assert conditions.files[str(data)].startswith("100 ")
    data.write_bytes(b"y" * 101)
    assert reasons(conditions, place) == [f"{data} has changed"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TABLE", "t", True),
        ("LOG_LEVEL", "DEBUG", True),
        ("RAPID_TYPED_EVENTS", "on", True),
        ("DB_PORT", "5432", True),
        ("HOSTNAME", "h", False),
        ("RAPID_MAX_ENVIRONMENTS", "4", False),
        ("AWS_SESSION_TOKEN", "t", False),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "u", False),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", False),
        ("DB_PORT", "tcp://10.0.0.1:5432", False),
        ("DB_PORT_5432_TCP_ADDR", "10.0.0.1", False),
    ],
)
def test_variables_that_must_be_the_same(name: str, value: str, expected: bool) -> None:
    assert counts(name, value) is expected


def test_variables_that_a_restored_process_has(place: Place) -> None:
    conditions = gather(place, os.getpid(), tree(place.root))
    assert same_variables(conditions, {"SECRET": "hush", "HOSTNAME": "second", "NEW": "1"}) == {
        "SECRET": "hush",
        "GONE": None,
        "HOSTNAME": None,
        "LINK_SERVICE_HOST": None,
    }


def publish(store: Store, place: Place, content: bytes = b"image") -> Path:
    with store.writing() as images:
        (images / "pages.img").write_bytes(content)
        conditions = gather(place, os.getpid(), tree(place.root))
        store.publish(Manifest(images.name, store.contents(images), 5001, "/tmp/x/socket", conditions))
    return images


def test_a_snapshot_is_read_as_it_was_written_and_is_nobody_elses(tmp_path: Path, place: Place) -> None:
    store = Store(tmp_path / "a" / "snapshot")
    images = publish(store, place)
    found, where = store.read()
    assert where == images
    assert (found.pid, found.socket) == (5001, "/tmp/x/socket")
    assert reasons(found.conditions, place) == []
    assert [path.stat().st_mode & 0o777 for path in (images.parent, images, images.parent / "manifest.json")] == [
        0o700,
        0o700,
        0o600,
    ]
    store.check(found, where)


def test_a_new_snapshot_takes_the_place_of_the_old_one(tmp_path: Path, place: Place) -> None:
    store = Store(tmp_path)
    first, second = publish(store, place), publish(store, place, b"another")
    assert store.read()[1] == second
    assert not first.exists()


def test_a_snapshot_that_comes_to_nothing_leaves_the_old_one(tmp_path: Path, place: Place) -> None:
    store = Store(tmp_path)
    first = publish(store, place)
    with pytest.raises(RuntimeError), store.writing():
        raise RuntimeError
    assert store.read()[1] == first
    assert len(list(tmp_path.glob("images-*"))) == 1


def test_broken_snapshots_are_told(tmp_path: Path, place: Place) -> None:
    store = Store(tmp_path)
    with pytest.raises(Broken, match="no such file"):
        store.read()
    images = publish(store, place)
    (images / "pages.img").write_bytes(b"imagE")
    found, _ = store.read()
    with pytest.raises(Broken, match=r"pages.img is not as it was written"):
        store.check(found, images)
    (images / "pages.img").write_bytes(b"")
    with pytest.raises(Broken, match=r"pages.img is not as long as it was"):
        store.read()
    images.chmod(0o755)
    with pytest.raises(Broken, match="has mode 755"):
        store.read()
    images.rename(tmp_path / "elsewhere")
    with pytest.raises(Broken, match="no such file"):
        store.read()
    for text, reason in (("{}", "no manifest"), ("nonsense", "no manifest")):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(Broken, match=reason):
            store.read()
    (tmp_path / "manifest.json").chmod(0o644)
    with pytest.raises(Broken, match="has mode 644"):
        store.read()
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "manifest.json").mkdir(mode=0o700)
    with pytest.raises(Broken, match="something else"):
        store.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_somebody_elses_snapshot_is_not_taken(tmp_path: Path, place: Place) -> None:
    store = Store(tmp_path)
    os.chown(publish(store, place), 12345, -1)
    with pytest.raises(Broken, match="belongs to user 12345"):
        store.read()
