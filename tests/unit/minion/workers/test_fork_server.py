"""The job parent: what it does with held keepers when its link is gone."""

import socket

from limpet.minion.workers import supervisor
from limpet.minion.workers.fork_server import ForkServer


def test_held_keepers_are_let_go_when_an_answer_finds_the_link_gone() -> None:
    """kill -9 of the link while a second job is made: the first one must not be held for ever."""
    link, parents_end = socket.socketpair()
    parent = ForkServer(parents_end)
    held, first = socket.socketpair()
    new, second = socket.socketpair()
    parent._lines = {"A": first, "B": second}
    parent._waiting = {second.fileno(): "B"}
    new.send(supervisor.HELD)
    link.close()
    for each in (held, new):
        each.settimeout(5.0)
    try:
        parent._turn()
        assert held.recv(1) == b""
        assert new.recv(1) == b""
        assert parent._is_done()
    finally:
        for each in (held, new, first, second, parents_end):
            each.close()
