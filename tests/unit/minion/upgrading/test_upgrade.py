"""An upgrade ends with the new version READY, or with the old one, whatever happens on the way."""

import itertools

import pytest

from limpet.common.clock import Instant, Moment
from limpet.minion.upgrading.upgrade import (
    INSTALL_S_MAX,
    RESTART_S_MAX,
    STEADY_S,
    End,
    Install,
    Restart,
    Save,
    Sight,
    Switch,
    Upgrade,
)
from support.hosts.upgraded_host import NEW, OLD, Half, Manner, PowerCut, UpgradedHost, record

NOW = Moment(Instant(1000.0), 1000.0)
BROKEN: tuple[Manner, ...] = ("ends at once", "ends after 3 s", "never READY", "hangs")
HALVES: tuple[Half, ...] = ("nothing", "half", "all")


def test_a_record_is_on_disk_before_the_act_that_it_names() -> None:
    upgrade = Upgrade(record())

    assert upgrade.start(NOW, "boot 1") == [
        Save(record(phase="installing")),
        Install(INSTALL_S_MAX),
    ]
    assert upgrade.on_installed(NOW, "", NEW) == [
        Save(record(phase="restarting", new=NEW)),
        Restart(is_forced=False, limit_s=RESTART_S_MAX),
    ]
    assert upgrade.on_restarted(NOW, "") == [Save(record(phase="proving", new=NEW))]
    assert upgrade.next_deadline == 1060.0


@pytest.mark.covers("D2", "D3")
def test_a_good_package_ends_with_the_new_version() -> None:
    host = UpgradedHost()

    ended = host.carry_out()

    assert ended is not None
    assert (ended.phase, ended.new, ended.reason) == ("done", NEW, "")
    assert 0 < ended.seconds < 10
    assert (host.running, host.database, host.disk) == (NEW, "2.0", None)
    assert host.last == ended


@pytest.mark.covers("D3")
@pytest.mark.parametrize("manner", BROKEN)
def test_a_version_that_does_not_do_is_given_up_for_the_old_one(manner: Manner) -> None:
    host = UpgradedHost(manner=manner)

    ended = host.carry_out()

    assert ended is not None
    assert ended.phase == "back"
    assert (host.running, host.current, host.database) == (OLD, OLD, "1.0")
    assert ended.summary.startswith("rolled back to 1.0: it ")
    assert host.now_s - 1000.0 < (30 if manner.startswith("ends") else 90)


@pytest.mark.parametrize("is_switched", [False, True])
def test_a_package_that_does_not_install_changes_nothing_that_runs(is_switched: bool) -> None:
    host = UpgradedHost(install_problem="dpkg failed", is_switched_by_failure=is_switched)
    pid = host.pid

    ended = host.carry_out()

    assert ended is not None
    assert ended.summary == "rolled back to 1.0: dpkg failed"
    assert (host.running, host.current, host.database) == (OLD, OLD, "1.0")
    assert host.pid == pid, "the minion went on through it"


def cuts(host: UpgradedHost) -> int:
    """Give how many acts an upgrade has where nothing is cut."""
    host.carry_out()
    return len(host.acts)


@pytest.mark.covers("D2", "D6")
@pytest.mark.parametrize("leaves", HALVES)
@pytest.mark.parametrize("manner", ["good", *BROKEN])
@pytest.mark.parametrize("problem", ["", "dpkg failed"])
def test_a_power_cut_at_any_act_ends_with_a_version_that_does(
    problem: str, manner: Manner, leaves: Half
) -> None:
    def make(cut_at: int) -> UpgradedHost:
        return UpgradedHost(
            manner=manner,
            install_problem=problem,
            is_switched_by_failure=True,
            cut_at=cut_at,
            cut_leaves=leaves,
        )

    for cut_at in range(cuts(make(-1))):
        host = make(cut_at)
        with pytest.raises(PowerCut):
            host.carry_out()
        host.boot()
        ended = host.carry_out()

        story = f"cut at act {cut_at} of {host.acts}"
        assert ended is not None, story
        assert ended.is_final, story
        assert host.disk is None, story
        assert host.is_well, f"{story}: {ended}"
        assert host.database == {OLD: "1.0", NEW: "2.0"}[host.running], story
        is_new = host.running == NEW
        assert ended.phase == ("done" if is_new else "back"), story
        assert not is_new or (manner == "good" and not problem), story


