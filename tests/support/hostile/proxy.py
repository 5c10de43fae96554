"""A TCP proxy in a process of its own, whose faults a test turns on and off while it runs.

One loop over all connections. `Proxy` is the test's handle; what it is told holds for the
connections of that moment or for all, as each method says. It keeps reading what it swallows, so
that the sender's TCP is acknowledged: only what a packet filter does is out of its reach
(`support.hostile.netns`). Run as `python -m support.hostile.proxy PORT…`, it obeys lines on its
standard input and ends with it.
"""

import contextlib
import heapq
import json
import os
import random
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Self

PIECE_BYTES = 65536
WAITING_BYTES_MAX = 1024 * 1024
"""How much one direction of a connection holds before its source is not read any more."""
ANSWER_S = 10.0
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """The handle of a running proxy: `ports[i]` leads to the i-th target. A context manager."""

    def __init__(self, *targets: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.hostile.proxy", *map(str, targets)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.ports: list[int] = self._answer()["ports"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the proxy and all its connections."""
        self._process.kill()
        self._process.wait(ANSWER_S)
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()

    def black_hole(self, *, up: bool = True, down: bool = True) -> None:
        """Kill every connection that is there, and every one to come until `heal`, for ever.

        They stay open and are read; nothing of them is passed on towards the master (`up`) or
        towards the minion (`down`), the end of a connection neither.
        """
        self._tell("hole", up=up, down=down)

    def heal(self) -> None:
        """Pass new connections on as they are; dead ones stay dead."""
        self._tell("heal")

    def spoil(self, *, one_bit_in_bytes: int) -> None:
        """Flip a bit about every so many bytes, everywhere; 0: no more."""
        self._tell("spoil", every=one_bit_in_bytes)

    def delay(self, each_way_s: float) -> None:
        """Hold everything back for so long."""
        self._tell("delay", each_way_s=each_way_s)

    def throttle(self, bytes_a_second: int) -> None:
        """Read no more than that, in each direction of each connection; 0: no limit."""
        self._tell("throttle", rate=bytes_a_second)

    def reset_all(self) -> int:
        """End every connection with RST on both sides; gives how many there were."""
        return int(self._tell("reset")["connections"])

    def refuse(self) -> None:
        """Close the ports and reset what is there: whoever connects is refused."""
        self._tell("refuse")

    def listen(self) -> None:
        """Open the ports again."""
        self._tell("listen")

    def say_nothing(self) -> None:
        """Accept new connections and never speak on them; reset those that are there."""
        self._tell("mute")

    def lead_to(self, *targets: int) -> None:
        """Lead new connections to other ports of this host; reset those that are there."""
        self._tell("targets", targets=list(targets))

    def figures(self) -> dict[str, int]:
        """Give `accepted` (connections so far), `open`, `dead`, `flipped` (bits), `passed`."""
        return dict(self._tell("figures"))

    def _tell(self, verb: str, **details: Any) -> dict[str, Any]:  # noqa: ANN401
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"verb": verb, **details}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            assert waiting.select(ANSWER_S), "the proxy does not answer"
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class _Direction:
    """One direction of a connection: what waits to be written, and until when."""

    def __init__(self, source: socket.socket, sink: socket.socket | None) -> None:
        self.source = source
        self.sink = sink
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.waiting_bytes = 0
        self.allowance = 0.0
        self.allowed_at = time.monotonic()
        self.is_dead = False
        self.has_ended = False
        """The source has nothing more to say."""
        self.is_shut = False
        """The sink was told so."""


class _Pair:
    """A connection of a client and ours to the target (none while nothing is to be said)."""

    def __init__(self, near: socket.socket, far: socket.socket | None) -> None:
        self.near = near
        self.far = far
        self.up = _Direction(near, far)
        self.down = _Direction(far, near) if far is not None else None

    def ends(self) -> list[socket.socket]:
        return [self.near] if self.far is None else [self.near, self.far]

    def directions(self) -> list[_Direction]:
        return [self.up] if self.down is None else [self.up, self.down]


