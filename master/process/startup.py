"""From configuration to a serving master, and back down: what is opened, in which order.

Nothing is bound before the store is open and the core stands on it. Each thing that was opened is
closed again, whatever happens in between.
"""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec

from limpet import __version__
from limpet.common.clock import Instant, SystemClock
from limpet.common.crypto.proof import Ed25519Verifier
from limpet.common.errors import UsageError
from limpet.common.observability.logs import Log
from limpet.common.observability.metrics_port import MetricsPort
from limpet.common.service import garbage
from limpet.common.service.locks import InstanceLock
from limpet.common.service.notify import Notifier, watchdog_s
from limpet.common.service.paths import Roots, tighten_umask
from limpet.common.service.signals import STOP_SIGNALS, SignalPipe
from limpet.common.service.watchdog import LIMIT_S, Watchdog, exit_process
from limpet.common.settings.loader import at_key
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.metrics import metrics_address
from limpet.common.transport.sockets import (
    Context,
    Poller,
    check_library,
    make_keypair,
    public_key_of,
)
from limpet.master.control.server import ControlServer
from limpet.master.core.machine import MasterCore
from limpet.master.core.settings import MasterSettings
from limpet.master.enrolment.io.launchers import SOCKET_NAME, Launcher, OwnProcess, Service
from limpet.master.enrolment.io.supervisor import EnrolmentSupervisor
from limpet.master.files.io.reader import SourceReader
from limpet.master.files.limits import SourceLimits
from limpet.master.master_keys.io.key_files import KeyFiles, LoadedKeys
from limpet.master.master_keys.io.key_writer import KeyWriter
from limpet.master.pillar.io.supervisor import RendererSupervisor
from limpet.master.pillar.messages import Setup
from limpet.master.process import descriptors
from limpet.master.process.loop import End, Master
from limpet.master.process.main_port import MainPort
from limpet.master.process.parts import Parts
from limpet.master.process.reload import Read, Reloader, changes_of
from limpet.master.process.self_check import SelfCheck
from limpet.master.store.store import Store
from limpet.master.upgrading.io.package_thread import PackageThread

BIND_S_MAX: Final = 5.0
"""How long a port that another process still holds is waited for: a master that was told to stop
needs two seconds, and whoever starts one by hand wants to be told."""
_BIND_RETRY_S: Final = 0.25


def serve(roots: Roots, read: Read, log: Log, *, memory_bytes_max: int | None = None) -> End:
    """Run a master until it is asked to stop, or has to be started afresh (its key was changed).

    `memory_bytes_max`: None looks what the host allows.

    Raises `UsageError` and `SourceError` for what the person at the keyboard can put right (exit
    code 2), `HostError` and the like for the rest.
    """
    tighten_umask()
    check_library()
    configuration = read()
    notifier = Notifier()
    with ExitStack() as stack:
        stack.enter_context(_naming_line_of_port(roots, configuration))
        signals = stack.enter_context(SignalPipe())
        roots.prepare()
        stack.enter_context(InstanceLock(roots.lock_path, "a limpet master"))
        log.info(f"limpet {__version__} master begins at {roots.state_dir}")
        if os.geteuid() == 0:
            log.info("it runs as root, as in development; the packaged service has a user for it")
        files = KeyFiles(roots.keys_dir, make=make_keypair, public_of=public_key_of)
        loaded = _load_keys(files, log)
        settings = settings_from(configuration)
        store, core, committed = _open_core(stack, roots, settings, loaded, notifier, log)
        context = Context(burn=True)
        stack.callback(context.close)
        port = MainPort(
            context,
            secret_key=loaded.pair.secret,
            is_accepted=core.is_key_accepted,
            clock=SystemClock(),
        )
        stack.callback(port.close)
        if not bind(port, configuration, signals, log):
            return "stopped"
        check = SelfCheck(
            context,
            addresses=configuration.listen_addresses,
            port=configuration.port,
            server_key=loaded.pair.public,
        )
        stack.callback(check.close)
        port.allow_probe(check.key)
        parts = Parts(
            core=core,
            store=store,
            port=port,
            check=check,
            enrolment=_open_enrolment(stack, roots, configuration, loaded.pair.secret, log),
            pillar=_open_pillar(stack, roots, configuration, log),
            control=_closed_by(
                stack, ControlServer(roots.socket_path, group=configuration.user_group)
            ),
            sources=_open_sources(stack, roots, configuration),
            packages=_closed_by(stack, PackageThread(packages_directory(roots))),
            keys=_closed_by(stack, KeyWriter(files, _wall_s, read)),
            metrics=_closed_by(stack, MetricsPort(log)),
            clock=SystemClock(),
            log=log,
        )
        store.start(limits=settings.history_limits(_wall_s()))
        parts.metrics.configure(metrics_address(configuration.metrics_listen))
        garbage.settle()
        reloader = Reloader(read, configuration, apply=partial(_apply, roots, parts), log=log)
        with _watchdog(notifier) as watchdog:
            log.info(f"serving minions on port {configuration.port}")
            master = Master(
                parts,
                committed=committed,
                watchdog=watchdog,
                reloader=reloader,
                reopen=partial(port.bind, configuration.listen_addresses, configuration.port),
                place=roots.state_dir,
                memory_bytes_max=memory_bytes_max,
            )
            end = master.run(signals, notifier)
        if end == "stopped":
            log.info("the master has ended as asked")
        else:
            signals.hold_over_exec()  # a wish to stop is for the next process to hear
        return end


