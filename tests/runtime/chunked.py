"""A chunked request body as it came: its chunks one by one, and its trailers."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.runtime.harness import Request

ERROR_TYPE, ERROR_BODY = "lambda-runtime-function-error-type", "lambda-runtime-function-error-body"


@dataclass
class Chunks:
    """`complete`: the last chunk and the trailers were read; their names are in lower case."""

    pieces: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    complete: bool = False


def read_chunks(stream: BufferedIOBase, limit: int | None = None) -> Chunks:
    """Read a body to its end, or only its first `limit` chunks."""
    chunks = Chunks()
    while limit is None or len(chunks.pieces) < limit:
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            return chunks
        size = int(line, 16)
        if not size:
            break
        piece = stream.read(size)
        assert stream.read(2) == b"\r\n"
        chunks.pieces.append(piece)
    else:
        return chunks
    while line := stream.readline().strip():
        name, _, value = line.decode("ascii").partition(":")
        chunks.trailers[name.lower()] = value.strip()
    chunks.complete = True
    return chunks


def chunks_of(request: Request) -> Chunks:
    """The body of a request that was sent in chunks."""
    assert request.chunks is not None
    return request.chunks


def error_of(request: Request) -> tuple[str, Any]:
    """The error that the trailers tell: its type, and its document."""
    trailers = chunks_of(request).trailers
    return trailers[ERROR_TYPE], json.loads(base64.b64decode(trailers[ERROR_BODY], validate=True))
