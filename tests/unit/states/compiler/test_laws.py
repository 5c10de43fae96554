"""Laws of compiling, over trees made up by chance."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.states.compiler.chunks import tag_of
from limpet.states.compiler.ordering import order_chunks
from support.states.sls_trees import compilation

KINDS = ("require", "watch", "onchanges", "onfail", "require_any")
ORDERS = st.sampled_from([None, 1, 5, -1, "first", "last", 10_000])


@st.composite
def chunks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Make chunks whose requisites all lead to earlier ones, in any order."""
    count = draw(st.integers(1, 12))
    made: list[dict[str, Any]] = []
    for number in range(count):
        low: dict[str, Any] = {
            "state": "test",
            "fun": "nop",
            "name": f"s{number}",
            "__id__": f"s{number}",
            "__sls__": "x",
            "order": draw(ORDERS) or 10_000 + number,
        }
        if number:
            for kind in draw(st.lists(st.sampled_from(KINDS), max_size=2, unique=True)):
                low[kind] = [{"test": f"s{draw(st.integers(0, number - 1))}"}]
        made.append(low)
    return draw(st.permutations(made))


@given(chunks())
@settings(max_examples=150, deadline=None)
def test_every_order_respects_its_requisites(made: list[dict[str, Any]]) -> None:
    ordered, errors, _graph = order_chunks(made)
    assert errors == []
    assert {tag_of(each) for each in ordered} == {tag_of(each) for each in made}
    last = {each["__id__"]: place for place, each in enumerate(ordered)}
    for each in made:
        for kind in KINDS:
            for requisite in each.get(kind, ()):
                assert last[requisite["test"]] < last[each["__id__"]]


@given(st.permutations(["a", "b", "c", "d"]), st.sampled_from(["a", "b", "c", "d"]))
@settings(max_examples=30, deadline=None)
def test_compiling_twice_gives_one_order(names: list[str], first: str) -> None:
    lines = [f"{name}: test.nop" for name in names if name != first]
    text = "\n".join([*lines, f"{first}: {{test.nop: [{{order: first}}]}}"])
    made = compilation({"main.sls": text})
    one, two = made.low_of_sls(["main"]), made.low_of_sls(["main"])
    assert one.chunks == two.chunks
    assert one.chunks[0]["__id__"] == first
