"""Serve `examples/hello` and invoke it once; `scripts/run` runs this."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

FOLDER = Path(__file__).parents[1] / "examples" / "hello"
ADDRESSES = {"RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS": "127.0.0.1:0", "RAPID_RUNTIME_API_ADDRESS": "127.0.0.1:0"}


def main(name: str) -> int:
    """Invoke with `{"name": name}`; the exit code is 0 when the function answered."""
    command = [str(Path(sys.executable).with_name("rapid")), "app.handler"]
    print("$ cd examples/hello; rapid app.handler")
    with subprocess.Popen(command, cwd=FOLDER, env=os.environ | ADDRESSES, stderr=subprocess.PIPE, text=True) as rapid:
        try:
            assert rapid.stderr is not None
            address = next(found[1] for line in rapid.stderr if (found := re.search(r"invoke at (http://\S+),", line)))
            path = "/2015-03-31/functions/function/invocations"
            body = json.dumps({"name": name})
            print(f"$ curl -d '{body}' {address}{path}", flush=True)
            answer = httpx.post(address + path, content=body, timeout=30)
        finally:
            rapid.terminate()
    print(f"\nHTTP {answer.status_code}: {answer.text}")
    return 0 if answer.status_code == 200 and "x-amz-function-error" not in answer.headers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "world"))
