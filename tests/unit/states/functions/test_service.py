"""The `service` functions on a made-up systemd."""

import pytest

from limpet.common.errors import HostError
from limpet.states.functions import registry
from limpet.states.ports.machine import Completed
from support.fakes.host import make_context
from support.fakes.systemd import FakeSystemd, Unit

UNITS = {
    "web.service": Unit("active", "enabled"),
    "db.service": Unit("inactive", "disabled"),
    "help.service": Unit("inactive", "static"),
    "tidy.timer": Unit("active", "enabled"),
    "gone.service": Unit("inactive", "masked"),
}


def call(name: str, *arguments: object, units: dict[str, Unit] | None = None) -> object:
    context = make_context(FakeSystemd(units or dict(UNITS)).host())
    return registry.call(name, list(arguments), {}, context)


def test_services_are_listed_without_their_ending() -> None:
    assert call("service.get_all") == ["db", "gone", "help", "tidy.timer", "web"]
    assert call("service.get_enabled") == ["tidy.timer", "web"]
    assert call("service.get_disabled") == ["db"]
    assert call("service.get_static") == ["help"]
    assert call("service.get_running") == ["tidy.timer", "web"]
    assert call("service.execs") == {"tidy.timer": "/usr/sbin/it", "web": "/usr/sbin/it"}


def test_questions_are_answered_for_what_is_there_and_what_is_not() -> None:
    assert (call("service.available", "web"), call("service.missing", "nope")) == (True, True)
    assert (call("service.status", "web"), call("service.status", "db")) == (True, False)
    assert call("service.status", "*e*") == {"help": False, "tidy.timer": True, "web": True,
                                             "gone": False}  # fmt: skip
    assert (call("service.enabled", "help"), call("service.disabled", "nope")) == (True, True)
    assert (call("service.masked", "gone"), call("service.masked", "web")) == (True, False)
    shown = call("service.show", "web")
    assert isinstance(shown, dict)
    assert shown["ActiveState"] == "active"


def test_a_refusal_is_told_in_systemds_words() -> None:
    with pytest.raises(HostError, match=r"Unit nope\.service not found"):
        call("service.start", "nope")
    with pytest.raises(HostError, match="is masked"):
        call("service.restart", "gone")
    with pytest.raises(HostError, match="Failed to mask service 'nope'"):
        call("service.mask", "nope")
    assert call("service.stop", "nope") is False


@pytest.mark.parametrize("name", ["--user", "-H evil", "a;b", "a/b", "", "x\n", "*"])
def test_a_name_that_no_unit_has_never_reaches_systemctl(name: str) -> None:
    systemd = FakeSystemd(dict(UNITS))
    context = make_context(systemd.host())
    with pytest.raises(HostError, match="can't be the name of a service"):
        registry.call("service.start", [name], {}, context)
    assert systemd.calls == []


def test_a_call_that_does_not_end_in_time_is_an_error() -> None:
    host = FakeSystemd(dict(UNITS)).host()
    host.commands.answer = lambda _command: Completed(1, -15, b"", b"", is_timed_out=True)
    with pytest.raises(HostError, match="did not end within 30 s"):
        registry.call("service.status", ["web"], {}, make_context(host))
