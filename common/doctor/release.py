"""Which release is here: of this command, of the running daemon, of the installed package."""

import sys
from collections.abc import Iterable
from pathlib import Path

from limpet import __version__
from limpet.common.errors import HostError, UsageError
from limpet.common.setup.findings import Finding, fail, ok, warn
from limpet.common.setup.tools import run_tool

ASK_S = 4.0


def look(package: str, running: str, unit: str) -> Iterable[Finding]:
    """Compare versions. `running`: of the daemon; empty where it does not say."""
    installed = installed_version(package)
    parts = [f"this command {__version__}"]
    parts += [f"running {running}"] if running else []
    parts += [f"package {installed}"] if installed else []
    text = ", ".join(parts)
    newest = installed or __version__
    if running and running != newest:
        advice = f"restart it, to run what is installed: `systemctl restart {unit}`"
        yield warn("version", text, advice)
    elif installed and installed != __version__:
        advice = "another limpet comes first in PATH: `command -v limpet`"
        yield warn("version", text, advice)
    else:
        yield ok("version", text)


def look_at_library() -> Iterable[Finding]:
    """See that ZeroMQ has encryption and is no release that can be crashed; and name Python."""
    from limpet.common.transport.sockets import check_library

    try:
        check_library()
    except UsageError as error:
        yield fail("encryption", str(error), "install limpet from its package")
        return
    yield ok("encryption", "ZeroMQ has CURVE")
    python = ".".join(map(str, sys.version_info[:3]))
    if Path(sys.executable).exists():
        yield ok("interpreter", f"Python {python} at {sys.executable}")
    else:
        advice = "install the package anew"
        yield fail("interpreter", f"{sys.executable} is gone while this command runs", advice)


def installed_version(package: str) -> str:
    """Give the version of a Debian package; empty where it (or dpkg) is not installed."""
    try:
        done = run_tool(
            "dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package, limit_s=ASK_S
        )
    except HostError:
        return ""
    status, _, version = done.out.strip().partition(" ")
    return version if done.code == 0 and status == "installed" else ""
