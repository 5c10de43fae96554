"""`mount.*`: file systems that are mounted, and the table of those that are at boot."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.mount.fstab import Line, Table, decoded
from limpet.states.ports import programs
from limpet.states.ports.file_system import missing_folders

_LIMIT_S: Final = 120.0
"""A mount over a dead network is given up after it."""
_MOUNTS: Final = "/proc/self/mountinfo"
_SWAPS: Final = "/proc/swaps"


def active(context: FunctionContext, extended: bool = False) -> dict[str, Any]:
    """Give all file systems that are mounted, by their place.

    CLI Example: limpet run '*' mount.active
    """
    found: dict[str, Any] = {}
    text = context.host.files.read_text(_MOUNTS, bytes_max=16 * 1024 * 1024) or ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        words, ends = before.split(" "), after.split(" ")
        if len(words) < 6 or len(ends) < 3:
            continue
        device = decoded(ends[1])
        entry = {
            "alt_device": None,
            "device": device,
            "fstype": ends[0],
            "opts": words[5].split(","),
            "superopts": ends[2].split(","),
            "root": decoded(words[3]),
        }
        if extended:
            entry.update(mountid=words[0], parentid=words[1], major=words[2].partition(":")[0],
                         minor=words[2].partition(":")[2])  # fmt: skip
        found[decoded(words[4])] = entry
    return found


def is_mounted(context: FunctionContext, name: str) -> bool:
    """Say whether something is mounted at a place.

    CLI Example: limpet run '*' mount.is_mounted /mnt/share
    """
    return context.host.file_system.real_path(name) in active(context)


def fstab(context: FunctionContext, config: str = "/etc/fstab") -> dict[str, Any]:
    """Give what is mounted at boot, by its place.

    CLI Example: limpet run '*' mount.fstab
    """
    return _table(context, config).data()


def set_fstab(
    context: FunctionContext,
    name: str,
    device: str,
    fstype: str,
    opts: Loose = "defaults",
    dump: int = 0,
    pass_num: int = 0,
    config: str = "/etc/fstab",
    test: bool = False,
    match_on: Loose = "auto",
    not_change: bool = False,
    **_odd: Loose,
) -> str:
    """Have a file system mounted at boot; gives `new`, `change` or `present`.

    CLI Example: limpet run '*' mount.set_fstab /mnt/foo /dev/sdz1 ext4
    """
    table = _table(context, config)
    wanted = entry(name, device, fstype, opts, dump, pass_num)
    if not_change and table.find(wanted, match_on) is not None:
        return "present"
    told = table.put(wanted, match_on)
    if told != "present" and not test:
        _write(context, config, table)
    return told


def rm_fstab(
    context: FunctionContext, name: str, device: str | None = None, config: str = "/etc/fstab"
) -> bool:
    """Have a file system no longer mounted at boot.

    CLI Example: limpet run '*' mount.rm_fstab /mnt/foo /dev/sdg
    """
    table = _table(context, config)
    if table.remove(name, device):
        _write(context, config, table)
    return True


def mount(
    context: FunctionContext,
    name: str,
    device: str = "",
    mkmnt: bool = False,
    fstype: str = "",
    opts: Loose = "defaults",
    user: str | None = None,
    **_odd: Loose,
) -> Loose:
    """Mount a file system; gives true, or what mount says against it.

    CLI Example: limpet run '*' mount.mount /mnt/foo /dev/sdz1 mkmnt=True
    """
    _plain(name, device, fstype)
    if mkmnt and not context.host.files.exists(name):
        _make_place(context, name)
    words = ["mount", *_options(opts), *(["-t", fstype] if fstype else []), "--"]
    answer = programs.run(
        context.host.commands,
        [*words, *([device] if device else []), name],
        user=user,
        limit_s=_LIMIT_S,
    )
    return answer.is_good or answer.complaint


def remount(
    context: FunctionContext,
    name: str,
    device: str,
    mkmnt: bool = False,
    fstype: str = "",
    opts: Loose = "defaults",
    user: str | None = None,
    **_odd: Loose,
) -> Loose:
    """Mount a file system again with other options; gives true, or what mount says against it.

    CLI Example: limpet run '*' mount.remount /mnt/foo /dev/sdz1 opts=ro
    """
    if not is_mounted(context, name):
        return mount(context, name, device, mkmnt, fstype, opts, user)
    chosen = ["remount", *(each for each in listed(opts) if each != "remount")]
    return mount(context, name, device, False, fstype, chosen, user)


def umount(
    context: FunctionContext,
    name: str,
    device: str | None = None,
    user: str | None = None,
    lazy: bool = False,
    **_odd: Loose,
) -> Loose:
    """Unmount what is mounted at a place; gives true, or what umount says against it.

    CLI Example: limpet run '*' mount.umount /mnt/foo
    """
    _plain(name)
    if not is_mounted(context, name):
        return f"{name} does not have anything mounted"
    words = ["umount", *(["-l"] if lazy else []), "--", name]
    answer = programs.run(context.host.commands, words, user=user, limit_s=_LIMIT_S)
    return answer.is_good or answer.complaint


def swaps(context: FunctionContext) -> dict[str, Any]:
    """Give what is swapped to, by its device or file.

    CLI Example: limpet run '*' mount.swaps
    """
    found = {}
    for line in (context.host.files.read_text(_SWAPS) or "").splitlines()[1:]:
        words = line.split()
        if len(words) >= 5:
            found[decoded(words[0])] = {
                "type": words[1], "size": words[2], "used": words[3], "priority": words[4],
            }  # fmt: skip
    return found


def swapon(context: FunctionContext, name: str, priority: int | None = None) -> dict[str, Any]:
    """Swap to a device or file.

    CLI Example: limpet run '*' mount.swapon /root/swapfile
    """
    if name in swaps(context):
        return {"stats": swaps(context)[name], "new": False}
    _plain(name)
    words = ["swapon", *(["-p", str(priority)] if priority is not None else []), "--", name]
    programs.run(context.host.commands, words, limit_s=_LIMIT_S)
    stats = swaps(context).get(name)
    return {"stats": stats, "new": True} if stats else {}


def swapoff(context: FunctionContext, name: str) -> Loose:
    """Swap no longer to a device or file; nothing where that was not done.

    CLI Example: limpet run '*' mount.swapoff /root/swapfile
    """
    if name not in swaps(context):
        return None
    programs.run(context.host.commands, ["swapoff", "--", _plain(name)], limit_s=_LIMIT_S)
    return name not in swaps(context)


def entry(name: str, device: str, fstype: str, opts: Loose, dump: Loose, pass_num: Loose) -> Line:
    """Make a line of the table. Raises `HostError` where it would be more than one."""
    _plain(name, device, fstype)
    options = ",".join(listed(opts)) or "defaults"
    for word, what in ((fstype, "a kind of file system"), (options, "options of a mount")):
        programs.plain_word(word, what, r"\S+")
    numbers = [programs.plain_word(each, "a number of fstab", r"\d+") for each in (dump, pass_num)]
    return Line.made(device, name, fstype, options, *numbers)


def listed(opts: Loose) -> list[str]:
    """Give options as a list, whatever they came as."""
    if opts is None or opts == "":
        return []
    found = opts if isinstance(opts, list | tuple) else str(opts).split(",")
    return [str(each).strip() for each in found if str(each).strip()]


def _options(opts: Loose) -> list[str]:
    chosen = listed(opts)
    return ["-o", ",".join(chosen)] if chosen else []


def _plain(*names: str) -> str:
    for name in names:
        programs.plain_line(name, "the name of a device or mount point")
    return names[0]


def _make_place(context: FunctionContext, name: str) -> None:
    for each in missing_folders(name, context.host.files.exists):
        context.host.file_system.make_directory(each, None)


def _table(context: FunctionContext, config: str) -> Table:
    return Table.of(context.host.files.read_text(config) or "")


def _write(context: FunctionContext, config: str, table: Table) -> None:
    if not config.startswith("/"):
        raise HostError(f"the table of file systems needs an absolute path, not {config!r}")
    content = table.text().encode("utf-8", "surrogateescape")
    present = context.host.file_system.facts(config, is_following=True)
    context.host.file_system.place(config, content, mode=0o644 if present is None else None)
