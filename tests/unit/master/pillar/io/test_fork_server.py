"""What the fork server does where no process can be forked."""

import errno
import socket
from collections import deque
from types import SimpleNamespace

import msgspec
import pytest

from limpet.common.control.framing import FramedSocket
from limpet.common.observability.logs import Log
from limpet.master.pillar.io import fork_server
from limpet.master.pillar.messages import LINE_BYTES_MAX, Given, Render, Rendered


@pytest.mark.parametrize("is_one_running", [True, False])
def test_without_processes_a_pillar_waits_for_one_that_runs_and_fails_where_there_is_none(
    is_one_running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(fork_server, "RenderingProcess", no_process)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = FramedSocket(
            ours,
            read_bytes_max=LINE_BYTES_MAX,
            write_bytes_max=LINE_BYTES_MAX,
            queue_bytes_max=LINE_BYTES_MAX,
        )
        tried = fork_server.RendererForkServer(line, Log(identifier="test"))
        tried._setup = SimpleNamespace(wall_s=1.0)  # type: ignore[assignment]
        if is_one_running:
            busy = SimpleNamespace(is_over=False, can_go_on=False)
            tried._running = [busy]  # type: ignore[list-item]
        given = Given(Render(7, "web1", b""), 0.0)
        tried._waiting = deque([given])
        tried._hand_out()
        line.flush()
        theirs.setblocking(False)
        if is_one_running:
            assert list(tried._waiting) == [given]
            with pytest.raises(BlockingIOError):
                theirs.recv(1)
        else:
            assert not tried._waiting
            told = msgspec.msgpack.decode(theirs.recv(100_000)[4:], type=Rendered)
            assert told.number == 7
            assert told.has_errors
