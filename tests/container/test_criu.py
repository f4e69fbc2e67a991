"""Snapshots on disk: written in one container, restored in others, with no more than what the docs say is needed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.container.conftest import FUNCTION
from tests.support.container import Container, Engine, Images

pytestmark = pytest.mark.container

DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN pip install --no-cache-dir snapshot-restore-py
COPY saved.py ${LAMBDA_TASK_ROOT}
CMD ["saved.handler"]
"""

CHANGED = """
ARG BASE
FROM ${BASE}
COPY saved.py ${LAMBDA_TASK_ROOT}
"""

READ_ONLY = ("--read-only", "--tmpfs", "/tmp:mode=1777")
CAPABILITIES = ("--cap-drop", "ALL", "--cap-add", "CHECKPOINT_RESTORE", "--cap-add", "SETPCAP")
"""All that is needed, where nothing else is given; SETPCAP is among those that engines give anyway."""

UNFILTERED = ("--security-opt", "seccomp=unconfined")
"""For taking a snapshot."""


@pytest.fixture(scope="module")
def image(images: Images) -> str:
    return images.derive(
        "saved", images.criu(), {"Dockerfile": DOCKERFILE, "saved.py": (FUNCTION / "saved.py").read_text()}
    )


@pytest.fixture(scope="module")
def new_volume(engine: Engine) -> Iterator[Callable[[], str]]:
    """Makes volumes; they are removed at the end."""
    made: list[str] = []

    def new() -> str:
        made.append(f"rapid-test-{uuid.uuid4().hex}")
        engine.run("volume", "create", made[-1])
        return made[-1]

    yield new
    for name in made:
        engine.run("volume", "rm", "--force", name, check=False)


@pytest.fixture(scope="module")
def volume(engine: Engine, image: str, new_volume: Callable[[], str]) -> str:
    """One with a snapshot, which nobody writes to."""
    name = new_volume()
    code, text = take(engine, image, name, *CAPABILITIES, *UNFILTERED, *READ_ONLY)
    assert code == 0, text
    assert "snapshot: /snapshot is written" in text
    return name


def take(engine: Engine, image: str, volume: str, *flags: str, **env: str) -> tuple[int, str]:
    """Take a snapshot; the exit code, and what was written to the log."""
    variables = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
    done = engine.finish(
        image,
        *("snapshot", "--output", "/snapshot", "--", "saved.handler"),
        flags=("--entrypoint", "rapid", "--volume", f"{volume}:/snapshot", *variables, *flags),
    )
    return done.returncode, done.stdout + done.stderr


def restored(engine: Engine, image: str, volume: str, *flags: str, **env: str) -> tuple[dict[str, Any], str]:
    """What the function answers that is served from the volume, and the log."""
    with serving(engine, image, volume, *flags, **env) as container:
        return container.invoke({}).json, container.logs()


def serving(engine: Engine, image: str, volume: str, *flags: str, **env: str) -> AbstractContextManager[Container]:
    more = () if engine.program == "podman" else UNFILTERED  # docker's profile has no clone3
    return engine.running(
        image,
        "saved.handler",
        flags=("--volume", f"{volume}:/snapshot:ro", *flags, *more),
        **{"RAPID_SNAPSHOT": "criu", "RAPID_SNAPSHOT_DIR": "/snapshot", **env},  # type: ignore[arg-type]
    )


def warnings(log: str) -> list[str]:
    return re.findall(r"\[WARNING\] \(rapid\) (.*)", log)


def test_a_snapshot_is_restored_in_other_containers(engine: Engine, image: str, volume: str) -> None:
    first, log = restored(engine, image, volume, *CAPABILITIES, *READ_ONLY)
    assert warnings(log) == []
    assert "INIT_START" not in log
    assert "RESTORE_REPORT" in log
    second, _ = restored(engine, image, volume, *CAPABILITIES, *READ_ONLY, RAPID_DRAIN_TIMEOUT="7")
    assert first["snapshot"] == second["snapshot"]
    assert first["hooks"] == second["hooks"] == ["before", "after"]
    for name in ("random", "hostname", "log stream"):
        assert first[name] != second[name], name
    drawn = [answer[name] for answer in (first, second) for name in ("urandom", "child")]
    assert len(set(drawn)) == 4, drawn  # the kernel's own generator has a state in the process
    assert (first["new"], second["new"]) == (None, "7")


def test_one_capability_is_enough_where_the_engines_own_are_given(engine: Engine, image: str, volume: str) -> None:
    _, log = restored(engine, image, volume, "--cap-add", "CHECKPOINT_RESTORE")
    assert warnings(log) == []


def test_the_function_has_no_capabilities_of_its_own(engine: Engine, image: str) -> None:
    told = engine.shell(image, "grep CapPrm /proc/self/status; id -u")
    assert told.split() == ["CapPrm:", "0000000000000000", "993"]


def test_all_environments_of_a_container_come_out_of_the_snapshot(engine: Engine, image: str, volume: str) -> None:
    with serving(engine, image, volume, *CAPABILITIES, RAPID_MAX_ENVIRONMENTS="4") as container:
        with ThreadPoolExecutor(4) as pool:
            at_once = list(pool.map(lambda _: container.invoke({"sleep": 0.5}).json, range(4)))
        assert len({reply["snapshot"] for reply in at_once}) == 1
        assert len({reply["random"] for reply in at_once}) == 4
        assert len({reply["urandom"] for reply in at_once}) == 4


