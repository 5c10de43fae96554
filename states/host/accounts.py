"""Users and groups as the system's own database resolves them."""

import grp
import os
import pwd

from limpet.states.ports.machine import Account, Group


class LocalAccounts:
    """Implements `limpet.states.ports.machine.Accounts`."""

    def all_users(self) -> list[Account]:
        """All accounts."""
        return [_account(entry) for entry in pwd.getpwall()]

    def all_groups(self) -> list[Group]:
        """All groups."""
        return [
            Group(entry.gr_name, entry.gr_gid, tuple(entry.gr_mem), entry.gr_passwd or "x")
            for entry in grp.getgrall()
        ]

    def user(self, name: str) -> Account | None:
        """Find an account by name."""
        try:
            return _account(pwd.getpwnam(name))
        except (KeyError, ValueError):  # ValueError: a NUL in the name
            return None

    def user_of(self, uid: int) -> Account | None:
        """Find an account by number."""
        try:
            return _account(pwd.getpwuid(uid))
        except (KeyError, OverflowError):
            return None

    def group_id(self, name: str) -> int | None:
        """Find a group's number by its name."""
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None

    def group_name(self, gid: int) -> str | None:
        """Find a group's name by its number."""
        try:
            return grp.getgrgid(gid).gr_name
        except (KeyError, OverflowError):
            return None

    def own(self) -> tuple[int, int]:
        """Give the effective user and group of this process."""
        return os.geteuid(), os.getegid()


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(
        entry.pw_name,
        entry.pw_uid,
        entry.pw_gid,
        entry.pw_dir,
        entry.pw_shell,
        entry.pw_gecos.split(",")[0],
        entry.pw_gecos,
        entry.pw_passwd,
    )