# -- what is opened -------------------------------------------------------------------------------


def _wall_s() -> float:
    return SystemClock().now().wall


def _load_keys(files: KeyFiles, log: Log) -> LoadedKeys:
    """Give the master's keys, made at the first start; says what was found out about them."""
    loaded = files.load(_wall_s())
    for notice in loaded.notices:
        log.warning(notice)
    return loaded


def _open_core(
    stack: ExitStack,
    roots: Roots,
    settings: MasterSettings,
    loaded: LoadedKeys,
    notifier: Notifier,
    log: Log,
) -> tuple[Store, MasterCore, int]:
    """Open the store, and let the core stand on it; gives the last commit, too.

    What was read for it is large, and nobody's when this returns.
    """
    clock = SystemClock()
    notifier.busy("the database is opened")
    store = Store(database_path(roots), clock=clock, busy=notifier.busy)
    stack.callback(_close_store, store, log)
    snapshot = store.load(wall_s=clock.now().wall)
    descriptors.raise_limit(len(snapshot.keys))
    core = MasterCore(
        settings,
        snapshot,
        now=clock.now(),
        chance=random.SystemRandom(),
        verifier=Ed25519Verifier(loaded.pair.public),
        announced=loaded.announced,
    )
    return store, core, snapshot.commit


def _open_enrolment(
    stack: ExitStack, roots: Roots, configuration: MasterConfiguration, secret: bytes, log: Log
) -> EnrolmentSupervisor:
    enrolment = EnrolmentSupervisor(
        secret_key=secret,
        addresses=configuration.listen_addresses,
        port=configuration.enrol_port,
        log=log,
        lines=enrolment_lines(roots, configuration),
    )
    return _closed_by(stack, enrolment)


def _open_pillar(
    stack: ExitStack, roots: Roots, configuration: MasterConfiguration, log: Log
) -> RendererSupervisor:
    pillar_work(roots).mkdir(mode=0o700, exist_ok=True)
    return _closed_by(stack, RendererSupervisor(renderer_setup(roots, configuration), log))


def _open_sources(
    stack: ExitStack, roots: Roots, configuration: MasterConfiguration
) -> SourceReader:
    sources = SourceReader(
        configuration.file_roots,
        at_once=configuration.file_server_at_once,
        file_bytes_max=configuration.file_bytes_max,
        packages=packages_directory(roots),
    )
    return _closed_by(stack, sources)


class _Closable(Protocol):
    def close(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closable)


