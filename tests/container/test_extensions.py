"""Extensions in containers: what they are told, and how they and their environment end."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.container.conftest import WATCH
from tests.container.test_confinement import HARDENED
from tests.support.container import Container, Engine, Images
from tests.support.program import ROOT

pytestmark = pytest.mark.container

A_FEW_SECONDS = 4.0
"""At the end extensions have 2 s."""

WITH_A_DRAIN = 9.0
"""Before that, an invocation that extensions hold up has 5 s to come to its end."""

SHELL = ROOT / "examples" / "extensions" / "shell"

SHELL_DOCKERFILE = """
ARG BASE
FROM ${BASE}
COPY --chmod=755 heartbeat /opt/extensions/
COPY bootstrap ${LAMBDA_RUNTIME_DIR}
CMD ["function.handler"]
"""

LAYERED = """
ARG BASE
FROM scratch AS layer
COPY watch /extensions/
COPY tool /bin/

FROM ${BASE}
COPY --from=layer / /opt
CMD ["app.handler"]
"""

NO_PROGRAM = {
    "Dockerfile": 'ARG BASE\nFROM ${BASE}\nCOPY text /opt/extensions/\nCMD ["app.handler"]\n',
    "text": "no program\n",
}


def programs(container: Container, name: str) -> list[int]:
    """Process ids of an extension of /opt/extensions."""
    return [pid for pid, command in container.processes().items() if f"/opt/extensions/{name}" in command]


def heard(container: Container, name: str) -> list[str]:
    """What an extension has printed of its events, in order."""
    return re.findall(rf"^{name}: ((?:INVOKE|SHUTDOWN) \S+)$", container.logs(), re.MULTILINE)


def left_at(container: Container) -> tuple[int, float]:
    """`docker stop`; both extensions have heard of it."""
    code, seconds = container.stop()
    assert [heard(container, name)[-1] for name in ("watch", "other")] == ["SHUTDOWN spindown"] * 2
    assert "Traceback" not in container.logs()
    return code, seconds


@pytest.mark.parametrize("flags", [(), ("--user", "0"), HARDENED], ids=["plain", "root", "hardened"])
def test_they_hear_invocations_and_the_end_and_are_not_root(
    engine: Engine, watched: str, flags: tuple[str, ...]
) -> None:
    with engine.running(watched, flags=flags) as container:
        first, second = (container.invoke({"say": n}).headers["x-amzn-requestid"] for n in range(2))
        container.said(f"REPORT RequestId: {second}")
        code, seconds = left_at(container)
        for name in ("watch", "other"):
            assert re.search(rf"^{name}: started uid=993 gid=990 ", container.logs(), re.MULTILINE)
            assert heard(container, name) == [f"INVOKE {first}", f"INVOKE {second}", "SHUTDOWN spindown"]
        assert code == 0
        assert seconds < A_FEW_SECONDS


def test_the_log_of_a_container_has_the_line_of_each_extension(engine: Engine, watched: str) -> None:
    with engine.running(watched) as container:
        container.invoke()
        for name in ("watch", "other"):
            container.said(f"EXTENSION\tName: {name}\tState: Ready\tEvents: [INVOKE, SHUTDOWN]\n")


def test_the_end_waits_for_an_invocation_and_then_is_told(engine: Engine, watched: str) -> None:
    with engine.running(watched) as container, ThreadPoolExecutor(1) as pool:
        invoked = pool.submit(container.invoke, {"do": "sleep", "seconds": 1, "say": "briefly"})
        container.said("asleep briefly")
        assert left_at(container)[0] == 0
        assert invoked.result().json["answer"] == "awake"


def test_a_crash_is_told_to_the_caller_and_all_are_started_afresh(engine: Engine, watched: str) -> None:
    with engine.running(watched, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as container:
        container.invoke({"do": "write", "path": "/tmp/note", "text": "kept"})
        before = {name: programs(container, name) for name in ("watch", "other")}
        container.exec("touch", "/tmp/watch-crash")
        reply = container.invoke({"do": "sleep", "seconds": 60})
        assert (reply.headers["x-amz-function-error"], reply.json["errorType"]) == ("Unhandled", "Extension.Crash")
        assert container.invoke({"do": "read", "path": "/tmp/note"}).json["answer"] == "kept"
        after = {name: programs(container, name) for name in ("watch", "other")}
        assert [len(pids) for pids in (*before.values(), *after.values())] == [1, 1, 1, 1]
        assert not {pid for pids in before.values() for pid in pids} & container.processes().keys()
        container.said("other: SHUTDOWN failure\n")
        assert "SHUTDOWN failure" not in heard(container, "watch")
        assert left_at(container)[0] == 0


def test_a_timeout_is_told_to_extensions_and_all_are_started_afresh(engine: Engine, watched: str) -> None:
    with engine.running(watched, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as container:
        container.invoke({"do": "write", "path": "/tmp/note", "text": "kept"})
        before = container.processes().keys() - {1}
        assert container.invoke({"do": "sleep", "seconds": 60}).json["errorType"] == "Sandbox.Timedout"
        assert container.invoke({"do": "read", "path": "/tmp/note"}).json["answer"] == "kept"
        assert not before & container.processes().keys()
        for name in ("watch", "other"):
            assert len(programs(container, name)) == 1
            container.said(f"{name}: SHUTDOWN timeout\n")


def test_one_that_stays_is_ended_at_a_reset_with_all_that_it_has_started(engine: Engine, watched: str) -> None:
    with engine.running(watched, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as container:
        before = container.processes().keys() - {1}
        container.exec("touch", "/tmp/watch-stay")
        assert container.invoke({"say": "held"}).json["answer"] == {"say": "held"}
        container.said("other: SHUTDOWN timeout\n")
        assert container.invoke({"say": "again"}).json["answer"] == {"say": "again"}
        after = container.processes()
        assert not before & after.keys()
        assert "sleep 3600" not in after.values()
        assert len(programs(container, "watch")) == 1


def test_one_that_stays_does_not_keep_the_container(engine: Engine, watched: str) -> None:
    with engine.running(watched, AWS_LAMBDA_FUNCTION_TIMEOUT="60") as container:
        container.invoke({"say": "before"})
        container.exec("touch", "/tmp/watch-stay")
        invoked = container.invoke({"say": "held"}).headers["x-amzn-requestid"]
        container.said(f"watch: INVOKE {invoked}\n")
        code, seconds = container.stop()
        assert code == 0
        assert seconds < WITH_A_DRAIN
        assert "EXTENSION\tName: watch\tState: ShutdownFailed\tEvents: [INVOKE, SHUTDOWN]\n" in container.logs()
        assert heard(container, "other")[-1] == "SHUTDOWN spindown"


def test_a_function_that_leaves_is_a_failure_to_extensions(engine: Engine, watched: str) -> None:
    with engine.running(watched) as container:
        assert container.invoke({"do": "leave", "status": 3}).json["errorType"] == "Runtime.ExitError"
        assert container.invoke({"say": "again"}).json["answer"] == {"say": "again"}
        container.said("watch: SHUTDOWN failure\n")


def test_one_that_cannot_start_is_named_and_the_container_stays(engine: Engine, images: Images, function: str) -> None:
    with engine.running(images.derive("no-program", function, NO_PROGRAM)) as container:
        reply = container.invoke()
        assert reply.headers["x-amz-function-error"] == "Unhandled"
        assert reply.json["errorType"].startswith("Extension.")
        container.said("EXTENSION\tName: text\tState: LaunchError\tEvents: []\tError Type: ")
        assert container.stop()[0] == 0


def test_layers_bring_extensions(engine: Engine, images: Images, function: str) -> None:
    watch = WATCH.read_text()
    files = {"Dockerfile": LAYERED, "watch": watch, "tool": "#!/bin/sh\necho tool\n"}
    with engine.running(images.derive("layered", function, files)) as container:
        request_id = container.invoke().headers["x-amzn-requestid"]
        container.said(f"watch: INVOKE {request_id}")
        assert container.exec("tool").stdout == "tool\n"


def test_one_of_shell_and_curl_beside_a_bootstrap_of_shell_and_curl(
    engine: Engine, images: Images, provided: str
) -> None:
    files = {
        "Dockerfile": SHELL_DOCKERFILE,
        "heartbeat": (SHELL / "extensions" / "heartbeat").read_text(),
        "bootstrap": (SHELL / "bootstrap").read_text(),
    }
    with engine.running(images.derive("heartbeat", provided, files)) as container:
        reply = container.invoke({"n": 1})
        assert reply.status == 200
        assert "x-amz-function-error" not in reply.headers
        container.said(f'"requestId":"{reply.headers["x-amzn-requestid"]}"')
        code, seconds = container.stop()
        assert (code, seconds < A_FEW_SECONDS) == (0, True)
        assert "heartbeat: the end\n" in container.logs()


def test_off_means_none(engine: Engine, watched: str) -> None:
    with engine.running(watched, RAPID_EXTENSIONS="off") as container:
        assert container.invoke({"say": "alone"}).json["answer"] == {"say": "alone"}
        assert programs(container, "") == []
        assert container.stop()[0] == 0
        assert "watch" not in container.logs()
