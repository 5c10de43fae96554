"""`system.*`: the machine as a whole is stopped and started again; its name; its clock."""

import datetime
from typing import Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports import programs

_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?"
_MACHINE_INFO: Final = "/etc/machine-info"


def halt(context: FunctionContext) -> str:
    """Halt the machine.

    CLI Example: limpet run web1 system.halt
    """
    return _run(context, ["halt"])


def poweroff(context: FunctionContext) -> str:
    """Switch the machine off.

    CLI Example: limpet run web1 system.poweroff
    """
    return _run(context, ["poweroff"])


def reboot(context: FunctionContext, at_time: int | None = None) -> str:
    """Start the machine again, now or in `at_time` minutes.

    CLI Example: limpet run web1 system.reboot 1
    """
    return _run(context, ["shutdown", "-r", _when(at_time)])


def shutdown(context: FunctionContext, at_time: int | None = None) -> str:
    """Stop the machine, now or in `at_time` minutes.

    CLI Example: limpet run web1 system.shutdown 1
    """
    return _run(context, ["shutdown", "-h", _when(at_time)])


def get_computer_name(context: FunctionContext) -> str:
    """Give the machine's name.

    CLI Example: limpet run '*' system.get_computer_name
    """
    return context.host.network.hostname()


def set_computer_name(context: FunctionContext, hostname: str) -> bool:
    """Set the machine's name, now and for the next boot.

    CLI Example: limpet run web1 system.set_computer_name web2
    """
    name = programs.plain_word(hostname, "the name of a host", _HOST)
    if context.host.services.kind == "systemd":
        programs.run(context.host.commands, ["hostnamectl", "set-hostname", "--", name]).checked()
        return True
    programs.run(context.host.commands, ["hostname", "--", name]).checked()
    is_new = not context.host.files.exists("/etc/hostname")
    mode = 0o644 if is_new else None
    context.host.file_system.place("/etc/hostname", f"{name}\n".encode(), mode=mode)
    return True


def get_computer_desc(context: FunctionContext) -> Loose:
    """Give the description that was set for the machine; false if there is none.

    CLI Example: limpet run '*' system.get_computer_desc
    """
    for line in (context.host.files.read_text(_MACHINE_INFO) or "").splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "PRETTY_HOSTNAME":
            return value.strip().strip("\"'").replace('\\"', '"')
    return False


def set_computer_desc(context: FunctionContext, desc: str) -> bool:
    """Set a description of the machine.

    CLI Example: limpet run web1 system.set_computer_desc 'the first web server'
    """
    text = programs.plain_line(desc, "a description", "\\").replace('"', '\\"')
    lines = (context.host.files.read_text(_MACHINE_INFO) or "").splitlines()
    kept = [line for line in lines if line.partition("=")[0].strip() != "PRETTY_HOSTNAME"]
    content = "".join(f"{line}\n" for line in [*kept, f'PRETTY_HOSTNAME="{text}"'])
    is_new = not context.host.files.exists(_MACHINE_INFO)
    mode = 0o644 if is_new else None
    context.host.file_system.place(_MACHINE_INFO, content.encode(), mode=mode)
    return True


def get_system_date(context: FunctionContext, utc_offset: str | None = None) -> str:
    """Give the machine's date, `2026-05-09`.

    CLI Example: limpet run '*' system.get_system_date "'-0500'"
    """
    return _now(context, utc_offset).strftime("%Y-%m-%d")


def get_system_time(context: FunctionContext, utc_offset: str | None = None) -> str:
    """Give the machine's time of day, `02:07:31 PM`.

    CLI Example: limpet run '*' system.get_system_time
    """
    return _now(context, utc_offset).strftime("%I:%M:%S %p")


def get_system_date_time(context: FunctionContext, utc_offset: str | None = None) -> str:
    """Give the machine's date and time, `2026-05-09 14:07:31`.

    CLI Example: limpet run '*' system.get_system_date_time
    """
    return _now(context, utc_offset).strftime("%Y-%m-%d %H:%M:%S")


def get_reboot_required_witnessed(context: FunctionContext) -> bool:
    """Say whether a package has asked for a reboot.

    CLI Example: limpet run '*' system.get_reboot_required_witnessed
    """
    files = context.host.files
    return any(files.exists(f"{each}/reboot-required") for each in ("/run", "/var/run"))


def _run(context: FunctionContext, words: list[str]) -> str:
    return programs.run(context.host.commands, words).checked().stdout.strip()


def _when(at_time: int | None) -> str:
    if at_time is not None and at_time < 0:
        raise HostError(f"a machine can't be stopped {-at_time} minutes ago")
    return "now" if not at_time else f"+{at_time}"


def _now(context: FunctionContext, utc_offset: str | None) -> datetime.datetime:
    now = datetime.datetime.fromtimestamp(context.host.system.now(), datetime.UTC)
    if utc_offset is None:
        return now.astimezone()
    try:
        zone = datetime.datetime.strptime(utc_offset, "%z").tzinfo
    except ValueError:
        raise HostError(f"{utc_offset!r} is no offset from UTC such as '+0200'") from None
    return now.astimezone(zone)
