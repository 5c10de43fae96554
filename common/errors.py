"""The error family, sorted by who can put things right.

A message names the object, the place and the next step. Programmers' mistakes are asserts and
are not caught. Catch at the job boundary, at the wire and at the command line, nowhere else.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command line ends with (the contract of README, section "Exit codes")."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_MINION = 3
    NO_RESULT = 4
    NO_MASTER = 5


class LimpetError(Exception):
    """Something a person can act on; the message says what, where, and what to do next."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(LimpetError):
    """The command line, a call's arguments or the configuration were wrong."""

    exit_code = ExitCode.USAGE


class SourceError(LimpetError):
    """A file of the user's is wrong: configuration, SLS, pillar, template."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, path: str, line: int | None = None) -> None:
        self.path = path
        self.line = line
        place = path if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {message}")


class PeerError(LimpetError):
    """The other side broke the protocol: drop the message, count it, go on.

    `reason` is the label of the counter `limpet_master_rejected_total`, a short snake_case word.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class HostError(LimpetError):
    """The managed machine refused: a command failed, a file cannot be written, the disk is full."""


class Stalled(LimpetError):
    """A wait reached its deadline; says what was waited for and for how long."""

    exit_code = ExitCode.NO_RESULT

    def __init__(self, waited_for: str, waited_s: float) -> None:
        self.waited_for = waited_for
        self.waited_s = waited_s
        super().__init__(f"waited {waited_s:.3g} s for {waited_for}")


class MasterUnreachable(LimpetError):
    """Nobody answers at the master's Unix socket, or this user may not use it."""

    exit_code = ExitCode.NO_MASTER
