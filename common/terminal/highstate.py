"""The results of a run in the look that Salt's users know: a block for each state, then a summary.

`full` shows every state, `terse` a line for each, `mixed` a block for those that failed, `changes`
a block for those that failed or changed something, `filter` leaves out what did neither. With
`_id` the lines of `terse` show ids instead of names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, escape_line, lines
from limpet.common.terminal.nested import nested

Form = Literal[
    "full",
    "changes",
    "terse",
    "mixed",
    "filter",
    "full_id",
    "changes_id",
    "terse_id",
    "mixed_id",
    "filter_id",
]
FORMS: Final[tuple[Form, ...]] = get_args(Form)

_LINE: Final = "----------"
_WIDTH: Final = 12
_INDENT: Final = 14
_OWN_KEYS: Final = frozenset(("result", "changes", "comment"))
_CUT_OFF_KEYS: Final = frozenset(("done", "running", "not_reached"))
DONE_BEFORE: Final = "__done_before__"
"""The key of a result that an earlier run had, with the id of that run."""


@dataclass(frozen=True, slots=True)
class Look:
    """How results of runs are to be shown."""

    form: Form = "full"
    is_verbose: bool = True
    """False: what is as it should be and changed nothing is left out."""
    is_of_states: bool = False
    """The value is that of a run of states: a list is what kept it from being compiled."""


USUAL: Final = Look()


def is_highstate(value: object) -> bool:
    """Say whether a value is the results of a run: a mapping of Salt's keys to results."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(key, str)
            and key.count("_|-") == 3
            and isinstance(result, Mapping)
            and set(result) >= _OWN_KEYS
            for key, result in value.items()
        )
    )


def is_cut_off(value: object) -> bool:
    """Say whether a value is what is known of a run that was cut off."""
    return isinstance(value, Mapping) and set(value) == _CUT_OFF_KEYS


def shown_value(
    name: str,
    value: Any,  # noqa: ANN401
    palette: Palette,
    indent: int = 4,
    look: Look = USUAL,
) -> Iterator[str]:
    """Give the lines of any returned value: results of a run as such, all else nested."""
    if is_highstate(value):
        yield from highstate(name, value, palette, look)
    elif is_cut_off(value):
        yield from _cut_off(name, value, palette, look)
    elif look.is_of_states and isinstance(value, list):
        yield palette.paint("red", f"{' ' * indent}Data failed to compile:")
        for each in value:
            yield palette.paint("red", _LINE)
            for line in lines(str(each)):
                yield palette.paint("red", " " * indent + line)
    else:
        yield from nested(value, palette, indent)


def highstate(
    name: str,
    results: Mapping[str, Mapping[str, Any]],
    palette: Palette,
    look: Look = USUAL,
) -> Iterator[str]:
    """Give the lines of a run on the minion `name`, without line ends, escaped and cut."""
    ordered = sorted(results.items(), key=lambda each: each[1].get("__run_num__", 0))
    form = look.form.removesuffix("_id")
    is_by_id = form != look.form
    for key, result in ordered:
        is_clean = bool(result["result"]) and not result["changes"]
        is_good = result["result"] is not False
        if is_clean and (form == "filter" or not look.is_verbose):
            continue
        is_block = (
            form in ("full", "filter")
            or (form == "changes" and not is_clean)
            or (form == "mixed" and not is_good)
        )
        if is_block:
            yield from _block(key, result, palette, is_by_id)
        else:
            yield from _terse(key, result, palette, is_by_id)
    yield from _summary(name, [result for _, result in ordered], palette)


def _cut_off(name: str, value: Mapping[str, Any], palette: Palette, look: Look) -> Iterator[str]:
    """Show the states that are done as usual, and name the others."""
    if is_highstate(value["done"]):
        yield from highstate(name, value["done"], palette, look)
        yield ""
    for tag in value["running"]:
        yield palette.paint("red", f"Was running, and may have changed something: {_named(tag)}")
    for tag in value["not_reached"]:
        yield palette.paint("yellow", f"Not reached: {_named(tag)}")


