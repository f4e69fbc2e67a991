"""From an HTTP response to the result that function URLs, API Gateway and load balancers read as one."""

from __future__ import annotations

from ..paths import library_module
from .events import BALANCER, GATEWAY_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .events import Request

    Headers = list[tuple[str, str]]


def result_of(request: Request, status: int, headers: Headers, body: bytes) -> dict[str, Any]:
    """The handler's result; names of `headers` are in lower case."""
    text, is_base64 = _as_text(body)
    result = {"statusCode": status, "body": text, "isBase64Encoded": is_base64}
    if request.source == GATEWAY_2:
        joined, cookies = joined_headers(headers)
        return {**result, "headers": joined, **({"cookies": cookies} if cookies else {})}
    lists = _lists(headers)
    if request.source == BALANCER:  # reads the one or the other, as its target group is set
        return result | ({"multiValueHeaders": lists} if request.multi else {"headers": _in_many_cases(lists)})
    return {
        **result,
        "headers": {name: values[0] for name, values in lists.items() if len(values) == 1},
        "multiValueHeaders": {name: values for name, values in lists.items() if len(values) > 1},
    }


def joined_headers(headers: Headers) -> tuple[dict[str, str], list[str]]:
    """Each header once, its values joined by commas, and the `Set-Cookie` lines, which cannot be joined."""
    lists = _lists(headers)
    cookies = lists.pop("set-cookie", [])
    return {name: ",".join(values) for name, values in lists.items()}, cookies


def _lists(headers: Headers) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in headers:
        lists.setdefault(name, []).append(value)
    return lists


def _in_many_cases(lists: dict[str, list[str]]) -> dict[str, str]:
    """Each value under a name of its own: JSON has no name twice, and to HTTP names of other case are the same."""
    return {_cased(name, number): value for name, values in lists.items() for number, value in enumerate(values)}


def _cased(name: str, number: int) -> str:
    """The name with the letters in upper case whose bits are set, the first letter's being the lowest."""
    letters = []
    for letter in name:
        if letter.isalpha():
            letters.append(letter.upper() if number & 1 else letter)
            number >>= 1
        else:
            letters.append(letter)
    return "".join(letters)


def _as_text(body: bytes) -> tuple[str, bool]:
    """The body as JSON can hold it, and whether that is base64, which only a body needs that is no text.

    Whatever its type, UTF-8 arrives as the same bytes, also where a REST API has not been told of binary types.
    """
    if b"\0" not in body:  # no text, and six letters long in JSON
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return library_module("binascii").b2a_base64(body, newline=False).decode(), True


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers as text: UTF-8, else Latin-1; names in lower case."""
    return [(_text(name).lower(), _text(value)) for name, value in headers]


def _text(raw: bytes) -> str:
    data = bytes(raw)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
