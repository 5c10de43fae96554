"""`cron.file`: a file of the tree is the whole crontab of a user."""

import difflib
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import accounts, programs


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Arguments of `cron.file`."""

    name: str
    """The source, where `source` is not given."""
    source: str | None = None
    user: str = "root"
    template: str | None = None
    context: Loose = None
    defaults: Loose = None
    replace: bool = True
    """False: only a user without a crontab gets it."""
    backup: Loose = ""
    """Taken and without effect: crontabs are not files of ours."""


def file(context: StateContext, options: FileOptions) -> Outcome:
    """See to it that a user's crontab is this file of the tree, whole."""
    source, user = options.source or options.name, options.user
    variables = {**(options.defaults or {}), **(options.context or {})}
    try:
        wanted = _wanted(context, source, options.template, variables)
        if wanted is None:
            return failed(f"Source file {source} not found in saltenv '{context.saltenv}'")
        present = context.call("cron.raw_cron", user)
        if present == wanted or (present and not options.replace):
            return Outcome(True, "The crontab is in the correct state")
        lines = difflib.unified_diff(
            present.splitlines(keepends=True), wanted.splitlines(keepends=True)
        )
        changes = {"diff": "".join(lines)}
        if context.is_test:
            return Outcome(None, "The crontab will be updated", changes)
        words = ["crontab", "-u", accounts.user_name(user), "-"]
        programs.run(context.host.commands, words, stdin=wanted).checked()
    except HostError as error:
        return failed(f"Unable to update user {user} crontab: {error}")
    return Outcome(True, f"Crontab for user {user} was updated", changes)


def _wanted(
    context: StateContext, source: str, template: str | None, variables: dict[str, Any]
) -> str | None:
    content = context.tree.read(source, context.saltenv)
    if content is None:
        return None
    text = content.decode("utf-8", "surrogateescape")
    if template:
        text = context.tree.render(
            text, template, variables, saltenv=context.saltenv, source=source
        )
    return text if text.endswith("\n") or not text else f"{text}\n"
