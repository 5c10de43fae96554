import time
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.host.machine import ThisMachine
from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeHost, make_context

ZONE = """\
$TTL 3600
@ IN SOA ns1.example.org. admin.example.org. (
  2024010101 ; serial
  3600 ; refresh
  600
  86400
  300 )
  IN NS ns1.example.org.
ns1 IN A 10.0.0.1
www 60 IN CNAME ns1
  IN MX 10 mail.example.org.
"""


def asking(answers: dict[tuple[str, str], str]) -> tuple[FunctionContext, FakeHost]:
    """Give a machine whose `dig` has these answers by name and kind."""
    host = FakeHost()
    host.commands.installed["dig"] = "/usr/bin/dig"

    def answer(command: Command) -> Completed:
        text = answers.get((command.argv[-2], command.argv[-1]), "")
        return Completed(1, 0, text.encode(), b"")

    host.commands.answer = answer
    return make_context(host, grains={}), host


def test_hosts_are_read_added_and_removed(tmp_path: Path) -> None:
    context = make_context()
    context.host = ThisMachine()
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost lo\n# comment\n10.0.0.1 a b\n10.0.0.1 c\n\n::1 ip6\n")

    def call(name: str, *positional: Any) -> Any:  # noqa: ANN401
        return context.call(f"dnsutil.{name}", str(path), *positional)

    assert call("parse_hosts") == {
        "127.0.0.1": ["localhost", "lo"],
        "10.0.0.1": ["a", "b", "c"],
        "::1": ["ip6"],
    }
    assert call("hosts_append", "10.0.0.1", "b,d") == (
        f"The following line was added to {path}:\n10.0.0.1 d"
    )
    assert call("hosts_append", "10.0.0.1", "b,d") == f"No additional hosts were added to {path}"
    assert call("hosts_remove", "b,c") is None
    assert path.read_text() == (
        "127.0.0.1 localhost lo\n# comment\n10.0.0.1 a\n\n::1 ip6\n10.0.0.1 d\n"
    )
    assert context.call("dnsutil.parse_hosts", hosts="1.2.3.4 x y\n") == {"1.2.3.4": ["x", "y"]}
    gone = context.call("dnsutil.parse_hosts", str(tmp_path / "gone"))
    assert gone == "Error: hosts data was not found"


def test_a_zone_is_read() -> None:
    assert make_context().call("dnsutil.parse_zone", zone=ZONE) == {
        "TTL": "3600",
        "ORIGIN": "@",
        "NETWORK": "IN",
        "SOURCE": "ns1.example.org.",
        "CONTACT": "admin@example.org.",
        "SERIAL": "2024010101",
        "REFRESH": 3600,
        "RETRY": 600,
        "EXPIRE": 86400,
        "MINTTL": 300,
        "NS": ["ns1.example.org."],
        "A": {"ns1.@": "10.0.0.1"},
        "CNAME": {"www.@": "ns1"},
        "MX": [{"priority": "10", "host": "mail.example.org."}],
    }
    with pytest.raises(UsageError, match="SOA"):
        make_context().call("dnsutil.parse_zone", zone="@ IN SOA a b")


def test_addresses_come_from_the_resolver() -> None:
    host = FakeHost()
    host.network.addresses["web"] = ["10.0.0.1", "fd00::1"]
    context = make_context(host)

    assert context.call("dnsutil.A", "web") == ["10.0.0.1"]
    assert context.call("dnsutil.AAAA", "web") == ["fd00::1"]
    assert context.call("dnsutil.A", "127.0.0.1") == ["127.0.0.1"]
    assert context.call("dnsutil.A", "gone") == "Unable to resolve gone"
    assert context.call("dnsutil.check_ip", "::1") is True
    assert context.call("dnsutil.check_ip", "1.2.3.400") is False
    with pytest.raises(HostError, match="needs the program dig"):
        context.call("dnsutil.NS", "example.org")


def test_other_records_come_from_dig() -> None:
    context, host = asking(
        {
            ("example.org", "NS"): "ns1.example.org.\n",
            ("ns1.example.org.", "A"): "10.0.0.1\n",
            ("example.org", "MX"): "10 mail.example.org.\n",
            ("mail.example.org.", "A"): "10.0.0.2\n",
            ("example.org", "TXT"): '"v=spf1 ip4:10.0.0.0/8 ip6:fd00::/8 -all"\n',
            ("web", "A"): "alias.\n10.0.0.9\n",
        }
    )

    assert context.call("dnsutil.NS", "example.org") == ["10.0.0.1"]
    assert context.call("dnsutil.NS", "example.org", resolve=False) == ["ns1.example.org."]
    assert context.call("dnsutil.MX", "example.org") == [["10", "mail.example.org."]]
    assert context.call("dnsutil.MX", "example.org", resolve=True) == [["10", "10.0.0.2"]]
    assert context.call("dnsutil.SPF", "example.org") == ["10.0.0.0/8", "fd00::/8"]
    assert context.call("dnsutil.A", "web", "ns9") == ["10.0.0.9"]
    assert host.commands.ran[-1].argv == ("dig", "+short", "@ns9", "web", "A")
    assert host.commands.ran[-1].timeout_s == 15.0
    with pytest.raises(UsageError, match="is no name"):
        context.call("dnsutil.MX", "-x")


def test_a_serial_counts_up_within_a_day(tmp_path: Path) -> None:
    context = make_context(root=tmp_path)
    first = context.call("dnsutil.serial", "example.org")

    today = time.strftime("%Y%m%d", time.localtime(context.host.system.now()))
    assert first == f"{today}01"
    assert context.call("dnsutil.serial", "example.org", True) == f"{today}02"
    assert context.call("dnsutil.serial", "example.org") == f"{today}02"
