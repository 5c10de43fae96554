"""The `disk` states: how full file systems are; nothing is changed."""

import re

from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_LIMIT_S = 5.0


def status(
    context: StateContext,
    name: str,
    maximum: Loose = None,
    minimum: Loose = None,
    absolute: bool = False,
    free: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Fail if more or less of a file system is used (or `free`) than these limits say."""
    unit = "KB" if absolute else "%"
    limits = {"maximum": maximum, "minimum": minimum}
    numbers: dict[str, int] = {}
    for what, limit in limits.items():
        if limit is None:
            continue
        text = re.sub(r"\s*(%|kb)\Z", "", str(limit).strip().lower())
        if not text.isdigit():
            return failed(f"{what} must be an integer ")
        numbers[what] = int(text)
        if not absolute and numbers[what] > 100:
            return failed(f"{what} must be in the range [0, 100] ")
    if "maximum" in numbers and "minimum" in numbers and numbers["minimum"] >= numbers["maximum"]:
        return failed("minimum must be less than maximum ")
    if not context.host.files.is_directory(name):
        return failed(
            f"Disk mount {name} not present. Directory {name} does not exist or is not a directory"
        )
    usage = context.host.disks.usage(name, limit_s=_LIMIT_S)
    if usage is None:
        return failed(f"the file system of {name} does not answer")
    amount = usage["free" if free else "used"]
    whole = usage["used"] + usage["free"]
    shown = amount // 1024 if absolute else round(100 * amount / whole) if whole else 0
    what = "available" if free else "used"
    if "minimum" in numbers and shown < numbers["minimum"]:
        return failed(
            f"Disk {what} space is below minimum of {numbers['minimum']} {unit} at {shown} {unit}"
        )
    if "maximum" in numbers and shown > numbers["maximum"]:
        return failed(
            f"Disk {what} space is above maximum of {numbers['maximum']} {unit} at {shown} {unit}"
        )
    return Outcome(True, f"Disk {what} space in acceptable range")
