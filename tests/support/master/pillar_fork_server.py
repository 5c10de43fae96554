"""A pillar fork server without a master: questions in, pillars out."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from limpet.common.clock import SystemClock
from limpet.common.observability.logs import Level, Log
from limpet.common.transport.sockets import Poller
from limpet.master.pillar.io.supervisor import RendererSupervisor
from limpet.master.pillar.messages import Render, Rendered, Setup
from limpet.states.pillar.body import decode_pillar
from limpet.states.pillar.compile import Pillar

WAIT_S = 60.0


class PillarForkServer:
    """Use it as a context manager; `folder` gets the pillar files."""

    def __init__(self, folder: Path, **more: Any) -> None:  # noqa: ANN401
        self.folder = folder
        self._configuration = {
            "file_roots": {"base": [str(folder / "states")]},
            "pillar_roots": {"base": [str(folder / "pillar")]},
            **more.pop("configuration", {}),
        }
        (folder / "pillar").mkdir(exist_ok=True)
        (folder / "work").mkdir(exist_ok=True)
        self._setup = Setup(
            self._configuration,
            str(folder / "master.yaml"),
            str(folder / "work"),
            int(Level.INFO),
            **more,
        )
        self.link = RendererSupervisor(self._setup, Log())
        self._clock = SystemClock()
        self._number = 0
        self.answers: dict[int, Rendered] = {}

    def __enter__(self) -> "PillarForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def write(self, files: Mapping[str, str]) -> None:
        """Write pillar files."""
        for name, text in files.items():
            path = self.folder / "pillar" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def reconfigure(self, configuration: Mapping[str, Any]) -> None:
        """Let later renderings go by another configuration."""
        whole = {**self._configuration, **configuration}
        self.link.reconfigure(msgspec.structs.replace(self._setup, configuration=whole))

    def ask(self, minion: str = "web1", **wanted: Any) -> int:  # noqa: ANN401
        """Ask for a pillar; gives the number of the question."""
        self._number += 1
        arguments = msgspec.msgpack.encode(wanted)
        self.link.render(Render(self._number, minion, arguments), self._clock.now())
        return self._number

    def turn(self, wait_s: float = 0.05) -> None:
        """Let the link do what is due."""
        for rendered in self.link.collect(self._clock.now()):
            assert rendered.number not in self.answers, "answered twice"
            self.answers[rendered.number] = rendered
        poller = Poller()
        if self.link.line is not None:
            poller.register(self.link.line, writable=self.link.line.wants_write)
        poller.wait(wait_s)

    def wait(self, *numbers: int, within_s: float = WAIT_S) -> list[Pillar]:
        """Wait for answers and read them."""
        end_s = time.monotonic() + within_s
        while not all(number in self.answers for number in numbers):
            assert time.monotonic() < end_s, f"no answer within {within_s:g} s"
            self.turn()
        return [decode_pillar(self.answers[number].body) for number in numbers]

    def render(self, minion: str = "web1", **wanted: Any) -> Pillar:  # noqa: ANN401
        """Ask and wait."""
        return self.wait(self.ask(minion, **wanted))[0]
