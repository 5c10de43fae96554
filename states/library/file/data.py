"""`file.serialize` and `file.decode`: files that are made of data."""

import base64
import binascii
import copy
import dataclasses
import json
import pprint
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.data.merging import merge
from limpet.states.data.traversal import traverse
from limpet.states.library.context import StateContext
from limpet.states.library.file import text
from limpet.states.library.file.managed import managed
from limpet.states.library.file.managed_options import ManagedOptions
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed
from limpet.states.sls import yaml_text

_NOTHING = object()
_NULL = "<_null_>"
"""How Salt shows that a key is not there."""


@dataclass(frozen=True, slots=True)
class SerializeOptions:
    """Arguments of `file.serialize`."""

    name: str
    dataset: Loose = None
    dataset_pillar: Loose = None
    user: Loose = None
    group: Loose = None
    mode: Loose = None
    backup: Loose = ""
    makedirs: bool = False
    dir_mode: Loose = None
    show_changes: bool = True
    create: bool = True
    merge_if_exists: bool = False
    encoding: str | None = None
    encoding_errors: str = "strict"
    serializer: str | None = None
    formatter: str | None = None
    """As `serializer`."""
    serializer_opts: Loose = None
    deserializer_opts: Loose = None
    check_cmd: Loose = None
    tmp_dir: str = ""
    tmp_ext: str = ""


def serialize(context: StateContext, options: SerializeOptions) -> Outcome:
    """See to it that a file has this data in it, in the format that `serializer` names."""
    name = options.name
    if not name:
        return failed("Must provide name to file.serialize")
    if options.serializer and options.formatter:
        return failed("Only one of serializer and formatter are allowed")
    if options.dataset is not None and options.dataset_pillar is not None:
        return failed("Only one of 'dataset' and 'dataset_pillar' is permitted")
    format_ = str(options.serializer or options.formatter or "yaml").lower().rsplit(".", 1)[-1]
    try:
        data = _data(context, options)
        if kind_of(context, name) != "file" and not options.create:
            return Outcome(True, f"File {name} is not present and is not set for creation")
        changed, is_all_there = None, False
        if options.merge_if_exists and kind_of(context, name) == "file":
            present = _parsed(text.read_text(context, name), format_, name)
            if isinstance(present, dict) and isinstance(data, dict):
                data = merge(copy.deepcopy(present), data)
                changed = _differences(present, data)
                is_all_there = present == data
        content = _dumped(data, format_, _as_mapping(options.serializer_opts))
    except HostError as error:
        return failed(str(error))
    shared = {
        key: getattr(options, key)
        for key in (
            "name", "user", "group", "mode", "backup", "makedirs", "dir_mode", "show_changes",
            "encoding", "encoding_errors", "check_cmd", "tmp_dir", "tmp_ext",
        )
    }  # fmt: skip
    # Data that is all there may stay as it is written.
    wanted = ManagedOptions(contents=None if is_all_there else content, **shared)
    outcome = managed(context, wanted)
    if changed and "diff" in outcome.changes and options.show_changes:
        outcome = dataclasses.replace(outcome, changes={**outcome.changes, "diff": changed})
    return outcome


def _differences(old: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, Any]:
    """Give what differs by keys, each with `old` and `new`, in Salt's shape."""
    found: dict[Any, Any] = {}
    for key in [*old, *(each for each in new if each not in old)]:
        before, after = old.get(key, _NULL), new.get(key, _NULL)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            found[key] = _differences(before, after)
        else:
            found[key] = {"old": before, "new": after}
    return found


def _data(context: StateContext, options: SerializeOptions) -> Any:  # noqa: ANN401
    if options.dataset_pillar is None:
        if options.dataset is None:
            raise HostError("Neither 'dataset' nor 'dataset_pillar' was defined")
        return options.dataset
    # As in Salt, a key that is not there stands for an empty text.
    return traverse(context.pillar, options.dataset_pillar, "")


def _as_mapping(value: Loose) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for each in value if isinstance(value, list) else []:
        found.update(each)
    return found


def _dumped(data: Any, format_: str, options: dict[str, Any]) -> str:  # noqa: ANN401
    try:
        if format_ == "json":
            return json.dumps(data, **{"indent": 2, "sort_keys": True, **options})
        if format_ == "python":
            return pprint.pformat(data, **options)
        if format_ == "yaml":
            return yaml_text.dump_file(data, **options)
        if format_ in ("plist", "plistlib"):
            import plistlib

            return plistlib.dumps(data, **options).decode("utf-8")
        if format_ == "configparser":
            return _as_ini(data)
    except (TypeError, ValueError) as error:
        raise HostError(f"the data can't be written as {format_}: {error}") from error
    raise HostError(
        f"The {format_} serializer could not be found; there are json, yaml, python, plist, "
        "configparser"
    )


def _as_ini(data: dict[str, Any]) -> str:
    import configparser
    import io

    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_dict(data)
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue() + "\n"  # Salt's writer ends it so


def _parsed(content: str, format_: str, name: str) -> Any:  # noqa: ANN401
    import yaml

    try:
        if format_ == "json":
            return json.loads(content)
        if format_ == "yaml":
            return yaml.safe_load(content)
    except (ValueError, yaml.YAMLError) as error:
        raise HostError(f"{name} is there, but is no {format_}: {error}") from error
    raise HostError(f"merge_if_exists is not supported for the {format_} serializer.")


def decode(
    context: StateContext,
    name: str,
    encoded_data: Loose = None,
    contents_pillar: Loose = None,
    encoding_type: str = "base64",
    checksum: str = "md5",
    **_odd: Loose,
) -> Outcome:
    """See to it that a file has the decoded data in it."""
    import hashlib

    if (encoded_data is None) == (contents_pillar is None):
        return failed("Specify either the 'encoded_data' or 'contents_pillar' argument.")
    if encoding_type != "base64":
        return failed(f"Encoding type {encoding_type!r} is not supported; base64 is.")
    if contents_pillar is not None:
        encoded_data = traverse(context.pillar, contents_pillar, _NOTHING)
        if encoded_data is _NOTHING:
            return failed("Pillar data not found.")
    try:
        wanted = base64.b64decode("".join(str(encoded_data).split()), validate=True)
        before = context.file_system.read(name) if kind_of(context, name) else None
        new = hashlib.new(checksum, wanted, usedforsecurity=False).hexdigest()
        old = before and hashlib.new(checksum, before, usedforsecurity=False).hexdigest()
        if before == wanted:
            return Outcome(True, "File is in correct state.", name=name)
        changes = {"old": old, "new": new} if before is not None else {"new": new, "old": None}
        if context.is_test:
            return Outcome(None, "File is set to be updated.", changes)
        context.file_system.place(name, wanted, mode=None)
    except (binascii.Error, ValueError, HostError) as error:
        return failed(f"{name} can't be written: {error}")
    return Outcome(True, "File was updated.", changes)
