"""`timezone.*`: the machine's time zone, and what its hardware clock shows."""

import datetime
import zoneinfo
from typing import Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.ports import programs

_ZONES: Final = "/usr/share/zoneinfo"
_LOCALTIME: Final = "/etc/localtime"
_NAME_FILE: Final = "/etc/timezone"
_ADJTIME: Final = "/etc/adjtime"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_+/-]{0,100}"


def get_zone(context: FunctionContext) -> str:
    """Give the name of the zone, `Europe/Berlin`.

    CLI Example: limpet run '*' timezone.get_zone
    """
    target = context.host.files.target(_LOCALTIME) or ""
    _, has_name, name = target.partition("zoneinfo/")
    if has_name and name:
        return name
    text = (context.host.files.read_text(_NAME_FILE) or "").strip()
    if not text:
        raise HostError(f"the time zone is not known: neither {_LOCALTIME} nor {_NAME_FILE} has it")
    return text


def get_zonecode(context: FunctionContext) -> str:
    """Give the short name of the zone as it is now, `CET`.

    CLI Example: limpet run '*' timezone.get_zonecode
    """
    return _now(context).strftime("%Z")


def get_offset(context: FunctionContext) -> str:
    """Give how far the zone is from UTC now, `+0100`.

    CLI Example: limpet run '*' timezone.get_offset
    """
    return _now(context).strftime("%z")


def list_zones(context: FunctionContext) -> list[str]:
    """Name all zones that the machine knows.

    CLI Example: limpet run '*' timezone.list_zones
    """
    text = context.host.files.read_text(f"{_ZONES}/tzdata.zi") or ""
    found = {words[-1] for line in text.splitlines() if (words := line.split()) and (
        words[0] == "L" and len(words) > 2)}  # fmt: skip
    found |= {line.split()[1] for line in text.splitlines() if line.startswith("Z ")}
    return sorted(found)


def set_zone(context: FunctionContext, timezone: str) -> bool:
    """Set the zone; running programs see it when they are started again.

    CLI Example: limpet run '*' timezone.set_zone Europe/Berlin
    """
    name, files = _known(context, timezone), context.host.files
    if context.host.services.kind == "systemd" and programs.find(
        context.host.commands, "timedatectl"
    ):
        programs.run(context.host.commands, ["timedatectl", "set-timezone", name]).checked()
    else:
        context.host.file_system.make_link(_LOCALTIME, f"{_ZONES}/{name}")
    if files.exists(_NAME_FILE) and (files.read_text(_NAME_FILE) or "").strip() != name:
        context.host.file_system.place(_NAME_FILE, f"{name}\n".encode(), mode=None)
    return True


def zone_compare(context: FunctionContext, timezone: str) -> bool:
    """Say whether the zone is that one, under this name or another.

    CLI Example: limpet run '*' timezone.zone_compare Europe/Berlin
    """
    name = _known(context, timezone)
    if get_zone(context) == name:
        return True
    system = context.host.file_system
    if system.facts(_LOCALTIME, is_following=True) is None:
        return False
    return system.read(_LOCALTIME) == system.read(f"{_ZONES}/{name}")


def get_hwclock(context: FunctionContext) -> str:
    """Say whether the hardware clock shows `UTC` or `LOCAL`.

    CLI Example: limpet run '*' timezone.get_hwclock
    """
    lines = (context.host.files.read_text(_ADJTIME) or "").split()
    return "LOCAL" if "LOCAL" in lines else "UTC"


def set_hwclock(context: FunctionContext, clock: str) -> bool:
    """Set whether the hardware clock shows `UTC` or `localtime`.

    CLI Example: limpet run '*' timezone.set_hwclock UTC
    """
    word = clock.upper()
    if word not in ("UTC", "LOCAL", "LOCALTIME"):
        raise HostError(f"localtime and UTC are the only permitted values, not {clock!r}")
    word = "UTC" if word == "UTC" else "LOCAL"
    if context.host.services.kind == "systemd" and programs.find(
        context.host.commands, "timedatectl"
    ):
        is_local = "true" if word == "LOCAL" else "false"
        programs.run(context.host.commands, ["timedatectl", "set-local-rtc", is_local]).checked()
        return True
    lines = (context.host.files.read_text(_ADJTIME) or "0.0 0 0.0\n0\nUTC\n").splitlines()
    text = "\n".join([*[*lines, "0.0 0 0.0", "0"][:2], word]) + "\n"
    is_new = not context.host.files.exists(_ADJTIME)
    context.host.file_system.place(_ADJTIME, text.encode(), mode=0o644 if is_new else None)
    return True


def _known(context: FunctionContext, timezone: str) -> str:
    name = programs.plain_word(timezone, "the name of a time zone", _NAME)
    if ".." in name or not context.host.files.exists(f"{_ZONES}/{name}"):
        raise HostError(f'Can\'t find a local timezone "{timezone}"')
    if context.host.files.is_directory(f"{_ZONES}/{name}"):
        raise HostError(f"{timezone!r} is a group of time zones, not one")
    return name


def _now(context: FunctionContext) -> datetime.datetime:
    try:
        zone = zoneinfo.ZoneInfo(get_zone(context))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise HostError(f"the machine's time zone is not known: {error}") from error
    return datetime.datetime.fromtimestamp(context.host.system.now(), zone)
