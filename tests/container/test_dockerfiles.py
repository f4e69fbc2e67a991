"""Dockerfiles as people have them for AWS's base images: only the FROM line is another."""

from __future__ import annotations

import pytest

from tests.support.container import Engine, Images
from tests.support.program import call

pytestmark = pytest.mark.container

USES_SIX = """
import six

def handler(event, context):
    return {"six": six.__file__, "type": six.text_type.__name__}
"""

LIBRARIES = """
ARG BASE
FROM ${BASE}
COPY *.so* lib/
COPY app.py ${LAMBDA_TASK_ROOT}
CMD ["app.handler"]
"""

TELLS_ITS_LIBRARIES = """
import os

def handler(event, context):
    return os.environ["LD_LIBRARY_PATH"]
"""

INSTALLED_BESIDE_THE_CODE = """
ARG BASE
FROM ${BASE}

COPY requirements.txt ${LAMBDA_TASK_ROOT}
RUN pip install -r requirements.txt -t "${LAMBDA_TASK_ROOT}"
COPY app.py ${LAMBDA_TASK_ROOT}

CMD [ "app.handler" ]
"""

INSTALLED_FOR_THE_INTERPRETER = """
ARG BASE
FROM ${BASE}

# Copy requirements.txt
COPY requirements.txt ${LAMBDA_TASK_ROOT}

# Install the specified packages
RUN pip install -r requirements.txt

# Copy function code
COPY lambda_function.py ${LAMBDA_TASK_ROOT}

# Set the CMD to your handler (could also be done as a parameter override outside of the Dockerfile)
CMD [ "lambda_function.handler" ]
"""

INSTALLED_BY_A_STAGE = """
ARG BASE
FROM ${BASE} AS build
COPY requirements.txt .
RUN python -m pip install -r requirements.txt --target /tmp/packages

FROM ${BASE}
COPY --from=build /tmp/packages ${LAMBDA_TASK_ROOT}
COPY src/ ${LAMBDA_TASK_ROOT}/src/
RUN mkdir data && echo 42 > data/answer
CMD ["src/app.handler"]
"""

NEEDS_ROOT = """
ARG BASE
FROM ${BASE}
USER root
COPY app.py ${LAMBDA_TASK_ROOT}
RUN chmod 600 app.py && chown sbx_user1051 app.py && python -m compileall -q . && mkdir /data && ldconfig
CMD ["app.handler"]
"""

LAYERS = """
ARG BASE
FROM ${BASE}
COPY layer /opt/
COPY app.py ./
CMD ["app.handler"]
"""

USES_LAYERS = """
import os, subprocess
import plain, versioned

def handler(event, context):
    tool = subprocess.run(["layer-tool"], capture_output=True, text=True, check=True).stdout.strip()
    return [plain.NAME, versioned.NAME, tool]
"""

SHADOWS = """
import json, rapid, runtime, extensions, bootstrap

def handler(event, context):
    return [m.__name__ for m in (rapid, runtime, extensions, bootstrap) if m.__file__.startswith("/var/task")]
"""


def test_requirements_installed_into_the_task_root(engine: Engine, images: Images, python: str) -> None:
    files = {"Dockerfile": INSTALLED_BESIDE_THE_CODE, "requirements.txt": "six\n", "app.py": USES_SIX}
    with engine.running(images.derive("task-root", python, files)) as container:
        assert container.invoke().json == {"six": "/var/task/six.py", "type": "str"}


def test_requirements_installed_with_no_target(engine: Engine, images: Images, python: str) -> None:
    files = {
        "Dockerfile": INSTALLED_FOR_THE_INTERPRETER,
        "requirements.txt": "six\n",
        "lambda_function.py": USES_SIX,
    }
    image = images.derive("no-target", python, files)
    with engine.running(image) as container:
        assert container.invoke().json["type"] == "str"
    with engine.running(image, flags=("--user", "1234:1234")) as container:
        assert container.invoke().json["type"] == "str", "packages are found by every user"


def test_several_stages_and_commands_in_the_task_root(engine: Engine, images: Images, python: str) -> None:
    files = {"Dockerfile": INSTALLED_BY_A_STAGE, "requirements.txt": "six==1.17.0\n", "src/app.py": USES_SIX}
    with engine.running(images.derive("stages", python, files)) as container:
        assert container.invoke().json == {"six": "/var/task/six.py", "type": "str"}
        assert container.exec("cat", "data/answer").stdout == "42\n"


def test_user_root_allows_all_commands_and_the_function_still_does_not_run_as_root(
    engine: Engine, images: Images, python: str
) -> None:
    files = {"Dockerfile": NEEDS_ROOT, "app.py": "import os\n\ndef handler(event, context):\n    return os.getuid()\n"}
    with engine.running(images.derive("root", python, files)) as container:
        assert container.invoke().json == 993


def test_layers_bring_modules_and_programs(engine: Engine, images: Images, python: str) -> None:
    version = engine.shell(python, "python3 -c 'import sys; print(\"python%d.%d\" % sys.version_info[:2])'").strip()
    files = {
        "Dockerfile": LAYERS,
        "app.py": USES_LAYERS,
        "layer/python/plain.py": "NAME = 'of /opt/python'\n",
        f"layer/python/lib/{version}/site-packages/versioned.py": "NAME = 'of site-packages'\n",
        "layer/bin/layer-tool": "#!/bin/sh\necho of /opt/bin\n",
    }
    with engine.running(images.derive("layers", python, files)) as container:
        assert container.invoke().json == ["of /opt/python", "of site-packages", "of /opt/bin"]


def test_a_handler_given_at_run_time_takes_the_place_of_the_images(engine: Engine, images: Images, python: str) -> None:
    files = {"Dockerfile": LAYERS, "app.py": "def other(event, context):\n    return 'the other'\n", "layer/none": ""}
    with engine.running(images.derive("other", python, files), "app.other") as container:
        assert container.invoke().json == "the other"


def test_files_named_like_parts_of_the_project_are_the_users(engine: Engine, images: Images, python: str) -> None:
    names = ("rapid", "runtime", "extensions", "bootstrap")
    files = {"Dockerfile": LAYERS.replace("app.py", "*.py"), "app.py": SHADOWS, "layer/none": ""}
    files |= {f"{name}.py": "" for name in names}
    with engine.running(images.derive("shadows", python, files)) as container:
        assert container.invoke().json == list(names)


def test_a_library_of_the_functions_never_becomes_rapids(engine: Engine, images: Images, python: str) -> None:
    files = {"Dockerfile": LIBRARIES, "libz.so.1": "garbage", "libc.so.6": "garbage", "app.py": TELLS_ITS_LIBRARIES}
    with engine.running(images.derive("libraries", python, files)) as container:
        broken = container.invoke({})
        assert broken.json["errorType"] == "Runtime.ExitError"
        assert call(container.address, "GET", "/healthz").status == 200
    files = {"Dockerfile": LIBRARIES.replace("COPY *.so* lib/", ""), "app.py": TELLS_ITS_LIBRARIES}
    with engine.running(images.derive("no-libraries", python, files)) as container:
        assert container.invoke({}).json == "/var/lang/lib:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
