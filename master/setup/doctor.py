"""What `limpet doctor` looks at on the master's host."""

import os
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import limpet
from limpet.common.control.replies import MasterStatus
from limpet.common.doctor import clock, disk, keys, places, process, release, service
from limpet.common.doctor.places import Place
from limpet.common.errors import LimpetError
from limpet.common.service.paths import Roots
from limpet.common.service.socket_names import reachable
from limpet.common.settings.loader import files_of
from limpet.common.settings.master import MasterConfiguration, load_master
from limpet.common.setup.findings import Asked, Check, Finding, fail, ok, warn
from limpet.common.setup.handshake import shake_hands
from limpet.common.setup.listeners import who_listens
from limpet.common.setup.reach import connect, resolve
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import duration_text
from limpet.master.client.client import Client
from limpet.master.process import descriptors
from limpet.master.setup.report import NAME_S, firewall_lines, is_for_others, name_for_hosts

UNIT: Final = "limpet-master.service"
ENROL_UNIT: Final = "limpet-enrol.service"
PACKAGE: Final = "limpet-master"
USER: Final = "limpet"
ANSWER_S: Final = 3.0
LAG_MAX_S: Final = 2.0
SETTLING_LOOKS: Final = 4
"""How often a closed port of a master that answers is tried again: its enrolment process opens the
second port a moment after it has started."""
SETTLING_PAUSE_S: Final = 0.5
_AS_ROOT: Final = "run `limpet doctor` as root to look at it as well"

_CREDENTIALS: Final = struct.Struct("3i")


def checks_of(session: Session, roots: Roots) -> list[Check]:
    """Give the checks of the master whose places these are."""
    patient = Patient(session, roots)
    found = [
        Check("configuration", patient.configuration),
        Check("master", patient.serving),
        Check("ports", patient.ports, 15.0),
        Check("names", patient.names, 12.0),
        Check("clock", patient.clock),
        Check("key", patient.keys),
        Check("disk", patient.disk),
        Check("modes", patient.modes),
        Check("version", patient.version),
        Check("encryption", release.look_at_library),
        Check("process", patient.process),
        Check("memory", process.look_at_memory),
    ]
    if roots.base is None:
        found.insert(2, Check("service", lambda: service.look(UNIT), 12.0))
        of_master = lambda: service.look(ENROL_UNIT, is_enabled_itself=False)  # noqa: E731
        found.insert(3, Check("service", of_master, 12.0))
    return found


