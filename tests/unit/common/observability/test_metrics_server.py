"""The thread that serves metrics: what it answers, and whom it does not let hold it up."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from limpet.common.observability.metrics_server import CLIENTS_MAX, MetricsServer, answer_to, shown
from support.hostile.hostile import plug_from

PAGE = b"# HELP a b\n# TYPE a gauge\na 1\n"


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer(("127.0.0.1", 0), tell=lambda _text: None, client_s=1.5)
    made.publish(PAGE)
    wait_until_open(made)
    yield made
    made.close()


def wait_until_open(server: MetricsServer) -> None:
    end = time.monotonic() + 10
    while not server.port:
        assert time.monotonic() < end
        time.sleep(0.005)


def ask(server: MetricsServer, request: bytes = b"GET /metrics HTTP/1.1\r\n\r\n") -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65536):
        data += piece
    return data


def test_the_page_that_was_handed_over_last_is_served(server: MetricsServer) -> None:
    head, _, body = ask(server).partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in head
    assert f"Content-Length: {len(PAGE)}".encode() in head
    assert body == PAGE
    server.publish(PAGE * 2)
    assert ask(server).endswith(PAGE * 2)


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01\x02\n\n", b"400"),
        (b"GET /metrics\n\n", b"400"),
        (b"\n\n", b"400"),
    ],
)
def test_what_is_not_asked_rightly_is_told_so(
    server: MetricsServer, request_: bytes, status: bytes
) -> None:
    assert ask(server, request_).split()[1] == status


def test_heads_and_questions_are_understood_and_before_the_first_page_nothing_is_made_up() -> None:
    assert answer_to(b"HEAD /metrics HTTP/1.0\r\n\r\n", PAGE).endswith(b"\r\n\r\n")
    assert answer_to(b"GET /metrics?name=a HTTP/1.1\r\n\r\n", PAGE).endswith(PAGE)
    assert answer_to(b"GET /metrics HTTP/1.1\r\n\r\n", b"").startswith(b"HTTP/1.1 503 ")


def test_a_request_in_pieces_is_put_together(server: MetricsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for piece in (b"GET /met", b"rics HTTP/1.1\r\nHost: x\r\n", b"\r\n"):
            connection.sendall(piece)
            time.sleep(0.05)
        assert read_all(connection).endswith(PAGE)


def test_a_request_without_end_is_cut(server: MetricsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        began = time.monotonic()
        with suppress(ConnectionResetError):
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 16_000)
            assert connection.recv(1) == b""
        assert time.monotonic() - began < 1.0  # for its size, not for its time
    assert ask(server).endswith(PAGE)


def test_clients_that_say_nothing_keep_nobody_out_and_are_cut(server: MetricsServer) -> None:
    silent = [plug_from("127.0.0.1", server.port, within_s=15.0) for _ in range(3 * CLIENTS_MAX)]
    began = time.monotonic()
    for connection in silent[::2]:
        with suppress(OSError):  # it had to go already
            connection.sendall(b"GET /metrics HTTP/1.1\r\n")
    assert ask(server).endswith(PAGE)
    assert time.monotonic() - began < 2.0
    for connection in silent:
        with connection:
            try:
                assert connection.recv(1) == b""
            except (ConnectionResetError, BrokenPipeError):
                continue
    assert 1.0 < time.monotonic() - began < 6.0


def test_a_client_that_does_not_read_is_cut_and_holds_nobody_up(server: MetricsServer) -> None:
    server.publish(b"# x\n" * 5_000_000)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        time.sleep(0.2)
        server.publish(PAGE)
        assert ask(server).endswith(PAGE)
        assert time.monotonic() - began < 2.0


def test_many_clients_at_once_are_all_served(server: MetricsServer) -> None:
    answers: list[bytes] = []

    def scrape() -> None:
        for _ in range(20):
            answers.append(ask(server))

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 160
    assert all(answer.endswith(PAGE) for answer in answers)


def test_a_port_that_is_taken_is_told_and_tried_again() -> None:
    told: list[str] = []
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = MetricsServer(("127.0.0.1", port), tell=told.append, bind_again_s=0.05)
        try:
            end = time.monotonic() + 10
            while not told:
                assert time.monotonic() < end
                time.sleep(0.01)
            assert told[0] == f"metrics can't be served at 127.0.0.1:{port}: Address already in use"
            holder.close()
            wait_until_open(server)
            assert told[-1] == ""
        finally:
            server.close()
            server.close()


def test_addresses_are_shown_as_people_write_them() -> None:
    assert shown(("127.0.0.1", 9406)) == "127.0.0.1:9406"
    assert shown(("::1", 9406)) == "[::1]:9406"
