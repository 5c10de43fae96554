"""A small network of this test's own: namespaces, a stateful router between them, packet filters.

    master 10.77.0.2 fd77:0::2 ──┐
    web1   10.77.1.2 fd77:1::2 ──┤ router 10.77.N.1 fd77:N::1, its rules in nftables
    web2   10.77.2.2 fd77:2::2 ──┘ …

Every namespace lives in a process that only holds it, every link is made inside them: nothing of
the host's own network, rules or files is touched, and all of it is gone when the holders end.
Needs root and the programs of `missing`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

PROGRAMS: Final = ("ip", "nft", "nsenter", "unshare", "mount")
ESTABLISHED: Final = "01"
FLUSH_CONNTRACK: Final = """
import socket, struct
request = struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0)
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
    netlink.settimeout(5)
    netlink.send(request)
    error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
assert error == 0, error
"""
"""The kernel forgets every flow it has tracked: what `conntrack -F` does."""

FIREWALL: Final = """
table inet path {
    set forgotten { type inet_service; }
    chain faults { }
    chain forward {
        type filter hook forward priority 0; policy drop;
        tcp sport @forgotten drop
        tcp dport @forgotten drop
        jump faults
        ct state established,related accept
        tcp flags & (syn | ack) == syn ct state new accept
        meta l4proto { udp, icmp, ipv6-icmp } accept
    }
}
"""
"""A firewall as one meets them: what it does not know as a connection has to begin with SYN."""


def missing() -> str:
    """Say what this machine lacks for namespaces of one's own; empty: nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    made = subprocess.run(
        ["unshare", "--net", "--mount", "nft", "list", "ruleset"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return f"no namespaces or no nftables here: {made.stderr.strip()}" if made.returncode else ""


class Namespace:
    """One network namespace and the process that holds it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo here; exec sleep infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self.pid = self._holder.pid
        self.run("ip", "link", "set", "lo", "up")

    def close(self) -> None:
        """Let the namespace go."""
        self._holder.kill()
        self._holder.wait(10)
        assert self._holder.stdout is not None
        self._holder.stdout.close()

    def inside(self, *command: str) -> tuple[str, ...]:
        """Give the command line that runs a command in here."""
        return ("nsenter", "--target", str(self.pid), "--net", *command)

    def run(self, *command: str, input_text: str = "", is_sure: bool = True) -> str:
        """Run a command in here and give what it prints; its failure fails the test."""
        done = subprocess.run(
            self.inside(*command),
            input=input_text,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0 or not is_sure, f"{command}: {done.stderr}"
        return done.stdout

    def tune(self, setting: str, value: int) -> None:
        """Set one of the kernel's settings below `/proc/sys/net`, for this namespace only."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/{setting}")

    def connections(self, *ports: int) -> set[int]:
        """Give the local ports of established TCP connections to one of these ports."""
        found = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]:
                _, local, remote, state, *_ = line.split()
                if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) in ports:
                    found.add(int(local.rpartition(":")[2], 16))
        return found


