"""Loose values become typed arguments, and wrong ones are named."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.arguments import Mismatch, bind, convert, did_you_mean, signature_of


def service(
    context: FunctionContext, name: str, enable: bool = False, retries: int = 3
) -> None: ...


def anything(context: FunctionContext, *args: Loose, **kwargs: Loose) -> None: ...


def tolerant(context: FunctionContext, name: str, **_odd: Loose) -> None: ...


@dataclass(frozen=True)
class Options:
    cmd: str
    timeout: float | None = None


def structured(context: FunctionContext, options: Options) -> None: ...


def call(function: Loose, *values: Loose, strict: bool = True, **named: Loose) -> Loose:
    return bind("mod.fun", signature_of(function), values, named, is_strict=strict)


def test_values_are_taken_by_place_and_by_name() -> None:
    assert call(service, "nginx", enable="yes") == (["nginx"], {"enable": True})


def test_a_missing_argument_is_named_with_the_usage() -> None:
    with pytest.raises(UsageError, match=r"mod\.fun: the argument 'name' is missing .*usage: mod"):
        call(service)


def test_an_unknown_argument_is_named_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match=r"no argument 'enabel'; did you mean 'enable'\?"):
        call(service, "nginx", enabel=True)


def test_a_missing_argument_beside_an_unknown_one_names_both() -> None:
    with pytest.raises(UsageError, match=r"'name' is missing; there is no argument 'nmae'"):
        call(service, nmae="nginx")


def test_one_value_too_many_is_named() -> None:
    with pytest.raises(UsageError, match=r"at most 3 arguments, but 'extra' is number 4"):
        call(service, "nginx", True, 1, "extra")


def test_a_value_given_twice_is_named() -> None:
    with pytest.raises(UsageError, match=r"'name' is given twice"):
        call(service, "nginx", name="apache")


def test_a_value_of_the_wrong_type_is_named_and_shown_short() -> None:
    with pytest.raises(UsageError, match=r"'retries' must be a whole number, not 'many'"):
        call(service, "nginx", retries="many")


def test_bookkeeping_of_salt_is_dropped() -> None:
    assert call(service, "nginx", __pub_jid="1", __kwarg__=True) == (["nginx"], {})


def test_open_functions_take_all_but_bookkeeping() -> None:
    assert call(anything, 1, a=2, __pub_user="x") == ([1], {"a": 2})


def test_junk_is_dropped_for_templates_and_refused_for_people() -> None:
    assert call(tolerant, "x", strict=False, junk=1) == (["x"], {})
    with pytest.raises(UsageError, match="no argument 'junk'"):
        call(tolerant, "x", junk=1)


def test_junk_is_an_error_for_templates_too_where_salt_takes_none() -> None:
    with pytest.raises(UsageError, match="no argument 'junk'"):
        call(service, "x", strict=False, junk=1)


def test_the_fields_of_a_struct_are_the_arguments() -> None:
    values, named = call(structured, "ls", timeout="2.5")
    assert (values, named) == ([Options("ls", 2.5)], {})


def test_a_long_usage_names_only_what_must_be_given() -> None:
    from limpet.states.functions import registry

    function = registry.find("cmd.run")
    assert function is not None
    assert function.usage == "cmd.run cmd [name=value…]"


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (5, str, "5"),
        (True, str, "true"),
        (1.5, str, "1.5"),
        ("5", int, 5),
        (5.0, int, 5),
        ("2.5", float, 2.5),
        ("no", bool, False),
        ("on", bool, True),
        (0, bool, False),
        ("a, b", list[str], ["a", "b"]),
        (7, list[int], [7]),
        ([1, "2"], list[int], [1, 2]),
        ([{"a": 1}, {"b": 2}], dict[str, Loose], {"a": 1, "b": 2}),
        ("x", str | list[str], "x"),
        (["x"], str | list[str], ["x"]),
        (None, int | None, None),
        ("inet", Literal["inet", "inet6"], "inet"),
        ({"a": 1}, Loose, {"a": 1}),
    ],
)
def test_loose_values_are_understood(value: Loose, annotation: Loose, expected: Loose) -> None:
    found = convert(value, annotation)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (True, int, "a whole number"),
        (1.5, int, "a whole number"),
        ("maybe", bool, "true or false"),
        (None, str, "a text"),
        ({"a": 1}, str, "a text"),
        ("x", dict[str, Loose], "a mapping"),
        (5, dict[str, Loose] | None, "a mapping"),
        ("ipx", Literal["inet", "inet6"], "one of 'inet', 'inet6'"),
        (float("nan"), int, "a whole number"),
    ],
)
def test_what_does_not_fit_says_what_was_expected(
    value: Loose, annotation: Loose, expected: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        convert(value, annotation)
    assert str(caught.value) == expected


LOOSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(LOOSE, st.sampled_from([str, int, float, bool, list[str], dict[str, Loose], int | None]))
def test_any_value_either_fits_or_is_a_mismatch(value: Loose, annotation: Loose) -> None:
    with suppress(Mismatch):
        convert(value, annotation)


def test_a_word_far_from_all_is_not_guessed_at() -> None:
    assert did_you_mean("zzz", ["ping", "echo"]) == ""


def named_last(context: FunctionContext, *args: str, default: int = 0) -> None: ...


def test_what_stands_behind_open_values_is_only_taken_by_name() -> None:
    assert call(named_last, "a", 5, default="7") == (["a", "5"], {"default": 7})
    with pytest.raises(UsageError, match=r"the argument 'number 2' must be a text"):
        call(named_last, "a", ["b"])
