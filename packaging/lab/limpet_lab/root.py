"""The root that all hosts start from: a minimal Debian, made once and kept.

Made by debootstrap from the mirror that the machine's own apt uses. Nothing in it is limpet's, and
there is no D-Bus daemon and no Python in it: whatever a package needs, it has to bring.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limpet_lab.place import DEFAULT, private
from limpet_lab.running import LabError, run

INCLUDED = ("systemd", "systemd-sysv", "iproute2", "procps")
MASKED = (
    "console-getty.service", "getty@tty1.service", "getty-static.service", "systemd-logind.service",
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "systemd-networkd.service",
    "systemd-network-generator.service", "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service", "systemd-timesyncd.service",
)  # fmt: skip
"""Units that have nothing to do in a container without a console, or that wake by the clock."""

BUILD_TIMEOUT_S = 900.0
"""Seen: 34 s beside a near mirror."""


@dataclass(frozen=True, slots=True)
class Source:
    """A line of apt's sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str | None


def sources(etc: Path = Path("/etc/apt")) -> Iterator[Source]:
    """Read apt's sources in both forms, in apt's order."""
    listed = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    for path in listed:
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                found = re.match(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.strip())
                if found:
                    options = dict(o.split("=", 1) for o in (found[1] or "").split() if "=" in o)
                    yield Source(
                        found[2], (found[3],), tuple(found[4].split()), options.get("signed-by")
                    )
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            fields = {
                name.lower(): value.strip()
                for name, value in re.findall(r"(?m)^([A-Za-z-]+):(.*)$", stanza)
            }
            if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no":
                for uri in fields.get("uris", "").split():
                    yield Source(
                        uri,
                        tuple(fields.get("suites", "").split()),
                        tuple(fields.get("components", "").split()),
                        fields.get("signed-by"),
                    )


def own_suite() -> str:
    """Give the name of the machine's own Debian release."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"(?m)^VERSION_CODENAME=(\S+)$", text)
    if found is None:
        raise LabError("/etc/os-release names no VERSION_CODENAME: set LIMPET_LAB_SUITE")
    return found[1].strip('"')


def main_source(suite: str) -> Source:
    """Give the source that the release itself is installed from."""
    own = own_suite()
    for source in sources():
        if own in source.suites and "main" in source.components:
            return Source(source.uri, (suite,), source.components, source.keyring)
    raise LabError(f"apt has no source for {own} main: add one to /etc/apt/sources.list.d")


def kept_directory() -> Path:
    """Give the directory of what all labs share."""
    return private(Path(os.environ.get("LIMPET_LAB_ROOTS", DEFAULT)).resolve())


def base_root() -> Path:
    """Give the kept root, made first where it is not there (about half a minute)."""
    suite = os.environ.get("LIMPET_LAB_SUITE") or own_suite()
    recipe = hashlib.sha256(repr((suite, INCLUDED, MASKED, _PREPARED)).encode()).hexdigest()[:8]
    kept = kept_directory()
    root = kept / f"root-{suite}-{recipe}"
    with (kept / "root.lock").open("w") as lock:  # two labs that start at once build one root
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            unready = kept / f"{root.name}.unready"
            shutil.rmtree(unready, ignore_errors=True)
            _build(suite, unready)
            unready.rename(root)
    return root


def _build(suite: str, root: Path) -> None:
    source = main_source(suite)
    keyring = [f"--keyring={source.keyring}"] if source.keyring else []
    run(
        ["debootstrap", "--variant=minbase", f"--include={','.join(INCLUDED)}", *keyring, suite,
         str(root), source.uri],
        timeout_s=BUILD_TIMEOUT_S,
    ).checked()  # fmt: skip
    run(["sh", "-ec", _PREPARED, "sh", str(root), *MASKED]).checked()


_PREPARED = """
root=$1; shift
for unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
chroot "$root" passwd -q -d root
mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\\nSystemMaxUse=32M\\nRateLimitBurst=0\\n' \\
    >"$root/etc/systemd/journald.conf.d/lab.conf"
rm -f "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin
rm -rf "$root"/var/lib/apt/lists/*
rm -f "$root/etc/resolv.conf" "$root/etc/machine-id" "$root/var/lib/dbus/machine-id"
printf 'nameserver 10.77.0.1\\noptions timeout:1 attempts:2\\n' >"$root/etc/resolv.conf"
"""
