"""The results of a run in the look that Salt's users know: a block for each state, then a summary.

`full` shows every state, `terse` a line for each, `mixed` a block for those that failed, `changes`
a block for those that failed or changed something, `filter` leaves out what did neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, escape_line, lines
from limpet.common.terminal.nested import nested

Form = Literal["full", "changes", "terse", "mixed", "filter"]
FORMS: Final[tuple[Form, ...]] = ("full", "changes", "terse", "mixed", "filter")

_LINE: Final = "----------"
_WIDTH: Final = 12
_INDENT: Final = 14
_OWN_KEYS: Final = frozenset(("result", "changes", "comment"))


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


def shown_value(
    name: str,
    value: Any,  # noqa: ANN401
    palette: Palette,
    indent: int = 4,
    form: Form = "full",
) -> Iterator[str]:
    """Give the lines of any returned value: results of a run as such, all else nested."""
    if is_highstate(value):
        yield from highstate(name, value, palette, form)
    else:
        yield from nested(value, palette, indent)


def highstate(
    name: str, results: Mapping[str, Mapping[str, Any]], palette: Palette, form: Form = "full"
) -> Iterator[str]:
    """Give the lines of a run on the minion `name`, without line ends, escaped and cut."""
    ordered = sorted(results.items(), key=lambda each: each[1].get("__run_num__", 0))
    for key, result in ordered:
        is_clean = bool(result["result"]) and not result["changes"]
        is_good = result["result"] is not False
        if form == "filter" and is_clean:
            continue
        is_block = (
            form in ("full", "filter")
            or (form == "changes" and not is_clean)
            or (form == "mixed" and not is_good)
        )
        yield from _block(key, result, palette) if is_block else _terse(key, result, palette)
    yield from _summary(name, [result for _, result in ordered], palette)


def _color(result: Mapping[str, Any]) -> str:
    if result["result"] is False:
        return "red"
    if result["result"] is None:
        return "yellow"
    return "cyan" if result["changes"] else "green"


def _block(key: str, result: Mapping[str, Any], palette: Palette) -> Iterator[str]:
    module, id_, name, function = key.split("_|-", 3)
    color = _color(result)

    def field(label: str, text: object) -> Iterator[str]:
        head = f"{label:>{_WIDTH}}: "
        for line in lines(str(text)) if str(text) else [""]:
            yield palette.paint(color, f"{head}{line}".rstrip())
            head = " " * len(head)

    yield palette.paint(color, _LINE)
    yield from field("ID", id_)
    yield from field("Function", f"{module}.{function}")
    if name != id_:
        yield from field("Name", name)
    yield from field("Result", result["result"])
    yield from field("Comment", _comment(result["comment"]))
    if result.get("start_time"):
        yield from field("Started", result["start_time"])
        yield from field("Duration", f"{result.get('duration', 0.0)} ms")
    for warning in result.get("warnings") or ():
        yield from field("Warning", warning)
    yield from field("Changes", "")
    if result["changes"]:
        yield from nested(result["changes"], palette, _INDENT)


def _comment(comment: object) -> str:
    if isinstance(comment, Sequence) and not isinstance(comment, str | bytes):
        return "\n".join(map(str, comment))
    return str(comment)


def _terse(key: str, result: Mapping[str, Any], palette: Palette) -> Iterator[str]:
    module, _, name, function = key.split("_|-", 3)
    ended = {True: "Clean", False: "Failed", None: "Differs"}.get(result["result"], "Failed")
    if ended == "Clean" and result["changes"]:
        ended = "Changed"
    started = result.get("start_time", "")
    text = (
        f"  Name: {escape_line(name)} - Function: {module}.{function} - Result: {ended} - "
        f"Started: {started} - Duration: {result.get('duration', 0.0)} ms"
    )
    yield palette.paint(_color(result), cut_line(text))


def _summary(name: str, results: Sequence[Mapping[str, Any]], palette: Palette) -> Iterator[str]:
    failed = sum(each["result"] is False for each in results)
    undone = sum(each["result"] is None for each in results)
    changed = sum(bool(each["changes"]) for each in results)
    details = [
        f"{what}={count}" for what, count in (("unchanged", undone), ("changed", changed)) if count
    ]
    good = f"Succeeded: {len(results) - failed}"
    if details:
        good += f" ({', '.join(details)})"
    warnings = sum(len(each.get("warnings") or ()) for each in results)
    took_ms = sum(float(each.get("duration") or 0.0) for each in results)
    took = f"{took_ms / 1000:.3f} s" if took_ms >= 1000 else f"{took_ms:.3f} ms"
    yield ""
    yield palette.paint("cyan", f"Summary for {escape_line(name)}")
    yield palette.paint("cyan", "-" * _WIDTH)
    yield palette.paint("green", good)
    yield palette.paint("red" if failed else "cyan", f"Failed:    {failed}")
    if warnings:
        yield palette.paint("yellow", f"Warnings:  {warnings}")
    yield palette.paint("cyan", "-" * _WIDTH)
    yield palette.paint("cyan", f"Total states run: {len(results):>5}")
    yield palette.paint("cyan", f"Total run time: {took:>11}")
