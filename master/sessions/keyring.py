"""What sessions and jobs need to know of keys; `limpet.master.enrolment.authority` provides it."""

from collections.abc import Iterable
from typing import Protocol

from limpet.common.identifiers import MinionKey
from limpet.master.store.operations import KeyRow, PutKey


class Keyring(Protocol):
    """The rows of all keys; the one owner of them in memory."""

    def is_accepted(self, key: MinionKey) -> bool:
        """Say whether the key is accepted now."""
        ...

    def row(self, key: MinionKey) -> KeyRow | None:
        """Give the row of a key, whatever its state."""
        ...

    def accepted_rows(self) -> Iterable[KeyRow]:
        """Give the rows of all accepted keys."""
        ...

    def replace_row(self, row: KeyRow) -> PutKey:
        """Take what a minion reported of itself (same key, id and state); gives what to persist."""
        ...
