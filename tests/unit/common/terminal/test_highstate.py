from typing import Any

import pytest

from limpet.common.terminal.colors import PLAIN
from limpet.common.terminal.highstate import Form, Look, highstate, is_highstate, shown_value


def result(number: int, ended: bool | None = True, **more: object) -> dict[str, Any]:
    return {
        "result": ended, "changes": {}, "comment": "Said", "__run_num__": number,
        "start_time": "12:00:00.5", "duration": 1.5, **more,
    }  # fmt: skip


RESULTS = {
    "cmd_|-b_|-echo b_|-run": result(1, changes={"stdout": "b"}),
    "test_|-a_|-a_|-nop": result(0),
    "test_|-c_|-c_|-nop": result(2, False, comment="one\ntwo \x1b[31m", warnings=["careful"]),
    "test_|-d_|-d_|-nop": result(3, None),
}


def test_each_state_is_a_block_in_the_order_of_the_run() -> None:
    lines = list(highstate("web1", RESULTS, PLAIN))

    assert lines[:16] == [
        "----------",
        "          ID: a",
        "    Function: test.nop",
        "      Result: True",
        "     Comment: Said",
        "     Started: 12:00:00.5",
        "    Duration: 1.5 ms",
        "     Changes:   ",
        "----------",
        "          ID: b",
        "    Function: cmd.run",
        "        Name: echo b",
        "      Result: True",
        "     Comment: Said",
        "     Started: 12:00:00.5",
        "    Duration: 1.5 ms",
    ]
    assert "    Warnings: careful" in lines


def test_the_summary_counts() -> None:
    lines = list(highstate("web1", RESULTS, PLAIN))

    assert lines[-8:] == [
        "Summary for web1",
        "------------",
        "Succeeded: 3 (unchanged=1, changed=1)",
        "Failed:    1",
        "Warnings:  1",
        "------------",
        "Total states run:     4",
        "Total run time:   6.000 ms",
    ]


def test_nothing_in_a_result_moves_the_cursor() -> None:
    assert all("\x1b" not in line for line in highstate("web1", RESULTS, PLAIN))


@pytest.mark.parametrize(
    "form, blocks, terse",
    [
        ("full", 4, 0),
        ("terse", 0, 4),
        ("mixed", 1, 3),
        ("changes", 3, 1),
        ("filter", 3, 0),
        ("terse_id", 0, 4),
        ("full_id", 4, 0),
    ],
)
def test_forms_show_more_or_less(form: Form, blocks: int, terse: int) -> None:
    lines = list(highstate("web1", RESULTS, PLAIN, Look(form)))

    assert sum("          ID: " in line for line in lines) == blocks
    assert sum(line.startswith("  Name: ") for line in lines) == terse


@pytest.mark.parametrize("value", [{}, {"a": 1}, {"a_|-b_|-c_|-d": 1}, "text", [RESULTS], None])
def test_other_values_are_no_runs(value: object) -> None:
    assert not is_highstate(value)


def test_other_values_are_shown_nested() -> None:
    assert list(shown_value("web1", {"a": 1}, PLAIN)) == [
        "    ----------", "    a:", "        1",
    ]  # fmt: skip
    assert "Summary for web1" in list(shown_value("web1", RESULTS, PLAIN))


def test_what_is_in_order_is_left_out_where_that_was_asked_for() -> None:
    look = Look("terse_id", is_verbose=False)

    lines = [line for line in highstate("web1", RESULTS, PLAIN, look) if "Name:" in line]

    assert [line.split(" - ")[0] for line in lines] == ["  Name: b", "  Name: c", "  Name: d"]


def test_a_long_summary_is_aligned_as_in_salt() -> None:
    results = {f"test_|-{n}_|-{n}_|-nop": result(n, duration=0.5) for n in range(200)}

    assert list(highstate("web1", results, PLAIN, Look(is_verbose=False))) == [
        "",
        "Summary for web1",
        "--------------",
        "Succeeded: 200",
        "Failed:      0",
        "--------------",
        "Total states run:     200",
        "Total run time:   100.000 ms",
    ]


def test_what_does_not_compile_is_said_as_in_salt() -> None:
    lines = list(shown_value("web1", ["no such\nSLS"], PLAIN, look=Look(is_of_states=True)))

    assert lines == ["    Data failed to compile:", "----------", "    no such", "    SLS"]


def test_a_run_that_was_cut_off_shows_what_is_done_and_names_the_rest() -> None:
    value = {
        "done": RESULTS,
        "running": ["cmd_|-e_|-sleep_|-run"],
        "not_reached": ["a_|-f_|-g_|-h"],
    }

    lines = list(shown_value("web1", value, PLAIN))

    assert "Summary for web1" in lines
    assert lines[-2:] == [
        "Was running, and may have changed something: cmd.run e", "Not reached: a.h f",
    ]  # fmt: skip


def test_what_an_earlier_run_did_is_marked() -> None:
    results = {"test_|-a_|-a_|-nop": result(0, __done_before__="01J")}

    assert " Done before: by job 01J" in list(highstate("web1", results, PLAIN))
    assert "Done before by job 01J" in next(highstate("web1", results, PLAIN, Look("terse")))
