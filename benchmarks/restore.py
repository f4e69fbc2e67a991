"""The first answer of an environment, initialised and restored: `python -m benchmarks.restore [--rounds N]`.

Needs a container engine: all is measured in a container of `python-criu`, where the ways take turns. Snapshots on disk
are taken in another one. Ratios are to be compared, not the times of two runs or machines.

* cold, fork: environment 1 is at work; an invocation comes that needs another one, and is answered.
* cold start, criu: rapid has said that it listens; the first invocation comes and is answered.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.container import Engine, Images

FUNCTIONS = {
    "1 s of init": "import time\n\ntime.sleep(1)\n",
    "numpy and pandas": "import numpy, pandas\n",
}
HANDLER = """
import time


def handler(event, context):
    time.sleep(event.get("nap", 0))
    return event
"""

DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN pip install --no-cache-dir numpy pandas
COPY app.py ${LAMBDA_TASK_ROOT}
RUN python3 -m compileall -q . && python3 -c "import app"
"""

COLD, FORK, COLD_START, CRIU = "cold", "fork", "cold start", "criu"
TARGETS = {FORK: (COLD, 1 / 50), CRIU: (COLD_START, 1 / 8)}
"""Way → the one that it is compared with, and the part of its time that it may take; for the first function."""

ROUND_PATIENCE = 60.0
GRANTED = ("--cap-add", "CHECKPOINT_RESTORE")
UNFILTERED = ("--security-opt", "seccomp=unconfined")


def measured(engine: Engine, image: str, rounds: int) -> Mapping[str, Sequence[float]]:
    """Way → milliseconds, one figure for each round."""
    volume = f"rapid-benchmark-{uuid.uuid4().hex}"
    engine.run("volume", "create", volume)
    # The timeout is a variable of the function, so it must have been there when the snapshot was taken.
    mounted = ("--volume", f"{volume}:/snapshot", "--env", "AWS_LAMBDA_FUNCTION_TIMEOUT=60", *GRANTED, *UNFILTERED)
    driver = Path(__file__).with_name("restore_driver.py")
    try:
        taken = engine.finish(
            image, "snapshot", "--output", "/snapshot", "--", "app.handler", flags=("--entrypoint", "rapid", *mounted)
        )
        if taken.returncode:
            sys.exit(f"no snapshot: {taken.stdout}{taken.stderr}")
        inside = ("--entrypoint", "python3", "--volume", f"{driver}:/driver.py:ro", *mounted)
        told = engine.run(
            "run", "--rm", *inside, image, "/driver.py", str(rounds), check=False, patience=60 + rounds * ROUND_PATIENCE
        )
        if told.returncode:
            sys.exit(f"nothing measured: {told.stdout}{told.stderr}")
        found: dict[str, list[float]] = json.loads(told.stdout.splitlines()[-1])
        return found
    finally:
        engine.run("volume", "rm", "--force", volume, check=False)


def report(name: str, found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Print medians; the ratios of those that are compared."""
    ratios = {}
    for way, figures in found.items():
        middle = statistics.median(figures)
        row = f"{name:20}{way:12}{middle:12.1f}{min(figures):10.1f}"
        if way in TARGETS:
            ratios[way] = middle / statistics.median(found[TARGETS[way][0]])
            row += f"   1/{1 / ratios[way]:.0f} of {TARGETS[way][0]}"
        print(row)
    return ratios


def main() -> None:
    """Run and print; exit status 1 when a target is missed for the function with an init of one second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    engine = Engine.find()
    if isinstance(engine, str):
        sys.exit(engine)
    print(
        f"{os.cpu_count()} cores, {rounds} rounds: an invocation to its answer\n{'':32}{'median ms':>12}{'lowest':>10}"
    )
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        images = Images(engine, Path(folder))
        for number, (name, init) in enumerate(FUNCTIONS.items()):
            files = {"Dockerfile": DOCKERFILE, "app.py": init + HANDLER}
            image = images.derive(f"benchmark-restore-{number}", images.criu(), files)
            ratios = report(name, measured(engine, image, rounds))
            if number == 0:
                missed = [way for way, ratio in ratios.items() if ratio > TARGETS[way][1]]
    if missed:
        sys.exit(f"more than its part of the time: {', '.join(missed)}")


if __name__ == "__main__":
    main()
