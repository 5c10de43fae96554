"""A web server on loopback: breaks connections, redirects, knows ETags, ranges, passwords."""

import base64
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass
class Request:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class WebServer:
    """Serves `files` by path while its `with` lasts."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    """Paths that are answered with an error."""
    has_ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    """So many bytes are sent before each of the next answers breaks."""
    stall_s: float = 0.0
    """In the middle of each body nothing is sent for so long, or until the server ends."""
    password: str = ""
    """`user:password` that every request must have."""
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        owner = self
        self._ending = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.answer(self)

            def do_HEAD(self) -> None:
                owner.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """Give the beginning of all addresses, without a slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def paths(self) -> list[str]:
        """Give the paths that were asked for."""
        return [each.path for each in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        headers = dict(handler.headers.items())
        self.requests.append(Request(handler.command, handler.path, headers))
        handler.close_connection = True
        wanted = "Basic " + base64.b64encode(self.password.encode()).decode()
        if self.password and headers.get("Authorization") != wanted:
            self._send(handler, 401, b"", {})
        elif target := self.redirects.get(handler.path):
            self._send(handler, 302, b"", {"Location": target})
        elif status := self.statuses.get(handler.path):
            self._send(handler, status, b"", {})
        elif handler.path not in self.files:
            self._send(handler, 404, b"", {})
        else:
            self._file(handler, self.files[handler.path], headers)

    def _file(self, handler: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str]) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if headers.get("If-None-Match") == etag:
            self._send(handler, 304, b"", {"ETag": etag})
            return
        begin = 0
        asked = headers.get("Range", "")
        if self.has_ranges and asked and headers.get("If-Range", etag) == etag:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        more = {"ETag": etag}
        if begin:
            more["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        self._send(handler, 206 if begin else 200, body[begin:], more)

    def _send(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 304:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if body and self.break_after:
            body = body[: self.break_after.pop(0)]
        if body and self.stall_s:
            handler.wfile.write(body[: len(body) // 2])
            self._ending.wait(self.stall_s)
            body = body[len(body) // 2 :]
        handler.wfile.write(body)
