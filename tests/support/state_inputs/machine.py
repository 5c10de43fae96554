"""Inputs of states on files and tools with a fixed place: hosts, fstab, sysctl, zone, locale."""

from pathlib import Path

from hypothesis import strategies as st

from support.hosts.rooted import rooted_host
from support.states.state_bench import StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

YES_OR_NO = (True, False)
ETC = {
    "etc/hosts": "# mine\n127.0.0.1 localhost\n10.9.0.1 h1 h2 # two\n10.9.0.2 h2\n",
    "etc/fstab": "# mine\nUUID=1 / ext4 defaults 0 1\ntmpfs /m tmpfs size=1m 0 0\n",
    "etc/sysctl.conf": "# mine\nnet.a = 1\nnet.b = 0\nnet.a = 2\n",
    "etc/timezone": "Etc/UTC\n",
    "etc/adjtime": "0.0 0 0.0\n0\nUTC\n",
    "etc/debian_version": "12\n",
    "etc/default/locale": "LANG=C.UTF-8\nLC_TIME=C\n",
    "etc/locale.gen": "# en_IE.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n",
    "usr/share/zoneinfo/Etc/UTC": "utc",
    "usr/share/zoneinfo/Zulu": "utc",
    "usr/share/zoneinfo/Europe/Berlin": "berlin",
    "proc/sys/net/a": "1",
    "proc/sys/net/b": "0",
    "proc/self/mountinfo": "1 0 0:1 / / rw - ext4 /dev/x rw\n",
    "proc/swaps": "Filename Type Size Used Priority\n/swap file 1 0 -2\n",
    "swap": "", "more": "",
}  # fmt: skip


def world(place: Path) -> World:
    """Give a machine with these files and tools that work on them."""
    for name, text in ETC.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (place / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    locales = ["C", "C.utf8", "POSIX"]

    def sysctl(words: list[str], _: str) -> tuple[int, str]:
        key, _, value = words[-1].partition("=")
        setting = place / "proc/sys" / key.replace(".", "/")
        if not setting.exists():
            return 1, f"sysctl: cannot stat {setting}: No such file or directory"
        if value:
            setting.write_text(value)
        text = setting.read_text()
        return 0, text if words[0] == "-n" else f"{key} = {text}"

    def locale(words: list[str], _: str) -> tuple[int, str]:
        return 0, "\n".join(locales)

    def locale_gen(words: list[str], _: str) -> tuple[int, str]:
        for line in (place / "etc/locale.gen").read_text().splitlines():
            name = line.split()[0].replace("UTF-8", "utf8")
            if not line.startswith("#") and name not in locales:
                locales.append(name)
        return 0, ""

    def swapon(words: list[str], _: str) -> tuple[int, str]:
        with (place / "proc/swaps").open("a") as file:
            file.write(f"{words[-1]} file 1 0 -2\n")
        return 0, ""

    host = rooted_host(place, sysctl=sysctl, locale=locale, locale_gen=locale_gen, swapon=swapon)
    return Sandbox(StateBench(place, host=host), lambda: tuple(locales))


def of(
    arguments: st.SearchStrategy[Arguments], changing: Arguments, given: Arguments | None = None
) -> Inputs:
    always = given or {}
    return Inputs(
        world=world,
        arguments=arguments.map(lambda each: {**always, **each}),
        changing={**always, **changing},
        is_announced_in_changes=False,
        examples=30,
    )


HOSTS = among("h1", "h2", "new")
ADDRESSES = among("10.9.0.1", "10.9.0.2", "::9")
TABLE: Arguments = {"name": "tmpfs", "fs_vfstype": "tmpfs", "mount": False}

INPUTS: dict[str, Inputs] = {
    "host.present": of(
        having(
            {
                "name": HOSTS,
                "ip": st.one_of(ADDRESSES, st.lists(ADDRESSES, min_size=1, unique=True)),
            },
            clean=YES_OR_NO,
            comment=("", "c", "two"),
        ),
        {"name": "new", "ip": "10.9.0.1"},
    ),
    "host.absent": of(
        having({"name": HOSTS}, ip=("10.9.0.1", "::9", ["10.9.0.1", "10.9.0.2"])), {"name": "h2"}
    ),
    "host.only": of(
        having({"name": ADDRESSES, "hostnames": among("h1", ["h1", "h2"], ["new"], [])}),
        {"name": "10.9.0.1", "hostnames": "new"},
    ),
    "mount.fstab_present": of(
        having(
            {"fs_file": among("/m", "/new")},
            fs_mntops=("defaults", "size=1m", ["nosuid", "size=1m"]),
            fs_freq=(0, 1),
            not_change=YES_OR_NO,
            match_on=("auto", "name", ["name", "device"], ["fs_file"]),
        ),
        {"fs_file": "/new"},
        TABLE,
    ),
    "mount.fstab_absent": of(
        having({"name": among("tmpfs", "other"), "fs_file": among("/m", "/new")}),
        {"name": "tmpfs", "fs_file": "/m"},
    ),
    "mount.swap": of(
        having({"name": among("/swap", "/more", "/none")}, persist=YES_OR_NO), {"name": "/more"}
    ),
    "sysctl.present": of(
        having(
            {"name": among("net.a", "net.b", "net.none"), "value": among(0, "1", "2")},
            config=("/etc/sysctl.conf", "/etc/sysctl.d/9.conf"),
        ),
        {"name": "net.b", "value": 1},
        {"config": "/etc/sysctl.conf"},
    ),
    "timezone.system": of(
        having(
            {"name": among("Etc/UTC", "Zulu", "Europe/Berlin", "No/Where", "Europe")}, utc=YES_OR_NO
        ),
        {"name": "Europe/Berlin"},
    ),
    "locale.present": of(
        having({"name": among("C.UTF-8", "en_IE.UTF-8", "fr_FR.UTF-8", "--help")}),
        {"name": "en_IE.UTF-8"},
    ),
    "locale.system": of(
        having({"name": among("C.UTF-8", "C.utf8", "en_IE.UTF-8", "a b")}), {"name": "en_IE.UTF-8"}
    ),
}
