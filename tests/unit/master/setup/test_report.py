"""What hosts are told to join a master."""

import shlex
from pathlib import Path

import pytest

from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.minion_identity import HostNames
from limpet.master.setup import report
from limpet.master.setup.report import (
    firewall_lines,
    interface_addresses,
    line_for_hosts,
    name_for_hosts,
)

JOIN = "limpet-join-1.aaaa.bbbb.cccc"
TABLE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.77.0.0/24 2 0 2
        |-- 10.77.0.0
           /24 link UNICAST
        |-- 10.77.0.2
           /32 host LOCAL
        |-- 10.77.0.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
Local:
        |-- 10.77.0.2
           /32 host LOCAL
"""


def test_a_string_for_one_host_stands_in_the_line() -> None:
    line = line_for_hosts(MasterConfiguration(), "salt.example.org", JOIN, uses=1)
    assert line == f"limpet minion setup --master salt.example.org --join {JOIN}"


def test_a_string_for_several_hosts_is_in_no_list_of_processes() -> None:
    line = line_for_hosts(MasterConfiguration(), "salt.example.org", JOIN, uses=2)
    told, command = line.split(" | ")
    assert told == f"echo {JOIN}"  # built into every shell
    assert command == "limpet minion setup --master salt.example.org --join -"


@pytest.mark.parametrize(
    "port, enrol_port, name, words",
    [
        (4506, 4505, "::1", ["--master", "::1"]),
        (5000, 4999, "::1", ["--master", "[::1]:5000"]),
        (5000, 4999, "a", ["--master", "a:5000"]),
        (5000, 6000, "a", ["--master", "a:5000", "--enrol-port", "6000"]),
    ],
)
def test_ports_that_are_not_the_usual_ones_are_said(
    port: int, enrol_port: int, name: str, words: list[str]
) -> None:
    configuration = MasterConfiguration(port=port, enrol_port=enrol_port)
    line = line_for_hosts(configuration, name, JOIN, uses=1)
    assert shlex.split(line) == ["limpet", "minion", "setup", *words, "--join", JOIN]


def test_the_firewall_lets_both_ports_in() -> None:
    assert firewall_lines((4505, 4506)) == (
        "nft add rule inet filter input tcp dport { 4505, 4506 } accept",
        "ufw allow 4505,4506/tcp",
    )


def test_the_one_address_that_is_listened_on_is_the_name() -> None:
    assert name_for_hosts(MasterConfiguration(listen=("192.0.2.7",))) == "192.0.2.7"


def test_addresses_of_interfaces_are_found_without_a_way_to_the_world(tmp_path: Path) -> None:
    table = tmp_path / "fib_trie"
    assert interface_addresses(table) == ()
    table.write_text(TABLE)
    assert interface_addresses(table) == ("10.77.0.2",)


def test_a_name_that_means_only_this_host_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Host(HostNames):
        def qualified(self) -> str:
            return "localhost"

        def node(self) -> str:
            return "localhost"

        def addresses(self) -> tuple[str, ...]:
            return ("198.51.100.4",)

    monkeypatch.setattr(report, "HostNames", Host)
    assert name_for_hosts(MasterConfiguration()) == "198.51.100.4"
