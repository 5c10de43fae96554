"""`temp.*`: new files and directories that nobody else can have made."""

import os
import tempfile

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext


def dir_(
    context: FunctionContext, suffix: str = "", prefix: str = "tmp", parent: str | None = None
) -> str:
    """Make a private directory and give its path.

    CLI Example: limpet run '*' temp.dir prefix=mytemp-
    """
    try:
        return tempfile.mkdtemp(suffix, prefix, parent)
    except OSError as error:
        raise _refusal(parent, error) from error


def file(
    context: FunctionContext, suffix: str = "", prefix: str = "tmp", parent: str | None = None
) -> str:
    """Make an empty private file and give its path.

    CLI Example: limpet run '*' temp.file prefix=mytemp-
    """
    try:
        descriptor, path = tempfile.mkstemp(suffix, prefix, parent)
    except OSError as error:
        raise _refusal(parent, error) from error
    os.close(descriptor)
    return path


def _refusal(parent: str | None, error: OSError) -> HostError:
    return HostError(f"cannot make anything in {parent or tempfile.gettempdir()}: {error.strerror}")
