"""`mount.mounted` and `mount.unmounted`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.mount import entry, listed
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_UNSEEN: Final = frozenset(
    ("_netdev", "actimeo", "auto", "bg", "bind", "comment", "defaults", "delay_connect",
     "direct-io-mode", "fail", "fg", "hard", "intr", "iocharset", "loop", "mand", "nconnect",
     "noauto", "nobootwait", "nofail", "nointr", "nolock", "nomand", "nosetuid", "nouser", "noperm",
     "owner", "password", "port", "rbind", "remount", "retry", "reconnect", "rsize", "secretfile",
     "soft", "timeo", "uid", "gid", "user", "username", "users", "vers", "credentials", "wsize",
     "dev", "exec", "suid", "async", "atime", "diratime", "group", "rw", "relatime")
)  # fmt: skip
"""Options that a mount does not show, or shows otherwise: they never ask for a remount."""
_NETWORK: Final = ("nfs", "nfs4", "cifs", "smbfs", "glusterfs", "ceph", "fuse.sshfs", "9p")


@dataclass(frozen=True, slots=True)
class MountedOptions:
    """Arguments of `mount.mounted`."""

    name: str
    device: str
    fstype: str
    mkmnt: bool = False
    opts: Loose = "defaults"
    dump: int = 0
    pass_num: int = 0
    config: str = "/etc/fstab"
    persist: bool = True
    """At boot as well."""
    mount: bool = True
    """False: only at boot."""
    user: str | None = None
    match_on: Loose = "auto"
    device_name_regex: Loose = None
    """Taken: a device is known by what its name leads to."""
    extra_mount_invisible_options: list[str] | None = None
    extra_mount_invisible_keys: list[str] | None = None
    extra_mount_ignore_fs_keys: Loose = None
    extra_mount_translate_options: Loose = None
    hidden_opts: list[str] | None = None
    bind_mount_copy_active_opts: bool = True


def mounted(context: StateContext, options: MountedOptions) -> Outcome:
    """See to it that a file system is mounted here, now and at boot."""
    if not options.device:
        return failed("Device is not set")
    try:
        wanted = entry(
            options.name, options.device, options.fstype, options.opts, options.dump,
            options.pass_num,
        )  # fmt: skip
        changes: dict[str, Any] = {}
        comment = _now(context, options, changes)
        if isinstance(comment, Outcome):
            return comment
        if not options.persist:
            return Outcome(
                None if _is_set(context, changes) else True, comment, _done(context, changes)
            )
        told = context.call(
            "mount.set_fstab", options.name, options.device, options.fstype,
            opts=wanted.options, dump=options.dump, pass_num=options.pass_num,
            config=options.config, match_on=options.match_on, test=context.is_test,
        )  # fmt: skip
    except HostError as error:
        return failed(str(error))
    words = {
        "present": "Entry already exists in the fstab.",
        "new": "Entry would be added to the fstab." if context.is_test
        else "Added new entry to the fstab.",
        "change": "Entry in the fstab would be updated." if context.is_test
        else "Updated the entry in the fstab.",
    }  # fmt: skip
    if told != "present":
        changes["persist"] = "new" if told == "new" else "update"
    if context.is_test and "mount" in changes:
        return Outcome(None, comment)
    whole = f"{comment}. {words[told]}"
    return Outcome(None if _is_set(context, changes) else True, whole, _done(context, changes))


def unmounted(
    context: StateContext,
    name: str,
    device: str | None = None,
    config: str = "/etc/fstab",
    persist: bool = False,
    user: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that nothing is mounted here; with `persist` not at boot either."""
    changes: dict[str, Any] = {}
    place = context.file_system.real_path(name)
    try:
        found = context.call("mount.active").get(place)
        if found is None:
            comment = "Target was already unmounted"
        elif context.is_test:
            return Outcome(None, f"Mount point {name} is mounted but should not be")
        else:
            told = context.call("mount.umount", place, user=user)
            if told is not True:
                return failed(str(told) or "Failed to umount")
            changes["umount"] = True
            comment = "Target was successfully unmounted"
        if not persist:
            return Outcome(True, comment, changes)
        table = context.call("mount.fstab", config)
        if name not in table or (device and table[name]["device"] != device):
            return Outcome(True, f"{comment}. fstab entry not found", changes)
        if context.is_test:
            return Outcome(
                None, f"Mount point {name} is unmounted but needs to be purged from {config}"
            )
        context.call("mount.rm_fstab", name, device, config)
    except HostError as error:
        return failed(str(error))
    changes["persist"] = "purged"
    return Outcome(True, f"{comment}. Removed target from fstab", changes)


