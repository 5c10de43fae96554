"""Editing files by direct calls, with the same rules as the `file` states.

Each answers as Salt's function does: with the difference, or whether anything changed where
`show_changes` is off. With `dry_run` nothing is written.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.outcome import Outcome

if TYPE_CHECKING:
    from limpet.states.library.context import StateContext


def replace(
    context: FunctionContext,
    path: str,
    pattern: Loose,
    repl: Loose,
    count: int = 0,
    flags: Loose = 8,
    bufsize: Loose = 1,
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    not_found_content: str | None = None,
    backup: Loose = ".bak",
    dry_run: bool = False,
    search_only: bool = False,
    show_changes: bool = True,
    ignore_if_missing: bool = False,
    preserve_inode: bool = True,
    backslash_literal: bool = False,
    encoding: str | None = None,
) -> Loose:
    """Replace what a regular expression matches; with `search_only` say whether it matches.

    CLI Example: limpet run '*' file.replace /etc/httpd/httpd.conf '^LogLevel' 'LogLevel info'
    """
    if search_only:
        return context.call(
            "file.search", path, str(pattern), flags=flags, ignore_if_missing=ignore_if_missing
        )
    return _edited(
        context,
        "replace",
        dry_run,
        show_changes,
        name=path,
        pattern=pattern,
        repl=repl,
        count=count,
        flags=flags,
        append_if_not_found=append_if_not_found,
        prepend_if_not_found=prepend_if_not_found,
        not_found_content=not_found_content,
        backup=backup,
        ignore_if_missing=ignore_if_missing,
        backslash_literal=backslash_literal,
    )


def line(
    context: FunctionContext,
    path: str,
    content: Loose = None,
    match: str | None = None,
    mode: str | None = None,
    location: str | None = None,
    before: str | None = None,
    after: str | None = None,
    show_changes: bool = True,
    backup: Loose = False,
    quiet: bool = False,
    indent: bool = True,
) -> Loose:
    """Replace, remove or insert one line of a file.

    CLI Example: limpet run '*' file.line /etc/nsswitch.conf 'x: y' mode=ensure after='passwd:.*'
    """
    diff = _edited(
        context,
        "line",
        False,
        show_changes,
        name=path,
        content=content,
        match=match,
        mode=mode,
        location=location,
        before=before,
        after=after,
        backup=backup,
        quiet=quiet,
        indent=indent,
    )
    return diff or False


def blockreplace(
    context: FunctionContext,
    path: str,
    marker_start: str = "#-- start managed zone --",
    marker_end: str = "#-- end managed zone --",
    content: Loose = "",
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    backup: Loose = ".bak",
    dry_run: bool = False,
    show_changes: bool = True,
    append_newline: bool | None = False,
    insert_before_match: str | None = None,
    insert_after_match: str | None = None,
) -> Loose:
    """Replace the text between two marks of a file.

    CLI Example: limpet run '*' file.blockreplace /etc/hosts '#-- a --' '#-- z --' '10.0.0.1 a'
    """
    return _edited(
        context,
        "blockreplace",
        dry_run,
        show_changes,
        name=path,
        marker_start=marker_start,
        marker_end=marker_end,
        content=content,
        append_if_not_found=append_if_not_found,
        prepend_if_not_found=prepend_if_not_found,
        backup=backup,
        append_newline=append_newline,
        insert_before_match=insert_before_match,
        insert_after_match=insert_after_match,
    )


def comment_line(
    context: FunctionContext,
    path: str,
    regex: str,
    char: str = "#",
    cmnt: bool = True,
    backup: Loose = ".bak",
) -> Loose:
    """Comment a line out, or in with `cmnt=False`; false: there is no such line.

    CLI Example: limpet run '*' file.comment_line /etc/modules pcspkr
    """
    return _commented(context, path, regex, char, backup, "comment" if cmnt else "uncomment")


def comment(
    context: FunctionContext, path: str, regex: str, char: str = "#", backup: Loose = ".bak"
) -> Loose:
    """Comment lines out; false: there is no such line.

    CLI Example: limpet run '*' file.comment /etc/modules pcspkr
    """
    return _commented(context, path, regex, char, backup, "comment")


def uncomment(
    context: FunctionContext, path: str, regex: str, char: str = "#", backup: Loose = ".bak"
) -> Loose:
    """Comment lines in; false: there is no such line.

    CLI Example: limpet run '*' file.uncomment /etc/hosts.deny 'ALL: PARANOID'
    """
    return _commented(context, path, regex, char, backup, "uncomment")


def sed(
    context: FunctionContext,
    path: str,
    before: str,
    after: str,
    limit: str = "",
    backup: str = ".bak",
    options: str = "-r -e",
    flags: str = "g",
    escape_all: bool = False,
    negate_match: bool = False,
) -> dict[str, Any]:
    """Exchange text in a file by the program sed.

    CLI Example: limpet run '*' file.sed /etc/httpd/httpd.conf 'LogLevel warn' 'LogLevel info'
    """
    if context.host.file_system.facts(path, is_following=True) is None:
        raise HostError(f"{path}: there is no such file")
    old, new = (re.sub(r"(?<!\\)/", r"\/", str(each)) for each in (before, after))
    if escape_all:
        old = re.sub(r"([][().*^$+?{}|])", r"\\\1", old)
        new = new.replace("&", r"\&")
    where = f"/{limit}/ " if limit and not limit.isdigit() else limit
    expression = f"{where}{'!' if negate_match else ''}s/{old}/{new}/{flags}"
    keeping = f"-i{backup}" if backup else "-i"
    return dict(
        context.call(
            "cmd.run_all", ["sed", keeping, *options.split(), expression, path], python_shell=False
        )
    )


def _commented(
    context: FunctionContext, path: str, regex: str, char: str, backup: Loose, state: str
) -> Loose:
    if not context.call("file.file_exists", path):
        raise UsageError(f"File not found: {path}")
    outcome = _as_state(context, state, False, name=path, regex=regex, char=char, backup=backup)
    if outcome.result is False:
        return False
    # As Salt's functions, which show the line alone.
    lines = str(outcome.changes.get("diff", "")).splitlines(True)
    gone = [each for each in lines[2:] if each.startswith("-")]
    come = [each for each in lines[2:] if each.startswith("+")]
    if not gone:
        return False
    span = "1" if len(gone) == 1 else f"1,{len(gone)}"
    return "".join([*lines[:2], f"@@ -{span} +{span} @@\n", *gone, *come])


def _edited(
    context: FunctionContext, state: str, is_dry: bool, shows: bool, **arguments: Loose
) -> Loose:
    outcome = _as_state(context, state, is_dry, show_changes=shows, **arguments)
    if outcome.result is False:
        raise HostError(f"file.{state}: {outcome.comment}")
    if not shows:
        return bool(outcome.changes)
    if not outcome.changes:
        return False if "ignore_if_missing" in arguments and _is_gone(context, arguments) else ""
    return outcome.changes.get("diff", "")


def _is_gone(context: FunctionContext, arguments: dict[str, Any]) -> bool:
    return context.host.file_system.facts(str(arguments["name"]), is_following=True) is None


def _as_state(context: FunctionContext, state: str, is_dry: bool, **arguments: Loose) -> Outcome:
    """Have the state of that name do it: the rules stand there once."""
    from limpet.states.library import registry  # states call functions: it imports this module

    around = state_context(context, is_test=is_dry, low=arguments)
    function = registry.find(f"file.{state}")
    assert function is not None
    return registry.call(function, around, arguments)


def state_context(
    context: FunctionContext, *, is_test: bool = False, low: Mapping[str, Any] | None = None
) -> "StateContext":
    """Give the context in which a state does what a function is asked for."""
    from limpet.states.library.context import StateContext
    from limpet.states.runner.applying import Applying, tree_of

    return StateContext(
        functions=context,
        tree=tree_of(context, lambda: Applying(context).compilation.renderers),
        is_test=is_test,
        low=low or {},
    )
