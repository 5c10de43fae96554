"""`network.*` on a made-up network: Salt's shapes, and nothing odd gets into a command."""

import json

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions import registry
from limpet.states.ports.machine import Address, Command, Completed, Connection, Interface, Route
from support.fakes.host import FakeHost, make_context


def network_host() -> FakeHost:
    host = FakeHost()
    host.network.links = [
        Interface(
            "lo",
            True,
            "00:00:00:00:00:00",
            (Address("inet", "127.0.0.1", 8), Address("inet6", "::1", 128, scope="host")),
        ),
        Interface(
            "eth0",
            True,
            "02:fc:00:00:00:01",
            (
                Address("inet", "192.0.2.10", 24, "192.0.2.255", label="eth0"),
                Address("inet", "10.0.0.5", 8, label="eth0:1"),
                Address("inet6", "fd00::2", 64, scope="global"),
            ),
        ),
        Interface("eth1", False, "02:fc:00:00:00:02"),
    ]
    host.network.paths = [
        Route("inet", "0.0.0.0/0", "192.0.2.1", "eth0", "UG"),
        Route("inet", "192.0.2.0/24", "", "eth0", "U"),
        Route("inet6", "::/0", "fd00::1", "eth0", "UG"),
    ]
    return host


def call(name: str, *values: Loose, host: FakeHost | None = None, **named: Loose) -> Loose:
    context = make_context(host if host is not None else network_host())
    return registry.call(f"network.{name}", values, named, context)


def test_interfaces_have_salts_shape() -> None:
    found = call("interfaces")
    assert found["eth0"]["inet"][0] == {
        "address": "192.0.2.10",
        "netmask": "255.255.255.0",
        "broadcast": "192.0.2.255",
        "label": "eth0",
    }
    assert found["eth0"]["inet6"] == [{"address": "fd00::2", "prefixlen": "64", "scope": "global"}]
    assert found["eth1"] == {"up": False, "hwaddr": "02:fc:00:00:00:02"}


def test_one_interface_is_asked_for() -> None:
    assert call("interface_ip", "eth0") == "192.0.2.10"
    assert call("interface_ip", "eth1") == ""
    assert call("hw_addr", "eth0") == call("hwaddr", "eth0") == "02:fc:00:00:00:01"
    assert [each["label"] for each in call("interface", "eth0")] == ["eth0", "eth0:1"]
    expected = 'Interface "eth9" not in available interfaces: "lo", "eth0", "eth1"'
    assert call("hw_addr", "eth9") == expected


def test_addresses_are_chosen() -> None:
    assert call("ip_addrs") == ["10.0.0.5", "192.0.2.10"]
    assert call("ip_addrs", include_loopback=True)[-1] == "192.0.2.10"
    assert call("ip_addrs", cidr="10.0.0.0/8") == ["10.0.0.5"]
    assert call("ip_addrs", "eth1") == []
    assert call("ipaddrs", type="public") == []
    assert call("ip_addrs6") == ["fd00::2"]
    assert call("ipaddrs6", include_loopback=True) == ["::1", "fd00::2"]
    assert call("ip_addrs6", cidr="2000::/3") == []


def test_networks_are_told() -> None:
    assert call("subnets") == ["10.0.0.0/8", "192.0.2.0/24"]
    assert call("subnets", interfaces="lo") == []
    assert call("subnets6") == ["fd00::/64"]
    assert call("ip_networks", verbose=True)["192.0.2.0/24"] == {
        "address": "192.0.2.0",
        "netmask": "255.255.255.0",
        "num_addresses": 256,
        "prefixlen": 24,
    }
    assert call("in_subnet", "192.0.2.0/24") is True
    assert call("in_subnet", "127.0.0.0/8") is False
    assert call("ifacestartswith", "192.0") == ["eth0"]


def test_addresses_are_reckoned_with() -> None:
    assert call("calc_net", "172.17.0.5", "255.255.255.240") == "172.17.0.0/28"
    assert call("calc_net", "10.1.2.3/8") == "10.0.0.0/8"
    assert call("ip_in_subnet", "172.17.0.4", "172.16.0.0/12") is True
    assert call("convert_cidr", "10.0.0.1/8")["broadcast"] == "10.255.255.255"
    assert call("is_private", "10.0.0.3") is True
    assert call("is_loopback", "::1") is True
    assert call("reverse_ip", "127.0.0.1") == "1.0.0.127.in-addr.arpa"
    assert call("iphexval", "10.0.0.1") == "0A000001"
    with pytest.raises(UsageError, match="not an IP address"):
        call("is_private", "web1")
    with pytest.raises(UsageError, match="not a network"):
        call("in_subnet", "10.0.0.0/99")
    with pytest.raises(UsageError, match="not a network"):
        call("convert_cidr", "x")