class Patient:
    """The master of this host."""

    def __init__(self, session: Session, roots: Roots) -> None:
        self._session = session
        self._roots = roots
        self._settings: MasterConfiguration | None = None
        self._mistake: LimpetError | None = None
        try:
            self._settings = load_master(roots)
        except LimpetError as error:
            self._mistake = error
        self._asked = Asked(self._ask, limit_s=ANSWER_S)

    def _ask(self) -> MasterStatus:
        with Client(self._session.root, patience_s=ANSWER_S, first_patience_s=0.2) as client:
            return client.status()

    @property
    def _status(self) -> MasterStatus | None:
        return self._asked.answer()

    @property
    def _state_is_hidden(self) -> bool:
        """Whether this user can't look into the master's state."""
        return places.is_hidden(self._roots.state_dir)

    def configuration(self) -> Iterable[Finding]:
        """Look at the files that people and `setup` write."""
        if self._settings is None and places.is_denied(self._mistake):
            yield warn("configuration", str(self._mistake), _AS_ROOT)
            return
        if self._settings is None:
            yield fail("configuration", str(self._mistake), "put that right and restart the master")
            return
        used = [str(each) for each in files_of(self._roots.config_file) if os.path.exists(each)]
        yield ok("configuration", ", ".join(used) or "none: everything is as by default")
        for key, roots in (
            ("file_roots", self._settings.file_roots),
            ("pillar_roots", self._settings.pillar_roots),
        ):
            for directory in dict.fromkeys(each for several in roots.values() for each in several):
                if not os.path.isdir(directory):
                    text = f"{key}: there is no directory {directory}"
                    yield warn("configuration", text, "`limpet master setup --no-token` makes it")

    def serving(self) -> Iterable[Finding]:
        """Ask the running master how it is."""
        status = self._status
        silence = self._asked.error
        if status is None and places.is_denied(silence):
            yield warn("master", str(silence), _AS_ROOT)
            return
        if status is None and silence is None:
            text = f"process {self._pid()} has the master's socket, and does not answer"
            yield fail("master", text, "its watchdog restarts it within a minute, unless stopped")
            return
        if status is None:
            how = self._session.command("master")
            if self._roots.base is None:
                how = f"systemctl start {UNIT}"
            yield fail("master", str(silence), f"`{how}` if it does not run")
            return
        for problem in status.problems:
            yield fail("master", problem, "its log says more")
        lag_s = status.figures.get("loop_lag_s", 0.0)
        if lag_s > LAG_MAX_S:
            text = f"its loop stood still for {duration_text(lag_s)} within the last minute"
            yield warn("master", text, "is this host short of CPU, or its disk slow?")
        yield ok("master", f"answers; {status.ready} of {status.fleet} minions are ready")

    def ports(self) -> Iterable[Finding]:
        """Knock at both ports as a stranger: the main one has to say no, the other one yes."""
        settings = self._settings
        if settings is None:
            return
        key = self._public_key()
        for address in settings.listen_addresses:
            own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
            for number, wanted in ((settings.port, "denied"), (settings.enrol_port, "ready")):
                yield self._knock(own, number, key, wanted)

    def _knock(self, address: str, number: int, key: bytes | None, wanted: str) -> Finding:
        reached = connect(address, number)
        patience = SETTLING_LOOKS if self._status is not None else 0
        while reached.verdict == "refused" and patience:
            patience -= 1
            time.sleep(SETTLING_PAUSE_S)
            reached = connect(address, number)
        holders = ", ".join(who_listens(number))
        if reached.verdict != "open":
            advice = f"is a rule of this host in the way? e.g. `{firewall_lines((number,))[0]}`"
            if not holders:
                advice = "nobody listens there: is the master running, is it bound elsewhere?"
            return fail("ports", reached.text, advice)
        if key is None:
            return warn("ports", f"{reached.text}; its key was not looked at", "as root it is")
        what = shake_hands(address, number, key)
        if what == wanted:
            does = "turns unknown keys away" if wanted == "denied" else "lets strangers ask"
            return ok("ports", f"{reached.text}, has the master's key and {does}")
        if what == "ready":
            text = f"{reached.text}, and let a key in that nobody has accepted"
            return fail("ports", text, "stop this master and report it: it checks no keys")
        text = f"{reached.text}, but does not answer as this master ({what})"
        who = f"it is held by {holders}" if holders else "see who has it: `ss -ltnp`"
        return fail("ports", text, who)

    def _public_key(self) -> bytes | None:
        status = self._status
        if status is not None and status.public_key:
            return bytes.fromhex(status.public_key)
        try:
            return keys.read_key(self._roots.keys_dir / "master.public")
        except LimpetError:
            return None

    def names(self) -> Iterable[Finding]:
        """Look by which name hosts may find this one."""
        if self._settings is None:
            return
        name = name_for_hosts(self._settings)
        found = resolve(name, NAME_S)
        if found.addresses == (name,):
            yield ok("names", f"hosts reach it as {name}")
        elif found.addresses and not any(is_for_others(each) for each in found.addresses):
            text = f"{name} is {', '.join(found.addresses)} here: other hosts may know no such name"
            yield warn("names", text, "see that they do, or give them an address of this host")
        elif found.addresses:
            yield ok("names", f"{name}: {', '.join(found.addresses)}")
        else:
            advice = "give hosts an address instead, or put the name into the DNS"
            yield warn("names", f"{name}: {found.problem}", advice)

    def clock(self) -> Iterable[Finding]:
        """Look at the clock: join strings end by it."""
        state = self._roots.state_dir
        written = (state, state / "store" / "master.db", state / "lock")
        return clock.look(written, Path(limpet.__file__))

    def keys(self) -> Iterable[Finding]:
        """Look at the master's key pair."""
        if self._state_is_hidden:
            return (warn("key", f"not looked at: {self._roots.keys_dir}", _AS_ROOT),)
        return keys.look(self._roots.keys_dir, "master")

    def disk(self) -> Iterable[Finding]:
        """Look at the room for what the master writes."""
        roots = self._roots
        return disk.look((roots.state_dir, roots.cache_dir, roots.run_dir))

    def modes(self) -> Iterable[Finding]:
        """Look at owners and modes (R-8.1)."""
        roots = self._roots
        user = places.uid_of(USER) if roots.base is None else os.geteuid()
        owners = () if user is None else (user,)
        readers = () if user is None else (0, user)
        wanted = [
            Place(roots.config_dir, readers, 0o022, is_directory=True),
            Place(roots.state_dir, owners, 0o077, is_directory=True),
            Place(roots.keys_dir, owners, 0o077, is_directory=True),
            Place(roots.state_dir / "store", owners, 0o077, is_directory=True),
            Place(roots.cache_dir, owners, 0o022, is_directory=True),
            Place(roots.run_dir, (), 0o022, is_directory=True),
            *(
                Place(roots.keys_dir / name, owners, 0o077)
                for name in ("master.secret", "master.secret.copy", "site.secret")
            ),
            Place(roots.keys_dir / "master.public", owners, 0o022),
            *(Place(each, readers, 0o022) for each in _configuration_files(roots)),
        ]
        above = (roots.config_dir, roots.state_dir, roots.run_dir) if roots.base is None else ()
        return places.look(wanted, above)

    def version(self) -> Iterable[Finding]:
        """Look at releases."""
        status = self._status
        running = "" if status is None else status.version
        return release.look(PACKAGE, running, UNIT)

    def process(self) -> Iterable[Finding]:
        """Look at the running process."""
        pid = self._pid()
        status = self._status
        fleet = 0 if status is None else status.fleet
        return process.look(pid, descriptors_wanted=fleet + descriptors.SPARE) if pid else ()

    def _pid(self) -> int:
        """Give the process that answers at the master's socket; 0: none, or not for this user."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plug:
                plug.settimeout(ANSWER_S)
                with reachable(self._roots.socket_path) as name:
                    plug.connect(name)
                data = plug.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return 0
        return int(_CREDENTIALS.unpack(data)[0])


def _configuration_files(roots: Roots) -> tuple[Path, ...]:
    try:
        return files_of(roots.config_file)
    except LimpetError:
        return ()
