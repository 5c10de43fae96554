"""Kernel, init system, Python, the account this runs as, and the versions that trees ask for."""

import hashlib
import os.path
from collections.abc import Callable, Mapping
from typing import Any

import limpet
from limpet.states.ports.machine import Host

SALT_VERSION = "3008.3"
"""The release whose language limpet speaks; trees compare `saltversion` with what they need."""


def kernel(host: Host) -> dict[str, Any]:
    """Give `kernel`, `kernelrelease`, `kernelversion`, `cpuarch`, `kernelparams`."""
    uname = host.system.uname()
    parameters: list[list[str | None]] = []
    for word in (host.files.read_text("/proc/cmdline") or "").split():
        name, equals, value = word.partition("=")
        parameters.append([name, value.strip('"') if equals else None])
    return {
        "kernel": uname["system"],
        "kernelrelease": uname["release"],
        "kernelversion": uname["version"],
        "cpuarch": uname["machine"],
        "kernelparams": parameters,
        "num_gpus": 0,
        "gpus": [],
    }


def architecture(host: Host, family: str, ask: Callable[..., str]) -> dict[str, Any]:
    """Give `osarch`: the architecture in the words of the package manager."""
    machine = host.system.uname()["machine"]
    told = ""
    if family == "Debian":
        told = ask("dpkg", "--print-architecture")
    elif family in ("RedHat", "Suse"):
        told = ask("rpm", "--eval", "%{_host_cpu}")
    return {"osarch": told or machine}


def init(host: Host) -> dict[str, Any]:
    """Give `init`, and whether the system is `transactional`."""
    return {
        "init": _init_system(host),
        "transactional": host.commands.which("transactional-update") is not None,
    }


def systemd(host: Host, ask: Callable[..., str]) -> dict[str, Any]:
    """Give `systemd` where it is installed: its version and features."""
    if not (host.commands.which("systemctl") and host.commands.which("localectl")):
        return {}
    lines = ask("systemctl", "--version").splitlines()
    words = lines[0].split() if lines else []
    is_known = len(lines) > 1 and len(words) > 1 and words[0] == "systemd"
    version, features = (words[1], lines[1]) if is_known else ("UNDEFINED", "")
    return {"systemd": {"version": version, "features": features}}


def selinux(host: Host, ask: Callable[..., str]) -> dict[str, Any]:
    """Give `selinux` where it is installed: whether it is enabled, and what it does."""
    if not host.commands.which("selinuxenabled"):
        return {}
    grains: dict[str, Any] = {"enabled": host.files.exists("/sys/fs/selinux/enforce")}
    if enforced := ask("getenforce"):
        grains["enforced"] = enforced
    return {"selinux": grains}


def process(host: Host, pid: int) -> dict[str, Any]:
    """Give who and what the minion is: user, Python, paths, locale, versions."""
    uid, gid = host.accounts.own()
    account = host.accounts.user_of(uid)
    facts = host.system.facts()
    environment = host.commands.environment()
    path = environment.get("PATH", "")
    return {
        "uid": uid,
        "gid": gid,
        "username": account.name if account else str(uid),
        "groupname": host.accounts.group_name(gid) or str(gid),
        "pid": pid,
        "path": path,
        "systempath": path.split(":") if path else [],
        "shell": environment.get("SHELL") or "/bin/sh",
        "ps": "ps -efHww",
        "pythonversion": facts["version_info"],
        "pythonexecutable": facts["executable"],
        "pythonpath": facts["path"],
        "locale_info": _locale(environment, facts),
        "machine_id": (
            host.files.read_text("/etc/machine-id")
            or host.files.read_text("/var/lib/dbus/machine-id")
            or ""
        ).strip(),
        "saltversion": SALT_VERSION,
        "saltversioninfo": [int(each) for each in SALT_VERSION.split(".")],
        "saltpath": os.path.dirname(limpet.__file__),
        "limpetversion": limpet.__version__,
    }


def identity(minion_id: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Give `id`, `master` and `server_id`, a number made of the id."""
    masters = configuration.get("master") or ()
    several = [masters] if isinstance(masters, str) else list(masters)
    number = int(hashlib.sha256(minion_id.encode()).hexdigest(), 16)
    return {
        "id": minion_id,
        "master": several if len(several) > 1 else (several or [""])[0],
        "server_id": number % 2**31,
    }


def _init_system(host: Host) -> str:
    if host.files.is_directory("/run/systemd/system"):
        return "systemd"
    words = (host.files.read_text("/proc/1/cmdline") or "").replace("\0", " ").split()
    if not words:
        return "unknown"
    program = os.path.basename(words[0])
    if program == "init":  # Salt's way: the program says in itself what it is
        content = (host.files.read_text("/sbin/init", bytes_max=4 * 1024 * 1024) or "").lower()
        return next(
            (each for each in ("upstart", "sysvinit", "systemd") if each in content), "unknown"
        )
    for name in ("supervisord", "dumb-init", "tini", "runit"):
        if any(os.path.basename(word) == name for word in words):
            return name
    return "runit" if "/sbin/my_init" in words else "unknown"


def _locale(environment: Mapping[str, str], facts: Mapping[str, Any]) -> dict[str, str]:
    told = next(
        (each for name in ("LC_ALL", "LC_CTYPE", "LANG") if (each := environment.get(name))), ""
    )
    language, _, encoding = told.partition(".")
    if language in ("", "C", "POSIX"):
        language = "en_US" if encoding else "unknown"
    return {
        "defaultlanguage": language,
        "defaultencoding": encoding or "unknown",
        "detectedencoding": str(facts["encoding"]),
        "timezone": str(facts["timezone"]),
    }