def test_routes_have_the_columns_of_netstat() -> None:
    assert call("default_route", "inet") == [
        {
            "addr_family": "inet",
            "destination": "0.0.0.0",
            "gateway": "192.0.2.1",
            "netmask": "0.0.0.0",
            "flags": "UG",
            "interface": "eth0",
        }
    ]
    assert call("routes")[1]["gateway"] == "0.0.0.0"
    assert len(call("routes", "inet6")) == 1
    with pytest.raises(UsageError, match="'family' must be one of 'inet', 'inet6'"):
        call("routes", "ipx")


def test_a_route_is_asked_of_iproute2() -> None:
    host = network_host()
    host.commands.installed["ip"] = "/sbin/ip"
    answer = [{"dst": "192.0.2.9", "gateway": "192.0.2.1", "dev": "eth0", "prefsrc": "192.0.2.10"}]
    host.commands.answer = lambda _command: Completed(1, 0, json.dumps(answer).encode(), b"")
    assert call("get_route", "192.0.2.9", host=host) == {
        "destination": "192.0.2.9",
        "gateway": "192.0.2.1",
        "interface": "eth0",
        "source": "192.0.2.10",
    }
    assert host.commands.ran[0].argv == ("/sbin/ip", "-json", "route", "get", "192.0.2.9")
    host.commands.answer = lambda _command: Completed(1, 2, b"", b"RTNETLINK: unreachable")
    with pytest.raises(HostError, match="unreachable"):
        call("get_route", "192.0.2.9", host=host)


def test_neighbours_are_read() -> None:
    host = network_host()
    host.files.texts["/proc/net/arp"] = (
        "IP address HW type Flags HW address Mask Device\n"
        "192.0.2.1 0x1 0x2 02:fc:00:00:00:05 * eth0\n"
        "192.0.2.7 0x1 0x0 00:00:00:00:00:00 * eth0\n"
    )
    assert call("arp", host=host) == {"02:fc:00:00:00:05": "192.0.2.1"}
    with pytest.raises(HostError, match="iproute2"):
        call("ip_neighs", host=host)


def test_sockets_have_the_columns_of_netstat() -> None:
    host = network_host()
    host.network.sockets = [
        Connection("tcp", "0.0.0.0", 22, "0.0.0.0", 0, "LISTEN", inode=9, pid=7, program="sshd"),
        Connection("tcp", "192.0.2.10", 22, "192.0.2.3", 5000, "ESTABLISHED"),
        Connection("udp", "0.0.0.0", 53, "0.0.0.0", 0, ""),
    ]
    listening, _, udp = call("netstat", host=host)
    assert listening["remote-address"] == "0.0.0.0:*"
    assert listening["program"] == "7/sshd"
    assert "state" not in udp
    assert call("active_tcp", host=host) == {
        0: {
            "local_addr": "192.0.2.10",
            "local_port": "22",
            "remote_addr": "192.0.2.3",
            "remote_port": "5000",
        }
    }


def test_a_port_is_tried() -> None:
    host = network_host()
    assert call("connect", "db1", 5432, host=host)["result"] is True
    host.network.unreachable = "Unable to connect to db1"
    assert call("connect", "db1", "5432", host=host) == {
        "result": False,
        "comment": "Unable to connect to db1",
    }
    with pytest.raises(UsageError, match="not a port"):
        call("connect", "db1", 70000)


@pytest.mark.parametrize("host", ["-f", "a b", "$(id)", "x;y", "", "a" * 300])
@pytest.mark.parametrize("name", ["ping", "traceroute", "dig"])
def test_nothing_odd_gets_into_a_command(name: str, host: str) -> None:
    with pytest.raises(UsageError, match="not a name or address"):
        call(name, host)


def test_ping_gives_text_or_truth() -> None:
    host = network_host()
    host.commands.installed["ping"] = "/bin/ping"

    def answer(command: Command) -> Completed:
        return Completed(1, 0 if command.argv[-1] == "db1" else 1, b"64 bytes\n", b"")

    host.commands.answer = answer
    assert call("ping", "db1", host=host) == "64 bytes"
    assert call("ping", "db2", return_boolean=True, timeout=3, host=host) is False
    assert host.commands.ran[1].argv == ("/bin/ping", "-c", "4", "-W", "3", "db2")


def test_names_are_asked_for() -> None:
    host = network_host()
    host.network.addresses = {"web1.example.org": ["192.0.2.10"]}
    assert call("get_hostname", host=host) == "web1"
    assert call("get_fqdn", host=host) == "web1.example.org"
    assert call("fqdns", host=host) == {"fqdns": ["web1.example.org"]}
