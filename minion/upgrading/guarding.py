"""What the guard has to watch: a version that somebody else installed, and the way back."""

import os
import time
from pathlib import Path

from limpet.minion.upgrading.layout import version_of
from limpet.minion.upgrading.record import Record
from limpet.minion.upgrading.updater import boot_id


def record_of_guard(
    old: str,
    new: str,
    under_way: Record | None,
    *,
    kept: str,
    previous: Path,
    ready_timeout_s: float,
) -> Record:
    """Give the record of a guard that begins, in the place of one that is under way.

    `old` runs and `new` was installed: names of versions directories. `kept`: the version whose
    package is kept at `previous`; empty: there is none.
    """
    is_between = under_way is not None and (
        old == under_way.new or (under_way.phase == "prepared" and under_way.new == new)
    )
    if under_way is not None and is_between:
        old = under_way.old  # the version between the two never proved itself
    return Record(
        id=os.urandom(8).hex(),
        kind="guard",
        phase="prepared",
        old=old,
        old_version=version_of(old),
        new=new,
        new_version=version_of(new),
        previous=str(previous) if kept == version_of(old) else "",
        ready_timeout_s=ready_timeout_s,
        boot_id=boot_id(),
        started_s=round(time.time(), 3),
    )
