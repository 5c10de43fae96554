"""The `cron` states and functions on made-up crontabs."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpet.common.errors import HostError
from limpet.states.functions import registry
from limpet.states.functions.cron.tab import parse
from limpet.states.outcome import Outcome
from support.fakes.crontab import TAB, FakeCrontab
from support.fakes.host import make_context
from support.states.state_bench import FakeTree, StateBench


@pytest.fixture
def crontab() -> FakeCrontab:
    return FakeCrontab({"root": TAB})


@pytest.fixture
def bench(tmp_path: Path, crontab: FakeCrontab) -> StateBench:
    return StateBench(tmp_path, FakeTree({"tab": b"1 2 * * * /x {who}"}), host=crontab.host())


def test_a_crontab_is_written_as_it_was_read() -> None:
    assert parse(TAB).text() == TAB


def test_a_job_is_added_with_its_mark_and_what_is_not_managed_stays(
    bench: StateBench, crontab: FakeCrontab
) -> None:
    outcome = bench.call(
        "cron.present", name="/bin/new", hour="*/2", minute=5, identifier="nn", comment="why"
    )

    assert outcome == Outcome(True, "Cron /bin/new added to root's crontab", {"root": "/bin/new"})
    expected = "# why SALT_CRON_IDENTIFIER:nn\n5 */2 * * * /bin/new\n# SALT_CRON_IDENTIFIER:boot\n"
    assert crontab.tabs["root"] == TAB.replace("# SALT_CRON_IDENTIFIER:boot\n", expected)


@pytest.mark.parametrize(
    "more, comment, line",
    [
        ({"name": "/bin/two", "minute": 5, "hour": 4}, "Cron /bin/two already present", ""),
        ({"name": "/bin/two", "minute": 6}, "Cron /bin/two updated", "6 * * * * /bin/two"),
        ({"name": "/bin/late", "identifier": "n1", "minute": 0, "hour": 3, "dayweek": 1},
         "Cron /bin/late updated", "# nightly SALT_CRON_IDENTIFIER:n1\n0 3 * * 1 /bin/late"),
        ({"name": "/bin/bare", "minute": "*/5"}, "Cron /bin/bare updated",
         "# SALT_CRON_IDENTIFIER:/bin/bare\n*/5 * * * * /bin/bare"),
        ({"name": "/bin/off", "identifier": "off", "minute": 1, "hour": 1, "daymonth": 1,
          "month": 1, "dayweek": 1}, "Cron /bin/off updated", "\n1 1 1 1 1 /bin/off"),
        ({"name": "/bin/boot", "identifier": "boot", "special": "@hourly"},
         "Cron /bin/boot updated", "@hourly /bin/boot"),
        ({"name": "/bin/a", "special": "@daily"}, "Cron /bin/a added to root's crontab",
         "# SALT_CRON_IDENTIFIER:/bin/a\n@daily /bin/a\n"),
    ],
)  # fmt: skip
def test_a_job_is_known_by_its_identifier_or_its_command(
    bench: StateBench, crontab: FakeCrontab, more: dict[str, Any], comment: str, line: str
) -> None:
    assert bench.call("cron.present", **more).comment == comment
    assert line in crontab.tabs["root"]
    assert crontab.tabs["root"].count(more["name"]) <= 2


def test_chance_is_asked_once(bench: StateBench, crontab: FakeCrontab) -> None:
    first = bench.call("cron.present", name="/bin/r", minute="random", hour=3)
    again = bench.call("cron.present", name="/bin/r", minute="random", hour=3)

    assert (bool(first.changes), again.changes) == (True, {})
    assert "30 3 * * * /bin/r" in crontab.tabs["root"]


def test_a_refusal_changes_nothing_and_is_told(bench: StateBench, crontab: FakeCrontab) -> None:
    refused = bench.call("cron.present", name="/bin/bad")
    unknown = bench.call("cron.present", name="/bin/x", user="nope")

    assert refused.result is unknown.result is False
    assert "bad minute" in str(refused.comment)
    assert "user `nope' unknown" in str(unknown.comment)
    assert crontab.writes == 0


@pytest.mark.parametrize(
    "more",
    [{"user": "--help"}, {"minute": "1\n* * * * * /evil"}, {"identifier": "x\n* * * * * /evil"},
     {"special": "@daily\n* * * * * /evil"}, {"special": "-"}],
)  # fmt: skip
def test_no_argument_smuggles_in_a_line_of_its_own(
    bench: StateBench, crontab: FakeCrontab, more: dict[str, Any]
) -> None:
    assert bench.call("cron.present", **{"name": "/bin/x", **more}).result is False
    assert crontab.writes == 0


def test_variables_of_the_managed_part_come_and_go(bench: StateBench, crontab: FakeCrontab) -> None:
    assert bench.call("cron.env_present", name="A", value=1).comment == (
        "Cron env A added to root's crontab"
    )
    assert (
        bench.call("cron.env_present", name="PATH", value="/x").comment == "Cron env PATH updated"
    )
    assert bench.call("cron.env_absent", name="PATH").changes == {"root": "PATH"}
    assert bench.call("cron.env_absent", name="MAILTO").comment == "Cron env MAILTO already absent"
    assert "PATH" not in crontab.tabs["root"]
    assert "MAILTO=me" in crontab.tabs["root"]


def test_a_file_of_the_tree_becomes_the_crontab(bench: StateBench, crontab: FakeCrontab) -> None:
    arguments: dict[str, Any] = {
        "name": "salt://tab",
        "user": "ann",
        "template": "jinja",
        "context": {"who": "me"},
    }

    announced = bench.call("cron.file", is_test=True, **arguments)
    done = bench.call("cron.file", **arguments)

    assert (announced.result, announced.changes) == (None, done.changes)
    assert crontab.tabs["ann"] == "1 2 * * * /x me\n"
    assert bench.call("cron.file", **arguments).changes == {}
    assert bench.call("cron.file", name="salt://gone").result is False


def test_the_functions_show_a_crontab_in_salts_shape(crontab: FakeCrontab) -> None:
    context = make_context(crontab.host())

    tab = registry.call("cron.list_tab", ["root"], {}, context)

    assert tab["pre"] == ["# mine", "MAILTO=me", "0 1 * * * /bin/foreign"]
    assert tab["env"] == [{"name": "PATH", "value": "/bin"}]
    assert tab["special"] == [
        {"spec": "@reboot", "cmd": "/bin/boot", "identifier": "boot", "comment": "",
         "commented": False}
    ]  # fmt: skip
    assert tab["crons"][0] == {
        "minute": "0", "hour": "3", "daymonth": "*", "month": "*", "dayweek": "1",
        "identifier": "n1", "cmd": "/bin/night", "comment": "nightly", "commented": False,
    }  # fmt: skip
    assert registry.call("cron.get_entry", ["root", "none"], {}, context) is False
    assert registry.call("cron.rm", ["root", "/bin/two"], {}, context) == "removed"
    assert registry.call("cron.rm_job", ["root", "/bin/two"], {}, context) == "absent"
    assert registry.call("cron.raw_cron", ["bob"], {}, context) == ""
    with pytest.raises(HostError, match="unknown"):
        registry.call("cron.raw_cron", ["nope"], {}, context)


TIMES = st.sampled_from(["*", 5, "*/2", "random", "1-5"])
JOBS = st.fixed_dictionaries(
    {"name": st.sampled_from(["/bin/two", "/bin/bare", "/bin/night", "/bin/n", "/bin/off"])},
    optional={
        "minute": TIMES,
        "hour": TIMES,
        "identifier": st.sampled_from(["n1", "off", "new", False]),
        "comment": st.sampled_from(["c", "two\nlines", "nightly"]),
        "commented": st.booleans(),
        "special": st.sampled_from(["@daily", "@reboot"]),
    },
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["present", "present", "absent"]), JOBS)
def test_what_test_mode_announces_is_what_a_run_does_once(
    tmp_path_factory: pytest.TempPathFactory, function: str, arguments: dict[str, Any]
) -> None:
    crontab = FakeCrontab({"root": TAB})
    place = tmp_path_factory.getbasetemp() / "cron"
    place.mkdir(exist_ok=True)
    bench = StateBench(place, host=crontab.host())
    announced = bench.call(f"cron.{function}", is_test=True, **arguments)
    assert crontab.writes == 0

    done = bench.call(f"cron.{function}", **arguments)

    assert done.result is True
    assert (announced.result is None) == bool(done.changes) == bool(crontab.writes)
    assert bench.call(f"cron.{function}", is_test=True, **arguments).result is True
    assert bench.call(f"cron.{function}", **arguments).changes == {}
    assert parse(crontab.tabs["root"]).text() == crontab.tabs["root"]
    assert crontab.tabs["root"].startswith("# mine\nMAILTO=me\n0 1 * * * /bin/foreign\n")
