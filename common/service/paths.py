"""Where limpet keeps its files: the system's places, or one directory for everything (`--root`).

                    system                     --root DIR
    configuration   /etc/limpet/master.yaml    DIR/master.yaml
    state           /var/lib/limpet            DIR/state/master     keys, store, journal
    run             /run/limpet                DIR/run              sockets, locks
    cache           /var/cache/limpet          DIR/cache/master
    states, pillar  /srv/limpet/states         DIR/states, DIR/pillar

The minion's system places are called `limpet-minion`; its configuration stands beside the master's.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from limpet.common.errors import HostError, UsageError

Role = Literal["master", "minion"]

ROOT_VARIABLE: Final = "LIMPET_ROOT"
PRIVATE_MODE: Final = 0o700
RUN_MODE: Final = 0o750
BASE_MODE: Final = 0o711
"""To be passed through: the group that may give commands has to reach `run`."""


@dataclass(frozen=True, slots=True)
class Roots:
    """The places of one role on this host. `locate` makes it; only `prepare` touches the disk."""

    role: Role
    base: Path | None
    """The directory of `--root`, absolute; None: the system's places."""
    config_dir: Path
    state_dir: Path
    run_dir: Path
    cache_dir: Path
    states_dir: Path
    """The default of `file_roots`, environment `base`."""
    pillar_dir: Path
    """The default of `pillar_roots`, environment `base`."""

    @classmethod
    def locate(
        cls, role: Role, root: str | None = None, environment: Mapping[str, str] | None = None
    ) -> "Roots":
        """Find the places: `--root` first, then `$LIMPET_ROOT`, then the system's.

        Raises `UsageError` where the root is so long that no Unix socket fits into it, or is not
        text.
        """
        variables = os.environ if environment is None else environment
        text = root or variables.get(ROOT_VARIABLE, "")
        if not text:
            name = "limpet" if role == "master" else "limpet-minion"
            return cls(
                role=role,
                base=None,
                config_dir=Path("/etc/limpet"),
                state_dir=Path("/var/lib") / name,
                run_dir=Path("/run") / name,
                cache_dir=Path("/var/cache") / name,
                states_dir=Path("/srv/limpet/states"),
                pillar_dir=Path("/srv/limpet/pillar"),
            )
        base = Path(os.path.abspath(os.path.expanduser(text)))
        if not str(base).isprintable():  # it stands in logs, answers and plans
            raise UsageError(f"{str(base)!a} can't be the root: choose a path that is plain text")
        return cls(
            role=role,
            base=base,
            config_dir=base,
            state_dir=base / "state" / role,
            run_dir=base / "run",
            cache_dir=base / "cache" / role,
            states_dir=base / "states",
            pillar_dir=base / "pillar",
        )

    @property
    def config_file(self) -> Path:
        """The configuration of the role."""
        return self.config_dir / f"{self.role}.yaml"

    @property
    def keys_dir(self) -> Path:
        """Where the role's key pair and trust files are."""
        return self.state_dir / "keys"

    @property
    def socket_path(self) -> Path:
        """The Unix socket of the role for commands on this host."""
        return self.run_dir / f"{self.role}.sock"

    @property
    def lock_path(self) -> Path:
        """The lock that keeps a second process of the role out."""
        return self.state_dir / "lock"

    def prepare(self) -> None:
        """Make the directories that a daemon of the role writes to, and check what is there.

        Raises `UsageError` naming the path and the command that puts it right where a directory
        belongs to somebody else or others may write to it, and `HostError` if one can't be made.
        """
        if self.base is None:
            for place in (self.config_dir, self.state_dir, self.run_dir):
                _check_parents(place)
        else:
            _make(self.base, BASE_MODE)
            _check(self.base)
            _make(self.base / "state", PRIVATE_MODE)
            _make(self.base / "cache", PRIVATE_MODE)
        for place, mode in (
            (self.state_dir, PRIVATE_MODE),
            (self.keys_dir, PRIVATE_MODE),
            (self.cache_dir, PRIVATE_MODE),
            (self.run_dir, RUN_MODE),
        ):
            _make(place, mode)
            _check(place)
        if self.config_dir.exists():
            _check(self.config_dir, is_root_welcome=True)


def tighten_umask() -> None:
    """Let nothing that this process makes be open to others; the first act of a daemon."""
    os.umask(0o077)


def _make(place: Path, mode: int) -> None:
    """Make a directory with a mode, unless it is there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(mode=mode)
        os.chmod(place, mode)  # whatever the umask took away
    except FileExistsError:
        return
    except OSError as error:
        raise HostError(
            f"{place}: can't make the directory: {error.strerror}; "
            "run as the user that owns the directory above it, or choose another --root"
        ) from error


def _check(place: Path, *, is_root_welcome: bool = False) -> None:
    """See to it that a directory is ours (configuration: or root's) and ours alone to write."""
    found = _status(place)
    owner = os.geteuid()
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{place} is not a directory: move it away, or choose another --root")
    if found.st_uid != owner and not (is_root_welcome and found.st_uid == 0):
        raise UsageError(
            f"{place} belongs to {user_name(found.st_uid)}, but this process runs as "
            f"{user_name(owner)}: run it as {user_name(found.st_uid)}, or "
            f"`chown -R {user_name(owner)} {place}`"
        )
    # A group of the same number is the user's private one: the umask 0002 of many systems.
    if found.st_mode & (0o002 if found.st_gid == found.st_uid else 0o022):
        raise UsageError(
            f"{place} may be written by others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"`chmod go-w {place}`"
        )


def _check_parents(place: Path) -> None:
    """See to it that nobody but root and this user can put another directory in its place."""
    for parent in place.parents:
        if not parent.exists():
            continue
        found = _status(parent)
        if found.st_uid not in (0, os.geteuid()):
            raise UsageError(
                f"{parent} belongs to {user_name(found.st_uid)}, who could replace {place}: "
                f"`chown root {parent}`"
            )
        if found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX:
            raise UsageError(
                f"{parent} may be written by anybody (mode {stat.S_IMODE(found.st_mode):04o}), "
                f"who could replace {place}: `chmod o-w {parent}`"
            )


def _status(place: Path) -> os.stat_result:
    try:
        return place.stat()
    except OSError as error:
        raise HostError(f"{place}: {error.strerror}") from error


def user_name(uid: int) -> str:
    """Give the name of a user, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
