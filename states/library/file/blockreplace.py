"""`file.blockreplace`: the lines between two marks, and `file.accumulated` that feeds them."""

import re
from dataclasses import dataclass

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import editing, sources
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class BlockOptions:
    """Arguments of `file.blockreplace`."""

    name: str
    marker_start: str = "#-- start managed zone --"
    marker_end: str = "#-- end managed zone --"
    source: Loose = None
    source_hash: Loose = None
    template: str | None = "jinja"
    sources: Loose = None
    source_hashes: Loose = None
    defaults: Loose = None
    context: Loose = None
    content: Loose = ""
    append_if_not_found: bool = False
    prepend_if_not_found: bool = False
    backup: Loose = ".bak"
    show_changes: bool = True
    append_newline: bool | None = None
    insert_before_match: str | None = None
    insert_after_match: str | None = None


class _Refused(Exception):
    """The block can't be replaced."""


def blockreplace(context: StateContext, options: BlockOptions) -> Outcome:
    """See to it that this text stands between the two marks, the marks in lines of their own."""
    name = options.name
    if not name:
        return failed("Must provide name to file.blockreplace")
    try:
        before = editing.read(context, name)
        content = _content(context, options)
        after = _replaced(before, content, options)
    except (HostError, _Refused, editing.NotEditable) as error:
        return failed(getattr(error, "comment", str(error)))
    return editing.finish(
        context, name, before, after, backup=options.backup, shows=options.show_changes
    )


def _content(context: StateContext, options: BlockOptions) -> str:
    """Give what is to stand between the marks: own text, files, and what was accumulated."""
    content = (
        "\n".join(map(str, options.content))
        if isinstance(options.content, list)
        else str(options.content)
    )
    asked = options.sources or options.source
    variables = {**(options.defaults or {}), **(options.context or {})}
    for address in asked if isinstance(asked, list) else [asked] if asked else []:
        source = sources.choose(context, address, options.source_hash, context.saltenv)
        plain = sources.fetch(context, source, context.saltenv, is_unchecked=False).decode(
            "utf-8", "surrogateescape"
        )
        if options.template:
            plain = sources.rendered(
                context, plain, options.template, variables, source=source.address
            )
        content += plain
    for gathered in context.accumulators.get(options.name, {}).values():
        for line in gathered:
            content += f"\n{line}" if content else str(line)
    return content


def _replaced(before: str, content: str, options: BlockOptions) -> str:
    adds_newline = options.append_newline
    if adds_newline is None:
        adds_newline = not content.endswith("\n")
    block = content + ("\n" if adds_newline else "")
    lines = before.splitlines(True)
    start = next((i for i, each in enumerate(lines) if options.marker_start in each), None)
    if start is None:
        if any(options.marker_end in each for each in lines):
            raise _Refused(
                "Unterminated marked block. End marker found before the start marker of the block."
            )
        return _added(lines, block, options)
    end = next(
        (i for i, each in enumerate(lines[start:], start) if options.marker_end in each), None
    )
    if end is None:
        raise _Refused("Unterminated marked block. End of file reached before marker_end.")
    head = lines[start].partition(options.marker_start)[0]
    # Without `append_newline` the block's last line is the one with the end mark: it goes, too.
    inside, mark, rest = lines[end].partition(options.marker_end)
    last = f"{'' if inside.strip() else inside}{mark}{rest}"
    return "".join([*lines[: start + 1], *_indented(block, head), last, *lines[end + 1 :]])


def _indented(block: str, head: str) -> list[str]:
    """Give the block's lines; where the mark is indented, they are as well."""
    indentation = head if not head.strip() else ""
    return [f"{indentation}{line}" if line.strip() else line for line in block.splitlines(True)]


def _added(lines: list[str], block: str, options: BlockOptions) -> str:
    whole = f"{options.marker_start}\n{block}{options.marker_end}\n"
    for pattern, offset in ((options.insert_before_match, 0), (options.insert_after_match, 1)):
        if pattern is not None:
            place = next((i for i, each in enumerate(lines) if re.match(pattern, each)), None)
            if place is not None:
                return "".join([*lines[: place + offset], whole, *lines[place + offset :]])
    if options.prepend_if_not_found:
        return whole + "".join(lines)
    if options.append_if_not_found:
        text = "".join(lines)
        gap = "\n" if text and not text.endswith("\n") else ""
        return f"{text}{gap}{whole}"
    raise _Refused("Cannot edit marked block. Markers were not found in file.")


def accumulated(
    context: StateContext, name: str, filename: str, text: Loose, **_odd: Loose
) -> Outcome:
    """Gather text that a later state puts into a file: `accumulator` in its template."""
    if text is None:
        return failed("No text supplied for accumulator")
    needed_by = [*(context.low.get("require_in") or ()), *(context.low.get("watch_in") or ())]
    if not any("file" in each for each in needed_by):
        place = f"{context.low.get('__sls__')}:{context.low.get('__id__')}"
        return failed(f"Orphaned accumulator {name} in {place}")
    gathered = context.accumulators.setdefault(filename, {}).setdefault(name, [])
    new = [each for each in (text if isinstance(text, list) else [text]) if each not in gathered]
    gathered += new
    comment = f"Accumulator {name} for file {filename} was charged by text" if new else ""
    return Outcome(True, comment)
