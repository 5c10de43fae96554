"""What a state's requisites say, for each way in which what they name can have ended."""

import pytest

from limpet.states.runner.requisites import Verdict, failures, judge

GOOD = {"result": True, "changes": {}}
CHANGED = {"result": True, "changes": {"a": "b"}}
FAILED = {"result": False, "changes": {}}
FAILED_CHANGED = {"result": False, "changes": {"a": "b"}}
WOULD = {"result": None, "changes": {"a": "b"}}
NOT_RUN = {"result": True, "changes": {}, "__state_ran__": False}
QUIET = {"result": True, "changes": {"a": "b"}, "skip_req": True}


@pytest.mark.parametrize(
    "kind, ended, verdict",
    [
        ("require", [GOOD], Verdict.RUN),
        ("require", [WOULD], Verdict.RUN),
        ("require", [NOT_RUN], Verdict.RUN),
        ("require", [GOOD, FAILED], Verdict.FAIL),
        ("require_any", [FAILED, GOOD], Verdict.RUN),
        ("require_any", [FAILED, FAILED], Verdict.FAIL),
        ("watch", [GOOD], Verdict.RUN),
        ("watch", [GOOD, CHANGED], Verdict.RUN_AND_WATCH),
        ("watch", [CHANGED, FAILED], Verdict.FAIL),
        ("watch", [QUIET], Verdict.RUN_WITHOUT_WATCH),
        ("watch_any", [CHANGED, FAILED], Verdict.RUN_AND_WATCH),
        ("watch_any", [GOOD, FAILED], Verdict.RUN),
        ("watch_any", [FAILED], Verdict.FAIL),
        ("onchanges", [GOOD], Verdict.NOT_NEEDED_BY_ONCHANGES),
        ("onchanges", [GOOD, CHANGED], Verdict.RUN),
        ("onchanges", [FAILED_CHANGED], Verdict.NOT_NEEDED_BY_ONCHANGES),
        ("onchanges", [QUIET], Verdict.SKIPPED_BY_ANOTHER),
        ("onchanges_any", [GOOD, FAILED, CHANGED], Verdict.RUN),
        ("onfail", [GOOD], Verdict.NOT_NEEDED_BY_ONFAIL),
        ("onfail", [FAILED], Verdict.RUN),
        ("onfail", [GOOD, FAILED], Verdict.RUN),
        ("onfail_any", [GOOD, FAILED], Verdict.RUN),
        ("onfail_any", [GOOD, GOOD], Verdict.NOT_NEEDED_BY_ONFAIL),
        ("onfail_all", [GOOD, FAILED], Verdict.NOT_NEEDED_BY_ONFAIL),
        ("onfail_all", [FAILED, FAILED], Verdict.RUN),
    ],
)
def test_the_verdict_of_one_requisite(
    kind: str, ended: list[dict[str, object]], verdict: Verdict
) -> None:
    results = {str(number): result for number, result in enumerate(ended)}

    assert judge([(kind, tag) for tag in results], results, {}) is verdict


@pytest.mark.parametrize(
    "previews, verdict",
    [
        ([WOULD], Verdict.RUN),
        ([GOOD], Verdict.NOT_NEEDED_BY_PREREQ),
        ([GOOD, WOULD], Verdict.RUN),
        ([FAILED], Verdict.FAIL),
    ],
)
def test_a_prereq_looks_at_previews(previews: list[dict[str, object]], verdict: Verdict) -> None:
    seen = {str(number): result for number, result in enumerate(previews)}

    assert judge([("prereq", tag) for tag in seen], {}, seen) is verdict
    assert judge([("prereq", tag) for tag in seen], seen, {}) is Verdict.WAIT


def test_what_has_not_run_is_waited_for_before_all_else() -> None:
    needs = [("require", "a"), ("require", "b")]

    assert judge(needs, {"a": FAILED}, {}) is Verdict.WAIT


def test_requisites_of_several_kinds_together() -> None:
    results = {"a": CHANGED, "b": GOOD}

    assert judge([("require", "b"), ("watch", "a")], results, {}) is Verdict.RUN_AND_WATCH
    assert (
        judge([("onchanges", "b"), ("watch", "a")], results, {}) is Verdict.NOT_NEEDED_BY_ONCHANGES
    )


def test_failures_are_named_once() -> None:
    needs = [("require", "a"), ("watch", "a"), ("require", "b")]

    assert failures(needs, {"a": FAILED, "b": GOOD}, {}) == ["a"]


def test_a_state_without_requisites_runs() -> None:
    assert judge([], {}, {}) is Verdict.RUN
