"""`limpet status`: what people are told of the master, and what programs are."""

import json
from collections.abc import Callable

import pytest

from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import AskStatus
from limpet.common.doctor.disk import BYTES_FEW, BYTES_MIN
from limpet.common.terminal.colors import PLAIN, Palette
from limpet.master.commands.shared.status_text import LAG_MAX_S, bytes_text, status_lines
from limpet.master.setup import doctor
from support.command_line import Limpet
from support.fakes.master import CREATED_S, FakeMaster

GIB = 1 << 30
NOW_S = CREATED_S + 3 * 86_400.0 + 4 * 3600.0
WELL = {
    "minions_ready": 3.0,
    "minions_syncing": 0.0,
    "minions_reconnecting": 0.0,
    "minions_offline": 0.0,
    "minions_never_seen": 0.0,
    "keys_pending": 0.0,
    "keys_rejected": 0.0,
    "jobs_open": 0.0,
    "oldest_job_s": 0.0,
    "deliveries_open": 0.0,
    "loop_lag_s": 0.004,
    "disk_bytes": 40.0 * GIB,
    "disk_free_bytes": 30.0 * GIB,
    "store_bytes": 1.2 * GIB,
    "history_bytes_max": 8.0 * GIB,
    "rss_bytes": 0.2 * GIB,
    "memory_bytes_max": 2.0 * GIB,
    "fds": 37.0,
    "fds_max": 65_536.0,
}


def told(
    figures: dict[str, float] | None = None,
    *,
    fleet: int = 3,
    ready: int = 3,
    rejected: dict[str, int] | None = None,
    problems: tuple[str, ...] = (),
    version: str = "0.2.0",
    since_s: float = CREATED_S,
) -> MasterStatus:
    """Make the status of a master that is well, but for what is given."""
    return MasterStatus(
        version, since_s, "5eed", 12, fleet, ready, rejected or {}, WELL | (figures or {}), problems
    )


def typed(*words: str) -> str:
    return " ".join(("limpet", *words))


def shown(status: MasterStatus, palette: Palette = PLAIN, now_s: float = NOW_S) -> list[str]:
    return list(status_lines(status, now_s, palette, typed))


def row(lines: list[str], label: str) -> str:
    """Give what stands behind a label; empty if there is no such row."""
    return next((line[13:] for line in lines if line.startswith(f"{label} ")), "")


def needs(lines: list[str]) -> list[str]:
    """Give what needs a person."""
    if "What needs you:" not in lines:
        return []
    return [line.removeprefix("  ") for line in lines[lines.index("What needs you:") + 1 :]]


# -- the verdict --------------------------------------------------------------------------------


def test_a_master_that_is_well_is_shown_on_one_screen_without_anything_to_do() -> None:
    assert shown(told()) == [
        "master 0.2.0, up 3 d 4 h, is well",
        "",
        "Minions      3 of 3 are ready",
        "Keys         0 waiting to be accepted, 0 rejected",
        "Jobs         none under way",
        "Disk         10 GiB of 40 GiB (25 %) in use, 30 GiB free",
        "Store        1.2 GiB; history is kept within 8.0 GiB",
        "Memory       205 MiB of 2.0 GiB (10 %)",
        "Files        37 of 65536 open",
        "Loop         the longest turn within the last minute took 4 ms",
    ]


def test_the_first_line_says_how_many_things_need_a_person() -> None:
    one = told(problems=("the key pair is gone",))
    assert shown(one)[0] == "master 0.2.0, up 3 d 4 h, needs you: 1 thing"
    two = told({"keys_pending": 2.0}, problems=("the key pair is gone",))
    assert shown(two)[0] == "master 0.2.0, up 3 d 4 h, needs you: 2 things"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (told(), 32),
        (told({"keys_pending": 1.0}), 33),
        (told({"keys_pending": 1.0}, problems=("x",)), 31),
    ],
)
def test_the_verdict_has_the_colour_of_the_worst_that_needs_a_person(
    status: MasterStatus, code: int
) -> None:
    assert shown(status, Palette(True))[0].startswith(f"\x1b[{code}mmaster 0.2.0")


def test_a_clock_that_was_set_back_or_a_start_that_is_not_known_gives_no_nonsense() -> None:
    assert shown(told(), now_s=CREATED_S - 5)[0] == "master 0.2.0, is well"
    assert shown(told(since_s=0.0))[0] == "master 0.2.0, is well"


