"""The floor: what pyzmq, CURVE and msgspec take by themselves for the same work.

A bare ROUTER in one process and N bare DEALERs in others: no keys are checked, nothing is kept on
a disk, nothing is repeated or given up. What limpet takes beyond this is what it does.
"""

import contextlib
import heapq
import multiprocessing
import select
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any, Final

import msgspec
import zmq

PEERS_EACH: Final = 2_500
"""Peers of one process, as in a swarm."""
PIECE_BYTES: Final = 512 * 1024
PIECES_AHEAD: Final = 2
PATIENCE_S: Final = 120.0
_SPAWN: Final = multiprocessing.get_context("spawn")

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode
Keys = tuple[bytes, bytes]


class _Server:
    """The ROUTER's process: does one thing at a time, as it is told."""

    def __init__(self, secret: bytes, backlog: int) -> None:
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.curve_server = True
        self.router.curve_secretkey = secret
        self.router.setsockopt(zmq.BACKLOG, backlog)
        self.router.setsockopt(zmq.SNDHWM, 0)
        self.router.setsockopt(zmq.RCVHWM, 0)
        self.router.setsockopt(zmq.HANDSHAKE_IVL, 120_000)
        self.port = self.router.bind_to_random_port("tcp://127.0.0.1", 20_000, 32_000)
        self.peers: list[bytes] = []
        self.jid = 0

    def _frames(self, count: int, within_s: float = PATIENCE_S) -> Iterator[tuple[bytes, Any]]:
        until = time.monotonic() + within_s
        while count:
            if not self.router.poll(max(0, int((until - time.monotonic()) * 1000))):
                raise TimeoutError(f"{count} frames are missing after {within_s:g} s")
            while count:
                try:
                    peer, frame = self.router.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                count -= 1
                yield peer, decode(frame)

    def _ask(self, peer: bytes, size: int) -> None:
        self.jid += 1
        self.router.send_multipart([peer, encode(["run", self.jid, "test.ping", size])])

    def login(self, count: int) -> int:
        """Hear the hello of all, and welcome each."""
        self.peers = []
        for peer, (_, name) in self._frames(count):
            self.peers.append(peer)
            self.router.send_multipart([peer, encode(["welcome", name])])
        return len(set(self.peers))

    def ask_all(self, size: int) -> tuple[float, int]:
        """Ask all, and hear all; gives seconds, and the bytes that were returned."""
        began = time.perf_counter()
        for peer in self.peers:
            self._ask(peer, size)
        got = sum(len(data) for _, (_, _, data) in self._frames(len(self.peers)))
        return time.perf_counter() - began, got

    def ask_each(self, times: int) -> list[float]:
        """Ask one after the other; gives the seconds of each."""
        samples = []
        for number in range(times):
            began = time.perf_counter()
            self._ask(self.peers[number % len(self.peers)], 4)
            next(self._frames(1))
            samples.append(time.perf_counter() - began)
        return samples

    def ask_ahead(self, times: int, window: int) -> float:
        """Ask with some questions under way at any time; gives the seconds."""
        began = time.perf_counter()
        for number in range(window):
            self._ask(self.peers[number % len(self.peers)], 4)
        asked = window
        for peer, _ in self._frames(times):
            if asked < times:
                asked += 1
                self._ask(peer, 4)
        return time.perf_counter() - began

    def give_file(self, size: int) -> tuple[float, int]:
        """Have all fetch a file piece by piece; gives seconds, and the bytes they say they have."""
        body = bytes(PIECE_BYTES)
        began = time.perf_counter()
        for peer in self.peers:
            self.router.send_multipart([peer, encode(["fetch", size])])
        pieces = -(-size // PIECE_BYTES) + 1  # and the word that it is there
        fetched = 0
        for peer, (kind, number) in self._frames(pieces * len(self.peers)):
            if kind == "piece":
                piece = memoryview(body)[: min(PIECE_BYTES, size - number)]
                self.router.send_multipart([peer, encode(["data", number, piece])])
            else:
                fetched += number
        return time.perf_counter() - began, fetched

    def answer_beats(self, for_s: float) -> int:
        """Answer beats for so long; gives how many came."""
        heard = 0
        until = time.monotonic() + for_s
        with contextlib.suppress(TimeoutError):
            while True:
                for peer, (_, number) in self._frames(1, max(0.0, until - time.monotonic())):
                    heard += 1
                    self.router.send_multipart([peer, encode(["beat", number])])
        return heard


class _Peers:
    """The DEALERs of one process, told apart by the descriptors that libzmq gives out."""

    def __init__(self, port: int, server_key: bytes, keys: list[Keys]) -> None:
        self.context = zmq.Context()
        self.context.set(zmq.MAX_SOCKETS, len(keys) + 8)
        self.endpoint = f"tcp://127.0.0.1:{port}"
        self.server_key = server_key
        self.keys = keys
        self.sockets: dict[int, zmq.Socket[bytes]] = {}
        self.sizes: dict[int, int] = {}
        self.epoll = select.epoll()
        self.welcomed = 0
        self.beats: list[tuple[float, int]] = []
        self.interval_s = 0.0
        self.beat_until = 0.0

    def connect(self) -> None:
        for number, (public, secret) in enumerate(self.keys):
            dealer = self.context.socket(zmq.DEALER)
            dealer.curve_serverkey = self.server_key
            dealer.curve_publickey, dealer.curve_secretkey = public, secret
            dealer.setsockopt(zmq.HANDSHAKE_IVL, 120_000)
            dealer.connect(self.endpoint)
            dealer.send(encode(["hello", f"peer-{number}"]))
            fd = int(dealer.getsockopt(zmq.FD))
            self.sockets[fd] = dealer
            self.epoll.register(fd, select.EPOLLIN)
            self._read(fd)  # a new descriptor tells nothing before somebody has looked

    def beat(self, interval_s: float, for_s: float) -> None:
        now = time.monotonic()
        each_s = interval_s / len(self.sockets)
        self.interval_s, self.beat_until = interval_s, now + for_s
        self.beats = [(now + number * each_s, fd) for number, fd in enumerate(self.sockets)]

    def turn(self) -> None:
        """Wait for frames or for the next beat, and do what they ask for."""
        now = time.monotonic()
        while self.beats and self.beats[0][0] <= now:
            due, fd = heapq.heappop(self.beats)
            self.sockets[fd].send(encode(["beat", 1]))
            self._read(fd)
            if due + self.interval_s < self.beat_until:
                heapq.heappush(self.beats, (due + self.interval_s, fd))
        wait_s = max(0.0, self.beats[0][0] - now) if self.beats else 1.0
        for fd, _ in self.epoll.poll(min(wait_s, 1.0), 512):
            if fd in self.sockets:
                self._read(fd)

    def _read(self, fd: int) -> None:
        dealer = self.sockets[fd]
        while True:  # until nothing is left: the descriptor tells it once
            try:
                kind, number, *rest = decode(dealer.recv(zmq.NOBLOCK))
            except zmq.Again:
                return
            if kind == "run":
                dealer.send(encode(["return", number, b"x" * rest[1]]))
            elif kind == "welcome":
                self.welcomed += 1
            elif kind == "fetch":
                self.sizes[fd] = number
                for offset in range(0, min(number, PIECES_AHEAD * PIECE_BYTES), PIECE_BYTES):
                    dealer.send(encode(["piece", offset]))
            elif kind == "data":
                following = number + PIECES_AHEAD * PIECE_BYTES
                if following < self.sizes[fd]:
                    dealer.send(encode(["piece", following]))
                if number + len(rest[0]) >= self.sizes[fd]:  # the last, as they come in order
                    dealer.send(encode(["fetched", number + len(rest[0])]))


def _serve(pipe: Connection, secret: bytes, backlog: int) -> None:
    server = _Server(secret, backlog)
    pipe.send(server.port)
    while (asked := pipe.recv()) is not None:
        name, arguments = asked
        pipe.send(getattr(server, name)(*arguments))
    server.context.destroy(linger=0)


def _answer(pipe: Connection, port: int, server_key: bytes, keys: list[Keys]) -> None:
    peers = _Peers(port, server_key, keys)
    peers.epoll.register(pipe.fileno(), select.EPOLLIN)
    pipe.send("here")
    told = 0
    while True:
        peers.turn()
        if told == 1 and peers.welcomed == len(keys):
            told = 2
            pipe.send(peers.welcomed)
        if pipe.poll():
            asked = pipe.recv()
            if asked is None:
                break
            if asked == "connect":
                peers.connect()
                told = 1
            else:
                peers.beat(*asked)
    peers.context.destroy(linger=0)


class Floor:
    """A server and N peers that are logged in; use it as a context manager."""

    def __init__(self, peers: int) -> None:
        self.count = peers
        self.port = 0
        self.server_pid = 0
        self._server_keys = zmq.curve_keypair()
        self._keys = [zmq.curve_keypair() for _ in range(peers)]
        self._processes: list[Any] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> "Floor":
        self.login()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def login(self) -> float:
        """Start all anew, let all connect at once, and give the seconds until all are welcomed."""
        self.close()
        server = self._start(_serve, self._server_keys[1], self.count + 100)
        self.server_pid = int(self._processes[0].pid)
        self.port = int(self._heard(server))
        public = self._server_keys[0]
        for first in range(0, self.count, PEERS_EACH):
            self._start(_answer, self.port, public, self._keys[first : first + PEERS_EACH])
        for pipe in self._pipes[1:]:
            self._heard(pipe)
        began = time.perf_counter()
        server.send(("login", (self.count,)))
        for pipe in self._pipes[1:]:
            pipe.send("connect")
        welcomed = sum(self._heard(pipe) for pipe in self._pipes[1:])
        took_s = time.perf_counter() - began
        heard = self._heard(server)
        assert heard == welcomed == self.count, (heard, welcomed, self.count)
        return took_s

    def ping_all(self) -> float:
        """Ask all for a word; gives seconds."""
        return self.returns(4)

    def returns(self, size: int) -> float:
        """Ask all for so many bytes; gives seconds."""
        took_s, got = self._do("ask_all", size)
        assert got == size * self.count, (got, size, self.count)
        return float(took_s)

    def ask_each(self, times: int) -> list[float]:
        """Ask one after the other; gives the seconds of each."""
        return list(self._do("ask_each", times))

    def ask_ahead(self, times: int, window: int) -> float:
        """Ask with a number of questions under way at any time; gives the seconds for all."""
        return float(self._do("ask_ahead", times, window))

    def give_file(self, size: int) -> float:
        """Have all fetch so many bytes; gives seconds."""
        took_s, fetched = self._do("give_file", size)
        assert fetched == size * self.count, (fetched, size, self.count)
        return float(took_s)

    def start_beats(self, interval_s: float, for_s: float) -> None:
        """Have all beat, each so often, and answer them; `beats_heard` waits for the end."""
        self._pipes[0].send(("answer_beats", (for_s,)))
        for pipe in self._pipes[1:]:
            pipe.send((interval_s, for_s))

    def beats_heard(self, for_s: float) -> int:
        """Wait until beats end, and give how many came."""
        return int(self._heard(self._pipes[0], for_s + PATIENCE_S))

    def close(self) -> None:
        """End all processes."""
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        for process in self._processes:
            process.join(5.0)
            if process.is_alive():
                process.kill()
                process.join(5.0)
        for pipe in self._pipes:
            pipe.close()
        self._processes, self._pipes = [], []

    def _start(self, target: Any, *arguments: Any) -> Connection:  # noqa: ANN401
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=target, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        self._processes.append(process)
        self._pipes.append(ours)
        return ours

    def _do(self, name: str, *arguments: object) -> Any:  # noqa: ANN401
        self._pipes[0].send((name, arguments))
        return self._heard(self._pipes[0])

    def _heard(self, pipe: Connection, within_s: float = PATIENCE_S + 10.0) -> Any:  # noqa: ANN401
        """Wait for a word of a process. Raises `TimeoutError`, and `EOFError` if it died."""
        if not pipe.poll(within_s):
            raise TimeoutError(f"a process of the floor says nothing for {within_s:g} s")
        return pipe.recv()
