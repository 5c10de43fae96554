"""Names, ports and who has them, on loopback."""

import os
import socket
import threading
import time

import pytest

from limpet.common.setup.listeners import who_listens
from limpet.common.setup.reach import connect, connect_all, resolve


def test_an_address_is_its_own_answer() -> None:
    assert resolve("192.0.2.1").addresses == ("192.0.2.1",)
    assert resolve("::1").addresses == ("::1",)


def test_a_name_without_address_says_so() -> None:
    found = resolve("nowhere.invalid")
    assert found.addresses == ()
    assert found.problem


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "late")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    found = resolve("slow.example.org", 0.2)
    over.set()
    assert time.monotonic() - began < 5
    assert "did not answer within 0.2 s" in found.problem


def test_open_and_refused_are_told_apart_and_who_listens_is_named() -> None:
    with socket.socket() as listening, socket.socket() as bound:
        for each in (listening, bound):
            each.bind(("127.0.0.1", 0))
        listening.listen()
        opened, closed = listening.getsockname()[1], bound.getsockname()[1]
        found = connect_all([("127.0.0.1", opened), ("127.0.0.1", closed)])
        assert [each.verdict for each in found] == ["open", "refused"]
        assert found[1].text == f"127.0.0.1 port {closed} refused"
        assert any(f"(pid {os.getpid()})" in each for each in who_listens(opened))
        assert who_listens(closed) == ()


def test_silence_is_filtered() -> None:
    """A listener whose queue is full answers nobody, as a firewall that drops."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        waiting = []
        for _ in range(3):
            plug = socket.socket()
            plug.setblocking(False)
            plug.connect_ex(place)
            waiting.append(plug)
        found = connect(place[0], place[1], 0.3)
        for plug in waiting:
            plug.close()
    assert (found.verdict, found.detail) == ("filtered", "no answer within 0.3 s")


def test_a_place_without_a_way_is_unreachable() -> None:
    assert connect("255.255.255.255", 9, 1.0).verdict == "unreachable"
