"""The lab's network: a namespace with a bridge, and a cable from it to each host.

Faults are made at the bridge, where a host can't see them: frames vanish, connections are not
reset, the host's interface stays up. A cut covers everything, address resolution and DNS too.
"""

from typing import Literal

from limpet_lab.place import LAB_ADDRESS, Place
from limpet_lab.running import LabError, Result, run

Direction = Literal["both", "in", "out"]
"""As the host sees it: `in` drops what comes to it, `out` what it sends."""

_RULES = """
table bridge lab {
  set silent { type ifname; }
  set deaf { type ifname; }
  chain forward { type filter hook forward priority 0; iifname @silent drop; oifname @deaf drop; }
  chain input { type filter hook input priority 0; iifname @silent drop; }
  chain output { type filter hook output priority 0; oifname @deaf drop; }
}
"""


class Network:
    """The namespace of one lab, and the cables in it."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def make(self) -> None:
        """Make the namespace with its bridge, where it is not there."""
        if self._place.name in namespaces():
            return
        run(["ip", "netns", "add", self._place.name]).checked()
        self._inside("ip", "link", "set", "lo", "up").checked()
        self._inside("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0").checked()
        self._inside("ip", "addr", "add", f"{LAB_ADDRESS}/24", "dev", "br0").checked()
        self._inside("ip", "link", "set", "br0", "up").checked()
        run(self.entering("nft", "-f", "-"), given=_RULES).checked()

    def entering(self, *argv: str) -> list[str]:
        """Give the command that runs `argv` at the bridge."""
        # Not by `ip netns exec`: that keeps a copy of all mounts, of other labs too.
        return ["nsenter", f"--net=/run/netns/{self._place.name}", *argv]

    def _inside(self, *argv: str) -> Result:
        return run(self.entering(*argv))

    def connect(self, host: str, address: str) -> str:
        """Give a host a fresh namespace and a cable; returns the namespace's path."""
        name, cable = self._place.name_of(host), self._cable(host)
        if name not in namespaces():
            run(["ip", "netns", "add", name]).checked()
            run(
                ["ip", "-n", self._place.name, "link", "add", cable, "type", "veth",
                 "peer", "name", "eth0", "address", _hardware(address), "netns", name]
            ).checked()  # fmt: skip
            run(
                ["ip", "-n", self._place.name, "link", "set", cable, "master", "br0", "up"]
            ).checked()
            run(["ip", "-n", name, "link", "set", "lo", "up"]).checked()
            run(["ip", "-n", name, "link", "set", "eth0", "up"]).checked()
            run(["ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0"]).checked()
        return f"/run/netns/{name}"

    def disconnect(self, host: str) -> None:
        """Take a host's namespace away, with all connections in it, without a word to anybody."""
        name = self._place.name_of(host)
        if name in namespaces():
            # The cable first: a namespace lives on in its dying sockets for a while, and the far
            # end of its cable with it.
            run(["ip", "-n", self._place.name, "link", "del", self._cable(host)]).checked()
            run(["ip", "netns", "del", name]).checked()

    def readdress(self, host: str, address: str) -> None:
        """Give a running host another address; the old one is gone."""
        name = self._place.name_of(host)
        run(["ip", "-n", name, "addr", "flush", "dev", "eth0"]).checked()
        run(["ip", "-n", name, "link", "set", "eth0", "address", _hardware(address)]).checked()
        run(["ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0"]).checked()

    def cut(self, host: str, direction: Direction) -> None:
        """Let frames vanish, one way or both; no connection is told."""
        if direction not in ("both", "in", "out"):
            raise LabError(f"a cut is both, in or out, not {direction!r}")
        for name, ways in (("silent", ("both", "out")), ("deaf", ("both", "in"))):
            if direction in ways:
                self._element("add", name, host).checked()

    def heal(self, host: str) -> None:
        """Let everything through again."""
        for name in ("silent", "deaf"):
            self._element("add", name, host).checked()  # deleting what is not there is an error
            self._element("delete", name, host).checked()

    def _element(self, verb: str, name: str, host: str) -> Result:
        return self._inside(
            "nft", verb, "element", "bridge", "lab", name, "{", f'"{self._cable(host)}"', "}"
        )

    @staticmethod
    def _cable(host: str) -> str:
        return f"v-{host}"[:15]


def namespaces() -> set[str]:
    """Give the names of the machine's network namespaces."""
    listed = run(["ip", "netns", "list"]).checked().out
    return {line.split()[0] for line in listed.splitlines() if line.strip()}


def _hardware(address: str) -> str:
    """Make the interface's address of the host's, so that a host that returns is the same one."""
    return "02:4c:" + ":".join(f"{int(part):02x}" for part in address.split("."))
