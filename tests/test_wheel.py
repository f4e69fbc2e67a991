"""The distribution as users install it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rapid
from tests.support.program import PATIENCE, ROOT, environ


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(words, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed in it, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(wheel)]
    subprocess.run(words, check=True)
    return folder


def test_it_takes_no_name_that_a_user_may_want(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"rapid", "rapid_extensions", f"lambda_rapid-{rapid.__version__}.dist-info"}


def test_it_carries_the_runtime_and_its_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"rapid/_bootstrap/bootstrap", "rapid/_bootstrap/runtime/__main__.py"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("__pycache__" in name or "tests/" in name for name in names)


def test_the_installed_bootstrap_starts_from_where_the_wheel_put_it(installed: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("app.py").write_text("def handler(event, context):\n    return 'from the wheel'\n")
    script = (
        "import rapid, rapid.cli, sys; assert rapid.__file__.startswith(sys.argv[1]), rapid.__file__;"
        "command = rapid.cli.resolve(['app.handler']); print(command.words[1])"
    )
    words = [sys.executable, "-c", script, str(installed)]
    env = environ(PYTHONPATH=str(installed))
    bootstrap = Path(
        subprocess.run(words, cwd=tmp_path, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )
    assert bootstrap.is_relative_to(installed)
    # Without a Runtime API it says so, which shows that it starts from where the wheel put it.
    done = subprocess.run(
        ["sh", str(bootstrap), "app.handler"],
        cwd=tmp_path,
        env=env | {"RAPID_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr


def test_the_command_is_installed(installed: Path) -> None:
    script = installed / "bin" / "rapid"
    words = [sys.executable, str(script), "--version"]
    done = subprocess.run(words, env=environ(PYTHONPATH=str(installed)), check=True, capture_output=True, text=True)
    assert done.stdout == f"rapid {rapid.__version__}\n"
