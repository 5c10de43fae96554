"""Programs: started without a shell of our own making, read to the end, ended in time.

Output is read as it comes, from both streams, and bounded. A program that leaves a daemon behind
which still holds its output does not hold the caller: two seconds after the program's own end the
answer is what had been said by then.
"""

import contextlib
import grp
import os
import pwd
import secrets
import selectors
import shutil
import signal
import subprocess
import time
from typing import IO, Any

from limpet.common.errors import HostError
from limpet.states.ports.machine import OUTPUT_BYTES_MAX, Command, Completed

_AFTER_END_S = 2.0
"""How long output is still read when the program itself has ended but something holds it open."""
_GENTLE_S = 2.0
"""Between SIGTERM and SIGKILL of a program that ran out of time."""
_LOGIN_S = 5.0
_PIECE_BYTES = 64 * 1024


class LocalCommands:
    """Implements `limpet.states.ports.machine.Commands`."""

    def run(self, command: Command) -> Completed:
        """Run it to its end. `HostError` if it can't be started, naming program and reason."""
        process = _start(command, is_background=False)
        return _Conversation(process, command).finish()

    def start(self, command: Command) -> int:
        """Start it in a session of its own and give its pid; its output goes nowhere."""
        process = _start(command, is_background=True)
        process.returncode = 0  # nobody will ask for it: the parent's end hands it to init
        return process.pid

    def which(self, name: str, path: str | None = None) -> str | None:
        """Give the full path of a program, searched in `path` or in this process's PATH."""
        return shutil.which(name, path=path)

    def environment(self) -> dict[str, str]:
        """Give this process's own environment."""
        return dict(os.environ)

    def login_environment(self, user: str, shell: str) -> dict[str, str]:
        """Give the environment that the account has after a login; bounded to some seconds.

        Where `su` is missing or refuses, it is what every login has: HOME, USER, LOGNAME, SHELL.
        """
        try:
            account = pwd.getpwnam(user)
        except (KeyError, ValueError):
            raise HostError(f"User '{user}' is not available") from None
        found: dict[str, str] = {}
        if os.geteuid() == 0 and (su := shutil.which("su")):
            mark = secrets.token_hex(16)
            script = f"printf %s {mark}; env -0; printf %s {mark}"
            answer = self.run(
                Command(
                    (su, "-s", shell, "-", user, "-c", script),
                    environment=dict(os.environ),
                    cwd="/",
                    timeout_s=_LOGIN_S,
                )
            )
            parts = answer.stdout.split(mark.encode())
            if len(parts) == 3:  # what the profile printed, the environment, the rest
                pairs = os.fsdecode(parts[1]).split("\0")
                found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found.pop("_", None)
        found.setdefault("SHELL", account.pw_shell)
        found.setdefault("LOGNAME", user)
        return {**found, "USER": user, "HOME": account.pw_dir}


