"""The `service` states on a made-up systemd, with Salt's results for each way that it can be."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpet.states.outcome import Outcome
from limpet.states.ports.machine import Command, Completed
from support.fakes.systemd import FakeSystemd, Unit
from support.states.state_bench import StateBench, chunk

UNITS = {
    "dead": Unit(),
    "up": Unit("active", "enabled"),
    "updis": Unit("active", "disabled"),
    "en": Unit("inactive", "enabled"),
    "static": Unit("inactive", "static"),
    "masked": Unit("inactive", "masked"),
    "now": Unit("inactive", "masked-runtime"),
    "broken": Unit(refuses=("start",)),
    "lazy": Unit(ignores=("start",)),
    "stubborn": Unit("active", "enabled", ignores=("stop",)),
    "changed": Unit("inactive", "disabled", needs_reload=True),
    "inst@": Unit(),
}


@pytest.fixture
def systemd() -> FakeSystemd:
    return FakeSystemd({f"{name}.service": copy.copy(unit) for name, unit in UNITS.items()})


@pytest.fixture
def bench(tmp_path: Path, systemd: FakeSystemd) -> StateBench:
    return StateBench(tmp_path, host=systemd.host())


@pytest.mark.parametrize(
    "name, more, result, changes, comment",
    [
        ("dead", {}, True, {"dead": True}, "Started service dead"),
        ("dead", {"enable": True}, True, {"dead": True},
         "Service dead has been enabled, and is running"),
        ("dead", {"enable": "False"}, True, {"dead": True},
         "Service dead is already disabled, and is running"),
        ("en", {"enable": False}, True, {"en": True},
         "Service en has been disabled, and is running"),
        ("up", {}, True, {}, "The service up is already running"),
        ("up", {"enable": True}, True, {}, "The service up is already running"),
        ("up", {"enable": False}, True, {"up": True},
         "Service up has been disabled, and is in the desired state"),
        ("updis", {"enable": True}, True, {"updis": True},
         "Service updis has been enabled, and is in the desired state"),
        ("static", {"enable": True}, True, {"static": True},
         "Service static is already enabled, and is running"),
        ("inst@a", {"enable": True}, True, {"inst@a": True},
         "Service inst@a has been enabled, and is running"),
        ("changed", {}, True, {"changed": True}, "Started service changed"),
        ("broken", {"enable": True}, False, {}, "Job for broken.service failed."),
        ("lazy", {}, False, {}, "Service lazy failed to start"),
        ("lazy", {"enable": True}, False, {"lazy": True},
         "Service lazy has been enabled, and is dead"),
        ("masked", {}, False, {},
         "Failed to start masked.service: Unit masked.service is masked."),
        ("masked", {"unmask": True}, True, {"masked": True},
         "Started service masked\nService masked was unmasked"),
        ("now", {"unmask_runtime": True}, True, {"now": True},
         "Started service now\nService now was runtime unmasked"),
        ("up", {"unmask": True}, True, {},
         "The service up is already running\nService up was already unmasked"),
        ("nope", {}, False, {}, "The named service nope is not available"),
        ("--help", {}, False, {}, "The named service --help is not available"),
        ("a b", {}, False, {}, "The named service a b is not available"),
        ("dead", {"init_delay": 2}, True, {"dead": True},
         "Started service dead\nDelayed return for 2 seconds"),
    ],
)  # fmt: skip
def test_a_service_is_made_to_run(
    bench: StateBench,
    name: str,
    more: dict[str, Any],
    result: bool,
    changes: dict[str, Any],
    comment: str,
) -> None:
    assert bench.call("service.running", name=name, **more) == Outcome(result, comment, changes)


@pytest.mark.parametrize(
    "name, more, result, changes, comment",
    [
        ("up", {}, True, {"up": False}, "Service up was killed"),
        ("up", {"enable": False}, True, {"up": True}, "Service up has been disabled, and is dead"),
        ("updis", {"enable": False}, True, {"updis": False},
         "Service updis is already disabled, and is dead"),
        ("dead", {}, True, {}, "The service dead is already dead"),
        ("en", {"enable": False}, True, {"en": True},
         "Service en has been disabled, and is in the desired state"),
        ("stubborn", {}, False, {}, "Service stubborn failed to die"),
        ("stubborn", {"enable": False}, False, {"stubborn": True},
         "Service stubborn has been disabled, and is running"),
        ("nope", {}, True, {}, "The named service nope is not available"),
    ],
)  # fmt: skip
def test_a_service_is_made_to_die(
    bench: StateBench,
    name: str,
    more: dict[str, Any],
    result: bool,
    changes: dict[str, Any],
    comment: str,
) -> None:
    assert bench.call("service.dead", name=name, **more) == Outcome(result, comment, changes)


def test_test_mode_speaks_of_services_that_may_come_with_a_package(bench: StateBench) -> None:
    for function, done in (("running", "started"), ("dead", "stopped"), ("enabled", "enabled")):
        outcome = bench.call(f"service.{function}", name="nope", is_test=True)
        assert outcome == Outcome(
            None,
            f"Service nope not present; if created in this state run, it would have been {done}",
        )


def test_boot_and_masks_are_set_by_themselves(bench: StateBench, systemd: FakeSystemd) -> None:
    assert bench.call("service.enabled", name="dead").changes == {"dead": True}
    assert bench.call("service.disabled", name="up").changes == {"up": True}
    assert bench.call("service.masked", name="dead").changes == {
        "masked": {"old": False, "new": True}
    }
    assert bench.call("service.unmasked", name="now", runtime=True).changes == {
        "runtime masked": {"old": True, "new": False}
    }
    assert systemd.calls == [
        "enable dead.service", "disable up.service", "mask dead.service",
        "--runtime unmask now.service",
    ]  # fmt: skip


def test_systemd_reads_a_changed_unit_before_it_starts_it(
    bench: StateBench, systemd: FakeSystemd
) -> None:
    bench.call("service.running", name="changed")

    assert systemd.calls == ["--system daemon-reload", "start changed.service"]


@pytest.mark.parametrize(
    "name, more, call, comment",
    [
        ("up", {}, "restart up.service", "Service restarted"),
        ("up", {"reload": True}, "reload up.service", "Service reloaded"),
        ("up", {"reload": True, "force": True}, "reload-or-restart up.service",
         "Service forcefully reloaded"),
        ("up", {"no_block": True}, "--no-block restart up.service", "Service restarted"),
        ("up", {"sfun": "dead"}, "stop up.service", "Service stopped"),
        ("dead", {}, "start dead.service", "Service started"),
        ("dead", {"sfun": "dead"}, None, "Service is already stopped"),
        ("dead", {"sfun": "enabled"}, None, "Unable to trigger watch for service.enabled"),
    ],
)  # fmt: skip
def test_what_is_watched_restarts_it(
    bench: StateBench,
    systemd: FakeSystemd,
    name: str,
    more: dict[str, Any],
    call: str,
    comment: str,
) -> None:
    outcome = bench.call("service.mod_watch", **{"name": name, "sfun": "running", **more})

    assert outcome.comment == comment
    assert outcome.changes == ({name: True} if call else {})
    assert systemd.calls[-1:] == ([call] if call else [])


def test_a_watched_change_restarts_a_running_service_in_a_run(
    bench: StateBench, systemd: FakeSystemd
) -> None:
    results = bench.run(
        chunk("test.succeed_with_changes", "conf"),
        chunk("service.running", "up", watch=[{"test": "conf"}], reload=True, enable=True),
    )

    assert results["up"]["comment"] == "Service reloaded"
    assert systemd.calls == ["reload up.service"]


def test_without_systemd_units_are_left_and_scripts_are_run(tmp_path: Path) -> None:
    host = FakeSystemd().host()
    host.files.directories.clear()
    host.files.texts["/lib/systemd/system/cron.service"] = "[Service]"
    host.files.programs.add("/etc/init.d/toy")
    host.files.texts["/etc/init.d/toy"] = "#!/bin/sh"
    host.commands.installed.update(service="/usr/sbin/service", **{"update-rc.d": "/sbin/rc"})
    state = {"runs": False}

    def answer(command: Command) -> Completed:
        words = command.argv[1:]
        if command.argv[0] == "/sbin/rc":
            if words[1] == "enable":
                host.files.texts["/etc/rc2.d/S01toy"] = ""
            return Completed(1, 0, b"", b"")
        if words[1] in ("start", "stop"):
            state["runs"] = words[1] == "start"
        return Completed(1, 0 if state["runs"] or words[1] != "status" else 3, b"", b"")

    host.commands.answer = answer
    bench = StateBench(tmp_path, host=host)

    assert bench.call("service.running", name="cron").comment == (
        "Running in OFFLINE mode. Nothing to do"
    )
    assert bench.call("service.running", name="nope").result is False
    assert bench.call("service.masked", name="toy").result is False
    assert bench.call("service.running", name="toy", enable=True) == Outcome(
        True, "Service toy has been enabled, and is running", {"toy": True}
    )
    assert bench.call("service.running", name="toy", enable=True).changes == {}
    assert bench.call("service.dead", name="toy").changes == {"toy": False}


OPTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from([*UNITS, "inst@x", "nope"])},
    optional={
        "enable": st.sampled_from([True, False, None]),
        "unmask": st.booleans(),
        "unmask_runtime": st.booleans(),
    },
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["running", "dead", "enabled", "disabled", "masked", "unmasked"]),
    OPTIONS,
)
def test_what_test_mode_announces_is_what_a_run_does_once(
    tmp_path_factory: pytest.TempPathFactory, function: str, arguments: dict[str, Any]
) -> None:
    systemd = FakeSystemd({f"{name}.service": copy.copy(unit) for name, unit in UNITS.items()})
    place = tmp_path_factory.getbasetemp() / "service"
    place.mkdir(exist_ok=True)
    bench = StateBench(place, host=systemd.host())
    before = copy.deepcopy(systemd.units)
    announced = bench.call(f"service.{function}", is_test=True, **arguments)
    known = {name: systemd.units[name] for name in before}
    assert known == before
    assert systemd.calls == []

    done = bench.call(f"service.{function}", **arguments)
    if not done.result or arguments["name"] == "nope":
        return
    assert (announced.result is None) == bool(done.changes)
    again = bench.call(f"service.{function}", **arguments)
    assert (again.result, again.changes) == (True, {})