class Network:
    """A router, the master's namespace and those of some minions. A context manager."""

    def __init__(self, folder: Path, minions: Sequence[str]) -> None:
        self.folder = folder
        self.router = Namespace("router")
        self.master = Namespace("master")
        self.minions = {name: Namespace(name) for name in minions}
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        self.hosts_file = self.folder / "hosts"
        self.resolver_file = self.folder / "resolv.conf"
        self.name_the_master()
        self.resolve_by("127.0.0.1")
        self.router.tune("ipv4/ip_forward", 1)
        self.router.tune("ipv6/conf/all/forwarding", 1)
        for index, namespace in enumerate((self.master, *self.minions.values())):
            self._connect(namespace, index)
        self.router.run("nft", "-f", "-", input_text=FIREWALL)
        # what is not known from its beginning is no connection
        self.router.tune("netfilter/nf_conntrack_tcp_loose", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let all namespaces go, with all that is in them."""
        for namespace in (*self.minions.values(), self.master, self.router):
            namespace.close()

    def _connect(self, namespace: Namespace, index: int) -> None:
        ours = f"net{index}"
        self.router.run(
            *("ip", "link", "add", ours, "type", "veth"),
            *("peer", "name", "eth0", "netns", str(namespace.pid)),
        )
        self.router.run("ip", "addr", "add", f"10.77.{index}.1/24", "dev", ours)
        self.router.run("ip", "-6", "addr", "add", f"fd77:{index}::1/64", "dev", ours, "nodad")
        self.router.run("ip", "link", "set", ours, "up")
        self.address(namespace, index, 2)

    def address(self, namespace: Namespace, index: int, last: int) -> None:
        """Give a namespace these addresses and no others, and its routes."""
        namespace.run("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        namespace.run("ip", "addr", "add", f"10.77.{index}.{last}/24", "dev", "eth0")
        namespace.run(
            *("ip", "-6", "addr", "add", f"fd77:{index}::{last}/64", "dev", "eth0", "nodad")
        )
        namespace.run("ip", "link", "set", "eth0", "up")
        self.route(namespace, index)

    def route(self, namespace: Namespace, index: int) -> None:
        """Give a namespace its way out."""
        namespace.run("ip", "route", "replace", "default", "via", f"10.77.{index}.1")
        namespace.run("ip", "-6", "route", "replace", "default", "via", f"fd77:{index}::1")

    def unroute(self, namespace: Namespace) -> None:
        """Take a namespace's way out away, and its link down."""
        namespace.run("ip", "link", "set", "eth0", "down")

    # -- names

    def name_the_master(self, *addresses: str) -> None:
        """Say where `master.test` is, in the hosts file of all; nowhere: let them ask for it."""
        lines = ["127.0.0.1 localhost", *(f"{address} master.test" for address in addresses)]
        self.hosts_file.write_text("\n".join(lines) + "\n")  # in place: it is mounted

    def resolve_by(self, server: str) -> None:
        """Say which name server is asked for what is not in the hosts file."""
        self.resolver_file.write_text(f"nameserver {server}\noptions timeout:10 attempts:3\n")

    def prefix(self, namespace: Namespace) -> tuple[str, ...]:
        """Give what starts a process in a namespace, with the names of this network."""
        script = (
            f"mount --bind {self.hosts_file} /etc/hosts"
            f" && mount --bind {self.resolver_file} /etc/resolv.conf"
            ' && exec "$@"'
        )
        return namespace.inside("unshare", "--mount", "sh", "-c", script, "sh")

    # -- faults

    def drop(self, *matches: str) -> None:
        """Drop every packet on its way that fits one of these; `""` fits all."""
        rules = "\n".join(f"add rule inet path faults {match} counter drop" for match in matches)
        self.router.run("nft", "-f", "-", input_text=rules)

    def reset_all(self, *ports: int) -> None:
        """Answer whatever is said on these ports with RST until `pass_all`."""
        some = ", ".join(map(str, ports))
        self.router.run(
            *("nft", "add", "rule", "inet", "path", "faults"),
            *(f"tcp dport {{ {some} }} reject with tcp reset",),
        )

    def pass_all(self) -> None:
        """Let everything pass that a firewall lets pass."""
        self.router.run("nft", "flush", "chain", "inet", "path", "faults")

    def dropped(self) -> int:
        """Give how many packets were dropped by `drop` since the last `pass_all`."""
        words = self.router.run("nft", "list", "chain", "inet", "path", "faults").split()
        return sum(int(words[i + 1]) for i, word in enumerate(words) if word == "packets")

    def forget(self, local_ports: set[int]) -> None:
        """Forget these flows for ever: their packets go nowhere, and nobody is told."""
        some = ", ".join(map(str, sorted(local_ports)))
        self.router.run("nft", "add", "element", "inet", "path", "forgotten", f"{{ {some} }}")

    def flush_connections(self) -> None:
        """Let the firewall forget every connection that it knows."""
        self.router.run(sys.executable, "-c", FLUSH_CONNTRACK)
