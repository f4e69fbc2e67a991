"""What scripts/build-layer makes, and how its programs find and start a Python; without containers."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.layer.building import build
from tests.support.program import PATIENCE, ROOT, environ


def _run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_the_same_sources_give_the_same_bytes(layer: Path, tmp_path: Path) -> None:
    again, said = build(tmp_path / "again.zip")
    assert again.read_bytes() == layer.read_bytes()
    size = round(again.stat().st_size / 1000)
    version = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
    assert said.startswith(f"{again}: {size} kB, unzipped ")
    assert said.endswith(f"bytecode for {version}\n")


def test_it_carries_the_runtime_and_its_two_starts(layer: Path) -> None:
    with zipfile.ZipFile(layer) as archive:
        names = {name for name in archive.namelist() if not name.endswith(".pyc")}
        executable = {entry.filename for entry in archive.infolist() if entry.external_attr >> 16 == 0o100755}
    ours = {f"runtime/{path.relative_to(ROOT / 'runtime')}" for path in (ROOT / "runtime").rglob("*.py")}
    assert names == ours | {"bootstrap", "rapid-runtime", "runtime/bootstrap", "runtime/LICENSE"}
    assert executable == {"bootstrap", "rapid-runtime", "runtime/bootstrap"}


def test_its_bytecode_is_used_though_every_file_has_another_time(opt: Path) -> None:
    # A changed source that is not seen: /opt is what was built, and nothing is compiled at start.
    compiled = opt / "runtime" / "__pycache__" / f"loop.{sys.implementation.cache_tag}.pyc"
    flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
    assert flags == 0b01  # by hash, and unchecked
    assert b"/opt/runtime/loop.py" in compiled.read_bytes()


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    python = tmp_path / "python2"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    words = (sys.executable, ROOT / "scripts" / "build-layer", "--python", python, tmp_path / "layer.zip")
    done = _run(*words, **environ())
    assert done.returncode == 1
    assert done.stderr.startswith("build-layer: ")
    assert not (tmp_path / "layer.zip").exists()


def _python(folder: Path) -> Path:
    """A python3 in a folder, that says where it is and what it is to run."""
    folder.mkdir(parents=True)
    program = folder / "python3"
    program.write_text('#!/bin/sh\necho "$0 $*"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("place", ["RAPID_PYTHON", "PATH", "function"])
def test_the_bootstrap_finds_a_python(opt: Path, tmp_path: Path, place: str) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    env = {"PATH": str(bare), "LAMBDA_TASK_ROOT": str(tmp_path)}
    python = _python(tmp_path / ("python/bin" if place == "function" else "elsewhere"))
    if place == "RAPID_PYTHON":
        env[place] = str(python)
    if place == "PATH":
        env[place] = str(python.parent)
    done = _run("/bin/sh", opt / "bootstrap", **env)
    assert (done.stdout, done.stderr) == (f"{python} {opt}/runtime/__main__.py\n", "")


def test_the_bootstrap_says_that_there_is_no_python(opt: Path, tmp_path: Path) -> None:
    done = _run("/bin/sh", opt / "bootstrap", PATH=str(tmp_path), LAMBDA_TASK_ROOT=str(tmp_path))
    assert done.returncode == 127
    assert "no Python" in done.stderr
    assert str(tmp_path) in done.stderr


def test_the_bootstrap_honours_a_wrapper(opt: Path, tmp_path: Path) -> None:
    python = _python(tmp_path / "elsewhere")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\necho wrapped\nexec "$@"\n')
    wrapper.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "RAPID_PYTHON": str(python), "AWS_LAMBDA_EXEC_WRAPPER": str(wrapper)}
    done = _run(opt / "bootstrap", **env)
    assert done.stdout == f"wrapped\n{python} {opt}/runtime/__main__.py\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "{layers}:/var/runtime"),
        ({"PYTHONPATH": "/var/runtime"}, "{layers}:/var/runtime"),
        ({"PYTHONPATH": "/var/task/lib"}, "/var/task/lib:{layers}:/var/runtime"),
        ({"PYTHONPATH": "/aws", "LAMBDA_RUNTIME_DIR": "/aws"}, "{layers}:/aws"),
    ],
)
def test_the_wrapper_starts_ours_in_place_of_awss(
    opt: Path, tmp_path: Path, given: dict[str, str], expected: str
) -> None:
    python = tmp_path / "python3.13"
    python.write_text('#!/bin/sh\necho "$PYTHONPATH"\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    done = _run(opt / "rapid-runtime", python, "-X", "a b", "/var/runtime/bootstrap.py", **given)
    layers = "/opt/python/lib/python3.13/site-packages:/opt/python"
    assert done.stdout == f"{expected.format(layers=layers)}\n-X|a b|{opt}/runtime/__main__.py|"
