"""The steps of `limpet minion setup`: look, write, start, wait, tidy up; and what is said of each.

    checks ─▶ 50-setup.yaml ─▶ start ─▶ READY ─▶ the join string is taken out again
      └─ not reachable: nothing written      └─ why not, and what somebody has to do

A join string stands in the file only until the minion is READY: its key is accepted then, and the
master's key is kept beside it.
"""

import os
import time
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.crypto.joinstring import JoinString, parse_join_string
from limpet.common.crypto.keyfiles import FILE_BYTES_MAX, read_trusted
from limpet.common.crypto.keys import decode_public_key, encode_base32, fingerprint
from limpet.common.errors import ExitCode, HostError, UsageError
from limpet.common.identifiers import minion_id
from limpet.common.service.paths import Roots
from limpet.common.settings.addresses import host_port
from limpet.common.settings.loader import with_options
from limpet.common.settings.minion import MinionConfiguration, load_minion, require_master
from limpet.common.setup import units
from limpet.common.setup.findings import Finding, fail, is_well, ok, warn
from limpet.common.setup.report import as_data, show
from limpet.common.setup.setup_file import SetupFile
from limpet.common.storage.files import read_whole
from limpet.common.terminal.session import Session
from limpet.minion.master_keys.io.key_files import TRUSTED_NAME, forget_trust
from limpet.minion.sessions.states import State
from limpet.minion.setup.clocks import APART_WARN_S, apart_text, compare_with_master
from limpet.minion.setup.joining import ask_for_join
from limpet.minion.setup.reaching import look_at_masters
from limpet.minion.setup.waiting import Now, explain, look, running_pid, wait_ready

UNIT: Final = "limpet-minion.service"
FILE_MODE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for; None: as it is configured."""

    masters: tuple[str, ...]
    join: JoinString | None
    master_key: bytes | None
    """In place of a join string: somebody has to accept the minion's key then."""
    minion_id: str | None
    enrol_port: int | None
    is_started: bool
    is_forced: bool
    timeout_s: float
    may_ask: bool
    """Somebody is at a terminal."""