def _now(context: StateContext, options: MountedOptions, changes: dict[str, Any]) -> str | Outcome:
    """See to what is mounted now; give a comment, or the outcome if it ends here."""
    name = context.file_system.real_path(options.name)
    if not options.mount:
        return f"{options.name} not mounted"
    found = context.call("mount.active").get(name)
    if found is None:
        return _mount(context, options, changes)
    if not _is_device(context, options, found):
        if context.is_test:
            changes["mount"] = True
            return f"{options.name} would be unmounted and mounted again from {options.device}"
        told = context.call("mount.umount", name, user=options.user)
        if told is not True:
            return failed(f"Unable to unmount {name}: {told}.")
        again = _mount(context, options, changes)
        changes["umount"] = (
            f"Forced unmount because devices don't match. Wanted: {options.device}, current: "
            f"{found['device']}"
        )
        return again
    if missing := _missing(options, found):
        shown = ", ".join(missing)
        if context.is_test:
            changes["mount"] = True
            return f"Remount would be forced because options ({shown}) changed"
        told = context.call(
            "mount.remount", name, options.device, fstype=options.fstype, opts=options.opts,
            user=options.user,
        )  # fmt: skip
        if told is not True:
            return failed(str(told))
        changes["umount"] = f"Forced remount because options ({shown}) changed"
        return "Target was already mounted"
    return "Target was already mounted"


def _mount(
    context: StateContext, options: MountedOptions, changes: dict[str, Any]
) -> str | Outcome:
    name = options.name
    is_there = context.host.files.is_directory(name) or context.host.files.exists(name)
    if context.is_test:
        changes["mount"] = True
        if is_there:
            return f"{name} would be mounted"
        made = "would be created" if options.mkmnt else "does not exist and would not be created"
        return f"{name} {made}"
    if not is_there and not options.mkmnt:
        return failed("Mount directory is not present")
    told = context.call(
        "mount.mount", name, options.device, options.mkmnt, options.fstype, options.opts,
        user=options.user,
    )  # fmt: skip
    if told is not True:
        return failed(str(told))
    changes["mount"] = True
    return "Target was successfully mounted"


def _is_device(context: StateContext, options: MountedOptions, found: Mapping[str, Any]) -> bool:
    """Say whether what is mounted comes from the device that is wanted, as far as can be known."""
    chosen = listed(options.opts)
    if "bind" in chosen or "rbind" in chosen or found["device"] == options.device:
        return True
    if options.fstype in _NETWORK:
        return str(found["device"]).rstrip("/") == options.device.rstrip("/")
    wanted = options.device
    for prefix in ("UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID"):
        if wanted.startswith(f"{prefix}="):
            value = wanted.partition("=")[2].strip('"')
            wanted = f"/dev/disk/by-{prefix.lower()}/{value}"
    if not wanted.startswith("/dev/") or not context.host.files.exists(wanted):
        return True
    real = context.file_system.real_path
    return real(wanted) == real(str(found["device"]))


def _missing(options: MountedOptions, found: Mapping[str, Any]) -> list[str]:
    """Give the options that are wanted and not in force."""
    in_force = {_plain(each) for each in (*found["opts"], *found["superopts"])}
    unseen = {
        *_UNSEEN, *(options.extra_mount_invisible_options or ()),
        *(options.extra_mount_invisible_keys or ()), *(options.hidden_opts or ()),
    }  # fmt: skip
    missing = []
    for each in listed(options.opts):
        key = each.partition("=")[0]
        if key in unseen or each in unseen or key.startswith("x-"):
            continue
        if _plain(each) not in in_force:
            missing.append(each)
    return missing


def _plain(option: str) -> str:
    """Give an option so that the same size is the same text: `size=1m` is `size=1024k`."""
    key, _, value = option.partition("=")
    units = {"k": 1, "m": 1024, "g": 1024 * 1024}
    if key in ("size", "nr_inodes") and value[:-1].isdigit() and value[-1].lower() in units:
        return f"{key}={int(value[:-1]) * units[value[-1].lower()]}k"
    if key == "mode":
        return f"{key}={value.lstrip('0')}"
    return option


def _is_set(context: StateContext, changes: Mapping[str, Any]) -> bool:
    return context.is_test and bool(changes)


def _done(context: StateContext, changes: dict[str, Any]) -> dict[str, Any]:
    return {} if context.is_test else changes
