"""What the master's process is made of, open and ready: the loop drives it, startup closes it."""

from dataclasses import dataclass

from limpet.common.clock import Clock
from limpet.common.observability.logs import Log
from limpet.common.observability.metrics_port import MetricsPort
from limpet.master.control.server import ControlServer
from limpet.master.core.machine import MasterCore
from limpet.master.enrolment.io.supervisor import EnrolmentSupervisor
from limpet.master.files.io.reader import SourceReader
from limpet.master.master_keys.io.key_writer import KeyWriter
from limpet.master.pillar.io.supervisor import RendererSupervisor
from limpet.master.process.main_port import MainPort
from limpet.master.process.self_check import SelfCheck
from limpet.master.store.store import Store
from limpet.master.upgrading.io.package_thread import PackageThread


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The core, and whatever carries something to it or from it."""

    core: MasterCore
    store: Store
    port: MainPort
    control: ControlServer
    enrolment: EnrolmentSupervisor
    check: SelfCheck
    sources: SourceReader
    pillar: RendererSupervisor
    packages: PackageThread
    keys: KeyWriter
    metrics: MetricsPort
    clock: Clock
    log: Log