class SettingUp:
    """One run of the command."""

    def __init__(self, session: Session, wish: Wish, *, is_told: bool) -> None:
        """Look at what is configured. Raises `UsageError` and `SourceError` before any change.

        `is_told`: findings are written to stdout as they come.
        """
        self._session = session
        self._is_told = is_told
        self._roots = Roots.locate("minion", session.root)
        if self._roots.base is None and os.geteuid() != 0:
            raise UsageError("setting up this host's minion takes root: run it with sudo")
        owner = (0, 0) if self._roots.base is None else None
        self._file = SetupFile(self._roots.config_file, role="minion", mode=FILE_MODE, owner=owner)
        self._present = load_minion(self._roots)
        self._wish = wish
        self._findings: list[Finding] = []
        self._took_s = 0.0
        self._is_unit = False
        self._minion = ""
        self._state = "not started"
        self._status_path = self._roots.run_dir / "minion-status.json"

    @property
    def data(self) -> dict[str, Any]:
        """Give how it went, for JSON."""
        return {
            "ok": is_well(self._findings),
            "minion": self._minion or None,
            "state": self._state,
            "seconds": round(self._took_s, 2),
            "file": str(self._file.path),
            "findings": as_data(self._findings),
        }

    def run(self) -> ExitCode:
        """Do it; the result is for the shell. Raises `UsageError` and `HostError`."""
        wish = self._wish
        join, server_key = self._find_keys()
        changes = self._changes(join)
        wanted = with_options(self._present, {k: v for k, v in changes.items() if k != "join"})
        require_master(wanted, self._roots)
        self._is_unit = self._roots.base is None and units.is_booted()
        if wish.is_started and self._is_unit and not units.state_of(UNIT).is_installed:
            text = f"{UNIT} is not installed"
            self._say(fail("service", text, "install the package limpet-minion, or use --root DIR"))
            return ExitCode.FAILED
        if wish.is_started and not self._is_way_free(wanted, server_key, join):
            self._say(
                fail(
                    "written",
                    "nothing: the master can't be reached as it is",
                    "put that right and run this again; with --anyway it is written and started "
                    "all the same, and the minion tries for ever",
                )
            )
            return ExitCode.NO_MASTER
        is_changed = self._file.write(MinionConfiguration, changes)
        self._say(ok("written", f"{self._file.path}" + ("" if is_changed else " (as it was)")))
        is_changed = self._forget_other_master(server_key) or is_changed
        if not wish.is_started:
            by_hand = self._session.command("minion")
            self._say(units.leave_for_boot("" if self._roots.base else UNIT, by_hand))
            return ExitCode.OK
        return self._start_and_wait(join, is_changed=is_changed)

    def _forget_other_master(self, server_key: bytes | None) -> bool:
        """Let the key that is named now count, though it was named before the master changed it.

        A minion that has followed a rotation keeps to it whatever its configuration goes on saying.
        """
        is_named = self._wish.join is not None or self._wish.master_key is not None
        kept, _ = read_trusted(self._roots.keys_dir / TRUSTED_NAME)
        if not is_named or kept is None or kept == server_key:
            return False
        forget_trust(self._roots.keys_dir)
        self._say(ok("master", "what the last one had announced of its keys is forgotten"))
        return True

    # --- what is known --------------------------------------------------------------------------

    def _find_keys(self) -> tuple[JoinString | None, bytes | None]:
        """Give the join string, and the key that the master should have now."""
        told = self._wish.join
        if told is not None:
            return told, told.master_key
        if self._wish.master_key is not None:
            return self._present_join(), self._wish.master_key
        join = self._present_join()
        # What is kept first: the master's key may have been rotated since the join string was made.
        kept, _ = read_trusted(self._roots.keys_dir / TRUSTED_NAME)
        if kept is not None:
            return join, kept
        if join is not None:
            return join, join.master_key
        if self._present.master_key is not None:
            return None, decode_public_key(self._present.master_key)
        if self._wish.may_ask:
            join = ask_for_join()
            return join, join.master_key
        raise UsageError(
            "the master's key is not known here yet: give --join with what `limpet token create` "
            "printed on the master (- reads it from stdin), or --master-key"
        )

    def _changes(self, join: JoinString | None) -> dict[str, Any]:
        """Give what the file should say. Raises `UsageError` for what is no host, port or id."""
        wish = self._wish
        changes: dict[str, Any] = {}
        for master in wish.masters:
            host_port(master)
        if wish.masters:
            changes["master"] = list(wish.masters) if len(wish.masters) > 1 else wish.masters[0]
        if wish.enrol_port is not None:
            changes["enrol_port"] = wish.enrol_port
        if wish.master_key is not None:
            changes["master_key"] = encode_base32(wish.master_key)
        if wish.minion_id is not None:
            changes["id"] = minion_id(wish.minion_id)
        if join is not None and join != self._present_join():
            changes["join"] = join.text()
            if self._present.master_key is not None and wish.master_key is None:
                told = decode_public_key(self._present.master_key)
                if told != join.master_key:
                    raise UsageError(
                        f"`master_key` in {self._roots.config_file} is not the key of the join "
                        "string: remove the wrong one"
                    )
        return changes

    def _present_join(self) -> JoinString | None:
        return None if self._present.join is None else parse_join_string(self._present.join)

    def _is_way_free(
        self, wanted: MinionConfiguration, server_key: bytes | None, join: JoinString | None
    ) -> bool:
        """Look at name, ports and key of the master; with --anyway nothing there stops us."""
        has_key = join is None and self._wish.master_key is None
        findings = look_at_masters(wanted.addresses, server_key, has_key=has_key)
        if self._wish.is_forced:  # what comes of it is judged by the wait
            findings = [
                warn(each.check, each.text, each.advice) if each.verdict == "fail" else each
                for each in findings
            ]
        self._say(*findings)
        return is_well(findings)

    # --- start and wait -------------------------------------------------------------------------

    def _start_and_wait(self, join: JoinString | None, *, is_changed: bool) -> ExitCode:
        before = running_pid(self._roots.socket_path)
        since = time.time()
        is_unit = self._is_unit
        is_restarted = is_changed or not before
        if is_unit and not is_restarted:  # it may pause now: begin at once
            is_restarted = not look(self._roots.socket_path, self._status_path).is_ready
        if is_unit and is_restarted:
            problem = units.enable(UNIT) or units.restart(UNIT)
            if problem:
                self._say(fail("service", problem, f"`systemctl status {UNIT}` says more"))
                return ExitCode.FAILED
        elif is_restarted:
            what = "restart" if before else "start"
            self._session.note(
                f"no systemd here: {what} `{self._session.command('minion')}` yourself; waiting "
                f"{self._wish.timeout_s:g} s for it"
            )

        def why_not() -> str:
            return units.last_error(UNIT, since) if is_unit else ""

        now, self._took_s, problem = wait_ready(
            self._roots.socket_path,
            self._status_path,
            not_pid=before if is_restarted and before else -1,
            timeout_s=self._wish.timeout_s,
            on_change=self._on_change,
            why_not=why_not,
        )
        self._minion, self._state = now.minion_id, now.state or "not running"
        if now.is_ready:
            self._on_ready(now)
            return ExitCode.OK
        return self._on_not_ready(now, problem, has_token=join is not None, is_unit=is_unit)

    def _on_change(self, now: Now) -> None:
        """Tell what goes on where somebody may have to do something meanwhile."""
        if now.state == State.PENDING.value:
            text, advice = explain(now, has_token=False, fingerprint=self._own_fingerprint())
            self._session.note(f"{text}; {advice}")

    def _on_ready(self, now: Now) -> None:
        after = f" after {self._took_s:.1f} s" if self._took_s >= 0.05 else ""
        self._say(
            ok("ready", f"{now.minion_id} is READY{after}, in a session with {now.address}"),
            ok("key", f"this minion's: {self._own_fingerprint()}"),
        )
        self._compare_clocks()
        if "join" not in self._file.values:
            return
        kept, _ = read_trusted(self._roots.keys_dir / TRUSTED_NAME)
        if kept is not None:  # else the next start would not know the master
            self._file.write(MinionConfiguration, {"join": None})
            self._say(ok("join string", f"taken out of {self._file.path}: it is not needed again"))

    def _compare_clocks(self) -> None:
        try:
            apart = compare_with_master(self._roots.socket_path)
        except HostError:
            return  # the session may be over again; the clock is not what this is about
        if apart is None:
            return
        text = apart_text(apart.ahead_s)
        if abs(apart.ahead_s) - apart.within_s > APART_WARN_S:
            advice = "let a service set the clock: `timedatectl set-ntp true`"
            self._say(warn("clock", text, advice))
        else:
            self._say(ok("clock", text))

    def _on_not_ready(self, now: Now, problem: str, *, has_token: bool, is_unit: bool) -> ExitCode:
        log = f"`journalctl -u {UNIT}`" if is_unit else "its log on stderr"
        if problem:
            self._say(fail("service", f"the minion does not run: {problem}", f"{log} has it all"))
            return ExitCode.FAILED
        waited = f"within {self._took_s:.0f} s"
        if not now.pid:
            self._say(fail("ready", f"no minion answers on this host {waited}", f"see {log}"))
            return ExitCode.NO_RESULT
        text, advice = explain(now, has_token=has_token, fingerprint=self._own_fingerprint())
        self._say(fail("ready", f"not READY {waited}: {text}", advice))
        return ExitCode.FAILED if now.state == State.DENIED.value else ExitCode.NO_RESULT

    def _own_fingerprint(self) -> str:
        try:
            text = read_whole(self._roots.keys_dir / "minion.public", bytes_max=FILE_BYTES_MAX)
            return fingerprint(decode_public_key(text))
        except (FileNotFoundError, HostError, UsageError):
            return "(not made yet)"

    def _say(self, *findings: Finding) -> None:
        self._findings += findings
        if self._is_told:
            show(findings, self._session.palette)
