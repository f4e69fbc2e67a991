"""Builds images with a container engine, and runs them."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import http.client
import json
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.program import PATIENCE, ROOT, Reply, call, until

BUILDER = ROOT.parent / "shared" / "container" / "engine"
"""Builds with the settings of a machine that reaches no image registry; where it is missing the engine's own does."""

PREFIX = f"localhost/rapid-tests-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
"""Tags are this checkout's own, so that another one's tests may run beside."""

BUILD_PATIENCE = 600.0


class Engine:
    """podman or docker."""

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def find(cls) -> Engine | str:
        """The engine of this machine; why there is none otherwise."""
        for name in ("podman", "docker"):
            if shutil.which(name):
                engine = cls(name)
                told = engine.run("info", check=False)
                return engine if told.returncode == 0 else f"`{name} info` fails: {told.stderr.strip()[-200:]}"
        return "there is no container engine: neither podman nor docker is on PATH"

    def run(self, *words: str, check: bool = True, patience: float = PATIENCE * 3) -> subprocess.CompletedProcess[str]:
        """One command of the engine, waited for."""
        return _run([self.program, *words], check, patience)

    def builder(self) -> list[str]:
        """The command that builds images."""
        if self.program == "podman" and BUILDER.exists():
            return ["bash", str(BUILDER), "build"]
        # podman's own format of images has no HEALTHCHECK
        return [self.program, "build", *(["--format", "docker"] if self.program == "podman" else [])]

    def build(self, tag: str, context: Path, *flags: str) -> None:
        """Build the folder `context`."""
        _run([*self.builder(), "--tag", tag, *flags, str(context)], True, BUILD_PATIENCE)

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of an image or container."""
        (found,) = json.loads(self.run("inspect", name).stdout)
        return dict(found)

    def finish(self, image: str, *words: str, flags: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a container until it ends by itself: its exit code and what it wrote."""
        name = f"rapid-test-{uuid.uuid4().hex}"
        try:
            return self.run("run", "--name", name, *flags, image, *words, check=False)
        finally:
            self.remove(name)

    def shell(self, image: str, script: str, *flags: str) -> str:
        """What a script prints that runs in place of the image's entry point."""
        done = self.finish(image, "-c", script, flags=("--entrypoint", "/bin/sh", *flags))
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(
        self, image: str, *words: str, flags: Sequence[str] = (), ready: bool = True, **env: str
    ) -> Iterator[Container]:
        """A container with its port 8080 at a free one of this host; removed at the end of the block.

        Args:
            image: what to run.
            words: the handler, or another command of the image.
            flags: further words for the engine.
            ready: wait until it answers.
            env: environment variables; there is one execution environment unless they say otherwise.
        """
        name = f"rapid-test-{uuid.uuid4().hex}"
        port = () if any(flag.startswith("--network") for flag in flags) else ("--publish", "127.0.0.1::8080")
        variables = [
            word
            for key, value in {"RAPID_MAX_ENVIRONMENTS": "1", **env}.items()
            for word in ("--env", f"{key}={value}")
        ]
        try:
            self.run("run", "--detach", "--name", name, *port, *variables, *flags, image, *words)
            container = Container(self, name)
            if ready:
                container.wait_until_ready()
            yield container
        finally:
            self.remove(name)

    def remove(self, name: str) -> None:
        """End and remove a container, if there is one of that name."""
        at_once = ("--time", "0") if self.program == "podman" else ()
        self.run("rm", "--force", *at_once, "--volumes", name, check=False)


