"""docs/deploy-aws.md and its SAM template: what can be known of them without an account."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.program import ROOT, environ

PAGE = ROOT / "docs" / "deploy-aws.md"
TEMPLATE = ROOT / "examples" / "deploy" / "template.yaml"
TOOLS = Path(sys.executable).parent
STUBBED = ("docker", "sam", "zip", "curl", "tar")
"""The page's other programs, which have no part in what is tested here."""

ACCOUNT = "123456789012"
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
ANSWERS = (
    ("POST", "GetCallerIdentity", IDENTITY),
    ("POST", "GetAuthorizationToken", '{"authorizationData": [{"authorizationToken": "QVdTOnNlY3JldA=="}]}'),
    ("POST", "Action=CreateRole", "<CreateRoleResponse><CreateRoleResult/></CreateRoleResponse>"),
    ("POST", "Action=AttachRolePolicy", "<AttachRolePolicyResponse/>"),
    ("GET", "/functions/hello", '{"Configuration": {"State": "Active", "LastUpdateStatus": "Successful"}}'),
    ("GET", "", '{"State": "Active", "LastUpdateStatus": "Successful"}'),
)
"""By method and a word of path, target or body; the rest is answered with an empty object."""


class _Handler(BaseHTTPRequestHandler):
    """Answers whatever the AWS CLI has found good enough to send."""

    server: _AWS

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
        asked = f"{self.path} {self.headers.get('X-Amz-Target', '')} {body}"
        self.server.asked.append((self.command, self.path, body))
        matching = (said for method, word, said in ANSWERS if method == self.command and word in asked)
        answer = next(matching, "{}").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml" if answer.startswith(b"<") else "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def do_PUT(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _AWS(ThreadingHTTPServer):
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def _aws() -> Iterator[_AWS]:
    with _AWS() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def _commands() -> str:
    """The page's commands in order, as one script."""
    fences = [token for token in MarkdownIt().parse(PAGE.read_text()) if token.type == "fence"]
    return "".join(token.content for token in fences if token.info == "console")


def _workplace(folder: Path) -> dict[str, str]:
    """A folder as a checkout is before the commands, and the environment to run them in."""
    tools = folder / "tools"
    tools.mkdir()
    for name in STUBBED:
        tools.joinpath(name).write_text("#!/bin/sh\n[ -t 0 ] || cat >/dev/null\n")
        tools.joinpath(name).chmod(0o755)
    (folder / "scripts").mkdir()
    (folder / "scripts" / "build-layer").symlink_to(tools / "sam")
    (folder / "examples" / "deploy" / "src").mkdir(parents=True)
    (folder / "dist").mkdir()
    for name in ("hello", "rapid-layer", "python-layer"):
        with zipfile.ZipFile(folder / "dist" / f"{name}.zip", "w") as archive:
            archive.writestr("app.py", "")
    botocore = importlib.util.find_spec("botocore")
    assert botocore
    assert botocore.origin
    return environ(
        PATH=os.pathsep.join([str(tools), str(TOOLS), os.environ["PATH"]]),
        # The CLI on PyPI brings older models than boto3 does.
        AWS_DATA_PATH=str(Path(botocore.origin).parent / "data"),
        AWS_CONFIG_FILE=str(folder / "none"),
        AWS_SHARED_CREDENTIALS_FILE=str(folder / "none"),
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_EC2_METADATA_DISABLED="true",
        RELEASE="1",
        ARCHIVE="cpython.tar.gz",
    )


def test_every_command_of_the_page_is_one_that_the_aws_cli_sends(tmp_path: Path) -> None:
    # A flag, an operation or a parameter that does not exist, or a value that AWS's models refuse, ends the script.
    commands = _commands().replace(" --cli-binary-format raw-in-base64-out", "")  # version 2 alone knows it
    with _aws() as server:
        env = _workplace(tmp_path) | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        words = ["bash", "-euo", "pipefail", "-c", commands]
        done = subprocess.run(
            words, cwd=tmp_path, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=110
        )
    assert done.returncode == 0, done.stderr
    sent = len(re.findall(r"^(?:ACCOUNT=\$\()?aws ", commands, re.MULTILINE))
    assert len(server.asked) == sent
    created = [json.loads(body) for method, path, body in server.asked if path.endswith("/functions")]
    assert [function.get("Runtime", "image") for function in created] == [
        *("image", "python3.13", "provided.al2023", "custom")
    ]
    assert created[0]["Code"]["ImageUri"] == f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/hello:1"
    assert created[1]["Environment"]["Variables"] == {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/rapid-runtime"}
    assert created[3]["RuntimeConfig"]["RuntimeAlias"] == "prod"


def test_cfn_lint_accepts_the_template() -> None:
    done = subprocess.run([TOOLS / "cfn-lint", "--template", TEMPLATE], capture_output=True, text=True, timeout=110)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_cfn_lint_would_refuse_a_faulty_one(tmp_path: Path) -> None:
    faulty = tmp_path / "template.yaml"
    faulty.write_text(TEMPLATE.read_text().replace("Handler: app.handler", "Handel: app.handler"))
    done = subprocess.run([TOOLS / "cfn-lint", "--template", faulty], capture_output=True, text=True, timeout=110)
    assert done.returncode
    assert "'Handel' was unexpected" in done.stdout
