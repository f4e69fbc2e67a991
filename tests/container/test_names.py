"""`sandbox` and `sandbox.localdomain` are loopback in the image, for whatever asks the C library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.test_confinement import HARDENED
from tests.support.container import Engine, Images

pytestmark = pytest.mark.container

NAMES = ("sandbox", "sandbox.localdomain")
NO_NETWORK = ("--network", "none")
LOOKUPS = Path(__file__).with_name("lookups.py")

ASK = """python3 - <<'PYTHON'
import socket
for name, family in [("sandbox", 0), ("Sandbox.LocalDomain", socket.AF_INET), ("sandbox", socket.AF_INET6),
                     ("localhost", socket.AF_INET), ("sandbox.localdomain.org", 0), ("mysandbox", 0)]:
    try:
        print(name, *{found[4][0] for found in socket.getaddrinfo(name, 80, family)})
    except socket.gaierror as error:
        print(name, {socket.EAI_NODATA: "no data", socket.EAI_AGAIN: "nobody to ask"}[error.errno])
PYTHON"""


@pytest.mark.parametrize("target", ["python", "provided"])
@pytest.mark.parametrize("flags", [(), ("--user", "1234:1234"), ("--user", "0"), HARDENED], ids=str)
def test_they_are_loopback_for_every_user(engine: Engine, images: Images, target: str, flags: tuple[str, ...]) -> None:
    script = f"for name in {' '.join(NAMES)}; do getent hosts $name; done"
    found = engine.shell(images.ours(target), script, *flags).split()
    assert found == ["127.0.0.1", NAMES[0], "127.0.0.1", NAMES[1]]


def test_only_they_are_and_only_for_ipv4_and_no_name_server_is_asked_for_them(engine: Engine, python: str) -> None:
    assert engine.shell(python, ASK, *NO_NETWORK).splitlines() == [
        "sandbox 127.0.0.1",
        "Sandbox.LocalDomain 127.0.0.1",
        "sandbox no data",
        "localhost 127.0.0.1",
        "sandbox.localdomain.org nobody to ask",
        "mysandbox nobody to ask",
    ]


def test_what_hosts_says_comes_first_as_on_aws(engine: Engine, python: str) -> None:
    flags = ("--add-host", "sandbox.localdomain:169.254.100.1", "--add-host", "other:10.0.0.7")
    found = engine.shell(python, "getent ahostsv4 sandbox.localdomain other; getent hosts other sandbox", *flags)
    assert "169.254.100.1" in found
    assert "10.0.0.7" in found
    assert found.splitlines()[-1].split() == ["127.0.0.1", "sandbox"]


def test_curl_finds_a_listener_there(engine: Engine, provided: str) -> None:
    script = """python3 -m http.server 4243 --bind sandbox.localdomain --directory /opt 2>/dev/null &
        curl -sS --retry 20 --retry-all-errors http://sandbox:4243/ 2>/dev/null | grep -c extensions"""
    assert engine.shell(provided, script, *HARDENED, *NO_NETWORK) == "1\n"


def test_a_buffer_of_any_size_and_alignment_is_kept_within(engine: Engine, python: str) -> None:
    assert engine.shell(python, f"python3 - <<'PYTHON'\n{LOOKUPS.read_text()}\nPYTHON") == "answered and refused\n"
