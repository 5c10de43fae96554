"""The lab's command line, for people."""

import argparse
import sys
import time
from pathlib import Path

from limpet_lab.fleet import Fleet
from limpet_lab.host import Host
from limpet_lab.lab import Lab
from limpet_lab.packages import packages
from limpet_lab.running import LabError


def main(argv: list[str] | None = None) -> None:
    """Do one thing with the lab in LIMPET_LAB_DIR; ends the process."""
    parser = _parser()
    wanted = parser.parse_args(argv)
    try:
        sys.exit(_do(Lab(), wanted))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab.py", description=__doc__)
    does = parser.add_subparsers(dest="verb", required=True)
    up = does.add_parser("up", help="make and boot a master and N hosts")
    up.add_argument("minions", type=int, nargs="?", default=3, metavar="N")
    fleet = does.add_parser("fleet", help="the same, with limpet of this tree on all of them")
    fleet.add_argument("minions", type=int, nargs="?", default=3, metavar="N")
    does.add_parser("down", help="end and remove everything")
    does.add_parser("list", help="the hosts and how they are")
    for verb, text in {
        "shell": "a shell in a host", "power-off": "cut its power", "boot": "switch it on",
        "reboot": "restart it in order", "shutdown": "shut it down in order",
        "heal": "mend its cable", "fill": "fill its disk", "free": "give the space back",
    }.items():  # fmt: skip
        does.add_parser(verb, help=text).add_argument("host")
    cut = does.add_parser("cut", help="cut its cable")
    cut.add_argument("host")
    cut.add_argument("direction", nargs="?", default="both", choices=["both", "in", "out"])
    execute = does.add_parser("exec", help="run a command in a host")
    execute.add_argument("host")
    execute.add_argument("argv", nargs=argparse.REMAINDER)
    push = does.add_parser("push", help="copy a file into a host (all: into every host)")
    push.add_argument("host")
    push.add_argument("file", type=Path)
    push.add_argument("remote", nargs="?")
    dns = does.add_parser("dns", help="what names mean")
    dns.add_argument("what", choices=["show", "set", "remove", "answer", "silent", "fail"])
    dns.add_argument("name", nargs="?", default="")
    dns.add_argument("address", nargs="?", default="")
    address = does.add_parser("readdress", help="move a host to another address")
    address.add_argument("host")
    address.add_argument("address")
    return parser


def _do(lab: Lab, wanted: argparse.Namespace) -> int:
    match wanted.verb:
        case "up":
            since = time.monotonic()
            lab.up(wanted.minions)
            print(f"{len(lab.hosts)} hosts up after {time.monotonic() - since:.0f} s")
        case "fleet":
            _fleet(lab, wanted.minions)
        case "down":
            lab.down()
        case "list":
            for host in lab.hosts:
                print(f"{host.name:10} {host.address:12} {'on' if host.is_on() else 'off'}")
        case "dns":
            return _dns(lab, wanted)
        case "push":
            for host in lab.hosts if wanted.host == "all" else [lab.host(wanted.host)]:
                print(f"{host.name}: {host.push(wanted.file, wanted.remote)}")
        case _:
            return _do_to(lab.host(wanted.host), wanted)
    return 0


def _fleet(lab: Lab, minions: int) -> None:
    built = packages()
    since = time.monotonic()
    lab.up(minions)
    fleet = Fleet(lab, built)
    print(f"{len(lab.hosts)} hosts are up; limpet {built.version} is being installed", flush=True)
    fleet.install()
    fleet.set_up()
    table = fleet.limpet("minions").checked().out
    print(f"after {time.monotonic() - since:.0f} s:\n{table}")
    print(
        "go on:\n"
        "  make lab-shell H=master      then: limpet run '*' test.ping\n"
        "  python packaging/lab/lab.py power-off web1, boot web1, cut web1, heal web1, --help\n"
        "  make lab-down"
    )


def _dns(lab: Lab, wanted: argparse.Namespace) -> int:
    match wanted.what:
        case "set":
            lab.dns.set(wanted.name, wanted.address)
        case "remove":
            lab.dns.remove(wanted.name)
        case "show":
            for name, address in lab.dns.table().items():
                print(f"{name:10} {address}")
        case mode:
            lab.dns.mode(mode)
    return 0


def _do_to(host: Host, wanted: argparse.Namespace) -> int:
    match wanted.verb:
        case "shell":
            return host.shell()
        case "exec":
            result = host.exec(wanted.argv, timeout_s=3600)
            sys.stdout.write(result.out)
            sys.stderr.write(result.err)
            return result.code
        case "power-off":
            host.power_off()
        case "boot":
            print(f"up after {host.boot():.1f} s")
        case "reboot":
            print(f"up after {host.reboot():.1f} s")
        case "shutdown":
            host.shutdown()
        case "cut":
            host.cut(wanted.direction)
        case "heal":
            host.heal()
        case "fill":
            host.fill_disk()
        case "free":
            host.free_disk()
        case "readdress":
            host.readdress(wanted.address)
    return 0
