"""`mount.fstab_present`, `mount.fstab_absent` and `mount.swap`."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.mount import entry
from limpet.states.functions.mount.fstab import Table
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import programs

_TAGS = {"uuid": "UUID", "label": "LABEL", "partuuid": "PARTUUID", "partlabel": "PARTLABEL"}


def fstab_present(
    context: StateContext,
    name: str,
    fs_file: str,
    fs_vfstype: str,
    fs_mntops: Loose = "defaults",
    fs_freq: int = 0,
    fs_passno: int = 0,
    mount_by: str | None = None,
    config: str = "/etc/fstab",
    mount: bool = True,
    match_on: Loose = "auto",
    not_change: bool = False,
    fs_mount: bool = True,
    **_odd: Loose,
) -> Outcome:
    """See to it that a file system stands in the table, and mount it when it is new there."""
    is_mounting = mount and fs_mount
    try:
        device = _device(context, name, mount_by)
        wanted = entry(fs_file, device, fs_vfstype, fs_mntops, fs_freq, fs_passno)
        table = Table.of(context.host.files.read_text(config) or "")
        found = table.find(wanted, match_on)
        if found is not None and (not_change or found.is_same(wanted)):
            return Outcome(True, f"{fs_file} entry was already in {config}.")
        if context.is_test:
            if found is not None:
                return Outcome(None, f"{fs_file} entry will be updated in {config}.")
            more = f"\nWill mount {name} on {fs_file}" if is_mounting else ""
            return Outcome(None, f"{fs_file} entry will be written in {config}.{more}")
        told = context.call(
            "mount.set_fstab", fs_file, device, fs_vfstype, opts=wanted.options, dump=fs_freq,
            pass_num=fs_passno, config=config, match_on=match_on,
        )  # fmt: skip
    except HostError as error:
        return failed(str(error))
    changes = {"persist": told}
    if told == "change":
        return Outcome(True, f"{fs_file} entry updated in {config}.", changes)
    comment = f"{fs_file} entry added in {config}."
    if is_mounting and fs_vfstype != "swap" and not context.call("mount.is_mounted", fs_file):
        answer = context.call("mount.mount", fs_file, device, False, fs_vfstype, wanted.options)
        if answer is not True:
            return Outcome(
                False,
                f"{comment}\nError while mounting {str(answer).removeprefix('mount:')}",
                changes,
            )
        comment += f"\nMounted {name} on {fs_file}"
    return Outcome(True, comment, changes)


def fstab_absent(
    context: StateContext,
    name: str,
    fs_file: str,
    mount_by: str | None = None,
    config: str = "/etc/fstab",
    **_odd: Loose,
) -> Outcome:
    """See to it that a file system does not stand in the table."""
    try:
        device = _device(context, name, mount_by)
        table = Table.of(context.host.files.read_text(config) or "")
        if not table.remove(fs_file, device):
            return Outcome(True, f"{fs_file} entry is already missing in {config}.")
        if context.is_test:
            return Outcome(None, f"{fs_file} entry will be removed from {config}.")
        context.call("mount.rm_fstab", fs_file, device, config)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"{fs_file} entry removed from {config}.", {"persist": "removed"})


def swap(
    context: StateContext,
    name: str,
    persist: bool = True,
    config: str = "/etc/fstab",
    **_odd: Loose,
) -> Outcome:
    """See to it that the machine swaps to a device or file, with `persist` from boot on."""
    changes: dict[str, Any] = {}
    result: bool | None = True
    try:
        if name in context.call("mount.swaps"):
            comment = f"Swap {name} already active"
        elif context.is_test:
            return Outcome(None, f"Swap {name} is set to be activated")
        elif context.call("mount.swapon", name):
            changes["swap"] = context.call("mount.swaps")[name]
            comment = f"Swap {name} activated"
        else:
            result = False
            comment = f"Swap {name} failed to activate"
        if not persist:
            return Outcome(result, comment, changes)
        table = Table.of(context.host.files.read_text(config) or "")
        if any(line.kind == "swap" and line.device == name for line in table.lines):
            return Outcome(result, f"{comment}. Entry already exists in the fstab.", changes)
        if context.is_test:
            return Outcome(None, f"Swap {name} is set to be added to the fstab and to be activated")
        context.call(
            "mount.set_fstab", "none", name, "swap", config=config, match_on=["device", "fstype"]
        )
    except HostError as error:
        return failed(str(error))
    changes["persist"] = "new"
    return Outcome(result, f"{comment}. Added new entry to the fstab.", changes)


def _device(context: StateContext, name: str, mount_by: str | None) -> str:
    """Give the device as the table should have it: by its UUID, its label and so on."""
    if not mount_by or mount_by == "device":
        return name
    tag = _TAGS.get(mount_by)
    if tag is None:
        raise HostError(f"mount_by must be one of device, {', '.join(_TAGS)}, not {mount_by!r}")
    if name.startswith(f"{tag}="):
        return name
    words = ["blkid", "-o", "value", "-s", tag, "--", name]
    found = programs.run(context.host.commands, words).stdout.strip()
    if not found:
        raise HostError(f"{name} has no {tag}: blkid knows none")
    return f"{tag}={found}"
