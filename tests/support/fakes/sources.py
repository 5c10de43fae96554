"""A master's file server in memory, for jobs: it cuts lines, changes files, lies, goes away."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from limpet.common.errors import HostError
from limpet.states.ports.served import Question, Served, SourceChanged


@dataclass
class FakeSources:
    """Serves `files` by environment and path. `asked` and `pulled` tell what it was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"base": {}})
    modes: dict[str, int] = field(default_factory=dict)
    """By path; else 0644."""
    folders: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    pillar: dict[str, Any] = field(default_factory=dict)
    inline_bytes_max: int = 64
    piece_bytes: int = 32
    lists_digests: bool = True
    rows: list[Any] | None = None
    """Listed instead of what there is."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, environment and name of each question."""
    pulled: list[int] = field(default_factory=list)
    """The offset of each piece."""
    bodies_sent: int = 0
    bytes_moved: int = 0
    is_away: bool = False
    cut_after: int | None = None
    """So many more pieces are given before the master goes away."""
    before_piece: Callable[[int], None] | None = None
    """Called with the offset before each piece."""
    spoil: Callable[[bytes], bytes] | None = None
    """What becomes of a body on its way."""

    def ask(self, question: Question, *, known: str = "") -> Served:
        """Answer as a master does."""
        self._listen(question)
        self.asked.append((question.kind, question.environment, question.name))
        body = self._body(question)
        if body is None:
            return Served(False)
        digest = hashlib.sha256(body).hexdigest()
        attributes = {"mode": self.modes.get(question.name, 0o644), "mtime_s": 1_700_000_000}
        is_sent = known != digest and len(body) <= self.inline_bytes_max
        if is_sent:
            self.bodies_sent += 1
            self.bytes_moved += len(body)
        sent = self._spoilt(body) if is_sent else None
        return Served(True, digest, len(body), attributes, sent)

    def pull(self, question: Question, served: Served, offset: int) -> bytes:
        """Give a piece, or be cut off."""
        self._listen(question)
        if self.before_piece is not None:
            self.before_piece(offset)
        if self.cut_after is not None:
            if self.cut_after == 0:
                self.is_away = True
                self._listen(question)
            self.cut_after -= 1
        body = self._body(question)
        if body is None or hashlib.sha256(body).hexdigest() != served.digest:
            raise SourceChanged(f"{question.name} was changed on the master meanwhile")
        self.pulled.append(offset)
        piece = self._spoilt(body)[offset : offset + self.piece_bytes]
        self.bytes_moved += len(piece)
        return piece

    def questions(self, kind: str) -> list[str]:
        """Give the names that were asked for, of one kind."""
        return [name for asked, _, name in self.asked if asked == kind]

    def _listen(self, question: Question) -> None:
        if self.is_away:
            raise HostError(f"{question.kind} {question.name}: no answer from the master for 120 s")

    def _body(self, question: Question) -> bytes | None:
        if question.kind == "environments":
            return msgspec.msgpack.encode(list(self.files))
        if question.kind == "pillar":
            return msgspec.msgpack.encode({"data": self.pillar, "errors": []})
        if question.environment not in self.files:
            return None
        if question.kind == "listing":
            return msgspec.msgpack.encode(self._rows(question.environment))
        return self.files[question.environment].get(question.name)

    def _rows(self, environment: str) -> list[Any]:
        if self.rows is not None:
            return self.rows
        files = self.files[environment]
        above = {path.rpartition("/")[0] for path in files}
        folders = {each for each in (*self.folders, *above) if each}
        return [
            *([each, "directory", 0o755, 0, ""] for each in folders),
            *([path, "link", 0o777, 0, target] for path, target in self.links.items()),
            *(
                [
                    path,
                    "file",
                    self.modes.get(path, 0o644),
                    len(body),
                    "",
                    hashlib.sha256(body).hexdigest() if self.lists_digests else "",
                ]
                for path, body in files.items()
            ),
        ]

    def _spoilt(self, body: bytes) -> bytes:
        return body if self.spoil is None else self.spoil(body)
