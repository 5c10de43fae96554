"""`file.managed`: a file with this content, owner and mode."""

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.data.traversal import traverse
from limpet.states.library.context import StateContext
from limpet.states.library.file import sources, text
from limpet.states.library.file.content import (
    Content,
    Sourced,
    Text,
    difference,
    new_difference,
    whole,
)
from limpet.states.library.file.managed_options import ManagedOptions
from limpet.states.library.file.marks import marked
from limpet.states.library.file.owners import (
    Ownership,
    differences,
    directory_mode,
    enforce,
    make_parents,
    normal_mode,
    shown_mode,
    unknown_owner,
)
from limpet.states.library.file.writing import (
    BACKUP_ON_MINION,
    backup_mode,
    check_command,
    is_link,
    is_there,
    keep_backup,
    kind_of,
)
from limpet.states.outcome import Outcome, failed

_NOTHING = object()
_NOT_SHOWN = "<show_changes=False>"


@dataclass(slots=True)
class _Work:
    """What is known of the file while it is looked at."""

    name: str
    wanted: Ownership
    content: Content | None
    """None: content is none of this state's business, it only makes an empty file."""
    source: str = ""
    """The address that the content is from; empty: it stands in the SLS or pillar."""
    changes: dict[str, Any] = field(default_factory=dict)


def managed(context: StateContext, options: ManagedOptions) -> Outcome:
    """See to it that a file is there with this content, owner and mode."""
    if problem := _problem(context, options):
        return failed(problem)
    name = options.name
    if not options.create and kind_of(context, name) != "file":
        return Outcome(True, f"File {name} is not present and is not set for creation")
    work = None
    try:
        work = _work(context, options)
        if kind_of(context, name) == "directory":
            return failed(f"Specified target {name} is a directory")
        if not _is_replacing(options) and is_there(context, name):
            return _only_permissions(context, work, options)
        if context.is_test:
            return _announced(context, work, options)
        return marked(context, _done(context, work, options), name, options.attrs, options.selinux)
    except HostError as error:
        return failed(str(error))
    finally:
        if work is not None and not options.keep_source and work.source:
            context.tree.forget(work.source, context.saltenv)


def _problem(context: StateContext, options: ManagedOptions) -> str:
    """Say what is wrong with the arguments themselves; empty: nothing."""
    own = [options.contents, options.contents_pillar, options.contents_grains]
    count = sum(each is not None for each in own)
    if not options.name:
        return "Destination file name is required"
    if options.source and count:
        return (
            "'source' cannot be used in combination with 'contents', 'contents_pillar', or "
            "'contents_grains'"
        )
    if count > 1:
        return "Only one of 'contents', 'contents_pillar', and 'contents_grains' is permitted"
    if isinstance(options.source, list) and not options.source:
        return "Unable to manage file: none of the specified sources were found"
    if isinstance(options.contents, list) and not options.contents:
        return (
            "Contents specified by contents/contents_pillar/contents_grains is not a string or "
            "list of strings, and is not binary data. SLS is likely malformed."
        )
    if options.mode == "keep" and not options.source:
        return "Cannot use 'mode: keep' without a source"
    if not options.name.startswith("/"):
        return f"Specified file {options.name} is not an absolute path"
    if options.signature or options.source_hash_sig:
        return (
            "'signature' and 'source_hash_sig' are not supported: nothing here verifies a "
            "signature. Give 'source_hash' instead"
        )
    for argument, value in (("Context", options.context), ("Defaults", options.defaults)):
        if value and not isinstance(value, dict):
            return f"{argument} must be formed as a dict"
    return unknown_owner(context, options.user, options.group)


def _is_replacing(options: ManagedOptions) -> bool:
    """Say whether there is anything to replace the content with, and whether that is wanted."""
    has_content = options.source or any(
        each is not None
        for each in (options.contents, options.contents_pillar, options.contents_grains)
    )
    return bool(has_content) and options.replace


