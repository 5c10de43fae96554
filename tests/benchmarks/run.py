"""Figures with the command that produced them, as ratios within one run; prints JSON.

    make bench

Nothing here gates a test: machines are noisy. The floors are Python's own start for a command, and
a bare ROUTER/DEALER pair with CURVE in two processes for a round trip.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import zmq

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fleet import LIMPET, Fleet, descendants

ROUNDS = 20


def spread(samples: list[float]) -> dict[str, float]:
    """Give minimum, median and maximum."""
    return {
        "min": round(min(samples), 5),
        "median": round(statistics.median(samples), 5),
        "max": round(max(samples), 5),
    }


def timed(act: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def pss_mb(pids: list[int]) -> float:
    """Give the proportional memory of some processes in MB."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return round(total / 1024, 1)


def sync_seconds(folder: Path) -> float:
    """Give the time of one write and fdatasync on the disk that is used."""
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY, 0o600)

    def once() -> None:
        os.write(descriptor, b"x" * 512)
        os.fdatasync(descriptor)

    samples = [timed(once) for _ in range(200)]
    os.close(descriptor)
    return statistics.median(samples)


def _echo(port: int, secret: bytes, ready: "multiprocessing.synchronize.Event") -> None:
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_secretkey = secret
    router.bind(f"tcp://127.0.0.1:{port}")
    ready.set()
    while True:
        peer, frame = router.recv_multipart()
        router.send_multipart([peer, msgspec.msgpack.encode(msgspec.msgpack.decode(frame))])


def floor_round_trip(port: int) -> float:
    """Give the median round trip of a bare CURVE ROUTER/DEALER pair, both ends Python."""
    public, secret = zmq.curve_keypair()
    ready = multiprocessing.Event()
    echo = multiprocessing.Process(target=_echo, args=(port, secret, ready), daemon=True)
    echo.start()
    ready.wait(10)
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.curve_serverkey = public
    dealer.curve_publickey, dealer.curve_secretkey = zmq.curve_keypair()
    dealer.connect(f"tcp://127.0.0.1:{port}")

    def once() -> None:
        dealer.send(msgspec.msgpack.encode([1, "test.ping", [], {}]))
        msgspec.msgpack.decode(dealer.recv())

    once()
    samples = [timed(once) for _ in range(500)]
    context.destroy(linger=0)
    echo.kill()
    echo.join()
    return statistics.median(samples)


def main() -> None:
    """Measure and print."""
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as name:
        folder = Path(name)
        figures["fdatasync_s"] = round(sync_seconds(folder), 6)
        with Fleet(folder, minions=10) as fleet:
            time.sleep(12)  # grains are collected, helpers have ended: idle
            measure(fleet, figures)
    print(json.dumps(figures, indent=2))


def measure(fleet: Fleet, figures: dict[str, object]) -> None:
    """Measure everything on one fleet of ten."""
    from limpet import Client

    master = fleet.master
    figures["minion_tree_pss_mb"] = spread(
        [pss_mb([node.pid, *descendants(node.pid)]) for node in fleet.minions.values()]
    )
    figures["master_tree_pss_mb"] = pss_mb([master.pid, *descendants(master.pid)])

    plain, ping = [], []
    for _ in range(ROUNDS):
        plain.append(
            timed(lambda: subprocess.run([sys.executable, "-c", "import click"], check=True))
        )
        ping.append(timed(lambda: fleet.limpet("run", "web1", "test.ping")))
    figures["python_with_click_start_s"] = spread(plain)
    figures["cli_ping_one_s"] = spread(ping)
    figures["cli_ping_one_over_python_start"] = round(
        statistics.median(ping) / statistics.median(plain), 2
    )
    figures["cli_ping_all_10_s"] = spread(
        [timed(lambda: fleet.limpet("run", "*", "test.ping")) for _ in range(ROUNDS)]
    )

    floor = floor_round_trip(fleet.port + 2)
    with Client(root=str(master.root)) as client:
        client.run("web1", "test.ping")
        samples = [timed(lambda: client.run("web1", "test.ping")) for _ in range(500)]
    figures["floor_round_trip_s"] = round(floor, 6)
    figures["client_ping_one_s"] = spread(samples)
    figures["client_ping_one_over_floor"] = round(statistics.median(samples) / floor, 1)
    figures["sequential_jobs_per_s"] = round(len(samples) / sum(samples), 1)

    node = fleet.minions["web1"]

    def start() -> None:
        node.start()
        with Client(root=str(master.root)) as client:
            while client.run("web1", "test.ping", timeout_s=5).minions["web1"].status != "ok":
                time.sleep(0.005)

    starts = []
    for _ in range(10):
        node.stop()
        starts.append(timed(start))
    figures["minion_start_to_answer_s"] = spread(starts)
    figures["limpet"] = (
        LIMPET
        and subprocess.run(
            [LIMPET, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


if __name__ == "__main__":
    main()
