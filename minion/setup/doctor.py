"""What `limpet doctor` looks at on a minion's host."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import limpet
from limpet.common.crypto.joinstring import parse_join_string
from limpet.common.crypto.keyfiles import read_trusted
from limpet.common.crypto.keys import decode_public_key, fingerprint
from limpet.common.doctor import clock, disk, keys, places, process, release, service
from limpet.common.doctor.places import Place
from limpet.common.errors import HostError, LimpetError
from limpet.common.service.paths import Roots
from limpet.common.settings.loader import exposed_secrets, files_of
from limpet.common.settings.minion import MinionConfiguration, load_minion
from limpet.common.setup.findings import Check, Finding, fail, ok, warn
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import since_text
from limpet.minion.process.host_identity import kept_hash, machine_hash
from limpet.minion.setup.clocks import APART_MAX_S, APART_WARN_S, apart_text, compare_with_master
from limpet.minion.setup.reaching import LOOK_S, look_at_masters
from limpet.minion.setup.waiting import Now, explain, look, read_status_file
from limpet.minion.upgrading.io.files import UpgradeFiles

UNIT: Final = "limpet-minion.service"
PACKAGE: Final = "limpet-minion"
_AS_ROOT: Final = "run `limpet doctor` as root to look at it as well"


def checks_of(session: Session, roots: Roots) -> list[Check]:
    """Give the checks of the minion whose places these are."""
    patient = Patient(session, roots)
    found = [
        Check("configuration", patient.configuration),
        Check("master", patient.way_to_master, LOOK_S),
        Check("link", patient.link),
        Check("clock", patient.clock, 8.0),
        Check("key", patient.keys),
        Check("identity", patient.identity),
        Check("disk", patient.disk),
        Check("modes", patient.modes),
        Check("version", patient.version),
        Check("encryption", release.look_at_library),
        Check("process", patient.process),
        Check("memory", process.look_at_memory),
    ]
    if roots.base is None:
        found.insert(3, Check("service", patient.service, 12.0))
    return found


class Patient:
    """The minion of this host."""

    def __init__(self, session: Session, roots: Roots) -> None:
        self._session = session
        self._roots = roots
        self._settings: MinionConfiguration | None = None
        self._mistake: LimpetError | None = None
        self._may_ask = True
        self._now = Now(0, "", "", 0.0, "", "", "")
        try:
            self._settings = load_minion(roots)
        except LimpetError as error:
            self._mistake = error
        try:
            self._now = look(roots.socket_path, self._status_path)
        except PermissionError:
            self._may_ask = False

    @property
    def _status_path(self) -> Path:
        return self._roots.run_dir / "minion-status.json"

    @property
    def _state_is_hidden(self) -> bool:
        """Whether this user can't look into the minion's state."""
        return places.is_hidden(self._roots.state_dir)

    def configuration(self) -> Iterable[Finding]:
        """Look at the files that people and `setup` write."""
        if self._settings is None and places.is_denied(self._mistake):
            yield warn("configuration", str(self._mistake), _AS_ROOT)
            return
        if self._settings is None:
            yield fail("configuration", str(self._mistake), "put that right and restart the minion")
            return
        path = self._roots.config_file
        if not self._settings.master:
            how = self._session.command("minion", "setup", "--master", "HOST", "--join", "STRING")
            yield fail("configuration", f"no master is configured in {path}", f"`{how}`")
            return
        for line in exposed_secrets(self._settings, path):
            yield warn("configuration", line, "others may have read it: revoke that token")
        if self._settings.join is not None and self._now.is_ready:
            how = self._session.command("minion", "setup")
            text = "the join string is still there, and not needed any more"
            yield warn("configuration", text, f"`{how}` takes it out")
        used = [str(each) for each in files_of(path) if os.path.exists(each)]
        yield ok("configuration", ", ".join(used))

    def way_to_master(self) -> Iterable[Finding]:
        """Look at the name, the ports and the key of the master."""
        settings = self._settings
        if settings is None or not settings.master:
            return ()
        key = self._master_key(settings)
        found = look_at_masters(settings.addresses, key, has_key=self._now.is_ready)
        if key is None and self._state_is_hidden:
            found.append(warn("master key", "not compared", _AS_ROOT))
        return found

    def _master_key(self, settings: MinionConfiguration) -> bytes | None:
        """Give the key that the master should have, as far as this user can know."""
        kept = None
        if not self._state_is_hidden:
            kept, _ = read_trusted(self._roots.keys_dir / "trusted.public")
        if kept is not None:
            return kept
        if settings.join is not None:
            return parse_join_string(settings.join).master_key
        return None if settings.master_key is None else decode_public_key(settings.master_key)

    def link(self) -> Iterable[Finding]:
        """Look how the running minion is."""
        now = self._now
        if not self._may_ask:
            yield warn("link", "not asked: the minion belongs to another user", _AS_ROOT)
            return
        if not now.pid and not self._has_master:
            return  # that it has no master was said
        if not now.pid:
            how = self._session.command("minion")
            if self._roots.base is None:
                how = f"systemctl start {UNIT}"
            yield fail("link", "no minion runs on this host", f"`{how}`")
            return
        if not now.state:
            text = f"process {now.pid} has the minion's socket, and does not answer"
            yield fail("link", text, "its watchdog restarts it within a minute, unless stopped")
            return
        trouble = read_status_file(self._status_path).trouble
        if trouble:
            yield fail("link", f"the journal: {trouble}", "until it is over, new jobs are refused")
        if now.is_ready:
            import time

            since = since_text(now.since, time.time())
            yield ok("link", f"{now.minion_id} is READY, in a session with {now.address} {since}")
            return
        has_token = self._settings is not None and self._settings.join is not None
        text, advice = explain(now, has_token=has_token, fingerprint=self._own_fingerprint())
        yield fail("link", f"not READY: {text}", advice)

    def service(self) -> Iterable[Finding]:
        """Look at the unit; where no master is configured it rightly does not run."""
        return service.look(UNIT, is_wanted=self._has_master)

    @property
    def _has_master(self) -> bool:
        return self._settings is None or bool(self._settings.master)

    def _own_fingerprint(self) -> str:
        try:
            key = keys.read_key(self._roots.keys_dir / "minion.public")
        except LimpetError:
            key = None
        return "(not readable)" if key is None else fingerprint(key)

    def clock(self) -> Iterable[Finding]:
        """Look at the clock, by itself and beside the master's."""
        state = self._roots.state_dir
        written = (state, state / "journal", self._status_path, state / "lock")
        yield from clock.look(written, Path(limpet.__file__))
        if not self._now.is_ready:
            return
        try:
            apart = compare_with_master(self._roots.socket_path)
        except HostError as error:
            yield warn("clock", f"not compared with the master's: {error}", "")
            return
        if apart is None:
            return
        text = apart_text(apart.ahead_s)
        advice = "set the wrong one of the two: `timedatectl set-ntp true`"
        off_s = abs(apart.ahead_s) - apart.within_s
        if off_s > APART_MAX_S:
            yield fail("clock", f"{text}: no join string is accepted", advice)
        elif off_s > APART_WARN_S:
            yield warn("clock", text, advice)
        else:
            yield ok("clock", text)

    def keys(self) -> Iterable[Finding]:
        """Look at this minion's key pair, and at the master's key that it keeps."""
        if self._state_is_hidden:
            yield warn("key", f"not looked at: {self._roots.keys_dir}", _AS_ROOT)
            return
        yield from keys.look(self._roots.keys_dir, "minion")
        kept, notices = read_trusted(self._roots.keys_dir / "trusted.public")
        for text in notices:
            yield warn("master key", text, "it was put right just now")
        if kept is not None:
            yield ok("master key", f"kept: {fingerprint(kept)}")

    def identity(self) -> Iterable[Finding]:
        """Look whether the key was made for this host."""
        if self._state_is_hidden:
            return
        kept = kept_hash(self._roots.keys_dir)
        present = (
            machine_hash(self._roots.state_dir) if os.path.exists(self._roots.state_dir) else ""
        )
        is_followed = self._settings is None or self._settings.follow_machine_id
        if kept and present and kept != present and is_followed:
            text = "this host's machine id is not the one that the key was made for: it is a copy"
            advice = "the next start makes a new key; `follow_machine_id: false` if it is no copy"
            yield warn("identity", text, advice)
        elif not present:
            yield ok("identity", "no machine id to tell copies of this host by")
        else:
            yield ok("identity", "the key was made for this host" if kept else "no key yet")

    def disk(self) -> Iterable[Finding]:
        """Look at the room for what the minion writes."""
        roots = self._roots
        return disk.look((roots.state_dir, roots.cache_dir, roots.run_dir))

    def modes(self) -> Iterable[Finding]:
        """Look at owners and modes (R-8.1)."""
        roots = self._roots
        uid = 0 if roots.base is None else os.geteuid()
        wanted = [
            Place(roots.config_dir, (0, uid), 0o022, is_directory=True),
            Place(roots.state_dir, (uid,), 0o077, is_directory=True),
            Place(roots.keys_dir, (uid,), 0o077, is_directory=True),
            Place(roots.cache_dir, (uid,), 0o022, is_directory=True),
            Place(roots.run_dir, (), 0o022, is_directory=True),
            *(
                Place(roots.keys_dir / name, (uid,), 0o077)
                for name in ("minion.secret", "minion.secret.copy")
            ),
            *(
                Place(roots.keys_dir / name, (uid,), 0o022)
                for name in ("minion.public", "trusted.public", "trusted.public.copy", "machine")
            ),
            *(Place(each, (0, uid), 0o022) for each in _configuration_files(roots)),
        ]
        above = (roots.config_dir, roots.state_dir, roots.run_dir) if roots.base is None else ()
        return places.look(wanted, above)

    def version(self) -> Iterable[Finding]:
        """Look at releases, and at how the last upgrade ended."""
        yield from release.look(PACKAGE, self._now.version, UNIT)
        if self._state_is_hidden:
            return
        files = UpgradeFiles(self._roots.state_dir)
        record = files.load() or files.load_last()
        if record is None:
            return
        if record.phase in ("back", "failed"):
            advice = "the new version is held back: its log has the reason, `journalctl -b`"
            yield warn("upgrade", record.summary, advice)
        else:
            yield ok("upgrade", record.summary)

    def process(self) -> Iterable[Finding]:
        """Look at the running process."""
        return process.look(self._now.pid) if self._now.pid else ()


def _configuration_files(roots: Roots) -> tuple[Path, ...]:
    try:
        return files_of(roots.config_file)
    except LimpetError:
        return ()
