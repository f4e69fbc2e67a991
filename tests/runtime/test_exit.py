"""How the process leaves: exits, signals, and replies that are none."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.runtime.harness import BOOTSTRAP, PYTHON, Event, both, ours, write

EXITS = {
    "exit": "import sys; sys.exit(7)",
    "exit-none": "import sys; sys.exit()",
    "exit-text": "import sys; sys.exit('good bye')",
    "os-exit": "import os; os._exit(9)",
    "interrupt": "raise KeyboardInterrupt",
    "base": "raise BaseException('base')",
    "generator": "raise GeneratorExit",
}


@pytest.mark.parametrize("name", EXITS)
def test_what_is_not_an_exception_ends_the_process_as_under_aws(tmp_path: Path, name: str) -> None:
    write(tmp_path, app=f"def handler(event, context):\n    {EXITS[name]}\n", top=EXITS[name])
    in_handler, at_import = both(tmp_path, Event()), both(tmp_path, handler="top.handler")
    for mine, other in (in_handler, at_import):
        assert (mine.posts, mine.status) == (other.posts, other.status)
        assert mine.posts == []


SIGNALS = {
    "default": ("", -signal.SIGTERM, ""),
    "handled": ("signal.signal(15, lambda *_: (print('handled'), sys.exit(5)))", 5, "handled\n"),
    "raises": ("def f(*_): raise ValueError('from the handler')\nsignal.signal(15, f)", 1, ""),
    "returns": ("signal.signal(15, lambda *_: os.kill(os.getpid(), 9))", -signal.SIGKILL, ""),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_handled_while_next_is_parked(tmp_path: Path, name: str) -> None:
    source, status, output = SIGNALS[name]
    write(tmp_path, app=f"import os, signal, sys\n{source}\ndef handler(event, context): pass\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        env = {"PATH": os.environ["PATH"], "RAPID_PYTHON": PYTHON, "PYTHONDONTWRITEBYTECODE": "1"}
        env["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{server.getsockname()[1]}"
        command = [str(BOOTSTRAP), "app.handler"]
        with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4) == b"GET "
                run.send_signal(signal.SIGTERM)
                out, _ = run.communicate(timeout=30)
    assert (run.returncode, out.decode()) == (status, output)


REPLIES = {
    "not-http": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "the reply is not HTTP/1.1"),
    "cut-head": (b"HTTP/1.1 200 OK\r\nContent-", "the connection was closed within the headers of a reply"),
    "cut-body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        "the connection was closed within the body of a reply",
    ),
    "cut-chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        "the connection was closed within the body of a reply",
    ),
    "bad-chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "a chunk of a reply begins with b'xyz'",
    ),
    "bad-length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "the Content-Length of a reply is '-1'"),
    "silence": (b"", "the connection was closed without a reply"),
    "no-id": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
    "no-content": (b"HTTP/1.1 204 No Content\r\n\r\n", None),
    "continue-first": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", None),
    "http-1.0": (b"HTTP/1.0 503 Busy\r\n\r\nwait", None),
}
SENTENCES = {
    "no-id": "runtime: the Runtime API gave an invocation without Lambda-Runtime-Aws-Request-Id\n",
    "no-content": "runtime: the Runtime API answered 204 to the request for the next invocation\n",
    "continue-first": "runtime: the Runtime API answered 204 to the request for the next invocation\n",
    "http-1.0": "runtime: the Runtime API answered 503 to the request for the next invocation\n",
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_that_is_none_is_said_in_a_sentence(tmp_path: Path, name: str) -> None:
    reply, reason = REPLIES[name]
    write(tmp_path, app="def handler(event, context): pass")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        env = {"PATH": os.environ["PATH"], "RAPID_PYTHON": PYTHON, "AWS_LAMBDA_RUNTIME_API": address}
        command = [str(BOOTSTRAP), "app.handler"]
        with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE) as run:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                _, err = run.communicate(timeout=30)
    sentence = f"runtime: the Runtime API at {address} failed: {reason}\n" if reason else SENTENCES[name]
    assert (run.returncode, err.decode()) == (1, sentence)


def test_the_address_may_be_a_name_or_ipv6(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): pass")
    for host, name in (("127.0.0.1", "localhost"), ("::1", "[::1]")):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if family == socket.AF_INET6 and not _has_ipv6():
            pytest.skip("this machine has no IPv6 loopback")
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
            run = subprocess.Popen(
                [str(BOOTSTRAP), "app.handler"],
                cwd=tmp_path,
                env={"PATH": os.environ["PATH"], "RAPID_PYTHON": PYTHON, "AWS_LAMBDA_RUNTIME_API": f"{name}:{port}"},
            )
            connection, _ = server.accept()
            with connection:
                head = connection.recv(65536)
                run.kill()
                run.wait()
        assert f"\r\nHost: {name}:{port}\r\n".encode() in head


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_handler_may_change_its_own_sockets_default_timeout(tmp_path: Path) -> None:
    """The runtime's own connection waits without a timeout, also when it is opened anew."""
    source = "import socket\nsocket.setdefaulttimeout(0.001)\ndef handler(event, context): return event"
    run = ours(write(tmp_path, app=source), Event("1", close_after_post=True), Event("2"))
    assert [post.body for post in run.posts] == [b"1", b"2"]
