"""The page of failures says the truth: every id has a test or a reason, no test an unknown id."""

from support.pages.failure_page import FIRST_30, PAGE, marks, page, reasons, scenarios


def test_every_scenario_has_a_test_or_a_reason() -> None:
    without = [n for n in scenarios() if n not in marks() and not reasons().get(n)]
    assert without == []


def test_no_scenario_has_both_a_test_and_a_reason_why_not() -> None:
    assert [n for n in reasons() if n in marks()] == []


def test_the_scenarios_that_strand_minions_most_are_all_shown() -> None:
    assert [n for n in FIRST_30 if n not in marks()] == []


def test_tests_name_known_scenarios_only() -> None:
    unknown = [n for n in marks() if n not in scenarios() and not n.startswith(("B-", "R-"))]
    assert unknown == []


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make coverage-page`"
