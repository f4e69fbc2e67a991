"""What `benchmarks.restore` runs inside the container: it starts rapid in different ways, invokes, and prints times."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time

PORT = 18080
NAP = 1.6
"""Seconds for which the first environment is at work: longer than an init takes."""


def invoke(event: dict[str, float]) -> float:
    """Milliseconds to the answer."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
    response = connection.getresponse()
    answer = response.read()
    elapsed = time.perf_counter() - began
    connection.close()
    if response.status != 200 or "errorType" in answer.decode():
        raise SystemExit(f"{response.status}: {answer.decode()}")
    return elapsed * 1000


def run(backend: str) -> tuple[float, float]:
    """Milliseconds of the first answer of the first environment, and of the second."""
    environ = {
        **os.environ,
        "RAPID_SNAPSHOT": backend,
        "RAPID_SNAPSHOT_DIR": "/snapshot",
        "RAPID_MAX_ENVIRONMENTS": "2",
        "RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS": f"127.0.0.1:{PORT}",
    }
    process = subprocess.Popen(
        ["rapid", "app.handler"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = ""
        while "invoke at" not in said:
            said = process.stderr.readline()
        first = invoke({})
        busy = threading.Thread(target=invoke, args=({"nap": NAP},))
        busy.start()
        time.sleep(0.2)  # environment 1 has the first one by now
        second = invoke({})
        busy.join()
    finally:
        process.terminate()
        _, log = process.communicate()
    if "is not restored" in log or "no template" in log:
        raise SystemExit(log)
    return first, second


def main() -> None:
    """Take turns, and print all figures as JSON."""
    found: dict[str, list[float]] = {"cold": [], "fork": [], "cold start": [], "criu": []}
    for _ in range(int(sys.argv[1])):
        start, cold = run("none")
        found["cold start"].append(start)
        found["cold"].append(cold)
        found["fork"].append(run("fork")[1])
        found["criu"].append(run("criu")[0])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
