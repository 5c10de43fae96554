"""`selinux`, `firewalld` and `system` on made-up programs."""

from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.states.functions import registry
from support.fakes.host import FakeCommands, FakeFiles, FakeHost, make_context
from support.fakes.programs import FakeSelinux, FakeZones
from support.states.state_bench import StateBench


@pytest.mark.parametrize(
    "more, changes",
    [
        ({"services": ["ssh"]}, {}),
        ({"services": ["http"]},
         {"services": {"old": ["ssh", "dns"], "new": ["ssh", "dns", "http"]}}),
        ({"services": ["ssh"], "prune_services": True},
         {"services": {"old": ["ssh", "dns"], "new": ["ssh"]}}),
        ({"ports": ["80/tcp"], "masquerade": True},
         {"ports": {"old": [], "new": ["80/tcp"]}, "masquerade": {"old": False, "new": True}}),
        ({"default": True, "port_fwd": ["80:8080:tcp"]},
         {"port_fwd": {"old": [], "new": ["port=80:proto=tcp:toport=8080:toaddr="]},
          "default": {"old": "public", "new": "web"}}),
        ({"rich_rules": ["rule family=ipv4 drop"]},
         {"rich_rules": {"old": [], "new": ["rule family=ipv4 drop"]}}),
    ],
)  # fmt: skip
def test_a_zone_gets_what_is_named(
    tmp_path: Path, more: dict[str, Any], changes: dict[str, Any]
) -> None:
    zones = FakeZones({"public": {}, "web": {"services": ["ssh", "dns"]}})
    bench = StateBench(tmp_path, host=zones.host())

    announced = bench.call("firewalld.present", is_test=True, name="web", **more)
    assert zones.changes == []
    done = bench.call("firewalld.present", name="web", **more)

    assert announced.result is (None if changes else True)
    assert done.changes == announced.changes == changes
    assert bench.call("firewalld.present", name="web", **more).changes == {}
    assert zones.changes[-1:] == (["--reload"] if changes else [])


def test_a_new_zone_is_made_and_an_odd_one_refused(tmp_path: Path) -> None:
    bench = StateBench(tmp_path, host=FakeZones({"public": {}}).host())

    done = bench.call("firewalld.present", name="web", ports=["1/udp"])

    assert done.changes["web"] == {"old": ["public"], "new": ["public", "web"]}
    assert bench.call("firewalld.present", name="--panic-on").result is False
    assert bench.call("firewalld.present", name="web", port_fwd=["80"]).result is False


def test_selinux_is_set_where_there_is_one(tmp_path: Path) -> None:
    files = FakeFiles({"/sys/fs/selinux/enforce": "1"})
    names = ("setenforce", "setsebool", "semanage", "restorecon")
    commands = FakeCommands({each: f"/sbin/{each}" for each in names}, FakeSelinux(files).answer)
    bench = StateBench(tmp_path, host=FakeHost(commands, files))

    assert bench.call("selinux.mode", name="enforcing").changes == {}
    assert bench.call("selinux.mode", name="permissive", is_test=True).result is None
    assert bench.call("selinux.mode", name="permissive").changes == {
        "old": "Enforcing", "new": "Permissive",
    }  # fmt: skip
    assert bench.call("selinux.mode", name="loose").result is False
    flag: dict[str, Any] = {"name": "httpd_x", "persist": True, "value": "on"}
    assert bench.call("selinux.boolean", is_test=True, **flag).result is None
    assert bench.call("selinux.boolean", **flag).changes["Default"] == {"old": "off", "new": "on"}
    assert bench.call("selinux.boolean", **flag).changes == {}
    assert bench.call("selinux.boolean", name="none", value=1).result is False
    rule: dict[str, Any] = {"name": "/srv(/.*)?", "sel_type": "web_t"}
    assert bench.call("selinux.fcontext_policy_present", is_test=True, **rule).result is None
    assert bench.call("selinux.fcontext_policy_present", **rule).changes["new"] == {
        "/srv(/.*)?": {"filetype": "a", "sel_type": "web_t"}
    }
    assert bench.call("selinux.fcontext_policy_present", **rule).changes == {}
    assert bench.call("selinux.fcontext_policy_applied", name="/srv").changes == {}
    assert bench.call("selinux.fcontext_policy_absent", name="/srv(/.*)?").changes["new"] == {}
    assert bench.call("selinux.fcontext_policy_absent", name="/srv(/.*)?").changes == {}


def test_without_selinux_the_states_fail_and_say_so(tmp_path: Path) -> None:
    bench = StateBench(tmp_path, host=FakeHost())
    more = {"mode": {"name": "enforcing"}, "boolean": {"name": "x", "value": True},
            "fcontext_policy_present": {"name": "/x", "sel_type": "t"}}  # fmt: skip
    for function, arguments in more.items():
        outcome = bench.call(f"selinux.{function}", **arguments)  # type: ignore[arg-type]
        assert outcome.result is False
        assert "SELinux is not available" in str(outcome.comment)


def test_the_clock_and_the_end_of_the_machine() -> None:
    commands = FakeCommands({"shutdown": "/sbin/shutdown"})
    context = make_context(FakeHost(commands))

    assert registry.call("system.get_system_date_time", ["+0200"], {}, context) == (
        "2023-11-15 00:13:20"
    )
    registry.call("system.reboot", [5], {}, context)
    assert [each.argv for each in commands.ran] == [("/sbin/shutdown", "-r", "+5")]
    with pytest.raises(HostError, match="no offset from UTC"):
        registry.call("system.get_system_date", ["tomorrow"], {}, context)
    with pytest.raises(HostError, match="can't be stopped"):
        registry.call("system.shutdown", [-1], {}, context)
    assert registry.call("system.get_computer_name", [], {}, context) == "web1"
