"""Bad requests on both ports: each has its answer, and harms neither the process nor who comes after."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator

import pytest

from tests.server.wire import chunked, connected, head, request
from tests.support.program import Program, Reply, until

INVOKE = "/2015-03-31/functions/function/invocations"
RESPOND = "/2018-06-01/runtime/invocation/1/response"
HEAD_LIMIT = 2 * 1024 * 1024
CHUNKED = b"POST @ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
START = b"POST @ HTTP/1.1\r\nHost: x\r\n"
BODY = b"Content-Length: 2\r\n\r\n{}"


def padded(start: bytes, size: int = HEAD_LIMIT + 1) -> bytes:
    """`start`, and x up to the size, so that the server has read it all when it answers."""
    return start + b"x" * (size - len(start))


NO_HTTP = {
    "garbage": b"\x00\x01\x02 garbage\r\n\r\n",
    "a TLS client": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "an unknown method": b"BREW @ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in lower case": b"post @ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown version": b"POST @ HTTP/9.9\r\n\r\n",
    "no path": b"POST HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without slash": b"POST function HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the path": b"POST /a b@ HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the path": b"POST @\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw UTF-8 in the path": "POST /ö@ HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a path of 100 KB": b"POST /" + b"x" * 100_000 + b"@ HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT to elsewhere": b"CONNECT example.com:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without colon": START + b"no header\r\n\r\n",
    "a header without name": START + b": 1\r\n\r\n",
    "a space before the colon": START + b"X-A : 1\r\n\r\n",
    "NUL in a header": START + b"X-A: a\x00b\r\n\r\n",
    "a folded header": START + b"X-A: a\r\n b\r\n" + BODY,
    "bare line feeds": b"POST @ HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
    "bare carriage returns": b"POST @ HTTP/1.1\rHost: x\r\r",
    "length and chunked": START + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "chunked and length": START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": START + b"Content-Length: -1\r\n\r\n",
    "a signed length": START + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": START + b"Content-Length: 0x2\r\n\r\n{}",
    "an empty length": START + b"Content-Length: \r\n\r\n",
    "a length beyond 64 bits": START + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "an unknown transfer encoding": START + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "chunked spelt wrong": START + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"ffffffffffffffffff\r\n{}",
    "a chunk longer than its size": CHUNKED + b"2\r\n{}xx\r\n0\r\n\r\n",
    "line feeds between chunks": CHUNKED + b"2\n{}\n0\n\n",
    "an endless header line": padded(START + b"X-A: "),
    "an endless path": padded(b"POST /"),
    "a header of 2 MiB": padded(START + b"X-A: ", HEAD_LIMIT) + b"\r\n\r\n",
    "thousands of headers": START + b"X-A: 1\r\n" * (HEAD_LIMIT // 8) + b"\r\n",
}
"""Not HTTP, or not in a way that can be trusted: 400, and the connection is closed."""

ODD = {
    "a method without body": (b"GET @ HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
    "PUT": (b"PUT @ HTTP/1.1\r\nHost: x\r\n" + BODY, 405, 405),
    "DELETE": (b"DELETE @ HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
    "HEAD": (b"HEAD @ HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
    "OPTIONS": (b"OPTIONS @ HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404, 404),
    "CONNECT": (b"CONNECT @ HTTP/1.1\r\nHost: x\r\n\r\n", 405, 405),
    "a web socket": (b"GET @ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 405, 405),
    "an upgrade to HTTP/2": (START + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + BODY, 200, 400),
    "the root": (b"POST / HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "a slash at the end": (b"POST @/ HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "two slashes": (b"POST /@ HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "a way up": (b"POST /a/..@ HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "the start of a percent-encoding": (b"POST @% HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "a wrong percent-encoding": (b"POST @%zz HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "percent-encoded bytes that are no UTF-8": (b"POST /%ff%fe@ HTTP/1.1\r\nHost: x\r\n" + BODY, 404, 404),
    "a query that is none": (b"POST @?%zz=%&&=&a;b HTTP/1.1\r\nHost: x\r\n" + BODY, 200, 400),
    "a fragment": (b"POST @#part HTTP/1.1\r\nHost: x\r\n" + BODY, 200, 400),
    "a whole URI": (b"POST http://example.com@ HTTP/1.1\r\nHost: x\r\n" + BODY, 200, 400),
    "no Host": (b"POST @ HTTP/1.1\r\n" + BODY, 200, 400),
    "HTTP/1.0": (b"POST @ HTTP/1.0\r\n" + BODY, 200, 400),
    "another expectation": (START + b"Expect: the-unexpected\r\n" + BODY, 200, 400),
    "chunk extensions": (CHUNKED + b"2;a=b\r\n{}\r\n0\r\n\r\n", 200, 400),
    "a length of 8 EiB": (START + b"Content-Length: 9223372036854775807\r\n\r\n", 413, 400),
    "a header twice": (START + b"X-Amz-Log-Type: Tail\r\nX-Amz-Log-Type: None\r\n" + BODY, 200, 400),
}
"""HTTP, if odd: the answers of the invoke port, and of the Runtime API, where an answer to no invocation is a 400."""

NO_JSON = {
    "an open object": b"{",
    "a trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a bare word": b"hello",
    "a form": b"a=1&b=2",
    "two documents": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "bytes that are no UTF-8": b'{"a": "\xff\xfe"}',
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "NUL": b"\x00",
    "NUL after the document": b"{}\x00",
    "white space alone": b" \r\n",
    "a raw control character": b'"a\nb"',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity, -Infinity]",
    "a leading zero": b"007",
    "100,000 arrays in one another": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects that do not end": b'{"a":' * 100_000,
}
JSON = {
    "an empty string": (b'""', b'""'),
    "a lone surrogate": (b'"\\ud800"', b'"\\ud800"'),
    "an integer of 5,000 digits": (b"9" * 5000, None),
    "white space around": (b"\r\n\t [1] \n", b"[1]"),
    "a key twice": (b'{"a": 1, "a": 2}', b'{"a": 2}'),
}

CONTEXTS = {
    "no base64": "!",
    "base64 without its padding": "e30",
    "base64 of no JSON": base64.b64encode(b"{").decode(),
    "base64 of a list": base64.b64encode(b"[]").decode(),
    "base64 of null": base64.b64encode(b"null").decode(),
    "base64 of NaN": base64.b64encode(b'{"custom": {"a": NaN}}').decode(),
    "base64 of bytes that are no UTF-8": base64.b64encode(b'{"a": "\xff"}').decode(),
    "base64 of a thousand lists": base64.b64encode(b"[" * 2600).decode(),
    "one byte too much": base64.b64encode(b'{"a": "' + b"x" * 2679 + b'"}').decode(),
    "raw UTF-8": "ö",
}


@pytest.fixture(autouse=True)
def nobody_is_harmed(served: Program) -> Iterator[None]:
    """After each test: the process is alive, serves, and has no connection left."""
    yield
    assert served.process.poll() is None
    for event in ({"after": "it"}, {"and": "again"}):
        reply = served.invoke(event)
        assert (reply.status, reply.json) == (200, event)
    assert served.runtime("GET", "/ping").body == b"pong"
    until(lambda: len(os.listdir(f"/proc/{served.process.pid}/fd")) < 30, "the connections to be closed", 5)


def sent(address: str, data: bytes, method: str = "POST") -> Reply:
    with connected(address) as connection:
        connection.send(data)
        return connection.reply(method)


@pytest.mark.parametrize("name", NO_HTTP)
@pytest.mark.parametrize("port", ["invoke", "runtime"])
def test_what_is_no_http_is_refused_and_the_connection_closed(served: Program, port: str, name: str) -> None:
    address, path = (served.invoke_address, INVOKE) if port == "invoke" else (served.runtime_address, RESPOND)
    with connected(address) as connection:
        connection.send(NO_HTTP[name].replace(b"@", path.encode(), 1))
        assert connection.reply().status == 400
        assert connection.ends()


@pytest.mark.parametrize("name", ODD)
def test_odd_requests_have_their_answers(served: Program, name: str) -> None:
    data, invoke, runtime = ODD[name]
    method = data.split()[0].decode()
    assert sent(served.invoke_address, data.replace(b"@", INVOKE.encode()), method).status == invoke
    assert sent(served.runtime_address, data.replace(b"@", RESPOND.encode()), method).status == runtime


@pytest.mark.parametrize("name", NO_JSON)
def test_a_payload_that_is_no_json_is_invalid_content(served: Program, name: str) -> None:
    reply = sent(served.invoke_address, request("POST", INVOKE, NO_JSON[name]))
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    assert reply.json["message"].startswith("Could not parse request body into json: ")


@pytest.mark.parametrize("name", JSON)
def test_a_payload_that_only_looks_wrong_is_an_event(served: Program, name: str) -> None:
    payload, answer = JSON[name]
    reply = sent(served.invoke_address, request("POST", INVOKE, payload))
    assert reply.status == 200
    if answer is None:  # past what Python reads: the function's error, not ours
        assert reply.json["errorType"] == "Runtime.UnmarshalError"
    else:
        assert json.loads(reply.body) == json.loads(answer)


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_client_context_that_is_none_is_invalid_content(served: Program, name: str) -> None:
    reply = served.invoke({}, headers={"X-Amz-Client-Context": CONTEXTS[name]})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")


@pytest.mark.parametrize("tenant", ["", "a,b", "a;b", "ö", "x" * 257, "a\tb", "<script>"])
def test_a_tenant_id_that_is_none_is_an_invalid_value(served: Program, tenant: str) -> None:
    reply = served.invoke({}, headers={"X-Amz-Tenant-Id": tenant})
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")


def test_empty_lines_before_a_request_are_no_request(served: Program) -> None:
    assert sent(served.invoke_address, b"\r\n\r\n" + request("POST", INVOKE, b"1")).body == b"1"


@pytest.mark.parametrize("part", [head("POST", INVOKE)[:30], request("POST", INVOKE, b"{}")[:-1], CHUNKED + b"5\r\n{"])
def test_a_request_cut_short_has_no_answer(served: Program, part: bytes) -> None:
    with connected(served.invoke_address) as connection:
        connection.send(part.replace(b"@", INVOKE.encode()))
        connection.finish()
        assert connection.ends()


def test_pipelined_requests_are_answered_in_their_order(served: Program) -> None:
    with connected(served.invoke_address) as connection:
        connection.send(b"".join(request("POST", INVOKE, b"%d" % number) for number in range(20)))
        assert [connection.reply().json for _ in range(20)] == list(range(20))


def test_garbage_after_a_request_closes_the_connection(served: Program) -> None:
    with connected(served.invoke_address) as connection:
        connection.send(request("POST", INVOKE, b"{}") + b"garbage\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while connection.line():
                pass


def test_a_caller_who_stops_in_the_middle_does_not_keep_others_waiting(served: Program) -> None:
    with connected(served.invoke_address) as slow, connected(served.runtime_address) as other:
        slow.send(request("POST", INVOKE, b'"slow"')[:-3])
        other.send(head("POST", RESPOND, {"Transfer-Encoding": "chunked"})[:-2])
        assert served.invoke({"quick": 1}).json == {"quick": 1}
        slow.send(b'ow"')
        assert slow.reply().body == b'"slow"'


def test_trailers_without_end_close_the_connection(served: Program) -> None:
    trailers = chunked(b"{}", trailers={"X-A": ""})[:-4]
    with connected(served.invoke_address) as connection, contextlib.suppress(ConnectionError):
        connection.send(head("POST", INVOKE, {"Transfer-Encoding": "chunked"}) + trailers)
        connection.send(b"x" * (HEAD_LIMIT + 1_000_000))
        while connection.line():
            pass
