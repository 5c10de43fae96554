"""The steps of `limpet master setup`: look, write, start, wait, and the first token.

    ports free? ─▶ 50-setup.yaml, directories ─▶ start ─▶ serves ─▶ token ─▶ what hosts are told

Run again, it changes only what is asked for anew, and makes another token.
"""

import grp
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from limpet import __version__
from limpet.common.control.replies import MasterStatus, TokenMade
from limpet.common.crypto.keyfiles import load_or_make_pair
from limpet.common.crypto.keys import fingerprint
from limpet.common.errors import ExitCode, HostError, MasterUnreachable, UsageError
from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import Roots
from limpet.common.settings.addresses import host_port
from limpet.common.settings.loader import with_options
from limpet.common.settings.master import MasterConfiguration, load_master
from limpet.common.setup import units
from limpet.common.setup.findings import Finding, fail, is_well, ok
from limpet.common.setup.listeners import who_listens
from limpet.common.setup.reach import connect_all
from limpet.common.setup.report import as_data, show
from limpet.common.setup.setup_file import SetupFile
from limpet.common.storage.files import host_error, make_directory
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import duration_text
from limpet.master.client.client import Client
from limpet.master.setup.report import firewall_lines, line_for_hosts, name_for_hosts, package_line

UNIT: Final = "limpet-master.service"
GROUP: Final = "limpet"
FILE_MODE: Final = 0o640
TREE_MODE: Final = 0o750
LOOK_EVERY_S: Final = 0.2
COMPLAIN_AFTER_S: Final = 2.0
CONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for; None or empty: as it is configured."""

    listen: tuple[str, ...]
    port: int | None
    enrol_port: int | None
    name: str | None
    id_pattern: str
    """Of the first token; empty: no token is wanted."""
    ttl_s: float
    uses: int
    is_started: bool
    timeout_s: float


class SettingUp:
    """One run of the command."""

    def __init__(self, session: Session, wish: Wish, *, is_told: bool) -> None:
        """Look at what is configured. Raises `UsageError` and `SourceError` before any change."""
        self._session = session
        self._is_told = is_told
        self._wish = wish
        self._roots = Roots.locate("master", session.root)
        if self._roots.base is None and os.geteuid() != 0:
            raise UsageError("setting up this host's master takes root: run it with sudo")
        if wish.name is not None and host_port(wish.name).port:
            raise UsageError(f"--name {wish.name}: without a port; --port says that")
        self._owner = (0, _group_id()) if self._roots.base is None else None
        self._file = SetupFile(
            self._roots.config_file, role="master", mode=FILE_MODE, owner=self._owner
        )
        self._findings: list[Finding] = []
        self._told: dict[str, Any] = {}
        self._is_unit = False

    @property
    def data(self) -> dict[str, Any]:
        """Give how it went, for JSON."""
        return {
            "ok": is_well(self._findings),
            "file": str(self._file.path),
            "findings": as_data(self._findings),
            **self._told,
        }

    def run(self) -> ExitCode:
        """Do it. Raises `UsageError`, `HostError` and what the client raises."""
        wish = self._wish
        changes: dict[str, Any] = {}
        if wish.listen:
            changes["listen"] = list(wish.listen) if len(wish.listen) > 1 else wish.listen[0]
        if wish.port is not None:
            changes["port"] = wish.port
        if wish.enrol_port is not None:
            changes["enrol_port"] = wish.enrol_port
        self._is_unit = self._roots.base is None and units.is_booted()
        if wish.is_started and self._is_unit and not units.state_of(UNIT).is_installed:
            text = f"{UNIT} is not installed"
            self._say(fail("service", text, "install the package limpet-master, or use --root DIR"))
            return ExitCode.FAILED
        before = self._status()
        wanted = with_options(load_master(self._roots), changes)
        if before is None and wish.is_started and not self._are_ports_free(wanted):
            return ExitCode.FAILED
        is_changed = self._file.write(MasterConfiguration, changes)
        self._say(ok("written", f"{self._file.path}" + ("" if is_changed else " (as it was)")))
        configuration = load_master(self._roots)
        self._make_trees(configuration)
        if not wish.is_started:
            self._say(units.leave_for_boot("" if self._roots.base else UNIT, self._by_hand))
            return ExitCode.OK
        status = self._start_and_wait(before, is_changed=is_changed)
        if status is None:
            return ExitCode.NO_MASTER
        self._tell(configuration, status)
        return ExitCode.OK

    @property
    def _by_hand(self) -> str:
        return self._session.command("master")

    # --- before the start -----------------------------------------------------------------------

    def _are_ports_free(self, wanted: MasterConfiguration) -> bool:
        """See that no other program has the ports; the service's own may be about to let go."""
        is_free = True
        for port in (wanted.port, wanted.enrol_port):
            holders = who_listens(port)
            if holders and not self._is_unit_active():
                is_free = False
                text = f"port {port} is taken by {', '.join(holders)}"
                self._say(
                    fail("ports", text, "end that program, or choose others: --port, --enrol-port")
                )
        return is_free

    def _is_unit_active(self) -> bool:
        if not self._is_unit:
            return False
        return units.state_of(UNIT).active in ("active", "activating", "reloading")

    def _make_trees(self, configuration: MasterConfiguration) -> None:
        """Make the directories for states and pillar, unless others are configured."""
        made = []
        for directory, roots in (
            (self._roots.states_dir, configuration.file_roots),
            (self._roots.pillar_dir, configuration.pillar_roots),
        ):
            if (str(directory),) in roots.values():
                self._make_tree(directory)
                made.append(str(directory))
        if made:
            self._say(ok("trees", f"{' and '.join(made)}: states and pillar go there, top.sls too"))

    def _make_tree(self, directory: Path) -> None:
        new = [each for each in (directory, directory.parent) if not each.exists()]
        make_directory(directory, TREE_MODE)
        for each in new if self._owner is not None else ():
            try:
                os.chown(each, *self._owner)  # type: ignore[misc]
            except OSError as error:
                raise host_error("set the owner of", each, error) from error

    # --- start and wait -------------------------------------------------------------------------

    def _start_and_wait(
        self, before: MasterStatus | None, *, is_changed: bool
    ) -> MasterStatus | None:
        is_unit = self._is_unit
        is_restarted = is_changed or before is None
        since = time.time()
        if is_unit:
            problem = units.enable(UNIT) or (units.restart(UNIT) if is_restarted else "")
            if problem:
                self._say(fail("service", problem, f"`systemctl status {UNIT}` says more"))
                return None
        elif is_restarted:
            if before is None:
                self._make_keys()
            what = "restart" if before is not None else "start"
            self._session.note(
                f"no systemd here: {what} `{self._by_hand}` yourself; waiting "
                f"{self._wish.timeout_s:g} s for it"
            )
        began = time.monotonic()
        complained = began
        while True:
            status = self._status()
            if status is not None and (not is_restarted or status.since_s >= since - 1.0):
                unmet = [*status.problems, *self._closed_ports()]
                if not unmet:
                    self._say(ok("serving", self._serving(status, time.monotonic() - began)))
                    return status
            else:
                unmet = ["no master answers on this host"]
            now = time.monotonic()
            if is_unit and status is None and now - complained > COMPLAIN_AFTER_S:
                complained = now
                problem = units.last_error(UNIT, since)
                if problem:
                    advice = f"`journalctl -u {UNIT}` has it all; it goes on trying"
                    self._say(fail("service", f"the master does not run: {problem}", advice))
                    return None
            if now - began >= self._wish.timeout_s:
                log = f"`journalctl -u {UNIT}`" if is_unit else "its log on stderr"
                waited = f"after {self._wish.timeout_s:g} s"
                self._say(fail("serving", f"{waited}: {'; '.join(unmet)}", f"see {log}"))
                return None
            time.sleep(LOOK_EVERY_S)

    def _closed_ports(self) -> list[str]:
        """Say which port takes no connection yet; the enrolment port comes a moment later."""
        configuration = load_master(self._roots)
        address = configuration.listen_addresses[0]
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
        places = ((address, configuration.port), (address, configuration.enrol_port))
        reached = connect_all(places, CONNECT_S)
        return [each.text for each in reached if each.verdict != "open"]

    def _make_keys(self) -> None:
        """Make the key pair of a master that this user runs by hand, so that it can be told now."""
        from limpet.common.transport.sockets import make_keypair, public_key_of

        self._roots.prepare()
        with InstanceLock(self._roots.lock_path, "a limpet master"):
            pair = load_or_make_pair(
                self._roots.keys_dir, "master", make=make_keypair, public_of=public_key_of
            )
        self._say(ok("key", f"in {self._roots.keys_dir}: {fingerprint(pair.public)}"))

    def _status(self) -> MasterStatus | None:
        """Ask the running master; None: none answers."""
        try:
            with Client(self._session.root, patience_s=2.0, first_patience_s=0.1) as client:
                return client.status()
        except MasterUnreachable:
            return None

    def _serving(self, status: MasterStatus, took_s: float) -> str:
        after = f" after {took_s:.1f} s" if took_s >= LOOK_EVERY_S else ""
        return f"limpet {status.version} serves{after}; {status.ready} of {status.fleet} minions"

    # --- what hosts are told --------------------------------------------------------------------

    def _tell(self, configuration: MasterConfiguration, status: MasterStatus) -> None:
        """Make the first token, and say what has to be done on the hosts and on the way to them."""
        key = bytes.fromhex(status.public_key)
        ports = (configuration.enrol_port, configuration.port)
        name = self._wish.name or name_for_hosts(configuration)
        self._told = {
            "name": name,
            "fingerprint": fingerprint(key),
            "ports": list(ports),
            "firewall": list(firewall_lines(ports)),
            "package": package_line(__version__),
        }
        made = self._make_token()
        lines = [f"This master's key: {fingerprint(key)}", ""]
        if made is not None:
            line = line_for_hosts(configuration, name, made.join_string, uses=made.uses)
            self._told |= {"token": made.token_id, "join": made.join_string, "command": line}
            left = duration_text(max(0.0, made.expires_s - time.time()))
            hosts = "one host" if made.uses == 1 else f"{made.uses} hosts"
            lines += [
                f"On each new host, as root (good for {hosts} within {left}, for ids like "
                f"{made.id_pattern!a}):",
                f"  {self._told['package']}",
                f"  {line}",
                "",
            ]
        lines += [
            f"The firewall of this host must let TCP to {ports[0]} and {ports[1]} in from the "
            "minions; nothing has to be open on theirs. For example:",
            *(f"  {each}" for each in self._told["firewall"]),
        ]
        if self._is_told:
            import click

            click.echo("\n" + "\n".join(lines))

    def _make_token(self) -> TokenMade | None:
        wish = self._wish
        if not wish.id_pattern:
            return None
        with Client(self._session.root, on_notice=self._session.note) as client:
            return client.create_token(wish.ttl_s, wish.uses, wish.id_pattern)

    def _say(self, *findings: Finding) -> None:
        self._findings += findings
        if self._is_told:
            show(findings, self._session.palette)


def _group_id() -> int:
    """Give the group that the master's service runs in. Raises `HostError` where there is none."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError as error:
        raise HostError(
            f"this host has no group {GROUP}: the package limpet-master makes it; install that, "
            "or use --root DIR for a master without it"
        ) from error
