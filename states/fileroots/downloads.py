"""Files of web servers, brought into the minion's cache.

One whose checksum is known is fetched once; any other each time, unless the server says by its
`ETag` that it is the same. A connection that breaks goes on where it stopped, where the server has
the same file still. Addresses are told without the name, password and query in them.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

from limpet.common.errors import HostError
from limpet.states.fileroots.names import is_inside
from limpet.states.fileroots.port import FILE_BYTES_MAX
from limpet.states.fileroots.served.cache import FileCache
from limpet.states.fileroots.served.partial import Incoming

SILENCE_S: Final = 30.0
"""Without a word from a server."""
DOWNLOAD_S_MAX: Final = 4 * 3600.0
ATTEMPTS_MAX: Final = 5
REDIRECTS_MAX: Final = 5
_PIECE_BYTES: Final = 256 * 1024
_NOTE_BYTES_MAX: Final = 16 * 1024
_SAFE: Final = "/%:=&~+!$,;'@()*[]"
_WONT_SAY: Final = (http.HTTPStatus.METHOD_NOT_ALLOWED, http.HTTPStatus.NOT_IMPLEMENTED)
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True, slots=True)
class Fetching:
    """How a file of a web server is fetched."""

    algorithm: str = ""
    checksum: str = ""
    """In hex, of that algorithm: a kept file that has it is not fetched again."""
    is_by_etag: bool = False
    """Ask the server whether the kept file is still the same."""
    is_verifying_tls: bool = True


@dataclass(frozen=True, slots=True)
class _Note:
    """What is known of an address from an earlier time."""

    digest: str = ""
    etag: str = ""


@dataclass(slots=True)
class _Transfer:
    """One file that is coming, over one connection or several."""

    address: str
    how: Fetching
    incoming: Incoming
    etag: str = ""
    validator: str = ""
    """Tells the server which file a range is wanted of; empty: nobody knows."""
    total: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Downloads:
    """Fetches over http, https and ftp. Raises `HostError`."""

    def __init__(
        self, cache: FileCache, clock: Callable[[], float], wait: Callable[[float], None]
    ) -> None:
        """`clock` gives seconds."""
        self._cache = cache
        self._clock = clock
        self._wait = wait

    def place_of(self, address: str, saltenv: str) -> str:
        """Give where a fetched file lies: `extrn_files/ENV/HOST/PATH` in the cache."""
        return self._cache.place_of("extrn_files", self._path(address, saltenv))

    def local_copy(self, address: str, saltenv: str, how: Fetching | None = None) -> str | None:
        """Fetch a file, if need be, and give where it lies; None: the server has none."""
        how = how or Fetching()
        note = self._note(address)
        if digest := self._kept(note, how):
            return self._cache.publish("extrn_files", self._path(address, saltenv), digest)
        is_asking = how.is_by_etag and note.etag and self._cache.is_sound(note.digest)
        headers = {"If-None-Match": note.etag} if is_asking else {}
        self._cache.make()
        with Incoming(f"{self._cache.directory}/partial") as incoming:
            transfer = _Transfer(address, how, incoming, headers=headers)
            status = self._fetched(transfer)
            if status == http.HTTPStatus.NOT_FOUND:
                return None
            if status == http.HTTPStatus.NOT_MODIFIED and is_asking:
                digest = note.digest
            else:
                digest = self._cache.adopt(incoming)
                self._keep_note(address, _Note(digest, transfer.etag))
        return self._cache.publish("extrn_files", self._path(address, saltenv), digest)

    def is_there(self, address: str) -> bool:
        """Say whether the server has the file, without fetching it; yes where it won't say."""
        try:
            with _opened(address, Fetching(), {}, method="HEAD"):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return error.code in (
                http.HTTPStatus.METHOD_NOT_ALLOWED,
                http.HTTPStatus.NOT_IMPLEMENTED,
            )
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def forget(self, address: str, saltenv: str) -> None:
        """Remove what was kept of an address."""
        note = self._note(address)
        for path in (self.place_of(address, saltenv), self._note_path(address)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        if note.digest:
            self._cache.drop(note.digest)

    def _kept(self, note: _Note, how: Fetching) -> str:
        """Give the digest of a kept body that has the wanted checksum; empty: there is none."""
        if not how.checksum:
            return ""
        if how.algorithm == "sha256":
            return how.checksum if self._cache.is_sound(how.checksum) else ""
        if not note.digest or not self._cache.is_sound(note.digest):
            return ""
        found = self._cache.checksum(note.digest, how.algorithm)
        return note.digest if found == how.checksum else ""

    # Fetching

    def _fetched(self, transfer: _Transfer) -> int:
        """Bring all of it, over as many connections as it takes; give the first answer's status."""
        ends_s = self._clock() + DOWNLOAD_S_MAX
        for attempt in range(1, ATTEMPTS_MAX + 1):
            before = transfer.incoming.size
            try:
                status = self._attempt(transfer, ends_s)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.NOT_MODIFIED):
                    return error.code
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and before:
                    transfer.incoming.empty()
                    continue
                raise HostError(
                    f"{shown(transfer.address)}: the server answers {error.code} {error.reason}"
                ) from error
            except (OSError, ValueError, http.client.HTTPException) as error:
                if not transfer.incoming.size or attempt == ATTEMPTS_MAX:
                    raise HostError(
                        f"{shown(transfer.address)} can't be fetched: {_reason(error)}"
                    ) from error
            else:
                if transfer.total is None or transfer.incoming.size == transfer.total:
                    return status
            self._wait(min(2.0 ** (attempt - 1), 8.0))
        raise HostError(
            f"{shown(transfer.address)} can't be fetched: the connection broke {ATTEMPTS_MAX} "
            f"times, {transfer.incoming.size} of {transfer.total} bytes have come"
        )

    def _attempt(self, transfer: _Transfer, ends_s: float) -> int:
        incoming = transfer.incoming
        headers = dict(transfer.headers)
        if incoming.size:
            if transfer.validator or transfer.how.checksum:
                headers["Range"] = f"bytes={incoming.size}-"
                if transfer.validator:
                    headers["If-Range"] = transfer.validator
            else:
                incoming.empty()  # it may be another file by now, and nothing would tell
        with _opened(transfer.address, transfer.how, headers) as answer:
            status = int(getattr(answer, "status", None) or 200)
            begins = _RANGE.match(answer.headers.get("Content-Range", ""))
            if status != http.HTTPStatus.PARTIAL_CONTENT or begins is None:
                incoming.empty()
            elif int(begins.group(1)) != incoming.size:
                raise ValueError("the server sends another part of the file than it was asked for")
            self._note_answer(transfer, answer.headers)
            while piece := answer.read1(_PIECE_BYTES):  # what is there: a deadline has to be seen
                if incoming.size + len(piece) > FILE_BYTES_MAX:
                    raise HostError(
                        f"{shown(transfer.address)} has more than {FILE_BYTES_MAX} bytes"
                    )
                incoming.add(piece)
                if self._clock() > ends_s:
                    raise HostError(
                        f"{shown(transfer.address)} has not come in {DOWNLOAD_S_MAX:.0f} s: "
                        f"{incoming.size} bytes have"
                    )
        return status

    def _note_answer(self, transfer: _Transfer, headers: Mapping[str, str]) -> None:
        transfer.etag = headers.get("ETag", "")[:1000]
        is_strong = transfer.etag.startswith('"')
        transfer.validator = transfer.etag if is_strong else headers.get("Last-Modified", "")[:100]
        length = headers.get("Content-Length", "")
        transfer.total = transfer.incoming.size + int(length) if length.isdigit() else None

    # What is known from earlier

    def _path(self, address: str, saltenv: str) -> str:
        """Give the path in Salt's form: the host without credentials, then path and query."""
        parts = urllib.parse.urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        path = parts.path.strip("/") + (f"-{parts.query}" if parts.query else "")
        found = f"{saltenv}/{host}/{path}"
        return found if is_inside(found) else f"{saltenv}/{_name(address)}"

    def _note_path(self, address: str) -> str:
        return f"{self._cache.directory}/web/{_name(address)}"

    def _note(self, address: str) -> _Note:
        try:
            with open(self._note_path(address), "rb") as file:
                data: Any = json.loads(file.read(_NOTE_BYTES_MAX))
            return _Note(str(data["digest"]), str(data["etag"]))
        except (OSError, ValueError, KeyError, TypeError):
            return _Note()

    def _keep_note(self, address: str, note: _Note) -> None:
        path = self._note_path(address)
        beside = f"{path}.{os.urandom(8).hex()}"
        with contextlib.suppress(OSError):  # a hint: without it the file is fetched again
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            with open(beside, "x", encoding="utf-8") as file:
                json.dump({"digest": note.digest, "etag": note.etag}, file)
            os.rename(beside, path)


