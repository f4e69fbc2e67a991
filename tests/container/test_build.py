"""What is in the images, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rapid
from tests.support.container import Engine, Images

pytestmark = pytest.mark.container

TARGETS = ("python", "provided")
VENV = "/usr/local/lib/rapid"
WRITABLE_FOR_ALL = {"/tmp", "/var/tmp", "/run/lock"}
"""Debian's own, each with the sticky bit."""


@pytest.mark.parametrize("target", TARGETS)
def test_the_size_is_printed_and_ours_is_a_small_part_of_it(
    engine: Engine, images: Images, target: str, record_property: Callable[[str, object], None]
) -> None:
    image = images.ours(target)
    size = round(engine.inspect(image)["Size"] / 1e6, 1)
    ours = round(int(engine.shell(image, f"du -sk {VENV} /var/runtime | awk '{{s += $1}} END {{print s}}'")) / 1e3, 1)
    record_property(f"size of the image, target {target}", f"{size} MB, of which rapid and its runtime: {ours} MB")
    assert ours < 15


@pytest.mark.parametrize("target", TARGETS)
def test_the_labels_tell_title_licence_and_the_version_of_rapid(engine: Engine, images: Images, target: str) -> None:
    labels = engine.inspect(images.ours(target))["Config"]["Labels"]
    of_oci = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert of_oci["version"] == rapid.__version__
    assert of_oci["title"] == "rapid"
    assert of_oci["licenses"] == "Apache-2.0"
    assert of_oci["description"]


@pytest.mark.parametrize(("target", "allowed"), [("python", "Allow"), ("provided", None)])
def test_snapstart_is_allowed_where_the_runtime_is_ours(
    engine: Engine, images: Images, target: str, allowed: str | None
) -> None:
    labels = engine.inspect(images.ours(target))["Config"]["Labels"]
    assert labels.get("com.amazonaws.lambda.feature.snapstart") == allowed


def test_the_image_is_laid_out_as_aws_lays_out_its_own(engine: Engine, python: str) -> None:
    config = engine.inspect(python)["Config"]
    environ = dict(variable.split("=", 1) for variable in config["Env"])
    assert environ["LAMBDA_TASK_ROOT"] == config["WorkingDir"] == "/var/task"
    assert environ["LAMBDA_RUNTIME_DIR"] == "/var/runtime"
    assert "/opt/bin" in environ["PATH"].split(":")
    assert "/opt/lib" in environ["RAPID_LIBRARY_PATH"].split(":")
    assert "LD_LIBRARY_PATH" not in environ
    assert config["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert not config.get("Cmd")
    engine.shell(python, "test -x /var/runtime/bootstrap && test -d /opt/extensions")
    engine.shell(python, "test ! -w /var/runtime && test ! -w /var/runtime/bootstrap && test -w /var/task")


@pytest.mark.parametrize("target", TARGETS)
def test_the_folder_of_extensions_is_empty_and_open_to_derived_dockerfiles(
    engine: Engine, images: Images, target: str
) -> None:
    script = "stat -c '%u:%g %a' /opt /opt/extensions; ls -A /opt/extensions"
    assert engine.shell(images.ours(target), script).splitlines() == ["993:990 755"] * 2


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["logs-file", "otlp"])
def test_a_shipped_extension_is_a_program_that_says_where_it_belongs(
    engine: Engine, images: Images, target: str, name: str
) -> None:
    done = engine.finish(images.ours(target), flags=("--entrypoint", f"{VENV}/extensions/{name}"))
    assert done.returncode == 1
    assert f"{name}: AWS_LAMBDA_RUNTIME_API is not set: " in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_the_default_target_is_the_one_for_python(engine: Engine, images: Images, python: str) -> None:
    assert engine.inspect(images.default())["Id"] == engine.inspect(python)["Id"]


def test_the_provided_image_holds_no_runtime_of_ours(engine: Engine, provided: str) -> None:
    found = engine.shell(provided, f"ls -A /var/runtime /var/task /opt/extensions; find {VENV} -name bootstrap")
    assert found.split() == ["/opt/extensions:", "/var/runtime:", "/var/task:"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_user_is_not_root(engine: Engine, images: Images, target: str) -> None:
    image = images.ours(target)
    assert engine.inspect(image)["Config"]["User"] == "993:990"
    assert engine.shell(image, "id -u; id -g; id -un").split() == ["993", "990", "sbx_user1051"]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_but_the_temporary_folders_is_writable_for_all(engine: Engine, images: Images, target: str) -> None:
    script = "find / -xdev -perm -0002 ! -type l ! -path '/proc/*' ! -path '/dev/*' 2>/dev/null || true"
    assert set(engine.shell(images.ours(target), script, "--user", "0").split()) <= WRITABLE_FOR_ALL


def test_the_function_cannot_change_rapid_nor_the_entry_point(engine: Engine, python: str) -> None:
    script = f"find {VENV} /usr/local/bin /lambda-entrypoint.sh -writable ! -type l"
    assert engine.shell(python, script) == ""


def test_every_module_is_byte_compiled_and_never_checked_against_its_source(engine: Engine, python: str) -> None:
    script = f"""python3 - <<'PYTHON'
from importlib.util import cache_from_source
from pathlib import Path
sources = [p for top in ("{VENV}", "/var/runtime") for p in Path(top).rglob("*.py")]
compiled = [Path(cache_from_source(str(p))) for p in sources]
print(len(sources), sum(p.exists() for p in compiled), sum(p.exists() and p.read_bytes()[4] == 1 for p in compiled))
PYTHON"""
    modules, compiled, unchecked = map(int, engine.shell(python, script).split())
    assert modules > 100
    assert modules == compiled == unchecked


def test_what_only_a_build_needs_has_been_left_behind(engine: Engine, python: str) -> None:
    names = ("*.c", "*.h", "*.pyx", "*.pxd", "*.pyi", "pip", "pip[0-9-]*", "tests", "[Aa]ctivate*")
    script = f"""find {VENV} /var/runtime {" -o ".join(f"-name '{name}'" for name in names)}
ls -d /src /var/lib/apt/lists/*_Packages* 2>/dev/null; command -v gcc; command -v strip; true"""
    assert engine.shell(python, script) == ""


def test_rapids_packages_are_not_the_functions(engine: Engine, python: str) -> None:
    script = 'for name in rapid starlette uvicorn httpx; do python3 -c "import $name" 2>/dev/null && echo $name; done'
    assert engine.shell(python, f"{script}; true") == ""


def test_the_functions_packages_and_variables_are_not_rapids(engine: Engine, python: str) -> None:
    script = (
        "echo 'raise SystemExit(99)' >/tmp/uvicorn.py; cd /tmp; PYTHONPATH=/tmp PYTHONHOME=/nowhere rapid --version"
    )
    assert engine.shell(python, script) == f"rapid {rapid.__version__}\n"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["rapid", "aws-lambda-rie"])
def test_rapid_goes_by_both_its_names(engine: Engine, images: Images, target: str, name: str) -> None:
    done = engine.finish(images.ours(target), "--version", flags=("--entrypoint", f"/usr/local/bin/{name}"))
    assert (done.returncode, done.stdout) == (0, f"rapid {rapid.__version__}\n")


@pytest.mark.parametrize("target", TARGETS)
def test_the_tools_of_the_entry_point_are_there(engine: Engine, images: Images, target: str) -> None:
    script = "for tool in sh id setpriv rapid; do command -v $tool; done; env --block-signal=TERM echo env"
    assert len(engine.shell(images.ours(target), script).split()) == 5
