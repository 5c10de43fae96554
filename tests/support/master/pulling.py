"""A job's view of the file server, in a thread: pulls one body and writes down how it went."""

import hashlib
import threading
import time
from pathlib import Path

from limpet.common.errors import HostError
from limpet.minion.control.files_client import SourcesOfMaster
from limpet.states.ports.served import Question, SourceChanged
from support.master.fleet import Fleet, Node, wait_until


def socket_of(node: Node) -> Path:
    """Give the Unix socket of a minion."""
    return node.root / "run" / "minion.sock"


def roots_of(fleet: Fleet, **environments: str) -> Path:
    """Let the master, not yet started, serve a folder as `base`; gives it."""
    states = fleet.folder / "states"
    states.mkdir()
    lines = [f"  base: [{states}]", *(f"  {name}: [{path}]" for name, path in environments.items())]
    with (fleet.master.root / "master.yaml").open("a") as file:
        file.write("file_roots:\n" + "\n".join(lines) + "\n")
    return states


class Pulling(threading.Thread):
    """Pulls one body to its end; with `pause_s` it rests between pieces, so that faults fall in."""

    def __init__(
        self, path: Path, question: Question, *, pause_s: float = 0.0, question_s: float = 60.0
    ) -> None:
        super().__init__(daemon=True)
        self._sources = SourcesOfMaster(path, question_s=question_s)
        self._question = question
        self._pause_s = pause_s
        self.digest = ""
        """Of what was pulled."""
        self.offset = 0
        self.size = -1
        self.problem: HostError | None = None
        self.seconds = 0.0

    def run(self) -> None:
        began = time.monotonic()
        whole = hashlib.sha256()
        try:
            served = self._sources.ask(self._question)
            self.size = served.size
            while self.offset < served.size:
                piece = self._sources.pull(self._question, served, self.offset)
                whole.update(piece)
                self.offset += len(piece)
                time.sleep(self._pause_s)
            self.digest = whole.hexdigest()
        except HostError as error:
            self.problem = error
        finally:
            self.seconds = time.monotonic() - began
            self._sources.close()

    @property
    def was_changed(self) -> bool:
        """Say whether it ended because the body was changed on the master."""
        return isinstance(self.problem, SourceChanged)

    def wait_at(self, offset: int) -> None:
        """Wait until so much has come."""
        wait_until(f"{offset} bytes have come", lambda: self.offset >= offset or self.is_over)
        assert not self.problem, self.problem

    @property
    def is_over(self) -> bool:
        """Say whether it has ended, well or not."""
        return not self.is_alive()

    def finish(self, within_s: float = 60.0) -> None:
        """Wait for the end."""
        self.join(within_s)
        assert self.is_over, f"stands at byte {self.offset} of {self.size}"
