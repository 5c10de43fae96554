"""Waiting until the minion of this host is READY, or it is clear why it is not."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.errors import HostError
from limpet.common.messages.refusals import clock_in
from limpet.common.storage.files import read_whole
from limpet.minion.control.client import LocalClient
from limpet.minion.control.connections import connect, peer_of
from limpet.minion.control.messages import AskLocalStatus, LocalStatus
from limpet.minion.sessions.states import ADVICE, Loss, State
from limpet.minion.setup.clocks import APART_MAX_S, apart_text

LOOK_EVERY_S: Final = 0.1
JUST_NOW_S: Final = 0.5
SOCKET_S: Final = 2.0
SETTLED_S: Final = 2.0
"""The status file is written a second after the event at the latest."""
STATUS_BYTES_MAX: Final = 1024 * 1024


class Shown(msgspec.Struct, frozen=True):
    """What the status file of the minion says; what it does not say is empty."""

    state: str = ""
    since: float = 0.0
    """Seconds since 1970, as the other times."""
    reason: str = ""
    pid: int = 0
    version: str = ""
    minion_id: str = ""
    address: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """How the minion is at this moment."""

    pid: int
    """0: none has the socket."""
    state: str
    """Of the link, lower case; empty: it does not say."""
    reason: str
    since: float
    version: str
    minion_id: str
    address: str

    @property
    def is_ready(self) -> bool:
        """Say whether it is in a session with its master."""
        return self.pid != 0 and self.state == State.READY.value


def read_status_file(path: Path) -> Shown:
    """Read the status file; one that is missing, damaged or not readable says nothing."""
    try:
        return msgspec.json.decode(read_whole(path, bytes_max=STATUS_BYTES_MAX), type=Shown)
    except (FileNotFoundError, HostError, msgspec.DecodeError, UnicodeDecodeError):
        return Shown()


def running_pid(socket_path: Path) -> int:
    """Give the process that answers at the minion's socket; 0: none does.

    Raises `PermissionError` where this user may not ask.
    """
    try:
        with connect(socket_path, SOCKET_S) as connection:
            return peer_of(connection).pid
    except HostError as error:
        if isinstance(error.__cause__, PermissionError):
            raise PermissionError(error.__cause__.errno, str(error)) from error
        return 0


def look(socket_path: Path, status_path: Path) -> Now:
    """Ask the running minion, and its file for what only that has."""
    shown = read_status_file(status_path)
    pid = running_pid(socket_path)
    status = None
    if pid:
        try:
            with LocalClient(socket_path) as client:
                status = client.ask(AskLocalStatus(), wait_s=SOCKET_S)
        except HostError:
            status = None  # it hangs, or has just ended: then the next look says so
    if not isinstance(status, LocalStatus):
        return Now(pid, "", "", 0.0, "", shown.minion_id, "")
    state = status.state.lower()
    is_same = shown.pid == pid and shown.state == state
    reason = shown.reason if is_same else ""
    return Now(
        pid, state, reason, status.since_wall_s, status.version, status.minion_id, status.master
    )


def wait_ready(
    socket_path: Path,
    status_path: Path,
    *,
    not_pid: int,
    timeout_s: float,
    on_change: Callable[[Now], None],
    why_not: Callable[[], str],
) -> tuple[Now, float, str]:
    """Wait; gives how it is in the end, the seconds that took, and what keeps it from starting.

    `not_pid` is a process that is about to end, or has the settings of before. `on_change` hears of
    each new state. `why_not` is asked now and then while no minion answers, for a reason not to
    wait any longer (empty: there is none). A denial ends the wait as well, unless it is older than
    the wait: it will not pass by itself soon.
    """
    began, began_wall_s = time.monotonic(), time.time()
    last = ("", "")
    asked = began
    while True:
        now = look(socket_path, status_path)
        waited_s = time.monotonic() - began
        if now.pid == not_pid:
            now = Now(0, "", "", 0.0, "", now.minion_id, "")
        if now.is_ready:
            return now, waited_s, ""
        if now.pid and (now.state, now.reason) != last:
            last = (now.state, now.reason)
            on_change(now)
        is_news = now.since >= began_wall_s - JUST_NOW_S
        if now.state == State.DENIED.value and now.reason and is_news:
            return now, waited_s, ""
        if not now.pid and time.monotonic() - asked > SETTLED_S:
            asked = time.monotonic()
            problem = why_not()
            if problem:
                return now, waited_s, problem
        if waited_s >= timeout_s:
            return now, waited_s, ""
        time.sleep(LOOK_EVERY_S)


def explain(now: Now, *, has_token: bool, fingerprint: str) -> tuple[str, str]:
    """Say what is wrong with a minion that is not READY, and what somebody has to do."""
    state, reason = now.state, now.reason
    minion = now.minion_id or "ID"
    if state == State.PENDING.value:
        return (
            f"the master knows the key of {minion}, and nobody has accepted it yet",
            f"on the master: `limpet keys list`, compare the fingerprint {fingerprint}, then "
            f"`limpet keys accept {minion}`; the minion goes on asking and needs nothing here",
        )
    if state == State.DENIED.value:
        return _denied(now, minion, has_token, fingerprint)
    for loss, advice in ADVICE.items():
        if reason == loss.value:
            return f"no session with the master: {reason}", advice
    if reason in {loss.value for loss in Loss}:
        return f"no session with the master: {reason}", "`limpet doctor` looks at the whole way"
    shown = f"{state} ({reason})" if reason else state or "not running"
    return f"the minion is {shown}", "`limpet doctor` looks at the whole way; the log says more"


def _denied(now: Now, minion: str, has_token: bool, fingerprint: str) -> tuple[str, str]:
    """Explain a denial. The master never says why it refuses a token; these are its reasons."""
    reason = now.reason
    if reason == "cloned":
        return (
            "another host uses the same key: one of the two is a copy of the other",
            "on the copy: stop the minion, remove /var/lib/limpet-minion/keys/minion.*, start it; "
            "its new key has to be accepted",
        )
    if reason == "protocol":
        return "master and minion have no protocol in common", ADVICE[Loss.PROTOCOL]
    if reason == "rejected":
        return (
            f"the key of {minion} was rejected on the master",
            f"on the master: `limpet keys accept {minion}` if that was a mistake",
        )
    if not reason.startswith("refused"):
        return f"the master denies: {reason}", "its log says more: `journalctl -u limpet-master`"
    clock = clock_in(reason)
    ahead_s = None if clock is None else now.since - clock
    if has_token and ahead_s is not None and abs(ahead_s) > APART_MAX_S:
        return (
            f"the master refuses the join string: {apart_text(ahead_s)}, more than ten minutes",
            "set the clock (`timedatectl set-ntp true`); the minion goes on asking",
        )
    key = f"`limpet keys list` shows this key as {fingerprint}"
    if not has_token:
        return (
            f"the master refuses the key of {minion}",
            f"on the master: {key}; `limpet keys accept {minion}` lets it in",
        )
    return (
        "the master refuses the join string, and never tells a host why",
        f"on the master: `limpet token list` (is it used up, expired, revoked, for other ids than "
        f"{minion}?); {key}, under Conflicts if {minion} has another key already: then `limpet "
        "keys delete` the fingerprint of the old one if its host is gone, and `limpet keys accept` "
        "this one; `journalctl -u limpet-master` has the reason. The minion goes on asking",
    )
