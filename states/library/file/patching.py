"""`file.patch`: a patch applied to a file or a directory, by the machine's own `patch`."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file import sources
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """Arguments of `file.patch`."""

    name: str
    source: Loose = None
    source_hash: Loose = ""
    source_hash_name: str | None = None
    skip_verify: bool = False
    template: str | None = None
    context: Loose = None
    defaults: Loose = None
    options: str = ""
    reject_file: str | None = None
    strip: int | None = None
    saltenv: str | None = None


_FORBIDDEN = ("-N", "--forward", "-r", "--reject-file", "-o", "--output", "-R", "--reverse")


def patch(context: StateContext, options: PatchOptions) -> Outcome:
    """See to it that a patch has been applied; one that is applied already changes nothing."""
    name = options.name
    program = context.host.commands.which("patch")
    if program is None:
        return failed("patch executable not found on minion")
    if not name.startswith("/"):
        return failed(f"{name} is not an absolute path")
    kind = kind_of(context, name)
    if not kind:
        return failed(f"{name} does not exist")
    words = options.options.split()
    if odd := [word for word in words if word.startswith(_FORBIDDEN)]:
        return failed(f"The following CLI options are not allowed: {', '.join(odd)}")
    try:
        content = _content(context, options)
    except HostError as error:
        return failed(str(error))
    if options.reject_file is not None:
        words += ["-r", options.reject_file]
    directory = str(context.functions.places.state_directory)
    if not context.host.files.is_directory(directory):
        directory = "/tmp"  # noqa: S108 — the file is new, private, randomly named
    path = context.host.files.place_script(content, directory=directory, suffix=".patch", user=None)
    try:
        if kind == "directory":
            strip = [] if options.strip is None else [f"-p{options.strip}"]
            return _applied(context, [program, *words, "--batch", "-d", name, *strip], path, [])
        return _applied(context, [program, *words, "--batch"], path, [name])
    finally:
        context.host.files.remove(path)


def _applied(context: StateContext, command: list[str], path: str, target: list[str]) -> Outcome:
    """Try the patch without writing, forwards and backwards, and then apply it."""

    def attempt(*more: str) -> dict[str, Any]:
        words = [*command, "-i", path, *more, *target]
        found: dict[str, Any] = context.call(
            "cmd.run_all", words, python_shell=False, ignore_retcode=True
        )
        return found

    first = attempt("-N", "--dry-run")
    if first["retcode"]:
        if not attempt("-R", "--dry-run")["retcode"]:
            return Outcome(True, "Patch was already applied")
        said = f"{first['stdout']}\n{first['stderr']}".strip()
        return failed(f"Patch would not apply cleanly, no changes made:\n\n{said}")
    if context.is_test:
        return Outcome(None, "The patch would be applied", first)
    done = attempt("-N")
    if done["retcode"]:
        return Outcome(False, "Failed to apply patch", done)
    return Outcome(True, "Patch successfully applied", done)


def _content(context: StateContext, options: PatchOptions) -> bytes:
    saltenv = options.saltenv or context.saltenv
    source = sources.choose(context, options.source or "", options.source_hash, saltenv)
    content = sources.fetch(
        context,
        source,
        saltenv,
        is_unchecked=options.skip_verify,
        name=options.source_hash_name or "",
    )
    if not options.template:
        return content
    variables = {**(options.defaults or {}), **(options.context or {})}
    rendered = sources.rendered(
        context,
        content.decode("utf-8", "surrogateescape"),
        options.template,
        variables,
        source=source.address,
    )
    return rendered.encode("utf-8", "surrogateescape")