def shown(address: str) -> str:
    """Give an address as it may be told: without name, password and the values of its query."""
    parts = urllib.parse.urlsplit(address)
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{query}"


def _name(address: str) -> str:
    return hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error.reason, str):
        error = error.reason
    if isinstance(error, TimeoutError):
        return f"the server has said nothing for {SILENCE_S:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, never from https to http; credentials stay with their server."""

    max_redirections = REDIRECTS_MAX

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if after.scheme not in ("http", "https") or (
            before.scheme == "https" and after.scheme == "http"
        ):
            raise ValueError(f"the server redirects from {before.scheme} to {after.scheme}")
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        secret = req.unredirected_hdrs.get("Authorization")
        if made is not None and secret and before[:2] == after[:2]:
            made.add_unredirected_header("Authorization", secret)
        return made


def _opened(address: str, how: Fetching, headers: Mapping[str, str], method: str = "GET") -> Any:  # noqa: ANN401
    """Open a connection; proxies are those of the environment."""
    parts = urllib.parse.urlsplit(address)
    host = parts.netloc
    secret = ""
    if parts.scheme in ("http", "https"):
        secret, _, host = parts.netloc.rpartition("@")
    plain = parts._replace(
        netloc=host,
        path=urllib.parse.quote(parts.path, safe=_SAFE),
        query=urllib.parse.quote(parts.query, safe=_SAFE + "?"),
        fragment="",
    )
    request = urllib.request.Request(  # noqa: S310 — http, https or ftp: looked at by the caller
        plain.geturl(), headers={"User-Agent": "limpet", **headers}, method=method
    )
    if secret:
        text = urllib.parse.unquote(secret).encode("utf-8", "surrogateescape")
        request.add_unredirected_header(
            "Authorization", "Basic " + base64.b64encode(text).decode("ascii")
        )
    handlers: list[urllib.request.BaseHandler] = [_Redirects()]
    if not how.is_verifying_tls:  # else the library's own, which verifies
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    return opener.open(request, timeout=SILENCE_S)
