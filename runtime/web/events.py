"""From the events of function URLs, API Gateway and load balancers to one HTTP request.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

from __future__ import annotations

from ..errors import NOT_AN_HTTP_EVENT, FaultError
from ..paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType
    from typing import Any

    Event = Mapping[str, Any]

GATEWAY_1, GATEWAY_2, BALANCER = "API Gateway 1.0", "API Gateway 2.0", "load balancer"
_PORTS = {"https": 443, "wss": 443}
_AS_IT_IS = "/%:@!$&'()*+,;=-._~"


class Request:
    """One HTTP request.

    `source` is one of the three constants above; function URLs speak API Gateway's format 2.0. `multi`: the event has
    lists of header values, so a load balancer expects them in the response. `path` is decoded and begins with
    `root_path`, where the application is mounted; `raw_path` and `query` are as in the request line. `headers` are
    pairs of a name in lower case and a value, in which a header may come several times. `client` is None if unknown.
    """

    __slots__ = (
        *("body", "client", "headers", "http_version", "method", "multi", "path", "query", "raw_path", "root_path"),
        *("scheme", "server", "source"),
    )

    def __init__(self, event: Event, mounted: str | None) -> None:
        """`mounted` overrides what the event says about where the application is mounted."""
        self.source = source_of(event)
        about = event["requestContext"]
        http = about["http"] if self.source == GATEWAY_2 else {}
        self.multi = event.get("multiValueHeaders") is not None
        self.method: str = http["method"] if http else event["httpMethod"]
        self.headers = _headers(event)
        told = dict(self.headers)
        self.scheme = told.get("x-forwarded-proto", "https")
        self.http_version = _version(http.get("protocol") or about.get("protocol"))
        self.root_path, path = _mounted(event, mounted)
        quote, unquote = _url().quote, _url().unquote
        self.path: str = unquote(path)
        self.raw_path: bytes = quote(path, safe=_AS_IT_IS).encode()
        self.query = (event.get("rawQueryString") or "").encode() if http else _query(event, self.source)
        self.server = _server(told, about, self.scheme)
        address = _client(about, told, self.source)
        self.client = (address, 0) if address else None
        self.body = _body(event)


def source_of(event: Event) -> str:
    """Where an event is from; raises `FaultError` if it is none of an HTTP request."""
    about = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(about, dict):
        if isinstance(about.get("http"), dict) and "method" in about["http"]:
            return GATEWAY_2
        if "httpMethod" in event:
            return BALANCER if "elb" in about else GATEWAY_1
    raise FaultError(
        NOT_AN_HTTP_EVENT,
        "The handler is a web application, and the event is no HTTP request of a function URL, API Gateway or "
        "Application Load Balancer",
    )


def _url() -> ModuleType:
    return library_module("urllib.parse")


def _version(protocol: str | None) -> str:
    version = (protocol or "HTTP/1.1").partition("/")[2] or "1.1"
    return version.removesuffix(".0") if version != "1.0" else version


def _headers(event: Event) -> list[tuple[str, str]]:
    lists = dict(event.get("multiValueHeaders") or {})
    known = {name.lower() for name in lists}
    # API Gateway has each header in both; what is in one only is not lost either.
    lists.update({name: [value] for name, value in (event.get("headers") or {}).items() if name.lower() not in known})
    pairs = [(name.lower(), value) for name, values in lists.items() for value in values or () if value is not None]
    cookies = event.get("cookies") or [value for name, value in pairs if name == "cookie"]
    others = [(name, value) for name, value in pairs if name != "cookie"]
    return [*others, ("cookie", "; ".join(cookies))] if cookies else others


def _mounted(event: Event, mounted: str | None) -> tuple[str, str]:
    """Where the application is mounted, and the whole path, which begins with that, not decoded."""
    about = event["requestContext"]
    path = event.get("rawPath") or event.get("path") or about.get("http", {}).get("path") or "/"
    if mounted is not None:
        root = "/" + mounted.strip("/") if mounted.strip("/") else ""
    elif event.get("version") in ("1.0", "2.0"):
        root = f"/{about.get('stage', '$default')}"  # an HTTP API has it in the path, save for the default stage
        root = root if _is_below(path, root) else ""
    else:
        whole = about.get("path") or ""  # a REST API has it there alone
        root = whole.removesuffix(path).rstrip("/") if whole.endswith(path) else ""
    return root, path if _is_below(path, root) else root + path


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")


def _query(event: Event, source: str) -> bytes:
    parameters = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    pairs = [(name, value) for name, values in parameters.items() for value in _each(values)]
    if source == BALANCER:  # which hands them on as they came, API Gateway decoded
        decode = _url().unquote_plus
        pairs = [(decode(name), decode(value)) for name, value in pairs]
    text: str = _url().urlencode(pairs)
    return text.encode()


def _each(values: str | Iterable[str] | None) -> Iterable[str]:
    return (values,) if isinstance(values, str) else values or ()


def _server(headers: Mapping[str, str], about: Event, scheme: str) -> tuple[str, int]:
    host = headers.get("host") or about.get("domainName") or "localhost"
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host, headers.get("x-forwarded-port", "")
    return name, int(port) if port.isdecimal() else _PORTS.get(scheme, 80)


def _client(about: Event, headers: Mapping[str, str], source: str) -> str:
    """The address of who spoke to AWS; of the addresses that a load balancer tells, the one that it saw itself."""
    if source == BALANCER:
        return headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    address = (about["http"] if source == GATEWAY_2 else about.get("identity") or {}).get("sourceIp")
    return address or ""


def _body(event: Event) -> bytes:
    text: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        decoded: bytes = library_module("binascii").a2b_base64(text)
        return decoded
    return text.encode("utf-8", "surrogatepass")
