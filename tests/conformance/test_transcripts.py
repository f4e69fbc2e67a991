"""Plays every transcript on each of its targets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import servers
from tests.conformance.conftest import Shared
from tests.conformance.memory import memory
from tests.conformance.player import Player, Target
from tests.conformance.transcript import Transcript, load_all

TRANSCRIPTS = load_all()


def cases(target: str) -> list[Any]:
    there = (transcript for transcript in TRANSCRIPTS if target in transcript.on)
    return [pytest.param(transcript, id=f"{transcript.topic}: {transcript.name}") for transcript in there]


def play(transcript: Transcript, target: Target) -> None:
    asyncio.run(Player(transcript, target).play())


@pytest.mark.parametrize("transcript", cases("memory"))
def test_memory(transcript: Transcript) -> None:
    async def scenario() -> None:
        async with memory(transcript.env, transcript.extensions, transcript.broken) as target:
            await Player(transcript, target).play()

    asyncio.run(scenario())


@pytest.mark.parametrize("transcript", cases("tcp"))
def test_tcp(transcript: Transcript, shared: Shared, tmp_path: Path) -> None:
    if transcript.fresh:
        with servers.rapid(tmp_path, transcript.env, transcript.extensions, transcript.broken) as server:
            play(transcript, server)
        return
    try:
        play(transcript, shared.get(transcript.env))
    except BaseException:
        shared.drop(transcript.env)
        raise


@pytest.mark.rie
@pytest.mark.parametrize("transcript", cases("emulator"))
def test_emulator(transcript: Transcript, tmp_path: Path) -> None:
    if (transcript.extensions or transcript.broken) and not servers.private_opt():
        pytest.skip("external extensions: only root can give the emulator an /opt of its own")
    with servers.rie(tmp_path, transcript.env, transcript.extensions, transcript.broken) as server:
        play(transcript, server)