def test_a_master_that_tells_no_figures_is_still_judged_by_what_it_tells() -> None:
    older = MasterStatus("0.1.0", CREATED_S, "5eed", 12, 3, 2, {}, {}, ("the disk is slow",))
    assert shown(older) == [
        "master 0.1.0, up 3 d 4 h, needs you: 1 thing",
        "",
        "Minions      2 of 3 are ready; see `limpet minions`",
        "",
        "What needs you:",
        "  the disk is slow",
    ]


@pytest.mark.parametrize("name", sorted(WELL))
@pytest.mark.parametrize("figure", [None, float("nan"), float("inf"), -1.0, 0.0])
def test_whatever_figure_is_missing_or_odd_the_rest_is_shown(
    name: str, figure: float | None
) -> None:
    figures = dict(WELL)
    del figures[name]
    if figure is not None:
        figures[name] = figure
    lines = shown(MasterStatus("0.2.0", CREATED_S, "5eed", 12, 3, 3, {}, figures, ()))
    assert lines[0].startswith("master 0.2.0, up 3 d 4 h")
    assert row(lines, "Minions") == "3 of 3 are ready"
    assert all(word not in line for line in lines for word in ("nan", "inf", "-1"))


# -- what there is ------------------------------------------------------------------------------


def test_minions_are_told_by_whether_they_are_there() -> None:
    figures = {
        "minions_syncing": 1.0,
        "minions_reconnecting": 2.0,
        "minions_offline": 3.0,
        "minions_never_seen": 1.0,
    }
    lines = shown(told(figures, fleet=10, ready=3))
    assert row(lines, "Minions") == (
        "3 of 10 are ready, 1 syncing, 6 away (2 reconnecting, 3 offline, 1 never seen); "
        "see `limpet minions`"
    )
    assert needs(lines) == []
    lines = shown(told({"minions_offline": 1.0}, ready=2))
    assert row(lines, "Minions") == "2 of 3 are ready, 1 away (offline); see `limpet minions`"


def test_a_master_without_a_minion_says_how_one_is_let_in() -> None:
    lines = shown(told(fleet=0, ready=0))
    assert row(lines, "Minions") == (
        "none is accepted yet; `limpet token create` makes a join string for new ones"
    )
    assert needs(lines) == []


def test_jobs_are_told_with_the_age_of_the_oldest() -> None:
    figures = {"jobs_open": 2.0, "oldest_job_s": 312.0, "deliveries_open": 40.0}
    assert row(shown(told(figures)), "Jobs") == (
        "2 under way, the oldest for 5 min 12 s, 40 results outstanding; see `limpet jobs list`"
    )


def test_what_was_turned_away_is_told_by_what_is_commonest() -> None:
    rejected = {"oversize": 0, "flood": 1, "rate": 27, "bad_seal": 1, "quota": 3, "late_return": 2}
    lines = shown(told(rejected=rejected))
    assert row(lines, "Turned away") == (
        "since its start: 27 rate, 3 quota, 2 late_return, 2 more in `--format json`"
    )
    assert row(shown(told(rejected={"oversize": 0})), "Turned away") == ""


def test_a_second_host_with_the_same_key_is_told_and_how_it_is_found() -> None:
    lines = shown(told(rejected={"key_in_two_places": 2}))
    assert row(lines, "Clones") == (
        "a second host with the same key was turned away 2 times; "
        "`limpet events minion/*/cloned` names those that still come"
    )
    assert row(lines, "Turned away") == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0 B"),
        (999.0, "999 B"),
        (1000.0, "1.0 KiB"),
        (9.94 * 1024, "9.9 KiB"),
        (9.96 * 1024, "10 KiB"),
        (1023.0 * 1024, "1.0 MiB"),
        (1.5 * GIB, "1.5 GiB"),
        (5000.0 * 1024 * GIB, "5000 TiB"),
    ],
)
def test_sizes_have_three_digits_and_a_unit(number: float, text: str) -> None:
    assert bytes_text(number) == text


# -- what needs a person ------------------------------------------------------------------------


def test_a_master_with_keys_that_wait_says_which_command_accepts_them() -> None:
    assert needs(shown(told({"keys_pending": 3.0}))) == [
        "3 keys wait to be accepted: "
        "`limpet keys list`, then `limpet keys accept ID` or `limpet keys reject ID`"
    ]
    assert needs(shown(told({"keys_pending": 1.0})))[0].startswith("1 key waits to be accepted")


def test_keys_that_somebody_has_rejected_need_nobody() -> None:
    lines = shown(told({"keys_rejected": 4.0}))
    assert row(lines, "Keys") == "0 waiting to be accepted, 4 rejected"
    assert needs(lines) == []


