"""What all benchmarks measure with: rounds in turns, spreads, CPU, memory, bytes on the wire.

A subject is a file with a `measure(place, options)` that gives figures to print; `main` makes a
program of one. Sides are run in turns within each round, so that what else the machine does falls
on all of them alike; ratios are of medians. Nothing in here judges.
"""

import argparse
import json
import os
import platform
import re
import resource
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import zmq

from support.master.fleet import LIMPET, descendants

FRAME_BYTES: Final = 52
"""Headers of IPv4 and TCP with timestamps, for each segment."""
_SEGMENTS: Final = re.compile(r"\b(bytes_sent|bytes_received|segs_out|segs_in):(\d+)")

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How much of everything."""

    minions: int = 1000
    rounds: int = 3
    few: int = 5
    """Real minions, where a swarm's would not do: each is a worker with a Python of its own."""
    quiet_s: float = 10.0
    """For how long it is looked on while nothing happens."""
    megabytes: int = 100
    """Size of the file that all fetch."""
    returns: int = 1_000_000
    """In the history of the store."""
    parts: str = "rest,pings,work,killed"
    """Of what is done with real minions."""
    salt: str = ""
    """The directory with an installed Salt's programs; empty: without Salt."""


@dataclass(slots=True)
class Place:
    """Where the sides keep their roots, so that keys enrolled once serve several subjects."""

    folder: Path
    known: dict[str, Any] = field(default_factory=dict)


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Give minimum, median and maximum."""
    return {
        "min": round(min(samples), 5),
        "median": round(statistics.median(samples), 5),
        "max": round(max(samples), 5),
    }


def quantiles(samples: Sequence[float]) -> dict[str, float]:
    """Give what half and 99 of a hundred took at most."""
    ordered = sorted(samples)
    return {
        "p50": round(ordered[len(ordered) // 2], 6),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 6),
    }


def in_turns(
    rounds: int, sides: Mapping[str, Callable[[], float]], *, over: Sequence[str] = ("floor",)
) -> Figures:
    """Run each side once a round, and give its spread, and how its median stands to those `over`.

    The sides change their order from round to round.
    """
    samples: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(sides[name]())
    return with_ratios(samples, over=over)


def with_ratios(
    samples: Mapping[str, Sequence[float]], *, over: Sequence[str] = ("floor",)
) -> Figures:
    """Give the spread of each side, and the ratios of their medians: `limpet/floor`."""
    figures: Figures = {name: spread(found) for name, found in samples.items()}
    for name in samples:
        for other in over:
            if other in samples and name not in (other, "floor") and figures[other]["median"] > 0:
                ratio = figures[name]["median"] / figures[other]["median"]
                figures[f"{name}/{other}"] = float(f"{ratio:.3g}")
    return figures


def timed(act: Callable[[], object]) -> float:
    """Give the seconds that a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def tree(pid: int) -> list[int]:
    """List a process and all below it."""
    return [pid, *descendants(pid)]


def pss_mb(pids: Sequence[int]) -> float:
    """Give the proportional memory of some processes in MB; those that ended have none."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for line in text.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return round(total / 1024, 1)


def cpu_s(pids: Sequence[int]) -> float:
    """Give the CPU seconds that some processes have used so far."""
    ticks = 0
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Wire:
    """What a port's connections have carried: bytes in TCP, and segments, both ways together."""

    connections: int
    payload_bytes: int
    segments: int

    def since(self, before: "Wire") -> int:
        """Give the bytes on the wire since, with the headers of IPv4 and TCP."""
        segments = self.segments - before.segments
        return self.payload_bytes - before.payload_bytes + segments * FRAME_BYTES


def wire(port: int) -> Wire:
    """Count what went over the connections at a port of this host. Needs `ss`."""
    done = subprocess.run(
        ["ss", "-tinHO", "state", "established", f"( sport = :{port} )"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    found = dict.fromkeys(("bytes_sent", "bytes_received", "segs_out", "segs_in"), 0)
    for line in lines:
        for name, number in _SEGMENTS.findall(line):
            found[name] += int(number)
    payload = found["bytes_sent"] + found["bytes_received"]
    return Wire(len(lines), payload, found["segs_out"] + found["segs_in"])


def sync_seconds(folder: Path) -> float:
    """Give the time of one write and fdatasync on the disk that is used."""
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY, 0o600)

    def once() -> None:
        os.write(descriptor, b"x" * 512)
        os.fdatasync(descriptor)

    samples = [timed(once) for _ in range(200)]
    os.close(descriptor)
    return statistics.median(samples)


def prepare() -> None:
    """Let this process, and what it starts, open as many files as it may, and end all if told to.

    SIGTERM becomes an exception, so that whoever started processes ends them.
    """
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def conditions(folder: Path) -> Figures:
    """Say where it was measured."""
    version = subprocess.run(
        [LIMPET, "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    return {
        "cores": os.cpu_count(),
        "memory_mb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "limpet": version.stdout.strip(),
        "libzmq": zmq.zmq_version(),
        "pyzmq": zmq.pyzmq_version(),
        "sqlite": sqlite3.sqlite_version,
        "fdatasync_s": round(sync_seconds(folder), 6),
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "load": round(os.getloadavg()[0], 2),
    }


def parser(text: str) -> argparse.ArgumentParser:
    """Make the parser of a benchmark's options."""
    found = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = Options()
    found.add_argument("--minions", type=int, default=usual.minions, help="in the swarm")
    found.add_argument("--rounds", type=int, default=usual.rounds)
    found.add_argument("--few", type=int, default=usual.few, help="real minions")
    found.add_argument("--quiet", type=float, default=usual.quiet_s, metavar="SECONDS")
    found.add_argument("--megabytes", type=int, default=usual.megabytes, help="the file's size")
    found.add_argument("--returns", type=int, default=usual.returns, help="in the store's history")
    found.add_argument(
        "--parts",
        default=usual.parts,
        metavar="A,B",
        help="of what is done with real minions [%(default)s]",
    )
    found.add_argument(
        "--salt",
        default=os.environ.get("SALT_BIN", ""),
        metavar="DIRECTORY",
        help="where salt-master and salt-minion are [SALT_BIN; without: no Salt]",
    )
    return found


def options_of(found: argparse.Namespace) -> Options:
    """Take the options from what was given."""
    return Options(
        minions=found.minions,
        rounds=found.rounds,
        few=found.few,
        quiet_s=found.quiet,
        megabytes=found.megabytes,
        returns=found.returns,
        parts=found.parts,
        salt=found.salt,
    )


def main(text: str, measure: Callable[[Place, Options], Figures]) -> None:
    """Run one subject as a program: measure in a temporary directory, and print."""
    options = options_of(parser(text).parse_args())
    prepare()
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as name:
        folder = Path(name)
        figures = {"conditions": conditions(folder), **measure(Place(folder), options)}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
