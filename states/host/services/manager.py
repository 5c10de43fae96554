"""Which manager of services this machine has: systemd where it was booted, else init scripts."""

from limpet.states.host.services.systemd import Systemd
from limpet.states.host.services.sysv import InitScripts
from limpet.states.ports.machine import Commands, Files
from limpet.states.ports.services import Services

BOOTED = "/run/systemd/system"
"""This directory is there exactly where systemd runs as the first process."""


def services_of(commands: Commands, files: Files) -> Services:
    """Give the manager that runs now."""
    if files.is_directory(BOOTED):
        return Systemd(commands)
    return InitScripts(commands, files)
