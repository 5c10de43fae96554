"""The context of a call: grains once, retcodes, calls inside of calls."""

from typing import Any

from limpet.states.context import FunctionContext, Loose
from support.fakes.host import make_context


def test_grains_are_loaded_once_and_again_after_a_change() -> None:
    loads: list[int] = []

    def load(_context: FunctionContext) -> dict[str, Any]:
        loads.append(1)
        return {"n": len(loads)}

    context = make_context()
    context.load_grains = load
    assert (context.grains["n"], context.grains["n"]) == (1, 1)
    context.forget_grains()
    assert context.grains["n"] == 2


def test_the_retcode_that_was_set_stands() -> None:
    context = make_context()
    context.retcode = 3
    assert context.retcode_of({"result": True}) == 3


def test_a_value_that_says_failed_is_a_failure() -> None:
    context = make_context()
    assert context.retcode_of({"result": False}) == 1
    assert context.retcode_of({"success": False}) == 1
    assert context.retcode_of({"result": None}) == 1
    assert context.retcode_of({"result": True, "comment": ""}) == 0
    assert context.retcode_of(False) == 0


def test_a_call_inside_of_a_call_is_not_a_persons() -> None:
    seen: list[bool] = []

    def caller(
        name: str, positional: list[Any], keyword: dict[str, Any], context: FunctionContext
    ) -> Loose:
        seen.append(context.is_published)
        return (name, positional, keyword)

    context = make_context(caller=caller)
    assert context.call("mod.fun", 1, a=2) == ("mod.fun", [1], {"a": 2})
    assert (seen, context.is_published) == ([False], True)
