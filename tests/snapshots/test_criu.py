"""How criu is run; the program is a stand-in of a few lines, which does what criu does when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from rapid.environments.reaper import Reaper
from rapid.snapshots import criu
from rapid.snapshots.criu import Criu, CriuError


def program(folder: Path, script: str, shell: str) -> str:
    path = folder / "stand-in"
    path.write_text(f"#!{shell}\n{script}\n")
    path.chmod(0o755)
    return str(path)


def run(folder: Path, script: str, shell: str = "/bin/sh") -> str:
    """Why a dump has failed; empty if it has not."""

    async def main() -> str:
        reaper = Reaper()
        reaper.install(asyncio.get_running_loop())
        try:
            await Criu(reaper, program(folder, script, shell)).dump(1234, folder)
        except CriuError as error:
            return str(error)
        finally:
            reaper.remove()
        return ""

    return uvloop.run(main())


def test_it_is_told_what_to_write_and_where(tmp_path: Path) -> None:
    assert run(tmp_path, f'echo "$@" >{tmp_path}/words') == ""
    words = (tmp_path / "words").read_text().split()
    assert words[:3] == ["dump", "--tree=1234", f"--images-dir={tmp_path}"]
    assert "--unprivileged" in words


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("(00.1) Error (criu/a.c:1): all is lost", "criu dump has failed with status 1 and says: all is lost"),
        ("Running as non-root requires '--unprivileged'", "says: Running as non-root"),
        ("", "says: nothing"),
        ("(00.0) Error (compel/src/lib/ptrace.c:27): suspending seccomp failed: no", "seccomp=unconfined"),
        ("Error (criu/cr-restore.c:1068): Can't open -1/sys/kernel/ns_last_pid on procfs: no", "no clone3"),
        (
            "CRIU needs to have the CAP_SYS_ADMIN or the CAP_CHECKPOINT_RESTORE capability",
            "CHECKPOINT_RESTORE is missing",
        ),
    ],
)
def test_its_reason_is_told_with_what_it_means(tmp_path: Path, written: str, said: str) -> None:
    assert said in run(tmp_path, f'echo "{written}" >&2; exit 1')


def test_one_that_may_not_be_executed_lacks_its_capabilities(tmp_path: Path) -> None:
    assert run(tmp_path, "", shell="/nowhere/at/all").endswith("CHECKPOINT_RESTORE and SETPCAP are missing")


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        await Criu(Reaper(), "criu-of-nowhere").dump(1234, tmp_path)

    with pytest.raises(CriuError, match="there is no program criu-of-nowhere"):
        uvloop.run(main())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 1000 & sleep 1000", "has not come to its end within 0.3 s and says: nothing"),
        (
            "echo 'pie: 12: Error (criu/pie/restorer.c:316): Unable to drop capability 2: -1' >&2; sleep 1000",
            "the capability SETPCAP is missing",
        ),
    ],
)
def test_one_that_comes_to_no_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    monkeypatch.setattr(criu, "DUMP_LIMIT", 0.3 if "nothing" in said else 60)
    assert said in run(tmp_path, script)
