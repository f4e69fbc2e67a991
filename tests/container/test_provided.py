"""The `provided` image: the user's own bootstrap, in whatever language."""

from __future__ import annotations

import pytest

from tests.support.container import Engine, Images

pytestmark = pytest.mark.container

DOCKERFILE = """
ARG BASE
FROM ${{BASE}}
COPY bootstrap {place}
COPY function.sh ${{LAMBDA_TASK_ROOT}}
CMD ["function.handler"]
"""

CURL_BOOTSTRAP = """#!/bin/bash
set -euo pipefail

# The handler is file.function, as in AWS's tutorial for custom runtimes.
source "$LAMBDA_TASK_ROOT/${_HANDLER%.*}.sh"
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"

while true; do
    HEADERS=$(mktemp)
    EVENT=$(curl -sS -LD "$HEADERS" "$API/next")
    REQUEST_ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$HEADERS" | tr -d '[:space:]' | cut -d: -f2)
    RESPONSE=$("${_HANDLER##*.}" "$EVENT")
    curl -sS "$API/$REQUEST_ID/response" -d "$RESPONSE" >/dev/null
done
"""

FUNCTION = """
handler() {
    echo "log: $1" >&2
    echo "{\\"event\\": $1, \\"place\\": \\"$0\\"}"
}
"""

PLACES = ("/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap")


@pytest.mark.parametrize("place", PLACES)
def test_a_bootstrap_of_shell_and_curl_serves(engine: Engine, images: Images, provided: str, place: str) -> None:
    name = place.strip("/").replace("/", "-")
    files = {
        "Dockerfile": DOCKERFILE.format(place=place),
        "bootstrap": CURL_BOOTSTRAP,
        "function.sh": FUNCTION,
    }
    with engine.running(images.derive(name, provided, files)) as container:
        for number in range(3):
            assert container.invoke({"n": number}).json == {"event": {"n": number}, "place": place}
        assert 'log: {"n": 2}' in container.logs()
        assert container.stop()[0] == 0


def test_the_first_of_several_bootstraps_is_the_runtime_folders(engine: Engine, images: Images, provided: str) -> None:
    both = DOCKERFILE.format(place=PLACES[0]) + f"COPY bootstrap {PLACES[1]}\nCOPY bootstrap {PLACES[2]}\n"
    files = {"Dockerfile": both, "bootstrap": CURL_BOOTSTRAP, "function.sh": FUNCTION}
    with engine.running(images.derive("bootstraps", provided, files)) as container:
        assert container.invoke({}).json == {"event": {}, "place": PLACES[0]}


def test_a_shell_bootstrap_that_dies_is_replaced(engine: Engine, images: Images, provided: str) -> None:
    dies = "handler() {\n    [ \"$1\" = '{}' ] || kill -9 $$\n    echo '\"alive\"'\n}\n"
    files = {"Dockerfile": DOCKERFILE.format(place=PLACES[1]), "bootstrap": CURL_BOOTSTRAP, "function.sh": dies}
    with engine.running(images.derive("dies", provided, files)) as container:
        assert container.invoke().json == "alive"
        assert container.invoke({"die": True}).json["errorMessage"].endswith("signal: killed")
        assert container.invoke().json == "alive"


def test_a_file_that_is_not_executable_is_named(engine: Engine, images: Images, provided: str) -> None:
    files = {"Dockerfile": DOCKERFILE.format(place=PLACES[1]), "bootstrap": "no program\n", "function.sh": FUNCTION}
    done = engine.finish(images.derive("not-executable", provided, files))
    assert done.returncode == 2
    assert done.stderr == f"rapid: {PLACES[1]} is not executable: chmod +x {PLACES[1]}\n"


def test_without_a_bootstrap_it_ends_with_one_sentence(engine: Engine, provided: str) -> None:
    done = engine.finish(provided, "function.handler")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"rapid: no command is given and none of {', '.join(PLACES)} exists\n"