def _named(tag: object) -> str:
    module, id_, _, function = (*str(tag).split("_|-", 3), "", "", "")[:4]
    return cut_line(f"{module}.{function} {id_}")


def _color(result: Mapping[str, Any]) -> str:
    if result["result"] is False:
        return "red"
    if result["result"] is None:
        return "yellow"
    return "cyan" if result["changes"] else "green"


def _block(key: str, result: Mapping[str, Any], palette: Palette, is_by_id: bool) -> Iterator[str]:
    module, id_, name, function = key.split("_|-", 3)
    color = _color(result)

    def field(label: str, text: object) -> Iterator[str]:
        head = f"{label:>{_WIDTH}}: "
        for line in lines(str(text)) if str(text) else [""]:
            yield palette.paint(color, f"{head}{line}")
            head = " " * len(head)

    yield palette.paint(color, _LINE)
    yield from field("ID", id_)
    yield from field("Function", f"{module}.{function}")
    if name != id_ and not is_by_id:
        yield from field("Name", name)
    yield from field("Result", result["result"])
    yield from field("Comment", _comment(result["comment"]))
    if result.get(DONE_BEFORE):
        yield from field("Done before", f"by job {result[DONE_BEFORE]}")
    if result.get("start_time"):
        yield from field("Started", result["start_time"])
        yield from field("Duration", f"{result.get('duration', 0.0)} ms")
    yield from field("Changes", "  ")
    if result["changes"]:
        yield from nested(result["changes"], palette, _INDENT)
    if result.get("warnings"):
        yield from field("Warnings", _comment(result["warnings"]))


def _comment(comment: object) -> str:
    if isinstance(comment, Sequence) and not isinstance(comment, str | bytes):
        return "\n".join(map(str, comment))
    return str(comment)


def _terse(key: str, result: Mapping[str, Any], palette: Palette, is_by_id: bool) -> Iterator[str]:
    module, id_, name, function = key.split("_|-", 3)
    ended = {True: "Clean", False: "Failed", None: "Differs"}.get(result["result"], "Failed")
    if ended == "Clean" and result["changes"]:
        ended = "Changed"
    started = result.get("start_time", "")
    text = (
        f"  Name: {escape_line(id_ if is_by_id else name)} - Function: {module}.{function} - "
        f"Result: {ended} - Started: {started} - Duration: {result.get('duration', 0.0)} ms"
    )
    if result.get(DONE_BEFORE):
        text += f" - Done before by job {result[DONE_BEFORE]}"
    yield palette.paint(_color(result), cut_line(text))


def _summary(name: str, results: Sequence[Mapping[str, Any]], palette: Palette) -> Iterator[str]:
    failed = sum(each["result"] is False for each in results)
    undone = sum(each["result"] is None for each in results)
    changed = sum(bool(each["changes"]) for each in results)
    warned = sum(bool(each.get("warnings")) for each in results)
    digits = len(str(len(results)))
    details = [
        f"{what}={count}" for what, count in (("unchanged", undone), ("changed", changed)) if count
    ]
    good = f"Succeeded:{len(results) - failed:>{digits + 1}}"
    if details:
        good += f" ({', '.join(details)})"
    took_ms = sum(float(each.get("duration") or 0.0) for each in results)
    took, unit = (took_ms / 1000, "s") if took_ms >= 1000 else (took_ms, "ms")
    line = "-" * (11 + digits)
    yield ""
    yield palette.paint("cyan", f"Summary for {escape_line(name)}")
    yield palette.paint("cyan", line)
    yield palette.paint("green", good)
    yield palette.paint("red" if failed else "cyan", f"Failed:{failed:>{digits + 4}}")
    if warned:
        yield palette.paint("yellow", f"Warnings:{warned:>{digits + 2}}")
    yield palette.paint("cyan", line)
    yield palette.paint("cyan", f"Total states run:{len(results):>{digits + 5}}")
    yield palette.paint("cyan", f"Total run time:{took:>{digits + 7}.3f} {unit}")
