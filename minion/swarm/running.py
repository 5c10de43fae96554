"""A whole run of a swarm, from what was asked for to what came of it."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet import __version__
from limpet.common.clock import FOREVER, Clock, Instant, SystemClock
from limpet.common.crypto.joinstring import JoinString
from limpet.common.errors import HostError, UsageError
from limpet.common.identifiers import MINION_ID_PATTERN
from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import tighten_umask
from limpet.common.service.signals import SignalPipe
from limpet.common.terminal.live import LiveLine
from limpet.common.transport.sockets import check_library, make_keypair
from limpet.minion.swarm.descriptors import minions_a_process
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.keeping import LOCK_NAME, Kept, SwarmFile, learn, take_members
from limpet.minion.swarm.minions.behaviour import Behaviour
from limpet.minion.swarm.minions.grains import Template
from limpet.minion.swarm.plan import Member, Order
from limpet.minion.swarm.processes import Processes
from limpet.minion.swarm.summary import Recent, live_lines

MINIONS_MAX: Final = 100_000
SAMPLE_S: Final = 0.5


@dataclass(frozen=True)
class Wanted:
    """What was asked for."""

    number: int
    host: str
    port: int
    enrol_port: int
    join: JoinString | None
    lasting_s: float | None
    """None: until somebody ends it."""
    processes: int | None
    templates: tuple[Template, ...]
    behaviour: Behaviour
    joins_a_second: float
    directory: Path | None
    prefix: str


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    figures: Figures
    """As they were before the links were closed."""
    seconds: float
    processes: int
    problems: list[str]


def run(wanted: Wanted, *, note: Callable[[str], None]) -> Outcome:
    """Run a swarm until its time is over, or a signal ends it.

    Raises `UsageError` for what can't be done, `HostError` where this host refuses.
    """
    check_library()
    tighten_umask()
    last_id = f"{wanted.prefix}{wanted.number:05d}"
    if not MINION_ID_PATTERN.match(last_id):
        raise UsageError(f"{last_id[:80]!a} is no minion's id: use another `--id-prefix`")
    with ExitStack() as stack:
        file = SwarmFile(wanted.directory)
        if wanted.directory is not None:
            lock = InstanceLock(
                wanted.directory / LOCK_NAME, "a swarm", instead="another --state directory"
            )
            stack.callback(lock.close)
        kept = file.load()
        members = take_members(kept, wanted.prefix, wanted.number, make_keypair)
        orders = make_orders(wanted, kept, members)
        new = sum(not member.is_accepted for member in members)
        if new and wanted.join is None:
            note(f"{new} minions are new and have no join string: they wait to be accepted")
        file.save(kept)  # before the master hears of a key
        clock = SystemClock()
        signals = stack.enter_context(SignalPipe())
        began = clock.now().boot
        processes = Processes(orders, clock)
        stack.callback(processes.close)
        live = LiveLine(sys.stderr, is_shown=sys.stderr.isatty())
        stack.callback(live.hide)
        end = FOREVER if wanted.lasting_s is None else Instant(began + wanted.lasting_s)
        _watch(processes, signals, clock, end, live, note)
        seconds = clock.now().boot - began
        live.hide()
        for line in processes.end():
            note(line)
        learn(kept, processes.members)
        try:
            file.save(kept)
        except HostError as error:  # the figures are worth more; the keys were written before
            note(f"what the minions know of their master is not kept: {error}")
        return Outcome(processes.figures(), seconds, len(orders), processes.problems)


def make_orders(wanted: Wanted, kept: Kept, members: list[Member]) -> list[Order]:
    """Share the minions out. Raises `UsageError`."""
    if wanted.join is not None:
        told = wanted.join.master_key.hex()
        if kept.server_key and kept.server_key != told:
            for member in members:  # another master, or its key was changed by hand
                member.server_key, member.trust = "", None
        kept.server_key = told
    if not kept.server_key:
        raise UsageError(
            "whose key the master has is not known: give `--join`, or the `--state` directory of a "
            "swarm that was there before"
        )
    server_key = kept.server_key
    if wanted.join is None:  # the key may have been rotated since it was told
        server_key = next((each.server_key for each in members if each.server_key), server_key)
    each = minions_a_process()
    number = wanted.processes or -(-len(members) // each)
    number = min(number, len(members))
    join = wanted.join
    return [
        Order(
            host=wanted.host,
            port=wanted.port,
            enrol_port=wanted.enrol_port,
            server_key=server_key,
            version=__version__,
            join_token_id="" if join is None else join.token_id,
            join_secret=b"" if join is None else join.secret,
            joins_a_second=wanted.joins_a_second / number,
            behaviour=wanted.behaviour,
            templates=wanted.templates,
            members=members[index::number],
        )
        for index in range(number)
    ]


def _watch(
    processes: Processes,
    signals: SignalPipe,
    clock: Clock,
    end: Instant,
    live: LiveLine,
    note: Callable[[str], None],
) -> None:
    """Show how it goes, until it is over, a signal comes, or no process is left."""
    recent = Recent()
    next_sample = clock.now().boot
    while processes.running:
        now = clock.now().boot
        if now >= end:
            return
        for line in processes.wait(min(next_sample, end) - now, signals.fileno()):
            live.hide()
            note(line)
        if signals.take():
            return
        now = clock.now().boot
        if now >= next_sample:
            next_sample = Instant(
                next_sample + SAMPLE_S * (1 + int((now - next_sample) / SAMPLE_S))
            )
            figures = processes.figures()
            recent.add(now, figures)
            live.draw_lines(live_lines(figures, recent), now)
