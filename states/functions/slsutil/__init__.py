"""`slsutil.*`: mappings merged and data written, as SLS files need it."""

import copy
import posixpath
import textwrap
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.slsutil.serializers import DESERIALIZERS, SERIALIZERS

_THERE: Final = f"there are {', '.join(sorted(SERIALIZERS))}"
_TITLE: Final = "THIS FILE IS MANAGED BY SALT - DO NOT EDIT"
_TEXT: Final = (
    "The contents of this file are managed by Salt. Any changes to this file may be overwritten "
    "automatically and without warning."
)
"""Salt's words: they stand in files of the machines, which must not change by a change of tool."""


def merge(
    context: FunctionContext,
    obj_a: Loose,
    obj_b: Loose,
    strategy: str = "smart",
    renderer: str = "yaml",
    merge_lists: bool = False,
) -> Loose:
    """Merge a mapping over another one; strategies are those of pillar.

    CLI Example: limpet run '*' slsutil.merge '{foo: Foo}' '{bar: Bar}'
    """
    from limpet.states.pillar.merging import merge as merged

    return merged(obj_a, obj_b, strategy, is_joining_lists=merge_lists)


def merge_all(
    context: FunctionContext,
    lst: list[Any],
    strategy: str = "smart",
    renderer: str = "yaml",
    merge_lists: bool = False,
) -> Loose:
    """Merge a list of mappings, the later ones winning.

    CLI Example: limpet run '*' slsutil.merge_all '[{foo: Foo}, {foo: Bar}]'
    """
    found: Any = {}
    for each in lst:
        found = merge(context, found, each, strategy, renderer, merge_lists)
    return found


def update(
    context: FunctionContext,
    dest: dict[str, Any],
    upd: dict[str, Any],
    recursive_update: bool = True,
    merge_lists: bool = False,
) -> dict[str, Any]:
    """Merge a mapping over another one, mappings in it recursively.

    CLI Example: limpet run '*' slsutil.update '{foo: Foo}' '{bar: Bar}'
    """
    from limpet.states.pillar.merging import update as updated

    if not recursive_update:
        return {**dest, **upd}
    return dict(updated(copy.deepcopy(dest), upd, is_joining_lists=merge_lists))


def serialize(context: FunctionContext, serializer: str, obj: Loose, **mod_kwargs: Loose) -> Loose:
    """Write data as text: json, yaml, configparser, python; or as bytes: msgpack.

    CLI Example: limpet run '*' slsutil.serialize json obj='{foo: Foo!}'
    """
    writing = SERIALIZERS.get(serializer)
    if writing is None:
        raise UsageError(f"Serializer '{serializer}' not found; {_THERE}")
    try:
        return writing(obj, mod_kwargs)
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"slsutil.serialize {serializer}: {error}") from error


def deserialize(
    context: FunctionContext, serializer: str, stream_or_string: Loose, **mod_kwargs: Loose
) -> Loose:
    """Read data from text: json, yaml, configparser; or from bytes: msgpack.

    CLI Example: limpet run '*' slsutil.deserialize json '{"foo": "Foo!"}'
    """
    reading = DESERIALIZERS.get(serializer)
    if reading is None:
        raise UsageError(f"Serializer '{serializer}' not found; {_THERE}")
    return reading(stream_or_string)


def renderer(
    context: FunctionContext,
    path: str | None = None,
    string: str | None = None,
    default_renderer: str = "jinja|yaml",
    saltenv: str | None = None,
    **more: Loose,
) -> Loose:
    """Render a file or a text as an SLS is rendered, and give what comes of it.

    CLI Example: limpet run '*' slsutil.renderer salt://path/to/file
    """
    from limpet.states.runner.applying import Applying

    if (path is None) == (string is None):
        raise UsageError("Must pass either path or string")
    applying = Applying(context)
    if context.pillar or not context.is_published:  # a template's: its pillar is there already
        applying.keep_pillar(context.pillar)
    environment = saltenv or "base"
    text = string
    if path is not None:
        content = applying.state_context().tree.read(path, environment)
        if content is None:
            raise HostError(f"{path} was not found in the environment {environment!r}")
        text = content.decode("utf-8", "replace")
    renderers = applying.compilation.renderers
    pipe = more.pop("renderer", None) or default_renderer
    place = path or "<string>"
    return renderers.text(str(text), environment, "", place, pipe=str(pipe), variables=more).data


def boolstr(
    context: FunctionContext, value: Loose, true: Loose = "true", false: Loose = "false"
) -> Loose:
    """Give one of two values.

    CLI Example: limpet run '*' slsutil.boolstr true yes no
    """
    return true if value else false


def banner(
    context: FunctionContext,
    width: int = 72,
    commentchar: str = "#",
    borderchar: str = "#",
    blockstart: str | None = None,
    blockend: str | None = None,
    title: str | None = None,
    text: str | None = None,
    newline: bool = False,
) -> str:
    """Give a comment in a frame, which says that the file is managed.

    CLI Example: limpet run '*' slsutil.banner commentchar=//
    """
    inside = width - len(commentchar) * 2 - 2
    if inside < 1:
        raise UsageError("Width is too small to render banner")
    border = f"{commentchar}{borderchar * (width - len(commentchar) * 2)}{commentchar}"
    empty = f"{commentchar}{' ' * (inside + 2)}{commentchar}"
    lines = [blockstart] if blockstart else []
    lines += [border, empty]
    for line in textwrap.wrap(title or _TITLE, inside):
        lines.append(f"{commentchar} {line.center(inside)} {commentchar}")
    lines.append(empty)
    for line in textwrap.wrap(text or _TEXT, inside):
        lines.append(f"{commentchar} {line:<{inside}} {commentchar}")
    lines.append(border)
    lines += [blockend] if blockend else []
    return "\n".join(lines) + ("\n" if newline else "")


def findup(
    context: FunctionContext, startpath: str, filenames: Loose, saltenv: str = "base"
) -> str:
    """Give the first of these files in a directory of the tree or in one above it.

    CLI Example: limpet run '*' slsutil.findup formulas/shared/nfs map.jinja
    """
    names = [filenames] if isinstance(filenames, str) else filenames
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise UsageError("Filenames argument must be a string or list of strings")
    folder = startpath.strip("/")
    if folder and not path_exists(context, folder, saltenv):
        raise UsageError(f"Starting path not found in the state tree: {startpath}")
    files = set(context.call("cp.list_master", saltenv=saltenv))
    while True:
        for name in names:
            path = posixpath.join(folder, name)
            if path in files:
                return path
        if not folder:
            raise HostError(f"none of {', '.join(names)} in {startpath or 'the tree'} or above it")
        folder = posixpath.dirname(folder)


def file_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a file.

    CLI Example: limpet run '*' slsutil.file_exists nginx/defaults.yaml
    """
    return path.strip("/") in context.call("cp.list_master", saltenv=saltenv)


def dir_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a directory.

    CLI Example: limpet run '*' slsutil.dir_exists nginx/files
    """
    inside = path.strip("/") + "/"
    return any(each.startswith(inside) for each in context.call("cp.list_master", saltenv=saltenv))


def path_exists(context: FunctionContext, path: str, saltenv: str = "base") -> bool:
    """Say whether the tree of states has a file or a directory.

    CLI Example: limpet run '*' slsutil.path_exists nginx/files
    """
    return file_exists(context, path, saltenv) or dir_exists(context, path, saltenv)
