"""The machine itself: each port is made when it is first asked for, so a call pays for no other."""

from functools import cached_property

from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Accounts, Commands, Disks, Files, Network, Processes, System
from limpet.states.ports.packages import Packages
from limpet.states.ports.services import Services


class ThisMachine:
    """The machine that this process runs on; implements `limpet.states.ports.machine.Host`."""

    @cached_property
    def commands(self) -> Commands:
        """Programs."""
        from limpet.states.host.commands import LocalCommands

        return LocalCommands()

    @cached_property
    def files(self) -> Files:
        """Files."""
        from limpet.states.host.files import LocalFiles

        return LocalFiles()

    @cached_property
    def file_system(self) -> FileSystem:
        """Files as states handle them."""
        from limpet.states.host.filesystem import LocalFileSystem

        return LocalFileSystem()

    @cached_property
    def accounts(self) -> Accounts:
        """Users and groups."""
        from limpet.states.host.accounts import LocalAccounts

        return LocalAccounts()

    @cached_property
    def network(self) -> Network:
        """The network."""
        from limpet.states.host.network import LocalNetwork

        return LocalNetwork()

    @cached_property
    def processes(self) -> Processes:
        """The process table."""
        from limpet.states.host.processes import LocalProcesses

        return LocalProcesses()

    @cached_property
    def system(self) -> System:
        """The machine as a whole."""
        from limpet.states.host.system import LocalSystem

        return LocalSystem()

    @cached_property
    def disks(self) -> Disks:
        """File systems."""
        from limpet.states.host.disks import LocalDisks

        return LocalDisks()

    @cached_property
    def services(self) -> Services:
        """Services."""
        from limpet.states.host.services.manager import services_of

        return services_of(self.commands, self.files)

    @cached_property
    def packages(self) -> Packages:
        """The package manager."""
        from limpet.states.host.packages.choosing import packages_of

        return packages_of(self.commands, self.files, self.file_system)