@pytest.mark.parametrize("leaves", HALVES)
def test_two_power_cuts_are_no_worse_than_one(leaves: Half) -> None:
    for manner in ("good", "ends at once"):
        for first, second in itertools.product(range(12), range(12)):
            host = UpgradedHost(manner=manner, cut_at=first, cut_leaves=leaves)
            for again in (second, -1):
                try:
                    host.carry_out()
                except PowerCut:
                    host.boot()
                    host.cut_at = -1 if again < 0 else len(host.acts) + again
            ended = host.carry_out()
            assert ended is not None
            assert ended.is_final
            assert host.is_well


@pytest.mark.parametrize("away_s", [30.0, 500.0])
def test_a_master_that_is_away_is_no_fault_of_the_package(away_s: float) -> None:
    host = UpgradedHost(master_is_away_until=1000.0 + away_s)

    ended = host.carry_out()

    assert ended is not None
    assert ended.phase == "done"
    assert host.now_s > 1000.0 + away_s


def test_a_master_that_stays_away_is_waited_for_ten_minutes_and_the_old_version_runs() -> None:
    host = UpgradedHost(master_is_away_until=1e9)

    ended = host.carry_out()

    assert ended is not None
    assert ended.phase == "back"
    assert "the master can't be reached" in ended.reason
    assert (host.running, host.database) == (OLD, "1.0")
    assert 600 < host.now_s - 1000.0 < 800


def test_a_version_that_ends_is_given_up_though_the_master_is_away() -> None:
    host = UpgradedHost(manner="ends after 3 s", master_is_away_until=1e9)
    ended = host.carry_out()
    assert ended is not None
    assert ended.reason.startswith("it ended 3 times")


def test_an_installed_version_proves_itself_under_the_guard() -> None:
    host = UpgradedHost(
        disk=record(kind="guard", new=NEW, package="", previous=""), current=NEW, database="2.0"
    )
    ended = host.carry_out()
    assert ended is not None
    assert ended.phase == "done"
    assert "Install" not in host.acts


@pytest.mark.parametrize("manner", BROKEN)
def test_the_guard_goes_back_and_leaves_the_package_database_alone(manner: Manner) -> None:
    disk = record(kind="guard", new=NEW, package="", previous="/previous.deb")
    for cut_at in range(-1, 8):
        host = UpgradedHost(
            manner=manner, disk=disk, current=NEW, database="2.0", cut_at=cut_at, cut_leaves="all"
        )
        try:
            host.carry_out()
        except PowerCut:
            host.boot()
        ended = host.carry_out()
        assert ended is not None
        assert ended.phase == "back"
        assert (host.running, host.current, host.database) == (OLD, OLD, "2.0")
        assert "still names 2.0" in ended.summary
        assert "/previous.deb" in ended.summary


def test_a_host_that_went_down_before_anything_was_done_is_left_as_it_is() -> None:
    host = UpgradedHost()
    host.boot()
    ended = host.carry_out()
    assert ended is not None
    assert (ended.phase, host.database) == ("back", "1.0")
    assert ended.reason == "the host went down before anything was changed"


def proving() -> Upgrade:
    upgrade = Upgrade(record(phase="proving", new=NEW))
    upgrade.start(NOW, "boot 1")
    upgrade.on_restarted(NOW, "")
    return upgrade


def at(second: float) -> Moment:
    return Moment(Instant(1000.0 + second), 1000.0 + second)


def test_a_version_that_is_replaced_by_a_third_is_nobodys_business_any_more() -> None:
    upgrade = proving()
    assert upgrade.on_sight(at(1), Sight("3.0-cccccccccccc", "READY", (7, 1.0))) == []
    upgrade.on_sight(at(1 + STEADY_S), Sight("3.0-cccccccccccc", "READY", (7, 1.0)))
    assert upgrade.is_over
    assert upgrade.record.phase == "overtaken"
    assert "3.0-cccccccccccc runs meanwhile" in upgrade.record.summary


