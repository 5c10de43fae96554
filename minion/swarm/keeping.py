"""What a swarm keeps between runs: the keys of its minions, and what these know of their master.

One file for all, mode 0600, in a directory that one swarm uses at a time. The secret of the join
string is never written: a minion that was let in once needs it no more.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.errors import HostError
from limpet.common.storage.files import make_directory, read_whole, write_whole
from limpet.minion.swarm.plan import Member

FILE_NAME: Final = "swarm.keys"
LOCK_NAME: Final = "swarm.lock"
BYTES_MAX: Final = 256 * 1024 * 1024
FORMAT: Final = 1

MakePair = Callable[[], tuple[bytes, bytes]]


class Kept(msgspec.Struct):
    """What the file holds."""

    server_key: str = ""
    """The master's key as the last join string told it, in hex."""
    members: dict[str, Member] = {}
    """By id; also those that the present run does not need."""
    format: int = FORMAT


class SwarmFile:
    """The file, or nothing where none is wanted."""

    def __init__(self, directory: Path | None) -> None:
        """Use a directory, made if it is not there; None: nothing is kept."""
        self._path = None if directory is None else directory / FILE_NAME
        if directory is not None:
            make_directory(directory)

    def load(self) -> Kept:
        """Read it; one that is not there holds nothing. Raises `HostError` for a damaged one."""
        if self._path is None:
            return Kept()
        try:
            data = read_whole(self._path, bytes_max=BYTES_MAX)
        except FileNotFoundError:
            return Kept()
        try:
            kept = msgspec.msgpack.decode(data, type=Kept)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HostError(
                f"{self._path} is damaged ({error}): remove it; its minions then join anew, "
                "under ids that are free (`--id-prefix`), or after `limpet keys delete`"
            ) from error
        if kept.format != FORMAT:
            raise HostError(
                f"{self._path} is of format {kept.format}; this limpet reads {FORMAT}: "
                "use the release that wrote it, or another `--state` directory"
            )
        return kept

    def save(self, kept: Kept) -> None:
        """Write all of it, durably. Raises `HostError`."""
        if self._path is not None:
            write_whole(self._path, msgspec.msgpack.encode(kept), mode=0o600)


def take_members(kept: Kept, prefix: str, number: int, make_pair: MakePair) -> list[Member]:
    """Give the first so many minions with this prefix; missing ones are made, and kept."""
    found = []
    for index in range(1, number + 1):
        minion_id = f"{prefix}{index:05d}"
        member = kept.members.get(minion_id)
        if member is None:
            public, secret = make_pair()
            member = kept.members[minion_id] = Member(index, minion_id, public, secret)
        found.append(member)
    return found


def learn(kept: Kept, members: Iterable[Member]) -> None:
    """Take over what the processes told at their end."""
    for member in members:
        kept.members[member.minion_id] = member
