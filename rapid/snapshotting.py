"""`rapid snapshot`: initialises the function, writes it to disk, and leaves."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

from rapid.cli import RuntimeCommand
from rapid.draining import Stopping
from rapid.environments.cgroup import account_factory
from rapid.environments.orphans import Orphans
from rapid.environments.reaper import Reaper
from rapid.factory import Host
from rapid.operation import Snapshots
from rapid.settings import Settings
from rapid.snapshots.criu import Criu
from rapid.snapshots.hosts import InitialisedHost
from rapid.snapshots.manifest import Place
from rapid.snapshots.store import Store
from rapid.snapshots.taking import NotTaken, take
from rapid.telemetry.console import Console
from rapid.telemetry.observer import Unobserved
from rapid.templates import Templates

FAILED = 1
INTERRUPTED = 130

log = logging.getLogger("rapid")


def run(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], folder: str) -> int:
    """Take a snapshot; the exit code, 0 when there is one.

    Args:
        settings: what is asked for.
        command: how the runtime is started.
        environ: rapid's environment variables.
        folder: where the snapshot goes.
    """
    settings = replace(settings, snapshots=Snapshots("criu", folder, snap_start=True))
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    return uvloop.run(_run(settings, command, environ, Store(Path(folder).absolute())))


async def _run(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], store: Store) -> int:
    loop, reaper, console = asyncio.get_running_loop(), Reaper(), Console(sys.stdout.fileno())
    stopping = Stopping()
    stopping.listen(loop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, Stopping.SIGNALS)
    reaper.install(loop)
    shared = Host(settings, command, environ, reaper, Orphans(reaper), account_factory(), console, False, Unobserved())
    host = InitialisedHost(Templates(shared, set()))
    taking = loop.create_task(take(host, Criu(reaper), store, place(settings, command, {})))
    stopped = loop.create_task(stopping.begun.wait())
    try:
        await asyncio.wait({taking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            return INTERRUPTED
        taken = taking.result()
    except NotTaken as error:
        log.error("snapshot: %s is not written: %s", settings.snapshots.folder, error)
        return FAILED
    finally:
        taking.cancel()
        stopped.cancel()
        await asyncio.wait({taking, stopped})
        await host.stop()
        reaper.remove()
        console.flush()
    log.info("snapshot: %s is written: process %d", settings.snapshots.folder, taken.pid)
    return 0


def place(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str]) -> Place:
    """Where a snapshot is taken or restored, as far as settings tell."""
    return Place("", settings.handler, command.cwd, task_root(command, environ), environ)


def task_root(command: RuntimeCommand, environ: Mapping[str, str]) -> str:
    """Where the function's files are."""
    return command.environ.get("LAMBDA_TASK_ROOT") or environ.get("LAMBDA_TASK_ROOT") or command.cwd
