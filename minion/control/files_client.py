"""Files, listings and pillar of the master, for jobs: asked through the link of this minion.

Blocks, as jobs may, and never for longer than `QUESTION_S`. The link may be restarted meanwhile:
the question is put again to the next one, for nothing is changed by asking.
"""

import os
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import HostError
from limpet.common.messages.fields import ARGUMENTS_BYTES_MAX
from limpet.minion.control.client import LocalClient
from limpet.minion.control.messages import (
    AskSource,
    LocalPiece,
    LocalRefused,
    LocalServed,
    PullSource,
)
from limpet.states.ports.served import Question, Served, SourceChanged

QUESTION_S: Final = 1830.0
"""How long one question may take in all; the link gives up after two minutes without a word of the
master, and after half an hour in its line."""
PAUSE_S: Final = 0.25
"""Between two tries to reach a link that is away."""

_AGAIN: Final = ("busy", "stopping")
"""Reasons of the link to refuse that pass by themselves."""


class SourcesOfMaster:
    """The real `limpet.states.ports.served.MasterSources`; not shared between threads."""

    def __init__(self, path: Path, *, question_s: float = QUESTION_S) -> None:
        """Take the place of the minion's Unix socket; nothing is opened before it is needed."""
        self._path = path
        self._question_s = question_s
        self._client: LocalClient | None = None
        self._owner = 0
        self._attributes: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(
            dict[str, Any]
        )

    def ask(self, question: Question, *, known: str = "") -> Served:
        """Ask what there is; see `MasterSources.ask`."""
        reply = self._put(
            question,
            AskSource(
                question.kind,
                question.environment,
                question.name,
                _encoded(question),
                known,
            ),
        )
        if not isinstance(reply, LocalServed):
            raise HostError(f"{_shown(question)}: the minion said {reply!r:.200} instead")
        try:
            attributes = self._attributes.decode(reply.attributes) if reply.attributes else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HostError(f"{_shown(question)}: the master described it badly") from error
        body = reply.body if reply.has_body else None
        return Served(reply.is_found, reply.digest, reply.total, attributes, body)

    def pull(self, question: Question, served: Served, offset: int) -> bytes:
        """Give the next piece; see `MasterSources.pull`."""
        reply = self._put(
            question,
            PullSource(question.kind, question.environment, question.name, served.digest, offset),
        )
        if not isinstance(reply, LocalPiece) or reply.offset != offset:
            raise HostError(f"{_shown(question)}: the minion sent another piece than asked for")
        if reply.is_changed:
            raise SourceChanged(f"{_shown(question)} was changed on the master meanwhile")
        return reply.data

    def close(self) -> None:
        """Let go of the connection; the next question opens one again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _put(
        self, question: Question, request: AskSource | PullSource
    ) -> LocalServed | LocalPiece | object:
        """Ask until there is an answer, a final refusal, or no time left."""
        end = time.monotonic() + self._question_s
        while True:
            if self._owner != os.getpid():  # a forked process must not share its parent's line
                self.close()
                self._owner = os.getpid()
            was_open = self._client is not None
            try:
                if self._client is None:
                    self._client = LocalClient(self._path)
                reply = self._client.ask(request, wait_s=max(1.0, end - time.monotonic()))
            except UnicodeEncodeError as error:
                raise HostError(f"{_shown(question)}: its name is not UTF-8") from error
            except HostError as error:
                self.close()
                if was_open:
                    continue  # closed because it was idle: that is no failure
                if time.monotonic() + PAUSE_S >= end:
                    raise HostError(f"{_shown(question)}: {error}") from error
            else:
                if not isinstance(reply, LocalRefused):
                    return reply
                if reply.reason == "usage":
                    self.close()  # the link does so too
                if reply.reason not in _AGAIN or time.monotonic() + PAUSE_S >= end:
                    raise HostError(_with_name(question, reply.text))
            time.sleep(PAUSE_S)


def _encoded(question: Question) -> bytes:
    """Give the arguments as they travel. Raises `HostError` where they are too large."""
    if not question.arguments:
        return b""
    try:
        arguments = msgspec.msgpack.encode(dict(question.arguments))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        text = f"an argument can't be sent to the master: {error}"
        raise HostError(f"{_shown(question)}: {text}") from error
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        text = (
            f"its arguments have {len(arguments)} bytes, more than {ARGUMENTS_BYTES_MAX}: "
            "are the grains, or the pillar given with the command, so large?"
        )
        raise HostError(f"{_shown(question)}: {text}")
    return arguments


def _with_name(question: Question, text: str) -> str:
    shown = _shown(question)
    return text if text.startswith(shown) else f"{shown}: {text}"


def _shown(question: Question) -> str:
    """Name what is asked for, fit for a message."""
    if question.kind == "file":
        return f"salt://{question.name} ({question.environment})"
    if question.kind == "listing":
        return f"the list of the files of the master's environment {question.environment!r}"
    if question.kind == "environments":
        return "the list of the master's environments"
    return "the pillar of this minion"
