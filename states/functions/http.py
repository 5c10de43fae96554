"""`http.*`: questions to web servers, each with a limit."""

import base64
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose

_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """Arguments of `http.query`."""

    url: str
    method: str = "GET"
    params: Loose = None
    data: Loose = None
    header_dict: Loose = None
    header_list: Loose = None
    username: str | None = None
    password: str | None = None
    auth: Loose = None
    decode: bool = False
    decode_type: str = "auto"
    """`json`, `yaml`, `plain`, or `auto`: as the server says."""
    status: bool = False
    """Give the status also where all is well."""
    headers: bool = False
    text: bool = False
    timeout: float = _TIMEOUT_S
    verify_ssl: bool = True
    ca_bundle: str | None = None
    agent: str = "limpet"
    raise_error: bool = True


def query(context: FunctionContext, options: QueryOptions) -> dict[str, Any]:
    """Ask a web server; give `body`, and `status`, `headers`, `dict` where they are asked for.

    A refusal has `error` and `status`. CLI Example:
    limpet run '*' http.query http://somelink.com/ method=POST data='<xml>somecontent</xml>'
    """
    if urllib.parse.urlsplit(options.url).scheme not in ("http", "https"):
        raise HostError(f"Unsupported url scheme: {options.url}")
    found: dict[str, Any] = {}
    request = _request(options)
    try:
        with urllib.request.urlopen(  # noqa: S310 — http(s), checked above
            request, timeout=options.timeout, context=_tls(options)
        ) as answer:
            content = answer.read(_BODY_BYTES_MAX + 1)
            status, headers = answer.status, dict(answer.headers.items())
    except urllib.error.HTTPError as error:
        with error:
            content, status = error.read(_BODY_BYTES_MAX), error.code
            headers = dict(error.headers.items())
        found |= {"status": status, "error": f"HTTP {status}: {error.reason}"}
    except urllib.error.URLError as error:
        return {"error": str(error.reason)}
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    if len(content) > _BODY_BYTES_MAX:
        raise HostError(f"{options.url}: the answer has more than {_BODY_BYTES_MAX} bytes")
    if options.status:
        found["status"] = status
    if options.headers:
        found["headers"] = headers
    body = content.decode("utf-8", "replace")
    if options.decode and "error" not in found:
        _decode(found, body, options, str(headers.get("Content-Type", "")))
    return {**found, "body": body}


def wait_for_successful_query(
    context: FunctionContext,
    url: str,
    wait_for: float = 300,
    request_interval: float = 1,
    **kwargs: Loose,
) -> dict[str, Any]:
    """Ask a web server until it gives no error; the last answer after `wait_for` seconds.

    CLI Example: limpet run '*' http.wait_for_successful_query http://somelink.com/ wait_for=160
    """
    system = context.host.system
    end_s = system.now() + wait_for
    while True:
        found: dict[str, Any] = context.call("http.query", url, **kwargs)
        if "error" not in found or system.now() >= end_s:
            return found
        system.sleep(max(0.1, min(request_interval, end_s - system.now())))


def _request(options: QueryOptions) -> urllib.request.Request:
    url = options.url
    if options.params:
        sign = "&" if "?" in url else "?"
        url += f"{sign}{urllib.parse.urlencode(options.params, doseq=True)}"
    data = options.data
    if isinstance(data, dict):
        data = urllib.parse.urlencode(data, doseq=True)
    headers = {"User-Agent": options.agent}
    headers |= {str(k): str(v) for k, v in (options.header_dict or {}).items()}
    for line in options.header_list or []:
        name, _, value = str(line).partition(":")
        headers[name.strip()] = value.strip()
    user, password = options.username, options.password
    if isinstance(options.auth, list | tuple) and len(options.auth) == 2:
        user, password = map(str, options.auth)
    if user:
        secret = base64.b64encode(f"{user}:{password or ''}".encode()).decode("ascii")
        headers["Authorization"] = f"Basic {secret}"
    return urllib.request.Request(  # noqa: S310 — http(s), checked by the caller
        url,
        data=None if data is None else str(data).encode("utf-8"),
        headers=headers,
        method=options.method.upper(),
    )


def _tls(options: QueryOptions) -> ssl.SSLContext | None:
    if not options.url.startswith("https://"):
        return None
    context = ssl.create_default_context(cafile=options.ca_bundle)
    if not options.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _decode(found: dict[str, Any], body: str, options: QueryOptions, kind: str) -> None:
    wanted = options.decode_type
    if wanted == "auto":
        wanted = next((each for each in ("json", "yaml", "xml") if each in kind), "plain")
    try:
        if wanted == "json":
            found["dict"] = json.loads(body)
        elif wanted == "yaml":
            from limpet.states.sls.jinja.serializing import load_yaml

            found["dict"] = load_yaml(body)
        elif wanted == "plain":
            found["text"] = body
        else:
            raise UsageError(f"http.query: there is no decode_type {wanted!r}; json and yaml are")
    except ValueError as error:
        found["error"] = f"the answer of {options.url} is no {wanted}: {error}"
