"""Who follows a run on the minion itself: its journal, and the view of those who watch it.

Both are for the run that a person asked for; one that a state starts inside another is a part of
that. Nothing that goes wrong here stops a run: it is told as a warning.
"""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from limpet.common.errors import HostError
from limpet.common.identifiers import make_job_id
from limpet.common.storage.files import make_directory
from limpet.states.context import FunctionContext
from limpet.states.library.context import Chunk, tag_of
from limpet.states.runner import journal
from limpet.states.runner.earlier import MARK, Earlier
from limpet.states.runner.journal import Opened, Writer, clean, named
from limpet.states.runner.progress import Progress
from limpet.states.runner.telling import Teller

NAMED_MAX = 20
"""So many states are named where the tree has changed."""

Kind = Literal["top", "sls", "high", "text", "chunks"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which states are to be run."""

    kind: Kind
    """Those of the `top` file, of some `sls`, of `high` data, of a `text`, low `chunks`."""
    data: Any = None
    """The names of the SLS, the high data, the text (or a mapping of it and the `sls` that it
    stands for), the chunks."""
    id_: str | None = None
    """Of the SLS only this id (or name), and what it needs."""


@dataclass(slots=True)
class Following:
    """Follows one run; use it in a `with`, and `open` it before the run."""

    context: FunctionContext
    progress: Progress
    """Whoever else wants to be told."""
    earlier: Earlier = field(default_factory=Earlier)
    warnings: list[str] = field(default_factory=list)
    """What is to be said beside the results."""
    _writer: Writer | None = None
    _teller: Teller | None = None
    _is_planned: bool = False

    def open(self, asked: Asked, wishes: Mapping[str, Any], *, is_test: bool) -> None:
        """Begin the journal and the view."""
        context = self.context
        if not context.is_published:
            return
        if not context.jid:
            context.jid = make_job_id(time.time(), random.SystemRandom())
        if context.is_followed:
            self._teller = Teller(context.stream, context.mask)
        data, told = context.mask(asked.data), context.mask(dict(wishes))
        opened = Opened(
            context.jid,
            asked.kind,
            data,
            asked.id_,
            is_test,
            told,
            self.earlier.jid,
            tuple(self.earlier.doubtful),
            time.time(),
            is_hidden=(data, told) != (asked.data, dict(wishes)),
        )
        directory = journal.directory_of(context.places.state_directory)
        try:
            make_directory(directory)
            self._writer = Writer(directory / context.jid, opened)
        except (HostError, OSError, ValueError) as error:
            self.warnings.append(f"this run has no journal and can't be resumed: {error}")

    def planned(self, chunks: Sequence[Chunk]) -> None:
        """Write it down, with what was done before."""
        mask, writer = self.context.mask, self._writer
        slses = {mask(tag_of(chunk)): str(chunk.get("__sls__", "")) for chunk in chunks}
        if self._teller is not None:
            self._teller.planned(len(slses))
        if writer is not None:
            writer.planned(list(slses.items()))
        if self._is_planned:
            return
        self._is_planned = True
        if self.earlier.jid:
            self._compare({clean(tag) for tag in slses})
            for chunk in chunks if writer is not None else ():
                tag = tag_of(chunk)
                before = self.earlier.result(tag, chunk)
                if before is not None and writer is not None:
                    writer.ended(mask(tag), before)
        if writer is not None:
            self._hand_over()

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Write it down before the state does anything."""
        if self._writer is not None:
            self._writer.began(self.context.mask(tag), time.time())
        if self._teller is not None:
            self._teller.begins(tag, chunk)
        self.progress.begins(tag, chunk)

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Write it down, if that has not been done."""
        if self._writer is not None and MARK not in result:
            mask = self.context.mask
            self._writer.ended(mask(tag), mask(result))
        if self._teller is not None:
            self._teller.ended(tag, result)
        self.progress.ended(tag, result)

    def over(self, *, is_good: bool) -> None:
        """Note that the run has come to its end."""
        if self._writer is not None:
            self._writer.over(is_good=is_good)
            if self._writer.trouble:
                self.warnings.append(
                    f"the journal of this run is not whole: {self._writer.trouble}"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._teller is not None:
            self._teller.close()
        if self._writer is not None:
            self._writer.close()

    def _compare(self, tags: set[str]) -> None:
        """Say how the tree differs from the one of the earlier run."""
        before = self.earlier.planned
        gone = [tag for tag in before if tag not in tags]
        new = sorted(tags.difference(before))
        words = [
            f"{what}: {', '.join(map(named, found[:NAMED_MAX]))}"
            + (f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else "")
            for what, found in (("gone, and dropped", gone), ("new", new))
            if found
        ]
        if words:
            told = "; ".join(words)
            self.warnings.append(f"the tree has changed since run {self.earlier.jid}: {told}")

    def _hand_over(self) -> None:
        """Note in the journal of the earlier run that this one knows more."""
        if self.earlier.jid and self.earlier.recorded is not None:
            directory = journal.directory_of(self.context.places.state_directory)
            with suppress(OSError):  # it was pruned: nobody can go on from it any more
                journal.continue_in(
                    directory / self.earlier.jid, self.earlier.recorded, self.context.jid
                )
