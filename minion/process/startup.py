"""From configuration and key files to a plan: what happens before the minion runs.

Everything that can be wrong with what a person wrote is found here, and said in one line.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from limpet import __version__
from limpet.common.crypto.joinstring import JoinString, parse_join_string
from limpet.common.crypto.keyfiles import (
    FILE_BYTES_MAX,
    KeyPair,
    load_or_make_pair,
    read_trusted,
    write_trusted,
)
from limpet.common.crypto.keys import decode_key, decode_public_key, encode_base32
from limpet.common.errors import HostError, UsageError
from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import Roots, tighten_umask
from limpet.common.service.systemd import groups
from limpet.common.settings.loader import exposed_secrets
from limpet.common.settings.metrics import metrics_address
from limpet.common.settings.minion import MinionConfiguration, load_minion, require_master
from limpet.common.settings.minion_identity import find_minion_id
from limpet.common.storage.files import read_whole
from limpet.minion.master_keys.io.key_files import TRUSTED_NAME, forget_trust, read_told, write_told
from limpet.minion.process.host_identity import set_aside_if_copied
from limpet.minion.process.plan import Plan, PlannedPlace, hand_over, program_of
from limpet.minion.upgrading.io.last import last_word
from limpet.minion.workers.fork_server_messages import WorkerSetup

KEY_NAME: Final = "minion"
JOIN_WAS_SHOWN: Final = (
    "the join string stood on the command line, where other users of this host could read it for "
    "a moment: give such a token one use and a short life, or put `join` into minion.yaml"
)
PRIVATE_SOCKET: Final = "/run/systemd/private"
"""As in `systemd/manager.py`, which loads what a start does not need."""
BOOTED: Final = "/run/systemd/system"
"""Is there where systemd is the first process (as `sd_booted` looks)."""
BOOT_ID_PATH: Final = Path("/proc/sys/kernel/random/boot_id")


def make_plan(root: str | None, options: Mapping[str, Any], *, is_running: bool = False) -> Plan:
    """Read the configuration, make what the first start has to make, and give the plan.

    `is_running`: the minion that this is for runs, and holds the lock; it is not given another
    key or another identity. Raises `UsageError` and `SourceError` for what a person has to put
    right, `HostError` where the host refuses.
    """
    roots = Roots.locate("minion", root)
    configuration = load_minion(roots, options)
    require_master(configuration, roots)
    join = None if configuration.join is None else parse_join_string(configuration.join)
    tighten_umask()
    roots.prepare()
    with nullcontext() if is_running else InstanceLock(roots.lock_path, "a limpet minion"):
        identity = _identity(roots, configuration, join, is_running=is_running)
    upgraded = last_word(roots.state_dir)
    return Plan(
        minion_id=identity.minion_id,
        places=tuple(
            PlannedPlace(place.host, place.port, place.enrol_port)
            for place in configuration.addresses
        ),
        server_key=identity.server_key,
        told=identity.told,
        public_key=identity.pair.public,
        secret_key=identity.pair.secret,
        join_token_id="" if join is None else join.token_id,
        join_secret=b"" if join is None else join.secret,
        boot_id=boot_id(roots.state_dir),
        version=__version__,
        log_level=int(configuration.level),
        root=None if roots.base is None else str(roots.base),
        state_dir=str(roots.state_dir),
        run_dir=str(roots.run_dir),
        lock_path=str(roots.lock_path),
        socket_path=str(roots.socket_path),
        jobs_at_once=configuration.jobs_at_once,
        job_timeout_s=configuration.job_timeout_s or 0.0,
        worker_setup=worker_setup(roots, configuration, identity.minion_id),
        metrics=metrics_address(configuration.metrics_listen),
        options={key: value for key, value in options.items() if value is not None},
        notices=(
            *((JOIN_WAS_SHOWN,) if options.get("join") else ()),
            *exposed_secrets(configuration, roots.config_file),
            *identity.notices,
            *((f"the last upgrade: {upgraded}",) if upgraded else ()),
        ),
        last_upgrade=upgraded,
    )


class _Identity(NamedTuple):
    """Who the minion is, and whom it trusts."""

    minion_id: str
    pair: KeyPair
    server_key: bytes
    told: str
    """As in `Plan`."""
    notices: tuple[str, ...]


def _identity(
    roots: Roots, configuration: MinionConfiguration, join: JoinString | None, *, is_running: bool
) -> _Identity:
    """Find on the disk who this minion is; the first start makes what is not there.

    Whoever holds the lock may call it. Raises as `make_plan`.
    """
    copied = (
        ()
        if is_running
        else set_aside_if_copied(roots.state_dir, is_followed=configuration.follow_machine_id)
    )
    keys = PairMaker(roots.keys_dir / f"{KEY_NAME}.public", may_make=not is_running)
    pair = load_or_make_pair(
        roots.keys_dir,
        KEY_NAME,
        make=keys.make,
        public_of=keys.public_of,
        compute=keys.computed,
    )
    server_key, told, notices = find_server_key(roots, configuration, join)
    found = find_minion_id(roots.state_dir, configuration.id)
    return _Identity(
        found.minion,
        pair,
        server_key,
        told,
        (*copied, *pair.notices, *notices, *found.notices),
    )


class PairMaker:
    """Makes a key pair at the first start; later ones need not load ZeroMQ for it.

    Then the public key is the one on the disk; that it belongs to the secret is checked by the
    running minion (`daemon.check_pair`), which has the library anyway.
    """

    def __init__(self, public_path: Path, *, may_make: bool = True) -> None:
        self._public_path = public_path
        self._may_make = may_make
        self._is_new = False

    def make(self) -> tuple[bytes, bytes]:
        """Make a public and a secret key. Raises `HostError` where a minion runs with others."""
        if not self._may_make:
            raise HostError(
                f"{self._public_path.parent}: the key files of the running minion are gone or "
                "damaged: restore them, or restart it to get a new key (which has to be accepted)"
            )
        from limpet.common.transport.sockets import make_keypair

        self._is_new = True
        return make_keypair()

    def public_of(self, secret: bytes) -> bytes:
        """Give the public key of a secret one."""
        if not self._is_new:
            try:
                return decode_key(read_whole(self._public_path, bytes_max=FILE_BYTES_MAX))
            except (FileNotFoundError, HostError, UsageError):
                self._is_new = True  # nothing usable there: it is computed, and written anew
        return self.computed(secret)

    @staticmethod
    def computed(secret: bytes) -> bytes:
        """Give the public key of a secret one, whatever stands on the disk."""
        from limpet.common.transport.sockets import public_key_of

        return public_key_of(secret)


def find_server_key(
    roots: Roots, configuration: MinionConfiguration, join: JoinString | None
) -> tuple[bytes, str, tuple[str, ...]]:
    """Give the master's public key, and what a person told of it; what is told is kept.

    What is told counts where it is new, or nothing is kept: the master's key may have been rotated
    since, and the minion has followed. Then the configuration still has the old one.
    Raises `UsageError` if two places contradict each other, or none says it.
    """
    path = roots.keys_dir / TRUSTED_NAME
    kept, notices = read_trusted(path)
    told = None if configuration.master_key is None else decode_public_key(configuration.master_key)
    if join is not None:
        if told is not None and told != join.master_key:
            raise UsageError(
                f"`master_key` in {roots.config_file} is not the key of the join string: "
                "remove the wrong one"
            )
        told = join.master_key
    if told is None:
        if kept is None:
            raise UsageError(
                "the master's key is not known: use --join with what `limpet token create` "
                f"printed there, or set `master_key` in {roots.config_file}"
            )
        return kept, "", notices
    wish = f"{encode_base32(told)} {'' if join is None else join.token_id}".rstrip()
    before = read_told(roots.keys_dir)
    if kept is not None and before == wish:
        return kept, wish, notices
    if told != kept:
        if kept is not None:
            notices = (*notices, f"the master's key is another one than before (kept in {path})")
        forget_trust(roots.keys_dir)
        write_trusted(path, told)
    try:
        write_told(roots.keys_dir, wish)
    except HostError as error:  # written again before it matters (`trusting/files.write_current`)
        notices = (*notices, str(error))
    return told, wish, notices


def boot_id(state_dir: Path) -> str:
    """Name this boot of this host and this state directory, in 32 hex digits.

    Two copies of one minion differ in it even on one host: a copied directory is another inode.
    """
    try:
        kernel = BOOT_ID_PATH.read_text(encoding="ascii").strip()
    except OSError:
        kernel = ""  # containers may hide it; the directory still tells copies apart
    place = state_dir.stat()
    text = f"{kernel} {place.st_dev} {place.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def worker_setup(roots: Roots, configuration: MinionConfiguration, minion_id: str) -> WorkerSetup:
    """Give what all jobs of the minion are told."""
    from limpet.states.context import Places

    places = Places.of(roots)
    mapping: dict[str, Any] = msgspec.to_builtins(configuration)
    for secret in configuration.SECRETS:
        mapping.pop(secret, None)
    return WorkerSetup(
        minion_id=minion_id,
        spool=str(roots.state_dir / "spool"),
        local_socket=str(roots.socket_path),
        configuration_file=str(places.configuration_file),
        grains_file=str(places.grains_file),
        state_directory=str(places.state_directory),
        configuration=mapping,
        memory_bytes_max=configuration.job_memory_bytes_max or 0,
        service_manager=service_manager(),
    )


def service_manager(booted: Path = Path(BOOTED)) -> str:
    """Give the socket of the systemd that gives jobs their scopes; empty: this is no unit of it.

    That systemd runs, and that this process is a service of its own: a minion that a terminal or
    a manager of containers started shares its unit with others, and keeps jobs to itself.
    """
    if os.geteuid() != 0 or not booted.is_dir() or not groups.is_system_service(groups.read()):
        return ""
    return PRIVATE_SOCKET


def make_way(plan: Plan) -> None:
    """Become the running minion: the libraries that were needed until here are left behind."""
    fd = hand_over(plan)
    os.set_inheritable(fd, True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(  # noqa: S606 - no shell is wanted
        sys.executable, program_of(plan, fd)
    )