def _closed_by(stack: ExitStack, opened: Opened) -> Opened:
    """Have it closed with the stack, before all that was opened earlier."""
    stack.callback(opened.close)
    return opened


def _watchdog(notifier: Notifier) -> Watchdog:
    return Watchdog(
        limit_s=LIMIT_S,
        on_hang=exit_process(),
        on_alive=notifier.alive,
        fed_within_s=watchdog_s(),
    )


def _apply(roots: Roots, parts: Parts, reread: MasterConfiguration) -> None:
    """Take over what the shell holds of a configuration that was read again."""
    parts.log.level = reread.level
    parts.pillar.reconfigure(renderer_setup(roots, reread))
    parts.sources.exchange(reread.file_roots, file_bytes_max=reread.file_bytes_max)
    parts.enrolment.set_level(reread.level)
    parts.metrics.configure(metrics_address(reread.metrics_listen))


# -- where things are, and what the configuration says of them ------------------------------------


def enrolment_lines(roots: Roots, configuration: MasterConfiguration) -> Launcher:
    """Give where the enrolment process comes from. Raises `UsageError`."""
    if configuration.is_enrolment_a_service:
        return Service(roots.run_dir / SOCKET_NAME)
    return OwnProcess()


def database_path(roots: Roots) -> Path:
    """Give the place of the master's database."""
    return roots.state_dir / "store" / "master.db"


def packages_directory(roots: Roots) -> Path:
    """Give the place of the packages that minions are upgraded to."""
    return roots.state_dir / "packages"


def settings_from(configuration: MasterConfiguration) -> MasterSettings:
    """Turn the configuration into what the core is told."""
    settings = MasterSettings(
        version=__version__,
        return_bytes_max=configuration.return_bytes_max,
        sources=SourceLimits(at_once=configuration.file_server_at_once),
    )
    settings.take_over(changes_of(configuration))
    return settings


def bind(port: MainPort, configuration: MasterConfiguration, signals: SignalPipe, log: Log) -> bool:
    """Open the main port, waiting for its last holder to end; False: a stop was asked for.

    Raises `UsageError` naming the port when it is still held after `BIND_S_MAX`.
    """
    clock = SystemClock()
    give_up_at: Instant = clock.now().after(BIND_S_MAX)
    poller = Poller()
    poller.register(signals)
    while True:
        try:
            port.bind(configuration.listen_addresses, configuration.port)
            return True
        except UsageError as error:
            if "in use" not in str(error) or clock.now().boot >= give_up_at:
                raise
            log.report("warning", "bind", f"{error} (waiting up to {BIND_S_MAX:.0f} s)")
        poller.wait(_BIND_RETRY_S)
        for number in signals.take():
            if number in STOP_SIGNALS:
                log.info(f"asked to stop ({number.name}) before the port was free")
                return False


@contextmanager
def _naming_line_of_port(roots: Roots, configuration: MasterConfiguration) -> Iterator[None]:
    """Put the line of the configuration before what is said of a port that is in use."""
    try:
        yield
    except UsageError as error:
        text = str(error)
        if "in use" not in text:
            raise
        found = {"port": configuration.port, "enrol_port": configuration.enrol_port}
        key = next((key for key, port in found.items() if f"port {port} " in text), "")
        placed = at_key(roots.config_file, key, found.get(key), text)
        if placed is None and key == "enrol_port":  # it stands one below the main port
            placed = at_key(roots.config_file, "port", configuration.port, text)
        if placed is None:
            raise
        raise placed from error


def pillar_work(roots: Roots) -> Path:
    """Give the directory for what templates of pillar keep while they render."""
    return roots.cache_dir / "pillar"


def renderer_setup(roots: Roots, configuration: MasterConfiguration) -> Setup:
    """Give what the processes that render pillar are told."""
    return Setup(
        msgspec.to_builtins(configuration),
        str(roots.config_file),
        str(pillar_work(roots)),
        int(configuration.level),
    )


def _close_store(store: Store, log: Log) -> None:
    if not store.close():
        log.error("not all that waited for the store was written; nobody was told otherwise")