def test_a_restored_template_that_dies_is_restored_again(engine: Engine, image: str, volume: str) -> None:
    with serving(engine, image, volume, *CAPABILITIES) as container:
        first = container.invoke({}).json
        script = "import os; [os.kill(int(pid), 9) for pid in os.listdir('/proc') if pid.isdigit() and int(pid) > 5000]"
        engine.run("exec", container.name, "python3", "-c", script)
        container.said("the template has left: the template is made anew")
        engine.run("exec", container.name, "python3", "-c", f"import os; os.kill({first['pid']}, 9)")
        second = container.invoke({}).json
        assert second["pid"] != first["pid"]
        assert warnings(container.logs())[0].endswith("the template has left: the template is made anew")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((), "capabilities CHECKPOINT_RESTORE and SETPCAP are missing"),
        (("--cap-drop", "ALL", "--cap-add", "CHECKPOINT_RESTORE"), "capabilities CHECKPOINT_RESTORE and SETPCAP"),
        (
            ("--cap-add", "CHECKPOINT_RESTORE", "--security-opt", "no-new-privileges"),
            "SETPCAP is missing, or no-new-privileges keeps criu from having it",
        ),
        (("--user", "1234:1234", "--cap-add", "CHECKPOINT_RESTORE"), "permission denied"),
    ],
)
def test_where_it_may_not_be_restored_the_function_is_initialised(
    engine: Engine, image: str, volume: str, flags: tuple[str, ...], reason: str
) -> None:
    answer, log = restored(engine, image, volume, *flags)
    assert answer["hooks"] == ["before", "after"]
    assert "INIT_REPORT" in log
    (warning,) = warnings(log)
    assert warning.startswith("snapshot: /snapshot is not restored: ")
    assert reason in warning
    assert warning.endswith(": the function is initialised here")


def test_a_stale_snapshot_is_not_restored_and_every_reason_is_named(
    engine: Engine, images: Images, image: str, volume: str
) -> None:
    code = (FUNCTION / "saved.py").read_text() + "\n# another\n"
    changed = images.derive("saved-anew", image, {"Dockerfile": CHANGED, "saved.py": code})
    answer, log = restored(engine, changed, volume, *CAPABILITIES, VARIABLE="secret")
    assert answer["variable"] == "secret"
    (warning,) = warnings(log)
    assert "/var/task/saved.py has changed; the environment variable VARIABLE has come" in warning
    assert "secret" not in log


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("rm manifest.json", "manifest.json cannot be read: no such file or directory"),
        ("echo {} >manifest.json", "no manifest of this version of rapid"),
        ("for f in images-*/pages-*.img; do truncate --size=4096 $f; done", "is not as long as it was"),
        (
            "for f in images-*/pages-*.img; do printf XXXX | dd of=$f bs=1 seek=9999 conv=notrunc; done",
            "is not as it was written",
        ),
        ("rm images-*/pstree.img", "pstree.img is not as long as it was"),
        ("chmod 755 images-*", "has mode 755"),
        ('sed -i \'s/"kernel": "/&9/\' manifest.json', "kernel was '9"),
    ],
)
def test_a_broken_snapshot_is_not_restored(
    engine: Engine, image: str, volume: str, new_volume: Callable[[], str], damage: str, reason: str
) -> None:
    copy = new_volume()
    engine.shell(
        image,
        f"umask 077; cp -r /from/. /snapshot/ && cd /snapshot && {damage}",
        *("--volume", f"{volume}:/from:ro", "--volume", f"{copy}:/snapshot"),
    )
    answer, log = restored(engine, image, copy, *CAPABILITIES)
    assert answer["hooks"] == ["before", "after"]
    (warning,) = warnings(log)
    assert reason in warning


@pytest.mark.parametrize(
    ("flags", "env", "reason"),
    [
        (CAPABILITIES, {}, "a seccomp profile is in force: run with --security-opt seccomp=unconfined"),
        (UNFILTERED, {}, "the capabilities CHECKPOINT_RESTORE and SETPCAP are missing"),
        ((*CAPABILITIES, *UNFILTERED), {"CONNECT": "1"}, "close it in a before-snapshot hook"),
        ((*CAPABILITIES, *UNFILTERED), {"FAIL": "1"}, "its init has failed"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    engine: Engine,
    image: str,
    new_volume: Callable[[], str],
    flags: tuple[str, ...],
    env: dict[str, str],
    reason: str,
) -> None:
    volume = new_volume()
    code, text = take(engine, image, volume, *flags, **env)
    assert code == 1
    assert reason in text
    assert engine.shell(image, "ls -A /snapshot", "--volume", f"{volume}:/snapshot") == ""


def test_a_snapshot_takes_the_place_of_the_one_before(
    engine: Engine, image: str, new_volume: Callable[[], str]
) -> None:
    volume = new_volume()
    for _ in range(2):
        code, text = take(engine, image, volume, *CAPABILITIES, *UNFILTERED)
        assert code == 0, text
    script = "cd /snapshot; ls; stat --format=%a . manifest.json images-*"
    there = engine.shell(image, script, "--volume", f"{volume}:/snapshot")
    assert re.fullmatch(r"images-\w+\nmanifest.json\n700\n600\n700\n", there)
