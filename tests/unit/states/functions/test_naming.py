import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeHost, make_context


def test_a_name_has_an_address() -> None:
    host = FakeHost()
    host.network.addresses.update({"web": ["10.0.0.1", "fd00::1"], "six": ["fd00::2"]})
    context = make_context(host)

    assert context.call("network.dns_check", "1.2.3.4", 22) == "1.2.3.4"
    assert context.call("network.dns_check", "web") == "10.0.0.1"
    assert context.call("network.dns_check", "web", ipv6=True) == "[fd00::1]"
    assert context.call("network.dns_check", "six") == "[fd00::2]"
    with pytest.raises(HostError, match="lookup of 'gone'"):
        context.call("network.dns_check", "gone")


def test_a_machine_gets_another_name() -> None:
    host = FakeHost()
    context = make_context(host)
    with pytest.raises(HostError, match="hostnamectl"):
        context.call("network.mod_hostname", "web2")
    host.commands.installed["hostnamectl"] = "/usr/bin/hostnamectl"

    assert context.call("network.mod_hostname", "") is False
    assert context.call("network.mod_hostname", "web2.example.org") is True
    assert host.commands.ran[-1].argv == ("hostnamectl", "set-hostname", "web2.example.org")
    with pytest.raises(UsageError, match="is no name"):
        context.call("network.mod_hostname", "-x; y")

    def refuse(_command: Command) -> Completed:
        return Completed(7, 1, b"", b"no")

    host.commands.answer = refuse
    with pytest.raises(HostError, match="can't be set: no"):
        context.call("network.mod_hostname", "web3")


@pytest.mark.parametrize("name", ["cmd", "runner", "wheel"])
def test_a_minion_commands_nobody(name: str) -> None:
    with pytest.raises(HostError, match=r"docs/from-salt\.md"):
        make_context().call(f"saltutil.{name}", "x", "test.ping")
