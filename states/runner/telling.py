r"""Telling those who watch how far a run is: records in the live output of its job.

A record is `\x1e` (the record separator of RFC 7464), one line of JSON and `\n`, written at once
and small enough that a pipe keeps it in one piece, wherever in other output it comes:

    {"progress": {"total": 40, "done": 12, "changed": 3, "failed": 0,
        "running": [{"state": "cmd.run", "id": "deploy", "for_s": 8.2}],
        "ended": [{"state": …, "id": …, "result": true, "is_changed": false, "took_s": 0.1}]}}

`ended` are those since the last record, as many as have room. A thread writes, ten times a second
at most and only if there is something new: the run does not wait, and what is lost on the way is
made up for by the next record.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from limpet.states.library.context import Chunk

INTERVAL_S: Final = 0.1
RECORD_BYTES_MAX: Final = 4000
"""What a pipe takes in one piece is 4,096 bytes."""
ID_CHARACTERS_MAX: Final = 120
ENDED_MAX: Final = 20
RUNNING_MAX: Final = 5


class Teller:
    """Tells of one run. `close` writes the last record."""

    def __init__(self, write: Callable[[bytes], None], mask: Callable[[Any], Any]) -> None:
        self._write = write
        self._mask = mask
        self._total = self._done = self._changed = self._failed = 0
        self._running: dict[str, tuple[str, str, float]] = {}
        self._ended: deque[dict[str, Any]] = deque(maxlen=ENDED_MAX)
        self._lock = threading.Lock()
        self._is_new = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def planned(self, number: int) -> None:
        """Take note of so many more states."""
        self._total += number
        self._is_new.set()

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Take note that a state is about to be run."""
        with self._lock:
            self._running[tag] = (*self._named(chunk["state"], chunk["fun"], tag), time.monotonic())
        self._is_new.set()

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Take note of a result."""
        is_changed = bool(result["changes"])
        with self._lock:
            begun = self._running.pop(tag, None)
            self._done += 1
            self._changed += is_changed
            self._failed += result["result"] is False
            if begun is not None:
                self._ended.append(
                    {
                        "state": begun[0],
                        "id": begun[1],
                        "result": result["result"],
                        "is_changed": is_changed,
                        "took_s": round(float(result.get("duration") or 0.0) / 1000, 3),
                    }
                )
        self._is_new.set()

    def close(self) -> None:
        """Write the last record and end."""
        self._is_over.set()
        self._is_new.set()
        self._thread.join(INTERVAL_S * 10)

    def _named(self, module: object, function: object, tag: str) -> tuple[str, str]:
        id_ = str(self._mask(tag.split("_|-", 2)[1]))
        return f"{module}.{function}", id_[:ID_CHARACTERS_MAX]

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._is_new.wait()
            self._is_new.clear()
            self._write(self._record())
            self._is_over.wait(INTERVAL_S)
        if self._is_new.is_set():
            self._write(self._record())

    def _record(self) -> bytes:
        now_s = time.monotonic()
        with self._lock:
            running = list(self._running.values())[:RUNNING_MAX]
            ended = list(self._ended)
            self._ended.clear()
            progress: dict[str, Any] = {
                "total": self._total,
                "done": self._done,
                "changed": self._changed,
                "failed": self._failed,
            }
        progress["running"] = [
            {"state": state, "id": id_, "for_s": round(now_s - began_s, 1)}
            for state, id_, began_s in running
        ]
        while True:
            data = json.dumps({"progress": {**progress, "ended": ended}}).encode()
            if len(data) <= RECORD_BYTES_MAX or not ended:
                return b"\x1e" + data[:RECORD_BYTES_MAX] + b"\n"
            ended = ended[len(ended) // 2 + 1 :]
