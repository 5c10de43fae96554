"""The thread that answers reading questions, so that the loop never waits for them."""

import sqlite3
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet.common.clock import FOREVER, Clock, Instant
from limpet.common.control.replies import Refused, Reply
from limpet.common.storage import sqlite
from limpet.master.core.effects import Client, Fetch, Query
from limpet.master.store import history

QUESTION_S_MAX: Final = 10.0
"""How long one question may read before it is refused."""
QUESTIONS_MAX: Final = 1_000
"""Questions that wait at once; more are refused as busy."""
_PAUSE_S: Final = 0.02
_PAUSES_MAX: Final = 75
"""A second and a half at most: moving a long log into the file takes less."""
_STEPS: Final = 10_000
"""Instructions of SQLite between two looks at the time."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The replies to the oldest question of this client that was not answered yet."""

    client: Client
    replies: tuple[Reply, ...]


class Reader:
    """Answers questions in the order in which they were asked."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        report: Callable[[Answered], None],
        is_asked_to_pause: Callable[[], bool],
    ) -> None:
        """Open a connection of its own. `report` is called in this thread and must not wait.

        `is_asked_to_pause`: whether the writer needs a moment in which nobody reads.

        Raises `HostError`.
        """
        self._path = path
        self._clock = clock
        self._report = report
        self._is_asked_to_pause = is_asked_to_pause
        self._database = sqlite.connect(path, is_read_only=True, cache_kib=1024)
        self._deadline = FOREVER
        self._database.set_progress_handler(self._is_late, _STEPS)
        self._questions: deque[Query | Fetch] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="store-reader", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def ask(self, question: Query | Fetch) -> bool:
        """Queue a question, answered by one `Answered`; False if too many wait."""
        with self._changed:
            if len(self._questions) >= QUESTIONS_MAX:
                return False
            self._questions.append(question)
            self._changed.notify()
        return True

    def stop(self, *, within_s: float) -> bool:
        """End the thread, whatever still waits; False if it took too long."""
        with self._changed:
            self._is_stopping = True
            self._deadline = Instant(0.0)
            self._changed.notify()
        if self._thread.ident is None:
            self._database.close()
            return True
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (question := self._take()) is not None:
                self._pause()
                self._report(Answered(question.client, self._answer(question)))
        finally:
            self._database.close()

    def _take(self) -> Query | Fetch | None:
        with self._changed:
            while not self._questions and not self._is_stopping:
                self._changed.wait()
            if self._is_stopping:
                return None
            self._deadline = self._clock.now().after(QUESTION_S_MAX)
            return self._questions.popleft()

    def _pause(self) -> None:
        """Begin no transaction for a while if the writer asks for that, between two questions."""
        for _ in range(_PAUSES_MAX):
            if self._is_stopping or not self._is_asked_to_pause():
                return
            with self._changed:
                self._changed.wait(_PAUSE_S)

    def _answer(self, question: Query | Fetch) -> tuple[Reply, ...]:
        try:
            self._database.execute("BEGIN")
            try:
                return self._read(question)
            finally:
                self._database.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
                return (Refused("store", sqlite.explain(self._path, error)),)
            return (
                Refused(
                    "busy",
                    f"reading the history took more than {QUESTION_S_MAX:.0f} s: "
                    "ask for less (`limpet jobs list --limit N`)",
                ),
            )
        except sqlite3.Error as error:
            return (Refused("store", sqlite.explain(self._path, error)),)
        except Exception as error:  # noqa: BLE001
            # A mistake of ours in one question must not take the others' answers away.
            text = traceback.format_exc(limit=-3)
            return (Refused("failed", f"the history can't be read: {error!r}\n{text}"),)

    def _read(self, question: Query | Fetch) -> tuple[Reply, ...]:
        match question:
            case Query(request=request):
                return tuple(history.answer(self._database, request))
            case Fetch(jid=jid, minion=minion):
                update = history.fetch(self._database, jid, minion)
                return (update,) if update else ()

    def _is_late(self) -> bool:
        """Tell SQLite to give up (called in the reader's thread)."""
        return self._clock.now().boot >= self._deadline