def _work(context: StateContext, options: ManagedOptions) -> _Work:
    """Get the content ready. Raises `HostError`."""
    mode = options.mode
    name = options.name
    if not options.source or (not _is_replacing(options) and is_there(context, name)):
        wanted = Ownership(
            options.user, options.group, normal_mode(None if mode == "keep" else mode)
        )
        return _Work(name, wanted, _own_contents(context, options))
    source = sources.choose(context, options.source, options.source_hash, context.saltenv)
    wishes = sources.Wishes(
        name,
        options.source_hash_name,
        is_unchecked=options.skip_verify,
        is_by_etag=options.use_etag,
        is_verifying_tls=options.verify_ssl,
    )
    found = sources.sourced(context, source, context.saltenv, wishes)
    content: Content = found
    if mode == "keep":
        bits = context.tree.mode(source.address, context.saltenv)
        mode = None if bits is None else shown_mode(bits)
    if options.template:
        content = Text(_from_template(context, options, found))
    elif (source.is_remote or found.is_asked_for) and not found.is_in(context, name):
        found.bring(context)  # here, so that a test run notices as well that it isn't right
    wanted = Ownership(options.user, options.group, normal_mode(mode))
    return _Work(name, wanted, content, source.address)


def _from_template(context: StateContext, options: ManagedOptions, content: Sourced) -> bytes:
    address = content.address
    try:
        source_text = whole(content, context, address).decode("utf-8")
    except UnicodeDecodeError as error:
        raise HostError(f"the template {address} is no text in UTF-8: {error}") from error
    rendered = sources.rendered(
        context, source_text, str(options.template), _variables(context, options), source=address
    )
    return _encoded(options, rendered)


def _variables(context: StateContext, options: ManagedOptions) -> dict[str, Any]:
    found = sources.variables_of(
        options.name,
        options.source,
        options.user,
        options.group,
        options.mode,
        context.saltenv,
        options.defaults,
        options.context,
    )
    if options.name in context.accumulators:
        found["accumulator"] = context.accumulators[options.name]
    return found


def _own_contents(context: StateContext, options: ManagedOptions) -> Text | None:
    """Give what stands in the SLS, in pillar or in grains. Raises `HostError`."""
    if options.contents_pillar is not None:
        found = _looked_up(context.pillar, options.contents_pillar, "Pillar", options)
        what = f"contents_pillar {options.contents_pillar}"
    elif options.contents_grains is not None:
        found = _looked_up(context.grains, options.contents_grains, "Grain", options)
        what = f"contents_grains {options.contents_grains}"
    else:
        found, what = options.contents, "'contents'"
    if found is None and options.contents_pillar is None and options.contents_grains is None:
        return None
    if isinstance(found, bytes) and b"\0" in found:
        return Text(found)
    if not options.allow_empty and not found:
        raise HostError(
            f"{what} value would result in empty contents. Set allow_empty to True to allow the "
            "managed file to be empty."
        )
    content = text.joined(found, has_newline=options.contents_newline)
    if options.template:
        content = sources.rendered(
            context, content, options.template, _variables(context, options), source=options.name
        )
    return Text(_encoded(options, content))


def _looked_up(data: Any, keys: Loose, what: str, options: ManagedOptions) -> Loose:  # noqa: ANN401
    found = []
    for key in keys if isinstance(keys, list) else [keys]:
        value = traverse(data, key, _NOTHING, options.contents_delimiter)
        if value is _NOTHING:
            raise HostError(f"{what} {key} does not exist")
        found.append(value)
    if not isinstance(keys, list):
        return found[0]
    return "\n".join("\n".join(text.as_lines(each)) for each in found)


def _encoded(options: ManagedOptions, content: str) -> bytes:
    if not options.encoding:
        return text.as_bytes(content)
    try:
        return content.encode(options.encoding, options.encoding_errors)
    except (LookupError, UnicodeError) as error:
        raise HostError(
            f"the contents can't be written with encoding {options.encoding!r}: {error}"
        ) from error


def _shows(options: ManagedOptions) -> bool:
    return options.show_changes if options.show_diff is None else options.show_diff


def _only_permissions(context: StateContext, work: _Work, options: ManagedOptions) -> Outcome:
    """Leave the content of a file that is there alone."""
    is_following = options.follow_symlinks
    changes = enforce(context, work.name, work.wanted, is_following=is_following)
    if context.is_test:
        if "mode" in changes:
            comment = f"File {work.name} will be updated with permissions {changes['mode']}"
        else:
            comment = f"File {work.name} not updated"
        return Outcome(None if changes else True, comment, changes)
    if changes:
        return Outcome(True, f"File {work.name} updated", changes)
    return Outcome(True, f"File {work.name} exists with proper permissions. No changes made.")


def _content_change(context: StateContext, work: _Work, options: ManagedOptions) -> str:
    """Show how the file's content differs from the wanted one; empty: it doesn't."""
    if work.content is None:
        return ""
    if is_link(context, work.name) and not options.follow_symlinks:
        return "Replace symbolic link with regular file"
    if work.content.is_in(context, work.name):
        return ""
    return difference(context, work.name, work.content) if _shows(options) else _NOT_SHOWN


