"""The fork server: what it does with held supervisors when its link is gone."""

import socket

from limpet.minion.workers import supervisor
from limpet.minion.workers.fork_server import ForkServer


def test_held_supervisors_are_let_go_when_an_answer_finds_the_link_gone() -> None:
    """kill -9 of the link while a second job is made: the first one must not be held for ever."""
    link, servers_end = socket.socketpair()
    fork_server = ForkServer(servers_end)
    held, first = socket.socketpair()
    new, second = socket.socketpair()
    fork_server._lines = {"A": first, "B": second}
    fork_server._waiting = {second.fileno(): "B"}
    new.send(supervisor.HELD)
    link.close()
    for each in (held, new):
        each.settimeout(5.0)
    try:
        fork_server._turn()
        assert held.recv(1) == b""
        assert new.recv(1) == b""
        assert fork_server._is_done()
    finally:
        for each in (held, new, first, second, servers_end):
            each.close()
