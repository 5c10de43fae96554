"""`virtualenv.*`: Python environments of their own, by virtualenv or Python's venv."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pip import running
from limpet.states.functions.virtualenv import making
from limpet.states.functions.virtualenv.making import CreateOptions


def create(context: FunctionContext, options: CreateOptions) -> dict[str, Any]:
    """Make an environment; give `retcode`, `stdout` and `stderr`.

    CLI Example: limpet run '*' virtualenv.create /srv/venv python=/usr/bin/python3
    """
    done = making.make(context, options)
    context.retcode = done.retcode
    return {
        "pid": done.pid,
        "retcode": done.retcode,
        "stdout": done.stdout.decode("utf-8", "replace").strip(),
        "stderr": done.stderr.decode("utf-8", "replace").strip(),
    }


def virtualenv_ver(
    context: FunctionContext, venv_bin: str = "virtualenv", user: str | None = None, **_odd: Loose
) -> list[int]:
    """Give the version of virtualenv.

    CLI Example: limpet run '*' virtualenv.virtualenv_ver
    """
    program = making.found(context, venv_bin)
    done = making.run(context, [program, "--version"], user)
    said = done.stdout.decode("utf-8", "replace").split()
    number = next((word for word in said if word[:1].isdigit()), "")
    if not number:
        raise HostError(f"{program} --version tells no version")
    return [int(part) for part in number.split(".") if part.isdigit()]


def get_site_packages(context: FunctionContext, venv: str) -> str:
    """Give the path of the packages of an environment.

    CLI Example: limpet run '*' virtualenv.get_site_packages /srv/venv
    """
    python = making.python_of(context, venv)
    if python is None:
        raise HostError(f"{venv} is no virtual environment: it has no bin/python")
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = making.run(context, [python, "-c", program], None)
    if done.retcode != 0:
        raise HostError(f"{python} failed: {running.said(done)}")
    return done.stdout.decode("utf-8", "replace").strip()