def _announced(context: StateContext, work: _Work, options: ManagedOptions) -> Outcome:
    """Say in test mode what would change."""
    name = work.name
    if kind_of(context, name) == "":
        changes: dict[str, Any] = {"newfile": name}
    else:
        changes = {}
        if shown := _content_change(context, work, options):
            changes["diff"] = shown
        changes |= differences(context, name, work.wanted, is_following=options.follow_symlinks)
    if not changes:
        return Outcome(True, f"The file {name} is in the correct state")
    comment = (
        f"The file {name} is set to be changed\nNote: No changes made, actual changes may\n"
        "be different due to other states."
    )
    return Outcome(None, comment, changes)


def _done(context: StateContext, work: _Work, options: ManagedOptions) -> Outcome:
    if options.check_cmd and work.content is not None:
        would = kind_of(context, work.name) == "" or _content_change(context, work, options)
        command = options.check_cmd
        command = " ".join(command) if isinstance(command, list) else str(command)
        content, suffix = whole(work.content, context, work.name), _suffix(options.tmp_ext)
        if would and (problem := check_command(context, command, content, options.tmp_dir, suffix)):
            return Outcome(False, problem, is_skipping_watch=True)
    if kind_of(context, work.name) == "" or _is_loose_link(context, work, options):
        return _made(context, work, options)
    return _updated(context, work, options)


def _is_loose_link(context: StateContext, work: _Work, options: ManagedOptions) -> bool:
    """Say whether a symbolic link is to give way to the file."""
    return not options.follow_symlinks and is_link(context, work.name)


def _suffix(extension: str) -> str:
    return extension if re.fullmatch(r"[.\w-]{0,32}", extension) else ""


def _updated(context: StateContext, work: _Work, options: ManagedOptions) -> Outcome:
    """Bring a file that is there into its state."""
    name = work.name
    changes: dict[str, Any] = {}
    shown = _content_change(context, work, options)
    permissions = differences(context, name, work.wanted, is_following=True)
    if shown:
        changes["diff"] = shown
        assert work.content is not None
        if backup_mode(context, options.backup) in BACKUP_ON_MINION:
            keep_backup(context, name)
        work.content.place(context, name, work.wanted)
    elif permissions:
        enforce(context, name, work.wanted, is_following=True)
    changes |= permissions
    if not changes:
        return Outcome(True, f"File {name} is in the correct state")
    return Outcome(True, f"File {name} updated", changes)


def _made(context: StateContext, work: _Work, options: ManagedOptions) -> Outcome:
    """Make the file."""
    name = work.name
    folder = name.rpartition("/")[0] or "/"
    if kind_of(context, folder) != "directory":
        if not options.makedirs:
            return failed("Parent directory not present")
        mode = normal_mode(options.dir_mode) or directory_mode(work.wanted.mode)
        make_parents(context, name, dataclasses.replace(work.wanted, mode=mode))
    if is_link(context, name):
        context.file_system.remove(name)
    (work.content or Text(b"")).place(context, name, work.wanted)
    facts = context.file_system.facts(name)
    assert facts is not None, "it has just been written"
    if work.content is None:
        changes: dict[str, Any] = {"new": f"file {name} created"}
    elif options.new_file_diff and _shows(options):
        changes = {"diff": new_difference(context, work.content)}
    else:
        changes = {"diff": "New file"}
    # Salt makes a file with mode 0600 where it comes from a source or has a mode, and tells of the
    # mode where it then had to change that.
    is_made_private = bool(work.source) or work.wanted.mode is not None
    if is_made_private and facts.mode != 0o600:
        changes["mode"] = shown_mode(facts.mode)
    changes |= _owner_of_new(context, work)
    comment = "Empty file" if work.content is None else f"File {name} updated"
    return Outcome(True, comment, changes)


def _owner_of_new(context: StateContext, work: _Work) -> dict[str, Any]:
    """Give the owner of a new file where it isn't the one that a new file has by itself."""
    own_uid, own_gid = context.host.accounts.own()
    uid, gid = work.wanted.ids(context)
    found: dict[str, Any] = {}
    if uid not in (-1, own_uid):
        found["user"] = work.wanted.user
    if gid not in (-1, own_gid):
        found["group"] = work.wanted.group
    return found