@pytest.mark.parametrize(
    ("free", "text"),
    [
        (BYTES_FEW, ""),
        (BYTES_FEW - 1, "the disk of the store is nearly full; make room: `limpet doctor`"),
        (
            BYTES_MIN - 1,
            "the disk of the store is full, new jobs may be refused; make room: `limpet doctor`",
        ),
    ],
)
def test_a_disk_that_fills_needs_a_person_from_where_the_doctor_says_so(
    free: int, text: str
) -> None:
    assert "".join(needs(shown(told({"disk_free_bytes": float(free)})))) == text


def test_a_disk_that_the_store_has_run_into_is_told_once() -> None:
    figures = {"disk_free_bytes": 0.0, "store_trouble": 1.0}
    lines = shown(told(figures, problems=("no room in /var/lib/limpet",)))
    assert needs(lines) == ["no room in /var/lib/limpet"]
    assert row(lines, "Disk") == "40 GiB of 40 GiB (100 %) in use, 0 B free"


def test_memory_that_runs_out_needs_a_person_before_connections_are_ended() -> None:
    assert needs(shown(told({"rss_bytes": 1.8 * GIB}))) == []
    (need,) = needs(shown(told({"rss_bytes": 1.9 * GIB})))
    assert need.startswith("95 % of the memory that it may take is in use; at all of it every")


def test_a_loop_that_stood_still_needs_a_person_as_the_doctor_judges() -> None:
    assert LAG_MAX_S == doctor.LAG_MAX_S
    assert needs(shown(told({"loop_lag_s": LAG_MAX_S}))) == []
    assert needs(shown(told({"loop_lag_s": 3.25}))) == [
        "it stood still for 3.2 s within the last minute: `limpet doctor`"
    ]


def test_a_fleet_of_which_nobody_is_there_needs_a_person_unless_some_come_back() -> None:
    away = {"minions_ready": 0.0, "minions_offline": 2.0, "minions_never_seen": 1.0}
    assert needs(shown(told(away, ready=0))) == [
        "no minion is there (accepted: 3): `limpet doctor`"
    ]
    back = away | {"minions_offline": 1.0, "minions_reconnecting": 1.0}
    assert needs(shown(told(back, ready=0))) == []
    new = away | {"minions_offline": 0.0, "minions_never_seen": 3.0}
    assert needs(shown(told(new, ready=0))) == [], "they have only just been accepted"


def test_what_is_worst_comes_first() -> None:
    figures = {"keys_pending": 1.0, "disk_free_bytes": float(BYTES_FEW - 1)}
    lines = needs(shown(told(figures, problems=("the first", "the second"))))
    assert lines[:2] == ["the first", "the second"]
    assert "nearly full" in lines[2]
    assert "1 key waits" in lines[3]


@pytest.mark.parametrize(
    "make",
    [
        lambda text: told(problems=(text,)),
        lambda text: told(rejected={text: 1}),
        lambda text: told(version=text),
    ],
)
def test_nothing_that_a_master_tells_acts_on_the_terminal(
    make: Callable[[str], MasterStatus],
) -> None:
    lines = shown(make("a\x1b[2J\r\nb\u202ec"))
    assert all(line.isprintable() for line in lines)
    assert any(r"a\x1b[2J\r\nb\u202ec" in line for line in lines)


# -- the command --------------------------------------------------------------------------------


def test_text_is_for_people_and_names_the_place_that_was_given(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(AskStatus, told({"keys_pending": 1.0}))
    ran = limpet("--root", str(master.root), "status")
    assert ran.code == 0
    assert ran.out.startswith("master 0.2.0, up ")
    assert f"`limpet --root {master.root} keys list`" in ran.out
    assert "\x1b" not in ran.out


def test_programs_are_told_all_figures_and_all_that_was_turned_away(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(AskStatus, told({"odd": 0.5}, rejected={"bad_schema": 4, "oversize": 0}))
    assert json.loads(limpet("status", "--format", "json").out) == {
        "version": "0.2.0",
        "since": "2025-11-24T16:00:00.000Z",
        "store_id": "5eed",
        "store_commit": 12,
        "fleet": 3,
        "ready": 3,
        "figures": WELL | {"odd": 0.5},
        "rejected": {"bad_schema": 4, "oversize": 0},
        "problems": [],
    }
    assert "bad_schema: 4" in limpet("status", "--format", "yaml").out