class _Loop:
    """The proxy itself."""

    def __init__(self, targets: list[int]) -> None:
        self._targets = targets
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._ports = [0] * len(targets)
        self._pairs: list[_Pair] = []
        self._chance = random.Random(7)
        self._every = 0
        self._until_flip = 0
        self._delay_s = 0.0
        self._rate = 0
        self._is_mute = False
        self._kills = (False, False)
        self._figures = {"accepted": 0, "open": 0, "flipped": 0, "dead": 0, "passed": 0}
        self._due: list[float] = []

    def run(self) -> None:
        self._open_ports()
        self._say({"ports": self._ports})
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ, "orders")
        orders = b""
        while True:
            for key, ready in self._selector.select(self._patience()):
                if key.data == "orders":
                    piece = os.read(0, PIECE_BYTES)
                    if not piece:
                        return
                    *lines, orders = (orders + piece).split(b"\n")
                    for line in lines:
                        self._say(self._obey(json.loads(line)))
                elif isinstance(key.data, int):
                    self._accept(key.data)
                elif ready & selectors.EVENT_READ:
                    self._read(key.data, key.fileobj)  # type: ignore[arg-type]
            self._write_all()
            self._watch_all()

    # -- orders

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        verb = order["verb"]
        if verb == "hole":
            self._kills = (order["up"], order["down"])
            for pair in self._pairs:
                self._kill(pair)
        elif verb == "heal":
            self._kills, self._is_mute = (False, False), False
        elif verb == "spoil":
            self._every = order["every"]
            self._until_flip = self._next_flip()
        elif verb == "delay":
            self._delay_s = order["each_way_s"]
        elif verb == "throttle":
            self._rate = order["rate"]
        elif verb == "reset":
            return {"connections": self._reset_all()}
        elif verb == "refuse":
            for listener in self._listeners:
                self._selector.unregister(listener)
                listener.close()
            self._listeners.clear()
            self._reset_all()
        elif verb == "listen":
            self._open_ports()
        elif verb == "mute":
            self._is_mute = True
            self._reset_all()
        elif verb == "targets":
            self._targets = order["targets"]
            self._reset_all()
        self._figures["open"] = len(self._pairs)
        self._figures["dead"] = sum(any(d.is_dead for d in p.directions()) for p in self._pairs)
        return self._figures

    def _say(self, answer: dict[str, Any]) -> None:
        print(json.dumps(answer), flush=True)

    def _open_ports(self) -> None:
        for index, port in enumerate(self._ports):
            listener = socket.create_server(("127.0.0.1", port), backlog=1024)
            listener.setblocking(False)
            self._ports[index] = listener.getsockname()[1]
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, index)

    def _kill(self, pair: _Pair) -> None:
        up, down = self._kills
        pair.up.is_dead |= up
        if pair.down is not None:
            pair.down.is_dead |= down
        for direction in pair.directions():
            if direction.is_dead:
                direction.waiting.clear()
                direction.waiting_bytes = 0

    def _reset_all(self) -> int:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._close(pair, is_reset=True)
        return len(pairs)

    # -- connections

    def _accept(self, index: int) -> None:
        with contextlib.suppress(OSError):  # it may have left, or the target is closed
            near, _ = self._listeners[index].accept()
            self._figures["accepted"] += 1
            far = None
            if not self._is_mute:
                try:
                    far = socket.create_connection(("127.0.0.1", self._targets[index]), timeout=1.0)
                except OSError:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    near.close()
                    raise
            pair = _Pair(near, far)
            for end in pair.ends():
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if any(self._kills):
                self._kill(pair)
            self._pairs.append(pair)

    def _close(self, pair: _Pair, *, is_reset: bool) -> None:
        for end in pair.ends():
            with contextlib.suppress(KeyError, ValueError):  # it may not be watched at the moment
                self._selector.unregister(end)
            if is_reset:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.close()

    def _direction_of(self, pair: _Pair, source: socket.socket) -> _Direction:
        return pair.up if source is pair.near or pair.down is None else pair.down

    def _read(self, pair: _Pair, source: socket.socket) -> None:
        if pair not in self._pairs:
            return  # it was reset by an order of this turn
        direction = self._direction_of(pair, source)
        size = PIECE_BYTES
        if self._rate:
            now = time.monotonic()
            more = (now - direction.allowed_at) * self._rate
            direction.allowance = min(self._rate, direction.allowance + more)
            direction.allowed_at = now
            size = int(direction.allowance)
            if size < 1:
                return
        try:
            piece = source.recv(size)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        direction.allowance -= len(piece)
        if not piece:
            direction.has_ended = True
        elif not direction.is_dead and direction.sink is not None:
            direction.waiting.append((time.monotonic() + self._delay_s, self._spoilt(piece)))
            direction.waiting_bytes += len(piece)

    def _spoilt(self, piece: bytes) -> bytes:
        if not self._every:
            return piece
        spoilt = bytearray(piece)
        position = self._until_flip
        while position < len(spoilt):
            spoilt[position] ^= 1 << self._chance.randrange(8)
            self._figures["flipped"] += 1
            position += self._next_flip()
        self._until_flip = position - len(spoilt)
        return bytes(spoilt)

    def _next_flip(self) -> int:
        return 1 + int(self._chance.expovariate(1 / self._every)) if self._every else 0

    def _write_all(self) -> None:
        now = time.monotonic()
        self._due = []
        for pair in list(self._pairs):
            try:
                for direction in pair.directions():
                    self._write(direction, now)
            except OSError:  # one end is gone without a word: so is the other, unless it is dead
                if not any(direction.is_dead for direction in pair.directions()):
                    self._pairs.remove(pair)
                    self._close(pair, is_reset=True)
                    continue
            if all(d.has_ended for d in pair.directions()) and not any(
                d.waiting for d in pair.directions()
            ):
                self._pairs.remove(pair)
                self._close(pair, is_reset=False)

    def _write(self, direction: _Direction, now: float) -> None:
        sink = direction.sink
        while direction.waiting and sink is not None:
            due, piece = direction.waiting[0]
            if due > now:
                heapq.heappush(self._due, due)
                return
            try:
                sent = sink.send(piece)
            except BlockingIOError:
                heapq.heappush(self._due, now + 0.01)
                return
            self._figures["passed"] += sent
            direction.waiting_bytes -= sent
            if sent < len(piece):
                direction.waiting[0] = (due, piece[sent:])
            else:
                direction.waiting.popleft()
        if direction.has_ended and not direction.is_shut and sink is not None:
            direction.is_shut = True
            if not direction.is_dead:
                sink.shutdown(socket.SHUT_WR)

    def _watch_all(self) -> None:
        for pair in self._pairs:
            for direction in pair.directions():
                wanted = not direction.has_ended and direction.waiting_bytes < WAITING_BYTES_MAX
                if self._rate and wanted:
                    age_s = time.monotonic() - direction.allowed_at
                    wanted = direction.allowance + age_s * self._rate >= min(self._rate, 256)
                    if not wanted:
                        heapq.heappush(self._due, time.monotonic() + 0.02)
                is_watched = direction.source in self._selector.get_map()
                if wanted and not is_watched:
                    self._selector.register(direction.source, selectors.EVENT_READ, pair)
                elif is_watched and not wanted:
                    self._selector.unregister(direction.source)

    def _patience(self) -> float:
        return max(0.0, min(self._due[0] - time.monotonic(), 1.0)) if self._due else 1.0


if __name__ == "__main__":
    _Loop([int(word) for word in sys.argv[1:]]).run()
