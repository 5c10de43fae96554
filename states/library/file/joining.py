"""`file.append` and `file.prepend`: text that is to stand somewhere in a file."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import editing, sources, text
from limpet.states.library.file.owners import Ownership, make_parents
from limpet.states.library.file.presence import touch
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """Arguments of `file.append` and `file.prepend`."""

    name: str
    text: Loose = None
    makedirs: bool = False
    source: Loose = None
    source_hash: Loose = None
    template: str = "jinja"
    sources: Loose = None
    source_hashes: Loose = None
    defaults: Loose = None
    context: Loose = None
    ignore_whitespace: bool = True
    header: bool | None = None
    """Of `prepend`: the text is to be the very head of the file."""


def append(context: StateContext, options: JoinOptions) -> Outcome:
    """See to it that text stands in a file; what is missing comes to its end."""
    return _joined(context, options, is_head=False)


def prepend(context: StateContext, options: JoinOptions) -> Outcome:
    """See to it that text stands in a file; what is missing comes to its head."""
    return _joined(context, options, is_head=True)


def _joined(context: StateContext, options: JoinOptions, *, is_head: bool) -> Outcome:
    name = options.name
    if not name:
        return failed(f"Must provide name to file.{'prepend' if is_head else 'append'}")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    try:
        chunks = _chunks(context, options)
        if chunks is None:
            return failed("No text found to append. Nothing appended")
        if kind_of(context, name) == "":
            if context.is_test:
                return touch(context, name, makedirs=options.makedirs)
            if options.makedirs:
                make_parents(context, name, Ownership())
            made = touch(context, name)
            if made.result is False or not any(chunks):
                return made
        before = editing.read(context, name)
        added = _missing(before, chunks, options, is_head=is_head)
        return _finish(context, name, before, added, is_head=is_head)
    except (HostError, editing.NotEditable) as error:
        return failed(getattr(error, "comment", str(error)))


def _chunks(context: StateContext, options: JoinOptions) -> list[str] | None:
    asked = options.sources if options.sources else options.source
    if not asked:
        return None if options.text is None else text.as_lines(options.text)
    found = []
    hashes = list(options.source_hashes or [])
    variables = {**(options.defaults or {}), **(options.context or {})}
    for number, address in enumerate(asked if isinstance(asked, list) else [asked]):
        checksum = hashes[number] if number < len(hashes) else options.source_hash
        source = sources.choose(context, address, checksum, context.saltenv)
        content = sources.fetch(context, source, context.saltenv, is_unchecked=False)
        plain = content.decode("utf-8", "surrogateescape")
        if options.template:
            plain = sources.rendered(
                context, plain, options.template, variables, source=source.address
            )
        found.append(plain)
    return found


def _missing(before: str, chunks: list[str], options: JoinOptions, *, is_head: bool) -> list[str]:
    """Give the lines that don't stand in the file yet."""
    if is_head and options.header:
        lines = [line for chunk in chunks for line in chunk.splitlines()]
        return [] if before.splitlines()[: len(lines)] == lines else lines
    found: list[str] = []
    for chunk in chunks:
        pattern = editing.loose_whitespace(chunk)
        if not options.ignore_whitespace and not is_head:
            pattern = f"(?m){chunk}"
        if not editing.compiled(pattern).search(before):
            found += chunk.splitlines()
    return found


def _finish(
    context: StateContext, name: str, before: str, added: list[str], *, is_head: bool
) -> Outcome:
    if not added:
        return Outcome(True, f"File {name} is in correct state")
    block = "".join(f"{line}\n" for line in added)
    if is_head:
        after = block + before
        shown = editing.shown_difference(before, after)
    else:
        gap = "\n" if before and not before.endswith("\n") else ""
        after = f"{before}{gap}{block}"
        # Salt shows the change of `append` with an empty line after each line.
        shown = "\n".join(
            text.unified_lines(text.shown(before).splitlines(), text.shown(after).splitlines())
        )
    changes: dict[str, Any] = {"diff": shown}
    if context.is_test:
        return Outcome(None, f"File {name} is set to be updated", changes)
    editing.store(context, name, after, "")
    word = "Prepended" if is_head else "Appended"
    return Outcome(True, f"{word} {len(added)} lines", changes)
