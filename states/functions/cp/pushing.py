"""`cp.push` and `cp.push_dir`, which are refused: the master takes no files from minions."""

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose


def push(
    context: FunctionContext,
    path: str,
    keep_symlinks: bool = False,
    upload_path: str | None = None,
    remove_source: bool = False,
) -> Loose:
    """Refuse: files are not sent to the master.

    CLI Example: limpet run '*' cp.push /etc/fstab
    """
    raise _refusal("cp.push", path)


def push_dir(
    context: FunctionContext,
    path: str,
    glob: str | None = None,
    upload_path: str | None = None,
) -> Loose:
    """Refuse: files are not sent to the master.

    CLI Example: limpet run '*' cp.push_dir /var/log
    """
    raise _refusal("cp.push_dir", path)


def _refusal(function: str, path: str) -> HostError:
    return HostError(
        f"{function} is not supported: a master takes no files from its minions, so that none of "
        f"them can fill its disk or plant something there; read {path} with cmd.run or file.read, "
        "or fetch it over ssh"
    )