def _start(command: Command, *, is_background: bool) -> "subprocess.Popen[bytes]":
    silent = subprocess.DEVNULL
    try:
        return subprocess.Popen(
            list(command.argv),
            stdin=silent if command.stdin is None or is_background else subprocess.PIPE,
            stdout=silent if is_background else subprocess.PIPE,
            stderr=silent
            if is_background
            else subprocess.STDOUT
            if command.is_stderr_in_stdout
            else subprocess.PIPE,
            cwd=command.cwd,
            env=dict(command.environment),
            start_new_session=is_background,
            process_group=None if is_background else 0,
            umask=-1 if command.umask is None else command.umask,
            **_identity(command),
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise HostError(f"cannot run {command.argv[0]!r} in {command.cwd}: {reason}") from error


def _identity(command: Command) -> dict[str, Any]:
    """Give what Popen needs to become the command's user and group, with its other groups."""
    if command.user is None and command.group is None:
        return {}
    identity: dict[str, Any] = {}
    gid: int | None = None
    if command.group is not None:
        try:
            gid = grp.getgrnam(command.group).gr_gid
        except (KeyError, ValueError):
            raise HostError(f"Group '{command.group}' is not available") from None
    if command.user is not None:
        try:
            account = pwd.getpwnam(command.user)
        except (KeyError, ValueError):
            raise HostError(f"User '{command.user}' is not available") from None
        gid = account.pw_gid if gid is None else gid
        if account.pw_uid != os.geteuid():
            identity["user"] = account.pw_uid
        if os.geteuid() == 0:
            identity["extra_groups"] = os.getgrouplist(command.user, gid)
    if gid is not None and gid != os.getegid():
        identity["group"] = gid
    return identity


class _Conversation:
    """One program that is being read until it ends or its time is over."""

    def __init__(self, process: "subprocess.Popen[bytes]", command: Command) -> None:
        self._process = process
        self._command = command
        self._kept: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        self._bytes = {"stdout": 0, "stderr": 0}
        self._is_cut = False
        self._unsent = memoryview(command.stdin or b"")
        self._selector = selectors.DefaultSelector()
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ, name)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        self._wait_s = 1.0
        try:
            self._end_fd = os.pidfd_open(process.pid)
        except OSError:  # an old kernel: its end is looked for instead of waited for
            self._end_fd = -1
            self._wait_s = 0.05
        else:
            self._selector.register(self._end_fd, selectors.EVENT_READ, "end")

    def finish(self) -> Completed:
        """Read to the end. Never longer than the command's time and the two graces."""
        is_timed_out = False
        try:
            limit = self._command.timeout_s
            if not self._read_until(None if limit is None else time.monotonic() + limit):
                is_timed_out = True
                self._end()
        except BaseException:
            self._signal(signal.SIGKILL)
            raise
        finally:
            self._close()
            self._process.wait()
        return Completed(
            self._process.pid,
            self._process.returncode,
            b"".join(self._kept["stdout"]),
            b"".join(self._kept["stderr"]),
            is_timed_out,
            self._is_cut,
        )

    def _read_until(self, deadline: float | None) -> bool:
        """Read until the program has ended and said all; False when the time came first."""
        ended_at: float | None = None
        while True:
            now = time.monotonic()
            if ended_at is None and self._process.poll() is not None:
                ended_at = now
            if ended_at is not None and (not self._is_open() or now >= ended_at + _AFTER_END_S):
                return True
            if deadline is not None and now >= deadline and ended_at is None:
                return False
            wait_s = self._wait_s if ended_at is None else ended_at + _AFTER_END_S - now
            if deadline is not None and ended_at is None:
                wait_s = min(wait_s, max(deadline - now, 0.001))
            if self._selector.get_map():
                for key, _events in self._selector.select(wait_s):
                    self._serve(key)
            else:
                time.sleep(min(wait_s, 0.05))

    def _is_open(self) -> bool:
        return any(key.data in ("stdout", "stderr") for key in self._selector.get_map().values())

    def _serve(self, key: selectors.SelectorKey) -> None:
        pipe = key.fileobj
        if key.data == "end":
            self._selector.unregister(pipe)
            self._process.wait()  # at once: it has ended
            return
        if key.data == "stdin":
            with contextlib.suppress(BlockingIOError):
                try:
                    self._unsent = self._unsent[os.write(key.fd, self._unsent[:_PIECE_BYTES]) :]
                except BrokenPipeError:
                    self._unsent = memoryview(b"")  # it does not read what it is given: its choice
            if not self._unsent:
                self._drop(pipe)
            return
        try:
            piece = os.read(key.fd, _PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            self._drop(pipe)
            return
        room = OUTPUT_BYTES_MAX - self._bytes[key.data]
        if len(piece) > room:
            self._is_cut = True
        if room > 0:
            self._kept[key.data].append(piece[:room])
            self._bytes[key.data] += len(piece[:room])
        if self._command.on_output is not None:
            self._command.on_output(piece)

    def _drop(self, pipe: Any) -> None:  # noqa: ANN401
        self._selector.unregister(pipe)
        pipe.close()

    def _end(self) -> None:
        """End the whole process group, gently, then by force."""
        self._signal(signal.SIGTERM)
        self._read_until(time.monotonic() + _GENTLE_S)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _close(self) -> None:
        self._selector.close()
        if self._end_fd >= 0:
            os.close(self._end_fd)
        pipes: tuple[IO[bytes] | None, ...] = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        for pipe in pipes:
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
