"""The extension library against AWS's own emulator, from within a runtime: an internal extension."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.emulator import binary
from tests.support.program import ROOT, call, environ, free_port, until

pytestmark = pytest.mark.rie

RUNTIME = '''
"""A runtime and, in the same process, an extension; both write down what they are told."""
import asyncio, json, os, pathlib, sys
sys.path.insert(0, {root!r})
import httpx
from extensions import Extension, ExtensionsApiError

def note(**what):
    with open("notes", "a") as notes:
        notes.write(json.dumps(what) + "\\n")

async def invocations(client):
    while True:
        event = await client.get("/next", timeout=None)
        request_id = event.headers["lambda-runtime-aws-request-id"]
        note(invocation=request_id)
        await client.post(f"/{{request_id}}/response", content=b"done")

async def main():
    try:
        await Extension.register("refused", ["SHUTDOWN"])
    except ExtensionsApiError as error:
        note(refused=error.error_type, status=error.status, text=str(error))
    async with Extension.register("inside", ["INVOKE"]) as extension:
        telemetry = await extension.subscribe(["platform"], note)
        note(function=extension.function_name, version=extension.function_version, telemetry=telemetry)
        api = f"http://{{os.environ['AWS_LAMBDA_RUNTIME_API']}}/2018-06-01/runtime/invocation"
        async with httpx.AsyncClient(base_url=api) as client:
            polling = asyncio.create_task(invocations(client))
            async for event in extension.events(sigterm=False):
                note(event=event.type, request_id=event.request_id, arn=event.function_arn, ms=event.deadline_ms)

asyncio.run(main())
'''


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[str]:
    """AWS's emulator with the runtime above; its address."""
    tmp_path.joinpath("main.py").write_text(RUNTIME.format(root=str(ROOT)))
    address = f"127.0.0.1:{free_port()}"
    flags = ["--runtime-interface-emulator-address", address, "--runtime-api-address", f"127.0.0.1:{free_port()}"]
    process = subprocess.Popen(
        [str(binary()), *flags, sys.executable, "main.py"],
        cwd=tmp_path,
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield address
    process.terminate()
    process.wait(20)


def notes(folder: Path) -> list[dict[str, object]]:
    path = folder / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_extension_registers_hears_of_invocations_and_of_refusals(emulator: str, tmp_path: Path) -> None:
    def invoked() -> bool:
        try:
            return call(emulator, "POST", "/2015-03-31/functions/function/invocations", b"{}").body == b"done"
        except OSError:
            return False

    until(invoked, "the emulator to answer")
    told = until(lambda: notes(tmp_path) if len(notes(tmp_path)) >= 4 else None, "four notes")
    refused, registered = told[:2]
    assert refused["refused"] == "Extension.InvalidEventType"
    assert refused["status"] == 403
    assert "ShutdownEventNotSupportedForInternalExtension" in str(refused["text"])
    assert registered == {"function": "test_function", "version": "$LATEST", "telemetry": False}
    invocation = next(note["invocation"] for note in told if "invocation" in note)
    event = next(note for note in told if "event" in note)
    assert (event["event"], event["request_id"]) == ("INVOKE", invocation)
    assert str(event["arn"]).endswith(":function:test_function")
    assert isinstance(event["ms"], int)
