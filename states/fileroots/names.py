"""Names of SLS files and `salt://` addresses, taken apart and put together."""

from typing import NamedTuple
from urllib.parse import parse_qs

from limpet.common.errors import UsageError

PATH_CHARACTERS_MAX = 1024
COMPONENT_BYTES_MAX = 255
COMPONENTS_MAX = 64


def candidates(sls: str) -> tuple[str, str]:
    """Give the two paths where an SLS may lie, the one that wins first."""
    path = sls.replace(".", "/").strip("/")
    return f"{path}.sls", f"{path}/init.sls"


def sls_of(path: str) -> str | None:
    """Give the name under which a file is an SLS; None for other files."""
    if not path.endswith(".sls"):
        return None
    name = path.removesuffix(".sls")
    if name.endswith("/init"):
        name = name.removesuffix("/init")
    return name.replace("/", ".")


class SaltAddress(NamedTuple):
    """A `salt://` address."""

    path: str
    environment: str | None
    """From `?saltenv=…`; None: the asker's."""


def parse_address(text: str) -> SaltAddress:
    """Take `salt://path?saltenv=dev` apart; a bare path is taken as it is. Raises `UsageError`."""
    path = text.removeprefix("salt://")
    environment: str | None = None
    if "?" in path:
        head, _, query = path.rpartition("?")
        wanted = parse_qs(query).get("saltenv")
        if wanted:
            path, environment = head, wanted[0]
    path = path.lstrip("/").removeprefix("|")
    if not is_inside(path):
        raise UsageError(f"{text[:200]!a} does not lead to a file inside the file roots")
    return SaltAddress(path, environment)


def is_inside(path: str) -> bool:
    """Say whether a path can name a file inside the roots; nothing is decoded or shortened."""
    if not path or len(path) > PATH_CHARACTERS_MAX or "\0" in path or "\n" in path:
        return False
    components = path.split("/")
    return len(components) <= COMPONENTS_MAX and all(
        component not in ("", ".", "..") and len(component.encode("utf-8", "surrogateescape")) < 256
        for component in components
    )
