"""AWS's event stream encoding, as far as `InvokeWithResponseStream` uses it.

Source: AWS's event stream specification ("vnd.amazon.eventstream"); every header is of type 7, a string.
"""

from __future__ import annotations

import json
import struct
from binascii import crc32
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_STRING = 7


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths and their checksum, headers, payload, and the checksum of it all."""
    encoded = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE.size + len(encoded) + len(payload) + 4
    lengths = struct.pack(">II", total, len(encoded))
    body = _PRELUDE.pack(total, len(encoded), crc32(lengths)) + encoded + payload
    return body + struct.pack(">I", crc32(body))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(f">B{len(key)}sBH", len(key), key, _STRING, len(text)) + text


def payload_chunk(piece: bytes) -> bytes:
    """A piece of the response."""
    headers = {":event-type": "PayloadChunk", ":content-type": "application/octet-stream", ":message-type": "event"}
    return message(headers, piece)


def invoke_complete(error_code: str | None, error_details: str | None, log_result: str | None) -> bytes:
    """The end; all three may be missing.

    Args:
        error_code: type of the function's error.
        error_details: what it said.
        log_result: the end of the log, base64.
    """
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    told = {name: value for name, value in members.items() if value is not None}
    headers = {":event-type": "InvokeComplete", ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(told, separators=(",", ":")).encode())


def exception(error_type: str, text: str) -> bytes:
    """An error of the service in the middle of a stream."""
    headers = {":exception-type": error_type, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps({"Message": text}, separators=(",", ":")).encode())
