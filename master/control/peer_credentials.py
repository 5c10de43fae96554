"""Who is at the other end of the Unix socket, and whether that user may give commands.

The kernel attests uid and groups; names come from the host's user database, which may be a network
service that hangs. So it is asked in threads of their own, each with an end to the patience.
"""

import grp
import os
import pwd
import socket
import struct
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from limpet.common.clock import Instant, Moment

NOBODY_UID: Final = 65534
"""What the kernel shows of users that a user namespace does not map; never let in."""
LOOKUP_S_MAX: Final = 2.0
LOOKUPS_MAX: Final = 8
"""Look-ups under way at once; more are refused rather than piled up behind one that hangs."""
REMEMBERED_S: Final = 30.0
REMEMBERED_MAX: Final = 256
_SO_PEERGROUPS: Final = 59
_GROUPS_MAX: Final = 256
"""As many as Python's `getsockopt` has room for; users in more are looked up."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What the kernel attests of a connection."""

    uid: int
    gids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Names:
    """What the user database says."""

    user: str
    """Empty: no such user."""
    group_id: int
    """The number of the group whose members may give commands; -1: there is no such group."""
    member_of: frozenset[int] = frozenset()
    """Groups of the user, asked only where the kernel does not attest them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the caller give commands, under which name, and if not, why."""

    is_allowed: bool
    user: str
    reason: str = ""
    """The label of the counter: `denied`, `nss_timeout`."""
    text: str = ""


Lookup = Callable[[int, str], Names]
"""Asks the user database about a uid and a group; may block, raises nothing."""


def caller_of(connection: socket.socket) -> Caller:
    """Read what the kernel says of the other end. Raises `OSError`."""
    size = struct.calcsize("3i")
    _, uid, gid = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 4 * _GROUPS_MAX)
    except OSError:
        return Caller(uid, frozenset())  # old kernel, many groups: the user database is asked
    return Caller(uid, frozenset((gid, *struct.unpack(f"{len(raw) // 4}I", raw))))


def system_lookup(uid: int, group: str) -> Names:
    """Ask the host's user database; may block for long."""
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return Names("", group_id(group))
    try:
        member_of = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    except OSError:
        member_of = frozenset((entry.pw_gid,))
    # A name that is no UTF-8 could neither be told nor kept.
    name = entry.pw_name.encode("utf-8", "backslashreplace").decode()
    return Names(name, group_id(group), member_of)


def group_id(group: str) -> int:
    """Give the number of a group; -1: there is no such group. May block."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return -1


@dataclass(slots=True)
class _Pending:
    deadline: Instant


class UserDirectory:
    """Judges callers without ever waiting; `wake` is called (in a thread) when an answer came."""

    def __init__(self, *, group: str, wake: Callable[[], None], lookup: Lookup) -> None:
        self._group = group
        self._wake = wake
        self._lookup = lookup
        self._own_uid = os.geteuid()
        self._known: OrderedDict[int, tuple[Instant, Names]] = OrderedDict()
        self._pending: dict[int, _Pending] = {}
        self._answers: deque[tuple[int, Names]] = deque()
        self._threads = 0
        self._lock = threading.Lock()

    def judge(self, caller: Caller, now: Moment) -> Verdict | None:
        """Say whether the caller may give commands; None: ask again when woken, or in 2 s."""
        if caller.uid == NOBODY_UID:
            return _denied("the user nobody (65534) never may give commands")
        if caller.uid == 0:
            return Verdict(True, "root")
        self._take_answers(now)
        trusted = caller.uid == self._own_uid
        found = self._known.get(caller.uid)
        if found is not None and now.boot < found[0]:
            return self._decide(caller, found[1], trusted)
        pending = self._pending.get(caller.uid)
        if pending is None or now.boot >= pending.deadline + REMEMBERED_S:
            with self._lock:
                has_thread = self._threads < LOOKUPS_MAX
            if has_thread:
                pending = _Pending(now.after(LOOKUP_S_MAX))
                self._pending[caller.uid] = pending
                self._start(caller.uid)
        if pending is not None and now.boot < pending.deadline:
            return None
        if trusted:  # the name is only for show
            return Verdict(True, str(caller.uid))
        return Verdict(
            False,
            str(caller.uid),
            "nss_timeout",
            f"the user database of the master's host does not say who uid {caller.uid} is; "
            "try again, or look at nsswitch.conf there",
        )

    def _decide(self, caller: Caller, names: Names, trusted: bool) -> Verdict:
        if trusted:
            return Verdict(True, names.user or str(caller.uid))
        if not names.user:
            return _denied(f"uid {caller.uid} has no name on the master's host")
        if names.group_id in (caller.gids or names.member_of):
            return Verdict(True, names.user)
        return _denied(
            f"the user {names.user} may not give commands to the master: "
            f"join the group {self._group} (`usermod -aG {self._group} {names.user}`) and log in "
            "again"
        )

    def _take_answers(self, now: Moment) -> None:
        while self._answers:
            uid, names = self._answers.popleft()
            self._pending.pop(uid, None)
            self._known.pop(uid, None)
            if len(self._known) >= REMEMBERED_MAX:
                del self._known[next(iter(self._known))]
            self._known[uid] = (now.after(REMEMBERED_S), names)

    def _start(self, uid: int) -> None:
        with self._lock:
            self._threads += 1
        thread = threading.Thread(target=self._ask, args=(uid,), name="user-lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the host has no thread left: as if the answer did not come in time
            with self._lock:
                self._threads -= 1

    def _ask(self, uid: int) -> None:
        try:
            names = self._lookup(uid, self._group)
        finally:
            with self._lock:
                self._threads -= 1
        self._answers.append((uid, names))
        self._wake()


def _denied(text: str) -> Verdict:
    return Verdict(False, "", "denied", text)
