"""Where a user's keys lie, and putting files there that the user can't turn against root."""

from dataclasses import dataclass

from limpet.common.errors import HostError
from limpet.states.ports.machine import Account, Host

_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """One file and whose it is."""

    path: str
    account: Account | None
    """None: the machine's own."""


def place_of(host: Host, user: str | None, config: str) -> Place:
    """Give a file by its name as sshd has it: `%u`, `%h`, or relative to the home."""
    if not user:
        if not config.startswith("/"):
            raise HostError(f"{config!r} must be an absolute path where no user is given")
        return Place(config, None)
    account = host.accounts.user(user)
    if account is None:
        raise HostError(f"User {user} does not exist")
    path = config.replace("%%", "\0").replace("%u", user).replace("%h", account.home)
    path = path.replace("\0", "%")
    if not path.startswith("/"):
        path = f"{account.home.rstrip('/')}/{path}"
    return Place(path, account)


def read(host: Host, place: Place) -> str:
    """Give the text of the file; empty if there is none."""
    return host.files.read_text(place.path, bytes_max=_BYTES_MAX) or ""


def write(host: Host, place: Place, text: str, *, mode: int = 0o600) -> None:
    """Replace the file whole, the user's own. Raises `HostError`.

    The directory is the user's, who may put a link there. A link is followed only where what it
    leads to is the user's already: root never writes for somebody else's sake.
    """
    account, path = place.account, place.path
    folder = path.rpartition("/")[0] or "/"
    system = host.file_system
    uid, gid = (account.uid, account.gid) if account is not None else (-1, -1)
    if system.facts(folder) is None:
        parent = folder.rpartition("/")[0] or "/"
        if not host.files.is_directory(parent):
            raise HostError(f"{parent} is not there: {folder} can't be made")
        system.make_directory(folder, 0o700 if account is not None else 0o755)
        if account is not None:
            system.set_owner(folder, uid, gid, is_following=False)
    if account is not None and uid != 0:
        for each in (folder, path):
            facts = system.facts(each)
            if facts is None or facts.kind != "link":
                continue
            target = system.facts(each, is_following=True)
            if target is None or target.uid != uid:
                raise HostError(f"{each} is a symbolic link to what is not {account.name}'s own")
    present = system.facts(path, is_following=True)
    content = text.encode("utf-8", "surrogateescape")
    if present is None:
        system.place(path, content, mode=mode, uid=uid, gid=gid)
    else:
        system.place(path, content, mode=None)