def test_a_version_in_between_that_is_just_ending_does_not_end_the_watch() -> None:
    upgrade = proving()  # 1.0 was proven; 1.5 ran until now, as 2.0 came while it proved itself
    for second in (0.1, 2.0):
        assert upgrade.on_sight(at(second), Sight("1.5-cccccccccccc", "READY", (7, 1.0))) == []
    for second in (4, 5, 9):
        upgrade.on_sight(at(second), Sight(NEW, "READY", (8, 4.0)))
    assert upgrade.record.phase == "done"


def test_another_process_begins_the_time_to_stay_ready_anew() -> None:
    upgrade = proving()
    for second in range(1, 5):
        assert upgrade.on_sight(at(second), Sight(NEW, "READY", (7, 1.0))) == []
    assert upgrade.on_sight(at(5), Sight(NEW, "READY", (8, 5.0))) == []
    assert upgrade.on_sight(at(9), Sight(NEW, "READY", (8, 5.0))) == []
    upgrade.on_sight(at(10), Sight(NEW, "READY", (8, 5.0)))
    assert upgrade.record.phase == "done"
    assert upgrade.record.seconds == 5.0


def test_a_minion_that_answers_nobody_is_killed_on_the_way_back() -> None:
    upgrade = proving()
    upgrade.on_sight(at(59), Sight(detail="the unit is activating"))
    effects = upgrade.on_deadline(at(60))
    assert effects[-1] == Switch(OLD)
    assert upgrade.on_switched(at(60), "") == [Restart(is_forced=True, limit_s=RESTART_S_MAX)]


def test_an_old_version_that_is_not_ready_either_is_said_so() -> None:
    upgrade = proving()
    upgrade.on_sight(at(1), Sight(NEW, "BACKOFF", (7, 1.0)))
    upgrade.on_deadline(at(60))
    upgrade.on_switched(at(60), "")
    upgrade.on_restarted(at(60), "")
    upgrade.on_sight(at(61), Sight(OLD, "BACKOFF", (8, 61.0)))
    upgrade.on_deadline(at(120))
    upgrade.on_restored(at(121), "the disk is full")
    assert upgrade.record.phase == "failed"
    assert "1.0 is not READY either" in upgrade.record.summary
    assert "still names the new version: the disk is full" in upgrade.record.summary


def test_a_restart_that_nobody_takes_leads_back() -> None:
    upgrade = Upgrade(record(phase="restarting", new=NEW))
    upgrade.start(NOW, "boot 1")
    assert upgrade.on_restarted(NOW, "systemctl failed (1)")[-1] == Switch(OLD)
    assert upgrade.record.reason == "systemctl failed (1)"


def test_a_host_that_went_down_on_the_way_back_goes_on_going_back() -> None:
    for phase in ("going_back", "restoring"):
        upgrade = Upgrade(record(phase=phase, new=NEW, reason="it ended 3 times"))
        effects = upgrade.start(NOW, "boot 2")
        assert isinstance(effects[0], Save)
        assert effects[0].record.phase == "going_back"
        assert effects[1:] == [Switch(OLD)], "the new version is not tried again"


def test_a_new_version_that_a_boot_started_in_mid_install_is_replaced_at_once() -> None:
    upgrade = Upgrade(record(phase="installing"))
    upgrade.start(NOW, "boot 2")
    upgrade.on_installed(NOW, "dpkg failed", NEW)
    upgrade.on_switched(NOW, "")
    assert upgrade.on_sight(at(1), Sight(NEW, "READY", (7, 1.0))) == [
        Restart(is_forced=False, limit_s=RESTART_S_MAX)
    ]
    upgrade.on_restarted(at(1), "")
    assert upgrade.on_sight(at(2), Sight(NEW, "READY", (7, 1.0))) == [], "it is on its way"


def test_the_end_is_on_disk_before_anything_is_tidied_up() -> None:
    upgrade = proving()
    upgrade.on_sight(at(1), Sight(NEW, "READY", (7, 1.0)))
    effects = upgrade.on_sight(at(7), Sight(NEW, "READY", (7, 1.0)))
    assert effects == [Save(upgrade.record), End(upgrade.record)]
    again = Upgrade(upgrade.record)
    assert again.start(at(8), "boot 2") == [End(upgrade.record)]