class Container:
    """A started container."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    @functools.cached_property
    def address(self) -> str:
        """host:port of this host that leads to port 8080 of the container."""
        return self.engine.run("port", self.name, "8080/tcp").stdout.split()[0]

    def wait_until_ready(self) -> None:
        """Wait until something answers HTTP; fails at once when the container has left."""
        until(self._answers, f"an answer from {self.name}:\n{self.logs()}")

    def _answers(self) -> bool:
        try:
            return call(self.address, "GET", "/healthz").status > 0
        except (OSError, http.client.HTTPException):
            assert self.state["Running"], f"the container has left:\n{self.logs()}"
            return False

    def invoke(self, event: Any = None, name: str = "function", headers: Mapping[str, str] | None = None) -> Reply:
        """Invoke with a JSON event (`None` sends an empty body)."""
        body = b"" if event is None else json.dumps(event).encode()
        return call(self.address, "POST", f"/2015-03-31/functions/{name}/invocations", body, headers)

    def exec(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container."""
        return self.engine.run("exec", self.name, *words, check=False)

    def processes(self) -> dict[int, str]:
        """Command line by process id, of all processes but the one that asks."""
        command = "$(tr '\\0' ' ' <$p/cmdline)"
        script = f"for p in /proc/[0-9]*; do [ $p = /proc/$$ ] || printf '%s %s\\n' ${{p#/proc/}} \"{command}\"; done"
        lines = self.exec("sh", "-c", script).stdout.splitlines()
        return {int(pid): command.strip() for pid, _, command in (line.partition(" ") for line in lines)}

    @property
    def state(self) -> dict[str, Any]:
        """`Running`, `ExitCode`, …"""
        return dict(self.engine.inspect(self.name)["State"])

    def logs(self) -> str:
        """What it wrote: to stdout, then to stderr."""
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def said(self, text: str) -> None:
        """Wait until the log has `text`."""
        until(lambda: text in self.logs(), f"{text!r} in the log of {self.name}")

    def stop(self) -> tuple[int, float]:
        """`podman stop`, with its 10 s before SIGKILL: the exit code, and the seconds it took."""
        began = time.monotonic()
        self.engine.run("stop", "--time", "10", self.name)
        return int(self.state["ExitCode"]), time.monotonic() - began


class Images:
    """Builds each image once per test session, also when tests run in several processes.

    Args:
        engine: builds.
        folder: shared by all processes of the session.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder

    def ours(self, target: str) -> str:
        """One of the project's two images; both together, for they share most of their build."""
        with self._once("ours") as first:
            if first:
                for name in ("python", "provided"):
                    self._engine.build(f"{PREFIX}:{name}", ROOT, "--target", name)
        return f"{PREFIX}:{target}"

    def criu(self) -> str:
        """The project's image with criu."""
        with self._once("criu") as first:
            if first:
                self._engine.build(f"{PREFIX}:criu", ROOT, "--target", "python-criu")
        return f"{PREFIX}:criu"

    def default(self) -> str:
        """The image that is built when no target is named."""
        with self._once("default") as first:
            if first:
                self._engine.build(f"{PREFIX}:default", ROOT)
        return f"{PREFIX}:default"

    def derive(self, name: str, base: str, files: Mapping[str, str]) -> str:
        """An image from a context of files, one of them the Dockerfile, that begins `FROM ${BASE}`.

        Args:
            name: a name of its own for its tag.
            base: what BASE stands for.
            files: path → text; one that begins with `#!` becomes executable.
        """
        tag = f"{PREFIX}:{name}"
        with self._once(name) as first, tempfile.TemporaryDirectory() as folder:
            if first:
                for path, text in files.items():
                    file = Path(folder, path)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text)
                    file.chmod(0o755 if text.startswith("#!") else 0o644)
                self._engine.build(tag, Path(folder), "--build-arg", f"BASE={base}")
        return tag

    @contextmanager
    def _once(self, name: str) -> Iterator[bool]:
        """True for the first process that comes; others wait until it is done, and fail at once if it failed."""
        done = self._folder / f"{name}.built"
        with open(self._folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            failure = done.read_text() if done.exists() else ""
            assert not failure, f"the image has not been built: {failure}"
            try:
                yield not done.exists()
            except Exception as error:
                done.write_text(str(error))
                raise
            done.touch()


def _run(words: Sequence[str], check: bool, patience: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        cwd=tempfile.gettempdir(),  # podman leaves a file called oom where it was started
        capture_output=True,
        text=True,
        errors="replace",
        timeout=patience,
        stdin=subprocess.DEVNULL,
    )
    # Where no systemd runs, podman complains about its health check timers on every occasion.
    kept = [line for line in done.stderr.splitlines(keepends=True) if "systemd connection" not in line]
    done.stderr = "".join(kept)
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done
