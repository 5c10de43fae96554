"""Collecting the facts of a host, each group under its own limit.

A group that hangs (a dead network mount, a resolver that does not answer, a command that never
ends) is left out and named in `grains_problems`; it costs nothing but its limit. Groups run side by
side, in threads that can't keep the process alive.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from limpet.common.errors import HostError, LimpetError
from limpet.states.grains import addresses, hardware, software, virtualization
from limpet.states.grains.distribution import distribution
from limpet.states.ports.machine import Command, Host

GROUP_LIMIT_S = 10.0
"""How long one group of facts may take; more than a command takes that has to be ended by force."""
COMMAND_LIMIT_S = 3.0
PROBLEMS = "grains_problems"
"""The grain that names the groups without an answer; absent where all is well."""

Group = Callable[[], Mapping[str, Any]]


def collect(
    host: Host,
    minion_id: str,
    configuration: Mapping[str, Any],
    *,
    pid: int,
    limit_s: float = GROUP_LIMIT_S,
) -> dict[str, Any]:
    """Give the core grains of this host. Takes at most `limit_s` and a moment."""

    def ask(*argv: str) -> str:
        return _ask(host, argv)

    def system() -> dict[str, Any]:
        return distribution(lambda path: host.files.read_text(path, bytes_max=64 * 1024))

    groups: dict[str, Group] = {
        "kernel": lambda: software.kernel(host),
        "distribution": system,
        "architecture": lambda: software.architecture(host, str(system()["os_family"]), ask),
        "init": lambda: software.init(host),
        "systemd": lambda: software.systemd(host, ask),
        "selinux": lambda: software.selinux(host, ask),
        "process": lambda: software.process(host, pid),
        "identity": lambda: software.identity(minion_id, configuration),
        "processors": lambda: hardware.processors(host),
        "memory": lambda: hardware.memory(host),
        "firmware": lambda: hardware.firmware(host),
        "disks": lambda: hardware.disks(host),
        "virtualization": lambda: virtualization.virtualization(host, ask),
        "names": lambda: addresses.names(host),
        "interfaces": lambda: addresses.interfaces(host),
        "gateways": lambda: addresses.gateways(host),
        "resolver": lambda: addresses.resolver(host),
    }
    return gather(groups, limit_s)


def gather(groups: Mapping[str, Group], limit_s: float) -> dict[str, Any]:
    """Run the groups side by side and merge what they give, in their order."""
    answers: dict[str, Mapping[str, Any]] = {}
    problems: dict[str, str] = {}

    def run(name: str, group: Group) -> None:
        try:
            answers[name] = group()
        except (LimpetError, OSError, ValueError, LookupError) as error:
            problems[name] = f"{type(error).__name__}: {error}"[:200]

    threads = {
        name: threading.Thread(target=run, args=(name, group), daemon=True)
        for name, group in groups.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + limit_s
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            problems[name] = "timeout"
        elif name not in answers:
            problems.setdefault(name, "failed")  # a mistake of ours; its traceback is on stderr
    grains: dict[str, Any] = {}
    for name in groups:
        if problems.get(name) != "timeout":
            grains.update(answers.get(name, {}))
    if problems:
        grains[PROBLEMS] = dict(sorted(problems.items()))
    return grains


def _ask(host: Host, argv: tuple[str, ...]) -> str:
    """Give what a command prints, empty if it fails or is missing.

    Raises `HostError` if it takes too long: no fact is better than a wrong one.
    """
    program = host.commands.which(argv[0])
    if program is None:
        return ""
    environment = {**host.commands.environment(), "LC_ALL": "C"}
    answer = host.commands.run(
        Command((program, *argv[1:]), environment, cwd="/", timeout_s=COMMAND_LIMIT_S)
    )
    if answer.is_timed_out:
        raise HostError(f"timeout: {argv[0]} did not end within {COMMAND_LIMIT_S:g} s")
    if answer.retcode != 0:
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()
