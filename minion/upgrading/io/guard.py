"""What the guard has to watch: a version that somebody else installed, and the way back."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from limpet.common.service.locks import InstanceLock
from limpet.minion.upgrading.io.layout import version_of
from limpet.minion.upgrading.io.updater import boot_id
from limpet.minion.upgrading.record import Record

LOOK_AGAIN_S: Final = 1.0
"""Between two looks at an upgrade whose updater is just starting (again)."""

Lock = Callable[[float], InstanceLock]
"""Takes the lock of upgrades, waiting for so many seconds."""


def wait_for_turn(
    lock: Lock, load: Callable[[], Record | None], wait_s: float
) -> tuple[InstanceLock, Record | None]:
    """Take the lock when no package is being installed by an upgrade any more.

    After `wait_s` it comes with the record of the one that still is. Raises what `lock` raises
    where that is held for so long, and `HostError` where the record can't be read.
    """
    end = time.monotonic() + wait_s
    while True:
        left_s = end - time.monotonic()
        held = lock(max(0.0, left_s))
        try:
            under_way = load()
        except BaseException:
            held.close()
            raise
        if under_way is None or under_way.kind == "guard" or left_s <= 0:
            return held, under_way
        held.close()  # to the updater, which is between two of its lives
        time.sleep(min(LOOK_AGAIN_S, left_s))


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
